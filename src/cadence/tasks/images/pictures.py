"""A part of an image file in red, green and blue, eight bits each, upright, scaled to a square."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cadence._errors import TaskError
from cadence._lazy import need

if TYPE_CHECKING:
    from PIL.Image import Image

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom of a part of a picture, in pixels."""

Choose: TypeAlias = Callable[[int, int], Box]

_ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""


def picture(path: str, choose: Choose, side: int, *, gap: float | None = None) -> Image:
    """Read a part of an image file, scaled to a square.

    Grey and palette images and CMYK are converted, of 16 bits the upper eight are kept, transparency is dropped, an
    EXIF rotation is carried out, and of an animation the first picture is taken.

    Args:
        path: of the file.
        choose: (width, height) of the upright image -> the part wanted: left, top, right, bottom; is called once.
        side: width and height of the result.
        gap: a JPEG of which the part is at least 2 * `gap` times as large as the result is decoded at a half, a
            quarter or an eighth, which saves most of the time; what is then scaled is still `gap` times as large.
            None: every image is decoded as it is.

    Returns:
        A picture of mode RGB, `side` pixels wide and high.

    Raises:
        TaskError: it cannot be read; the sentence names the file.
        MissingExtraError: Pillow is not installed.
    """
    pillow = need("PIL.Image", extra="images")
    try:
        with warnings.catch_warnings():
            # Broken EXIF blocks and the like: what matters is whether the pixels can be read.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", pillow.DecompressionBombWarning)
            with pillow.open(path) as image:
                whole, box = image.size, None
                if gap is not None and image.format == "JPEG":
                    turned = _orientation(image) >= 5
                    whole = whole[::-1] if turned else whole
                    box = choose(*whole)
                    least = [gap * side * all_ / (b - a) for all_, a, b in zip(whole, box[:2], box[2:], strict=True)]
                    image.draft("RGB", (int(least[turned]) + 1, int(least[not turned]) + 1))
                image.load()
                upright = _upright(_rgb(image, path))
            if box is None:
                whole = upright.size
                box = choose(*whole)
            right, down = upright.width / whole[0], upright.height / whole[1]
            box = (box[0] * right, box[1] * down, box[2] * right, box[3] * down)
            return upright.resize((side, side), pillow.Resampling.BILINEAR, box=box)
    except (pillow.DecompressionBombWarning, pillow.DecompressionBombError):
        raise TaskError(
            f"the image {path} has more than {pillow.MAX_IMAGE_PIXELS:,} pixels; scale it down before"
        ) from None
    except pillow.UnidentifiedImageError:
        raise TaskError(f"{path} is no image that Pillow knows; replace it or take it out") from None
    except (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError, struct.error) as fault:
        # Pillow's readers raise all of these for files that are cut short or hold nonsense.
        raise TaskError(f"the image {path} cannot be read ({fault}); replace it or take it out") from None


def _rgb(image: Image, path: str) -> Image:
    """In eight bits of red, green and blue."""
    match image.mode:
        case "RGB":
            return image
        case "I;16" | "I;16B" | "I;16L" | "I;16N":
            return _grey(np.asarray(image).astype(np.uint16), image)
        case "I" if image.format in ("PNG", "PPM"):
            # Older Pillow opens 16-bit grey of these formats so.
            return _grey(np.asarray(image).astype(np.uint16), image)
        case "I" | "F":
            raise TaskError(
                f"the image {path} holds numbers of 32 bits, whose black and white nobody knows; save it with 8 or 16"
            )
        case "P" | "PA":
            return _like(image.convert("RGBA").convert("RGB"), image)
        case _:
            return _like(image.convert("RGB"), image)


def _grey(values: np.ndarray[tuple[int, ...], np.dtype[np.uint16]], image: Image) -> Image:
    pillow = need("PIL.Image", extra="images")
    return _like(pillow.fromarray((values >> 8).astype(np.uint8)).convert("RGB"), image)


def _like(converted: Image, image: Image) -> Image:
    """With what the file said of itself."""
    converted.info.update(image.info)
    return converted


def _upright(image: Image) -> Image:
    if _orientation(image) == 1:
        return image
    return need("PIL.ImageOps", extra="images").exif_transpose(image)


def _orientation(image: Image) -> int:
    """1 is upright; from 5 on width and height are exchanged."""
    if "exif" not in image.info:  # asking costs time, and most images have none
        return 1
    try:
        told = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken block tells nothing; which error depends on how it is broken
        return 1
    return told if told in range(1, 9) else 1
