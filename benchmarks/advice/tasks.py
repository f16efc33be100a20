"""The tasks by name, and which of them the rules were chosen on."""

from __future__ import annotations

from benchmarks.advice import images, tables, texts

CHOSEN_ON = {
    make.__name__: make
    for make in (
        images.digits_cnn, images.digits_mixer, images.digits_ae, images.photo_denoise,
        tables.cancer_mlp, tables.noisy_class, tables.iris_mlp, tables.diabetes_mlp, tables.cancer_reg,
    )
}  # fmt: skip
"""Among the tasks that the rules were chosen on: what is measured on them flatters the rules."""

FRESH = {
    make.__name__: make
    for make in (
        images.few_digits_cnn, images.which_photo, images.photo_ae, tables.diabetes_class, tables.iris_width,
        texts.words_gru, texts.from_code_to_prose, texts.topics_gpt,
    )
}  # fmt: skip
"""No rule was chosen on these; of some of them, other tasks were made of the same data."""

TASKS = {**CHOSEN_ON, **FRESH}
"""Name -> task."""
