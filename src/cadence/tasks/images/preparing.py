"""What becomes of an image between its file and the model."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cadence._errors import TaskError
from cadence.tasks._checks import generator, whole
from cadence.tasks.images.pictures import Box, picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of ImageNet's training images per colour, on the scale [0, 1]; published weights expect images standardised so.

Source: S. Gross & M. Wilber 2016, fb.resnet.torch (datasets/imagenet.lua); torchvision and timm use the same."""

_GAP = 2.0
"""A JPEG is decoded smaller where it is still this much larger than what is wanted; Pillow's thumbnails do the same."""

_TRIES = 10


@dataclass(frozen=True)
class Preparation:
    """How images become arrays.

    Attributes:
        size: width and height of what the model is given, in pixels.
        area: smallest and largest share of an image's area that training crops to.
        ratio: smallest and largest width by height of such a crop.
        flip: probability that a training image is mirrored, left for right.
        crop: share of the shorter side that is judged on: 0.875 is the middle 224 of 256.
        pixels: ``"float32"``: standardised by `MEAN` and `DEVIATION`; ``"uint8"``: as they are, a quarter of the
            memory, for models that standardise themselves.

    Raises:
        TaskError: a number out of its range.
    """

    size: int = 224
    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    crop: float = 0.875
    pixels: Literal["float32", "uint8"] = "float32"

    def __post_init__(self) -> None:
        whole(self.size, "size", least=1)
        if self.size > 4096:
            raise TaskError(f"size is {self.size}; write at most 4096 pixels")
        _range(self.area, "area", most=1.0)
        _range(self.ratio, "ratio", most=math.inf)
        _share(self.flip, "flip", least_open=False)
        _share(self.crop, "crop", least_open=True)
        if self.pixels not in ("float32", "uint8"):
            raise TaskError(f"pixels is {self.pixels!r}; write float32, or uint8 for a model that standardises itself")

    @property
    def row_bytes(self) -> int:
        """Memory of one image."""
        return 3 * self.size * self.size * np.dtype(self.pixels).itemsize

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Preparation:
        """From plain data: lists are read as pairs."""
        pairs: dict[str, Any] = {key: tuple(value) for key, value in told.items() if isinstance(value, list)}
        return cls(**{**told, **pairs})

    def training(self, path: str, seed: int, epoch: int, image: int, out: NDArray[Any]) -> None:
        """Put an image into an array as training sees it: a random part of it, perhaps mirrored.

        Args:
            path: of the file.
            seed, epoch, image: what is random depends on these three alone.
            out: shape (3, size, size), of the type that `pixels` says.

        Raises:
            TaskError: see `cadence.tasks.images.pictures.picture`.
        """
        rng = generator(seed, epoch, image + 1)
        mirrored = rng.random() < self.flip
        part = picture(path, lambda w, h: random_part(w, h, self.area, self.ratio, rng), self.size, gap=_GAP)
        self._put(np.asarray(part)[:, :: -1 if mirrored else 1], out)

    def judging(self, path: str, out: NDArray[Any]) -> None:
        """Put an image into an array as evaluations see it: its middle.

        Args:
            path: of the file.
            out: shape (3, size, size), of the type that `pixels` says.

        Raises:
            TaskError: see `cadence.tasks.images.pictures.picture`.
        """
        self._put(np.asarray(picture(path, lambda w, h: middle(w, h, self.crop), self.size)), out)

    def _put(self, pixels: NDArray[np.uint8], out: NDArray[Any]) -> None:
        colours_first = pixels.transpose(2, 0, 1)
        if self.pixels == "uint8":
            out[...] = colours_first
        else:
            np.multiply(colours_first, _SCALE, out=out)
            out -= _SHIFT


_SCALE = (1 / (255 * np.array(DEVIATION))).astype(np.float32)[:, None, None]
_SHIFT = (np.array(MEAN) / np.array(DEVIATION)).astype(np.float32)[:, None, None]


def middle(width: int, height: int, share: float) -> Box:
    """The square in the middle of an image.

    Args:
        width, height: of the image.
        share: of the shorter side.

    Example:
        >>> middle(400, 256, 0.875)
        (88.0, 16.0, 312.0, 240.0)
    """
    side = share * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def random_part(
    width: int, height: int, area: tuple[float, float], ratio: tuple[float, float], rng: np.random.Generator
) -> Box:
    """A part of an image of random area, form and place.

    The area is drawn evenly, the ratio of the sides evenly by its logarithm; ten times, until it fits into the image,
    else the largest middle part is taken whose ratio is allowed.

    Args:
        width, height: of the image.
        area: smallest and largest share of the image's area.
        ratio: smallest and largest width by height.
        rng: random numbers.

    Source: Szegedy et al. 2015, arXiv:1409.4842, section 6 (8 to 100 % of the area, 3/4 to 4/3); the logarithm, the ten
    tries and what follows them as torchvision and timm have it.
    """
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(_TRIES):
        wanted = width * height * rng.uniform(*area)
        form = math.exp(rng.uniform(low, high))
        w, h = round(math.sqrt(wanted * form)), round(math.sqrt(wanted / form))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    form = min(max(width / height, ratio[0]), ratio[1])
    w, h = min(width, height * form), min(height, width / form)
    left, top = (width - w) / 2, (height - h) / 2
    return left, top, left + w, top + h


def _range(pair: object, what: str, *, most: float) -> None:
    numbers: list[Any] = list(pair) if isinstance(pair, (tuple, list)) else []
    fits = len(numbers) == 2 and all(isinstance(x, (int, float)) for x in numbers)
    if not fits or not 0 < numbers[0] <= numbers[1] <= most or numbers[1] == math.inf:
        top = f" and at most {most:g}" if most < math.inf else ""
        raise TaskError(f"{what} is {pair!r}; write the smallest and the largest, above 0{top}, e.g. [0.75, 1]")


def _share(x: object, what: str, *, least_open: bool) -> None:
    if not isinstance(x, (int, float)) or not 0 <= x <= 1 or (least_open and not x):
        raise TaskError(f"{what} is {x!r}; write a number {'above' if least_open else 'from'} 0 to 1")
