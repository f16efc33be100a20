"""A folder of images as a task."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cadence._errors import TaskError
from cadence._lazy import need
from cadence.tasks.base import Task
from cadence.tasks.images.data import ImageData
from cadence.tasks.images.listing import class_names, images_of
from cadence.tasks.images.preparing import Preparation
from cadence.tasks.later import Later

_MOST_WORKERS = 32


def folder(
    folder: str | os.PathLike[str],
    *,
    size: int = 224,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    flip: float = 0.5,
    crop: float = 0.875,
    pixels: Literal["float32", "uint8"] = "float32",
    tune: int = 0,
    workers: int | None = None,
    ahead: int = 2,
    batch_size: int = 256,
    name: str = "images",
) -> Task:
    """What is seen on an image, learnt from a folder of images: ImageNet, or one's own.

    The images lie in ``<folder>/train/<class>/`` and ``<folder>/val/<class>/``. Training sees a random part of each,
    mirrored or not; evaluations see its middle. Reported by accuracy; the model is a ResNet-50 unless the recipe names
    another.

    Args:
        folder: that holds ``train`` and ``val``, perhaps ``tune``.
        size: width and height of what the model is given, in pixels, 1 to 4096.
        area: smallest and largest share of an image's area that training crops to, in (0, 1].
        ratio: smallest and largest width by height of such a crop, above 0.
        flip: probability that a training image is mirrored, in [0, 1]; 0 where left and right matter.
        crop: share of the shorter side that is judged on, in (0, 1].
        pixels: ``"float32"``, standardised; or ``"uint8"``, a quarter of the memory and of the way to the GPU, for
            models that standardise themselves, as those of cadence do.
        tune: without a folder ``tune``, how many training images are set aside to judge tuning on.
        workers: processes that decode; 0: the one that trains does. None: one for each processor that this process may
            use, shared with the other processes of a training, at most 32.
        ahead: batches that are decoded before they are needed, 1 or more.
        batch_size: images per batch where the recipe does not say, and of evaluations.
        name: what tables call the task.

    Returns:
        The task. ``inputs`` have shape (rows, 3, size, size), red, green, blue.

    Raises:
        TaskError: a folder or a class that is not there or empty, a file that is no image, an argument out of range.
        MissingExtraError: Pillow is not installed.

    Example:
        >>> folder("no/such/folder")
        Traceback (most recent call last):
        cadence._errors.TaskError: there is no folder no/such/folder/train (no/such/folder is no folder either, ...
    """
    root = Path(folder)
    classes = class_names(root / "train")
    if len(classes) < 2:
        raise TaskError(f"{root / 'train'} has one class, {classes[0]!r}, and nothing to tell it from; add another")
    train, val = (images_of(root / part, classes, str(root / "train")) for part in ("train", "val"))
    aside = images_of(root / "tune", classes, str(root / "train")) if (root / "tune").is_dir() else tune
    need("PIL.Image", extra="images")
    preparation = Preparation.from_json(
        {"size": size, "area": area, "ratio": ratio, "flip": flip, "crop": crop, "pixels": pixels}
    )
    decoders = _workers() if workers is None else workers
    data = ImageData(train, val, aside, preparation, workers=decoders, ahead=ahead, default_batch_size=batch_size)
    return Task(
        name=name,
        data=data,
        models={
            "torch": functools.partial(Later("torch", "cadence.tasks.images.resnet_torch", "resnet50"), len(classes))
        },
        losses={"torch": Later("torch", "cadence.tasks.losses_torch", "cross_entropy")},
        metrics={"torch": Later("torch", "cadence.tasks.losses_torch", "accuracy")},
        metric_name="accuracy",
        metric_better="max",
        loss_reference=_entropy(val.classes),
        about=(
            f"images of {len(classes)} classes: {data.train_examples:,} to train on, {len(val):,} to report on; "
            f"{size}x{size} pixels"
        ),
    )


def _entropy(classes: np.ndarray[Any, Any]) -> float:
    """In nats, of the shares of the classes."""
    counts = np.bincount(classes)
    shares = counts[counts > 0] / len(classes)
    return float(-(shares * np.log(shares)).sum())


def _workers() -> int:
    """Processors that this process may use, shared with those that train beside it on this machine."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    beside = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return min(_MOST_WORKERS, max(1, here // max(1, int(beside) if beside.isdecimal() else 1)))
