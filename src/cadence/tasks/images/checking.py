"""Every image of a folder read once, before a training depends on it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from cadence._errors import TaskError
from cadence.tasks.images.crew import Crew, Ordered
from cadence.tasks.images.listing import Images, class_names, images_of
from cadence.tasks.images.preparing import Preparation

_AHEAD = 64


def unreadable(folder: str | os.PathLike[str], *, workers: int = 1) -> Iterator[str]:
    """What is wrong with the images of a folder.

    Args:
        folder: that holds ``train`` and ``val``, perhaps ``tune``.
        workers: processes that read, at least 1.

    Yields:
        One sentence for each image that cannot be read, with its name.

    Raises:
        TaskError: a folder or a class that is not there or empty, or a file that is no image by its name.
        MissingExtraError: Pillow is not installed.
    """
    root = Path(folder)
    classes = class_names(root / "train")
    names = [name for name in ("train", "val", "tune") if name != "tune" or (root / name).is_dir()]
    parts = [images_of(root / name, classes, str(root / "train")) for name in names]
    crew = Crew(workers, Preparation(size=1), 1, _AHEAD)
    coming: deque[Ordered] = deque()
    for path in _paths(parts):
        while (place := crew.place()) is None:
            yield from _fault(crew, coming.popleft())
        coming.append(crew.order(place, [path], {}, None))
    while coming:
        yield from _fault(crew, coming.popleft())


def _paths(parts: list[Images]) -> Iterator[str]:
    for images in parts:
        yield from (images.path(i) for i in range(len(images)))


def _fault(crew: Crew, ordered: Ordered) -> Iterator[str]:
    """What is wrong with one image, if anything is."""
    try:
        crew.finished(ordered)
    except TaskError as fault:
        if not crew.alive:
            raise
        crew.forget(ordered)
        yield str(fault)
