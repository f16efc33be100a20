"""The tasks by name, and which of them the rules were chosen on."""

from __future__ import annotations

from benchmarks.advice import images, more_images, more_tables, more_texts, signals, tables, texts

CHOSEN_ON = {
    make.__name__: make
    for make in (
        images.digits_cnn, images.digits_mixer, images.digits_ae, images.photo_denoise,
        tables.cancer_mlp, tables.noisy_class, tables.iris_mlp, tables.diabetes_mlp, tables.cancer_reg,
        more_tables.wine_class, more_images.wrong_digits, more_images.from_low_to_high_digits,
        texts.from_code_to_prose, more_texts.from_prose_to_chinese, signals.landscape,
    )
}  # fmt: skip
"""Tasks that the rules were chosen on, or changed because of: what is measured on them flatters the rules."""

FRESH = {
    make.__name__: make
    for make in (
        images.few_digits_cnn, images.which_photo, images.photo_ae, tables.diabetes_class, tables.iris_width,
        texts.words_gru, texts.topics_gpt, more_images.digits_vit, more_images.deep_dense, more_images.digits_labels,
        more_images.scan_unet, more_images.portrait_fill, more_images.next_frame, signals.brain_waves,
        more_tables.cancer_worst, more_tables.characters, more_texts.chinese_gpt, more_texts.lines_lstm,
    )
}  # fmt: skip
"""No rule was chosen on these; of some of them, other tasks were made of the same data."""

TASKS = {**CHOSEN_ON, **FRESH}
"""Name -> task."""
