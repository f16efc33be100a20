"""What every kind of data asks of its arguments, and the random numbers it draws from them."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from cadence._errors import TaskError

if TYPE_CHECKING:
    from cadence.tasks.base import Array


def whole(value: object, what: str, *, least: int) -> int:
    """A whole number of at least `least`.

    Raises:
        TaskError: anything else; a float or a bool too, because 64.0 rows or True rows are a slip.
    """
    try:
        number = operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TaskError(f"{what} must be a whole number, not {value!r}; write e.g. {max(least, 1)}")
    if number < least:
        raise TaskError(f"{what} must be at least {least}, not {number}; write e.g. {max(least, 1)}")
    return number


def check_place(seed: int, epoch: int, batch_size: int, start: int) -> None:
    """Raise TaskError unless these name a batch of an epoch."""
    whole(seed, "the seed of a data order", least=0)
    whole(epoch, "an epoch", least=0)
    whole(batch_size, "a batch size", least=1)
    whole(start, "the first batch wanted", least=0)


def check_split(split: str) -> None:
    """Raise TaskError unless this names a held-out part."""
    if split not in ("val", "tune"):
        raise TaskError(f"there is no held-out part called {split!r}; write 'val' or 'tune'")


def generator(seed: int, epoch: int, number: int) -> np.random.Generator:
    """Random numbers that depend on these three alone.

    Args:
        seed, epoch: 0 or more.
        number: 0 for what belongs to the epoch as a whole, i + 1 for batch i.
    """
    # A spawn key keeps the three apart; one list of numbers would make (2**32, 0) and (0, 1) the same stream.
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(epoch, number))))


def fingerprint(parts: Iterable[tuple[str, Array]]) -> str:
    """``"sha256:..."`` of named arrays: names, dtypes, shapes and bytes, in the order given.

    Big-endian and little-endian machines agree.
    """
    digest = hashlib.sha256()
    for name, array in parts:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{name} {little.dtype.str} {array.shape}\n".encode())
        digest.update(little.reshape(-1).view(np.uint8).data)
    return "sha256:" + digest.hexdigest()
