"""Facts about data sets that are known by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownData:
    """One data set.

    Attributes:
        name: of it.
        examples: rows to train on.
        task: what it is mostly used for.
        reads: ``"image"``, ``"text"`` or ``"table"``.
        tokens: in all training rows together, where they are counted; None elsewhere.
        epochs: a length that is usual for training from scratch; None where there is none.
    """

    name: str
    examples: int
    task: str
    reads: str
    tokens: int | None = None
    epochs: int | None = None


_ALL = (
    KnownData("imagenet", 1_281_167, "classification", "image", epochs=90),
    KnownData("imagenet21k", 14_197_122, "classification", "image", epochs=90),
    KnownData("cifar10", 50_000, "classification", "image", epochs=200),
    KnownData("cifar100", 50_000, "classification", "image", epochs=200),
    KnownData("mnist", 60_000, "classification", "image", epochs=20),
    KnownData("fashion_mnist", 60_000, "classification", "image", epochs=20),
    KnownData("svhn", 73_257, "classification", "image", epochs=100),
    KnownData("food101", 75_750, "classification", "image", epochs=90),
    KnownData("coco", 118_287, "detection", "image", epochs=12),
    KnownData("voc", 16_551, "detection", "image", epochs=12),
    KnownData("cityscapes", 2_975, "segmentation", "image", epochs=200),
    KnownData("ade20k", 20_210, "segmentation", "image", epochs=130),
    KnownData("sst2", 67_349, "classification", "text", epochs=3),
    KnownData("mnli", 392_702, "classification", "text", epochs=3),
    KnownData("cola", 8_551, "classification", "text", epochs=3),
    KnownData("rte", 2_490, "classification", "text", epochs=10),
    KnownData("imdb", 25_000, "classification", "text", epochs=3),
    KnownData("ag_news", 120_000, "classification", "text", epochs=3),
    KnownData("squad", 87_599, "classification", "text", epochs=2),
    KnownData("wikitext103", 28_475, "lm", "text", tokens=103_227_021),
    KnownData("openwebtext", 8_013_769, "lm", "text", tokens=9_035_582_198),
)
KNOWN: dict[str, KnownData] = {one.name: one for one in _ALL}
"""Name -> data set."""

_SPELLINGS = {"imagenet1k": "imagenet", "ilsvrc2012": "imagenet", "fashionmnist": "fashion_mnist", "sst-2": "sst2"}


def known_data(name: str) -> KnownData | None:
    """The facts of a data set by its name; None where it is not known.

    Example:
        >>> known_data("CIFAR-10").examples
        50000
    """
    plain = name.lower().strip()
    for spelling in (plain, plain.replace("-", ""), plain.replace("-", "_"), plain.replace("_", "")):
        spelling = _SPELLINGS.get(spelling, spelling)
        if spelling in KNOWN:
            return KNOWN[spelling]
    return None
