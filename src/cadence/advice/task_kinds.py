"""Kinds of tasks that rules tell apart."""

from __future__ import annotations

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
        >>> task_kind("clasification")
        Traceback (most recent call last):
        cadence._errors.AdviceError: there is no kind of task 'clasification'; did you mean 'classification'?
    """
    if not isinstance(name, str) or not name.strip():
        raise AdviceError(f"task is {name!r:.60}; write what kind it is: {', '.join(TASKS)}")
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    plain = _ALSO.get(plain, plain)
    if plain not in TASKS:
        raise AdviceError(f"there is no kind of task {name!r:.60}; {neighbours(plain, TASKS)}")
    return plain
