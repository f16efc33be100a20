"""Which images there are: class folders, read once, kept small."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from cadence._errors import TaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
"""What the name of an image ends with, in lower case."""


@final
class Names:
    """Many texts in one piece of memory.

    A million names as Python objects take 100 MB, in every process that trains; like this they take 25.

    Args:
        texts: any number of them.

    Example:
        >>> names = Names(["a.png", "b.png"])
        >>> len(names), names[1]
        (2, 'b.png')
    """

    def __init__(self, texts: Sequence[str]) -> None:
        pieces = [os.fsencode(text) for text in texts]
        self._ends: NDArray[np.int64] = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        self._bytes = b"".join(pieces)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, i: int) -> str:
        return os.fsdecode(self._bytes[self._ends[i] : self._ends[i + 1]])


@dataclass(frozen=True)
class Images:
    """The images of one part, ordered by class and name.

    Attributes:
        folder: of the part.
        names: path of each image within the folder.
        classes: class of each image, int64.
        sizes: bytes of each file, int64.
    """

    folder: Path
    names: Names
    classes: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)

    def path(self, i: int) -> str:
        """Where image `i` lies."""
        return os.path.join(self.folder, self.names[i])

    def digest(self) -> str:
        """Of names, classes and file sizes, in hexadecimal digits."""
        told = hashlib.sha256()
        for i in range(len(self)):
            told.update(os.fsencode(self.names[i].replace(os.sep, "/")) + b"\0")
        told.update(self.classes.astype("<i8").tobytes() + self.sizes.astype("<i8").tobytes())
        return told.hexdigest()


def class_names(folder: Path) -> list[str]:
    """The class folders of a part, sorted by name.

    Raises:
        TaskError: the folder is not there, cannot be read, or has no class folders.
    """
    if not folder.is_dir():
        there = sorted(p.name for p in folder.parent.iterdir() if p.is_dir()) if folder.parent.is_dir() else None
        holds = (
            f"{folder.parent} is no folder either"
            if there is None
            else f"{folder.parent} holds {', '.join(there[:5]) or 'no folders'}"
        )
        raise TaskError(
            f"there is no folder {folder} ({holds}, and this is {Path.cwd()}); images lie in "
            f"<folder>/train/<class>/ and <folder>/val/<class>/"
        )
    names = sorted(entry.name for entry in _entries(folder) if entry.is_dir())
    if not names:
        raise TaskError(f"{folder} has no class folders; put the images of each class into a folder of its own")
    return names


def images_of(folder: Path, classes: Sequence[str], known: str) -> Images:
    """The images of one part.

    Args:
        folder: of the part.
        classes: names of all classes; the place in it is the number of the class.
        known: folder that the classes come from, for messages.

    Raises:
        TaskError: a class folder that is empty or not among the classes, or a file that is no image.
    """
    number = {name: i for i, name in enumerate(classes)}
    found: list[str] = []
    labels: list[int] = []
    sizes: list[int] = []
    for name in class_names(folder):
        if name not in number:
            raise TaskError(
                f"{folder / name} is a class that {known} does not have; what was never trained on cannot be judged: "
                f"remove it, or give the class training images"
            )
        images = sorted(_files(folder / name))
        if not images:
            raise TaskError(f"the class folder {folder / name} holds no images; fill it, or remove it")
        found += [os.path.join(name, image) for image, _ in images]
        labels += [number[name]] * len(images)
        sizes += [size for _, size in images]
    return Images(folder, Names(found), np.array(labels, dtype=np.int64), np.array(sizes, dtype=np.int64))


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    """Name and size of every image of a class."""
    for entry in _entries(folder):
        if not entry.name.lower().endswith(ENDINGS) or not entry.is_file():
            raise TaskError(
                f"{entry.path} lies among images and is none by its name; a class folder holds only files that end in "
                f"{', '.join(ENDINGS)}: take it out"
            )
        yield entry.name, entry.stat().st_size


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What a folder holds, but for hidden files."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as fault:
        raise TaskError(f"{folder} cannot be read ({fault.strerror}); give this user the right to read it") from None
