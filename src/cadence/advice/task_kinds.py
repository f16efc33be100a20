"""Kinds of tasks that rules tell apart."""

from __future__ import annotations

import re

from cadence._errors import AdviceError, neighbours
from cadence.findings.finding import Both

TASKS: dict[str, Both] = {
    "classification": Both("classification", "分类"),
    "regression": Both("regression", "回归"),
    "lm": Both("language modelling", "语言建模"),
    "masked_lm": Both("masked language modelling", "掩码语言建模"),
    "translation": Both("sequence to sequence", "序列到序列"),
    "denoising": Both("denoising", "去噪"),
    "segmentation": Both("segmentation", "分割"),
    "detection": Both("detection", "检测"),
    "contrastive": Both("contrastive learning", "对比学习"),
    "speech": Both("speech recognition", "语音识别"),
    "other": Both("something else", "其他"),
}
"""Name -> how texts call it."""

SEQUENCES = frozenset({"lm", "masked_lm", "translation"})
"""Tasks whose length can be counted in tokens."""

_ALSO = {
    "causal_lm": "lm", "language_modeling": "lm", "language_modelling": "lm", "language_model": "lm", "clm": "lm",
    "mlm": "masked_lm", "seq2seq": "translation", "summarization": "translation", "diffusion": "denoising",
    "autoencoder": "denoising", "image_classification": "classification", "text_classification": "classification",
    "asr": "speech", "speech_recognition": "speech", "ctc": "speech",
    "object_detection": "detection", "semantic_segmentation": "segmentation", "self_supervised": "contrastive",
    "classify": "classification", "classifier": "classification", "binary_classification": "classification",
    "multiclass": "classification", "multi_class": "classification", "multiclass_classification": "classification",
    "multilabel": "classification", "multi_label": "classification", "multilabel_classification": "classification",
    "multi_label_classification": "classification", "token_classification": "classification",
    "tagging": "classification", "sentiment": "classification", "sentiment_analysis": "classification",
    "tabular_classification": "classification", "audio_classification": "classification",
    "regress": "regression", "forecasting": "regression", "time_series": "regression", "forecast": "regression",
    "tabular_regression": "regression", "image_regression": "regression",
    "text_generation": "lm", "next_token": "lm", "next_token_prediction": "lm", "gpt": "lm", "causal": "lm",
    "llm": "lm", "language": "lm", "causal_language_modeling": "lm", "autoregressive": "lm",
    "masked_language_modeling": "masked_lm", "masked_language_modelling": "masked_lm", "fill_mask": "masked_lm",
    "bert": "masked_lm", "machine_translation": "translation", "sequence_to_sequence": "translation",
    "text2text_generation": "translation", "seq_to_seq": "translation",
    "denoise": "denoising", "denoiser": "denoising", "denoising_autoencoder": "denoising",
    "image_denoising": "denoising", "reconstruction": "denoising",
    "autoencoding": "denoising", "auto_encoder": "denoising", "vae": "denoising",
    "inpainting": "denoising", "super_resolution": "denoising", "restoration": "denoising", "ddpm": "denoising",
    "segment": "segmentation", "image_segmentation": "segmentation", "instance_segmentation": "segmentation",
    "contrastive_learning": "contrastive", "metric_learning": "contrastive", "siamese": "contrastive",
    "self_supervised_learning": "contrastive",
}  # fmt: skip


def task_kind(name: str) -> str:
    """The kind of task that a name means.

    Args:
        name: one of `TASKS`, or what people call one.

    Raises:
        AdviceError: no such kind.

    Example:
        >>> task_kind("causal-LM")
        'lm'
        >>> task_kind("clasification")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        cadence._errors.AdviceError: there is no kind of task 'clasification'; did you mean 'classification'? ...
    """
    if not isinstance(name, str) or not name.strip():
        raise AdviceError(f"task is {name!r:.60}; write what kind it is: {', '.join(TASKS)}")
    plain = "_".join(re.split(r"[\s_/-]+", name.strip().lower()))
    plain = _ALSO.get(plain, plain)
    if plain not in TASKS:
        near = neighbours(plain, TASKS)
        near = f"{near} Kinds are:" if near.startswith("did") else "kinds are:"
        raise AdviceError(f"there is no kind of task {name!r:.60}; {near} {', '.join(TASKS)}")
    return plain
