"""Facts about models that are known by name, for advice without the library that has them.

Counted from the models themselves; where the library is installed, its own model is counted instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cadence.advice.counts import Counts

Sort: TypeAlias = Literal["image", "text", "audio", "both", ""]
"""What a model reads."""


@dataclass(frozen=True)
class KnownModel:
    """One model.

    Attributes:
        counts: what it is made of.
        reads: ``"image"``, ``"text"`` or ``"audio"``.
        pretrained: whether people mostly go on from published weights.
        objective: what it is pre-trained with, as a task: ``"classification"``, ``"lm"``, ``"masked_lm"``,
            ``"translation"``; of models of speech and of detectors what they are made for, ``"speech"``,
            ``"detection"``.
    """

    counts: Counts
    reads: Sort
    pretrained: bool
    objective: str


# matrices, convolutions, embeddings, norms, biases, tensors, depth, normalisation, attention, tied
_Row: TypeAlias = tuple[int, int, int, int, int, int, int, tuple[str, ...], bool, int]
_BATCH, _LAYER, _RMS, _GROUP = ("BatchNorm2d",), ("LayerNorm",), ("RMSNorm",), ("GroupNorm", "LayerNorm")
_FROZEN = ("FrozenBatchNorm2d",)

_IMAGE: dict[str, _Row] = {
    "resnet18": (512_000, 11_166_912, 0, 9_600, 1_000, 62, 10, _BATCH, False, 0),
    "resnet34": (512_000, 21_267_648, 0, 17_024, 1_000, 110, 18, _BATCH, False, 0),
    "resnet50": (2_048_000, 23_454_912, 0, 53_120, 1_000, 161, 18, _BATCH, False, 0),
    "resnet101": (2_048_000, 42_394_816, 0, 105_344, 1_000, 314, 35, _BATCH, False, 0),
    "resnet152": (2_048_000, 57_992_384, 0, 151_424, 1_000, 467, 52, _BATCH, False, 0),
    "mobilenet_v2": (1_280_000, 2_189_760, 0, 34_112, 1_000, 158, 18, _BATCH, False, 0),
    "efficientnet_b0": (1_280_000, 3_956_192, 0, 42_016, 10_340, 213, 18, _BATCH, False, 0),
    "convnext_tiny": (26_646_528, 1_877_472, 0, 16_320, 48_808, 182, 20, _LAYER, False, 0),
    "convnext_base": (84_779_008, 3_643_008, 0, 40_192, 129_256, 344, 38, _LAYER, False, 0),
    "vit_t_16": (5_500_416, 147_456, 38_016, 9_600, 21_928, 200, 14, _LAYER, True, 0),
    "vit_s_16": (21_617_664, 294_912, 76_032, 19_200, 42_856, 200, 14, _LAYER, True, 0),
    "vit_b_16": (85_702_656, 589_824, 152_064, 38_400, 84_712, 200, 14, _LAYER, True, 0),
    "vit_b_32": (85_702_656, 2_359_296, 39_168, 38_400, 84_712, 200, 14, _LAYER, True, 0),
    "vit_l_16": (303_013_888, 786_432, 202_752, 100_352, 223_208, 392, 26, _LAYER, True, 0),
    "swin_t": (28_194_816, 4_608, 23_322, 24_768, 40_840, 221, 14, _LAYER, True, 0),
}
# With the 91 classes of COCO, and the frozen normalisation that comes with a backbone trained before.
_BOXES: dict[str, _Row] = {
    "fasterrcnn_resnet50_fpn": (14_359_552, 27_390_912, 0, 0, 4_822, 83, 22, _FROZEN, False, 0),
    "retinanet_resnet50_fpn": (0, 34_010_048, 0, 0, 4_951, 89, 24, _FROZEN, False, 0),
}
_MASKED: dict[str, _Row] = {
    "bert-base": (85_524_480, 0, 23_835_648, 39_936, 114_234, 202, 14, _LAYER, True, 2),
    "bert-large": (303_038_464, 0, 31_780_864, 102_400, 252_730, 394, 26, _LAYER, True, 2),
    "bert-base-chinese": (85_524_480, 0, 16_621_056, 39_936, 104_840, 202, 14, _LAYER, True, 2),
    "roberta-base": (85_524_480, 0, 38_999_040, 39_936, 133_977, 202, 14, _LAYER, True, 2),
    "roberta-large": (303_038_464, 0, 51_998_720, 102_400, 272_473, 394, 26, _LAYER, True, 2),
    "distilbert-base": (43_057_152, 0, 23_834_112, 21_504, 72_762, 105, 8, _LAYER, True, 1),
}
_CAUSAL: dict[str, _Row] = {
    "gpt2": (84_934_656, 0, 39_383_808, 38_400, 82_944, 148, 14, _LAYER, True, 1),
    "gpt2-medium": (301_989_888, 0, 52_511_744, 100_352, 221_184, 292, 26, _LAYER, True, 1),
    "gpt2-large": (707_788_800, 0, 65_639_680, 186_880, 414_720, 436, 38, _LAYER, True, 1),
    "gpt2-xl": (1_474_560_000, 0, 82_049_600, 310_400, 691_200, 580, 50, _LAYER, True, 1),
    "llama-7b": (6_607_077_376, 0, 131_072_000, 266_240, 0, 291, 34, _RMS, True, 0),
    "llama-3-8b": (7_504_658_432, 0, 525_336_576, 266_240, 0, 291, 34, _RMS, True, 0),
}
_PAIRED: dict[str, _Row] = {
    "t5-small": (44_040_192, 0, 16_450_048, 16_384, 0, 131, 14, _RMS, True, 1),
    "t5-base": (198_180_864, 0, 24_675_072, 47_616, 0, 257, 26, _RMS, True, 1),
    "bart-base": (99_090_432, 0, 40_179_456, 49_152, 101_376, 259, 14, _LAYER, True, 1),
}
_SPOKEN: dict[str, _Row] = {
    "wav2vec2-base": (85_352_448, 8_918_144, 768, 40_448, 84_512, 213, 21, _GROUP, True, 0),
    "wav2vec2-large": (302_546_944, 12_588_160, 1_024, 102_400, 223_264, 405, 33, _GROUP, True, 0),
    "whisper-small": (198_180_864, 1_953_792, 40_176_384, 95_232, 176_640, 478, 26, _LAYER, True, 1),
}


def _models(rows: dict[str, _Row], reads: Sort, objective: str, *, pretrained: bool) -> dict[str, KnownModel]:
    made: dict[str, KnownModel] = {}
    for name, (
        matrices,
        convolutions,
        embeddings,
        norms,
        biases,
        tensors,
        depth,
        kinds,
        attention,
        tied,
    ) in rows.items():
        counts = Counts(
            name, "", matrices, convolutions, embeddings, norms, biases, tensors=tensors, depth=depth,
            normalisations=kinds, attention=attention, tied=tied,
        )  # fmt: skip
        made[name] = KnownModel(counts, reads, pretrained, objective)
    return made


KNOWN: dict[str, KnownModel] = {
    **_models(_IMAGE, "image", "classification", pretrained=False),
    **_models(_BOXES, "image", "detection", pretrained=False),
    **_models(_MASKED, "text", "masked_lm", pretrained=True),
    **_models(_CAUSAL, "text", "lm", pretrained=False),
    **_models(_PAIRED, "text", "translation", pretrained=True),
    **_models(_SPOKEN, "audio", "speech", pretrained=True),
}
"""Name -> model. Image models with heads of 1,000 classes, others with the vocabulary they were published with (those
that mark sound with 32 letters)."""

_ENDINGS = re.compile(r"(-uncased|-cased|_weights|_224|_in1k|-v1|-960h)+$")


def known_model(name: str) -> KnownModel | None:
    """The facts of a model by its name or import path; None where it is not known.

    Args:
        name: ``"resnet50"``, ``"bert-base-uncased"``, ``"torchvision.models:vit_b_16"``.

    Example:
        >>> found = known_model("torchvision.models:resnet50")
        >>> found.counts.trained, found.counts.norms
        (25557032, 53120)
    """
    plain = _ENDINGS.sub("", name.rpartition(":")[2].rpartition("/")[2].lower())
    for spelling in (plain, plain.replace("_", "-"), plain.replace("-", "_")):
        if spelling in KNOWN:
            return KNOWN[spelling]
    return None
