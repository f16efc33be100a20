"""Data that are rows of arrays: images, tables, sequences of one length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, final

import numpy as np

from cadence._errors import TaskError
from cadence.tasks._checks import check_place, check_split, fingerprint, generator, whole
from cadence.tasks.base import Batch, Data, Split

if TYPE_CHECKING:
    from cadence.tasks.base import Array

_TUNE_SHARE = 5
"""Without rows of its own for tuning, at most one row in this many is taken from the training part."""


@final
class ArrayData(Data):
    """Rows held in arrays.

    An epoch sees every training row once, in an order drawn from seed and epoch.

    Args:
        x: training inputs; the first axis counts rows. Taken as they are: scale and standardise them before.
        y: training targets, one per row, or one sequence of whole numbers per row.
        val: inputs and targets of the reported part.
        tune: inputs and targets of the part that tuning is judged on. None: the last rows of `x`, as many as `val` has
            but at most a fifth of `x`, which are then not trained on. Shuffle sorted rows before.
        augment: function (inputs of a batch, random numbers) -> inputs, for training batches only. It must draw from
            these random numbers alone, and leave its argument as it is.
        default_batch_size: rows per batch where nothing else is asked for.
        held_out_batch_size: rows per batch of `held_out`; it changes memory and speed, not results.

    Raises:
        TaskError: arrays that do not fit each other, that are empty, overlap or hold a number that is not finite.

    Example:
        >>> import numpy as np
        >>> x, y = np.arange(12.0).reshape(6, 2), np.arange(6)
        >>> data = ArrayData(x, y, val=(x + 100, y), tune=(x + 200, y), default_batch_size=4)
        >>> [batch.targets.tolist() for batch in data.batches(seed=0, epoch=0, batch_size=4)]
        [[0, 1, 5, 2], [3, 4]]
        >>> next(data.batches(seed=0, epoch=0, batch_size=4, start=1)).inputs.tolist()
        [[6.0, 7.0], [8.0, 9.0]]
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        *,
        val: tuple[Array, Array],
        tune: tuple[Array, Array] | None = None,
        augment: Callable[[Any, np.random.Generator], Any] | None = None,
        default_batch_size: int = 64,
        held_out_batch_size: int = 256,
    ) -> None:
        train = _pair((x, y), "train")
        parts = {"val": _pair(val, "val")}
        if tune is None:
            train, parts["tune"] = _cut(train, len(parts["val"][0]))
        else:
            parts["tune"] = _pair(tune, "tune")
        for name, part in parts.items():
            _check_alike(train, part, name)
            _check_apart(train, part, "train", name)
        _check_apart(parts["val"], parts["tune"], "val", "tune")
        if augment is not None and not callable(augment):
            raise TaskError(f"augment={augment!r} cannot be called; write a function (inputs, rng) -> inputs")
        self._train = train
        self._held_out = parts
        self._augment = augment
        self._default_batch_size = whole(default_batch_size, "default_batch_size", least=1)
        self._held_out_batch_size = whole(held_out_batch_size, "held_out_batch_size", least=1)

    @property
    def train_examples(self) -> int:
        return len(self._train[0])

    @property
    def tokens_per_example(self) -> int | None:
        targets = self._train[1]
        # Several whole numbers per row are a sequence; several measurements per row are one answer.
        return int(targets.shape[1]) if targets.ndim == 2 and targets.dtype.kind in "iu" else None

    @property
    def default_batch_size(self) -> int:
        return self._default_batch_size

    def batches_per_epoch(self, batch_size: int) -> int:
        return -(-self.train_examples // whole(batch_size, "a batch size", least=1))

    def batches(self, seed: int, epoch: int, batch_size: int, start: int = 0) -> Iterator[Batch]:
        return self.share(seed, epoch, batch_size, start, 1)

    def share(self, seed: int, epoch: int, batch_size: int, start: int, step: int) -> Iterator[Batch]:
        check_place(seed, epoch, batch_size, start)
        return self._batches(seed, epoch, batch_size, start, step)

    def _batches(self, seed: int, epoch: int, batch_size: int, start: int, step: int) -> Iterator[Batch]:
        x, y = self._train
        order = generator(seed, epoch, 0).permutation(len(x))
        for i in range(start, self.batches_per_epoch(batch_size), step):
            rows = order[i * batch_size : (i + 1) * batch_size]
            inputs, targets = x[rows], y[rows]
            if self._augment is not None:
                inputs = self._augment(inputs, generator(seed, epoch, i + 1))
            yield Batch(inputs, targets, len(rows), targets.size)

    def held_out(self, split: Split) -> Iterator[Batch]:
        check_split(split)
        return self._chunks(*self._held_out[split])

    def _chunks(self, x: Array, y: Array) -> Iterator[Batch]:
        size = self._held_out_batch_size
        for begin in range(0, len(x), size):
            # Copies: a model that works in place must not change what the next evaluation is judged on.
            inputs, targets = x[begin : begin + size].copy(), y[begin : begin + size].copy()
            yield Batch(inputs, targets, len(inputs), targets.size)

    def fingerprint(self) -> str:
        parts = {"train": self._train, **self._held_out}
        return fingerprint(
            (f"{name} {what}", array)
            for name, pair in parts.items()
            for what, array in zip(("inputs", "targets"), pair, strict=True)
        )


def _pair(pair: object, name: str) -> tuple[Array, Array]:
    """Inputs and targets of one part, as arrays that can be trained on."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:  # pyright: ignore[reportUnknownArgumentType]
        raise TaskError(f"the {name} part must be two arrays; write {name}=(inputs, targets)")
    x, y = (_array(a, f"{what} of the {name} part") for a, what in zip(pair, ("inputs", "targets"), strict=True))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if len(x) != len(y):
        raise TaskError(f"the {name} part has {len(x)} rows of inputs but {len(y)} targets; give one target per row")
    return x, y


def _array(value: object, what: str) -> Array:
    array: Array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TaskError(f"the {what} are of type {array.dtype}; give numbers, classes as whole numbers from 0")
    if array.ndim == 0 or len(array) == 0:
        raise TaskError(f"the {what} have no rows; give an array whose first axis counts rows")
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise TaskError(f"the {what} hold a number that is not finite in row {row}; fill or drop such rows before")
    return array


def _cut(train: tuple[Array, Array], wanted: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The training part without its last rows, and these."""
    x, y = train
    rows = min(wanted, len(x) // _TUNE_SHARE)
    if rows == 0:
        raise TaskError(
            f"{len(x)} training rows are too few to take some off for tuning; give tune=(inputs, targets), "
            f"or at least {_TUNE_SHARE} rows"
        )
    return (x[:-rows], y[:-rows]), (x[-rows:], y[-rows:])


def _check_alike(train: tuple[Array, Array], part: tuple[Array, Array], name: str) -> None:
    for ours, theirs, what in zip(train, part, ("inputs", "targets"), strict=True):
        if ours.shape[1:] != theirs.shape[1:] or ours.dtype != theirs.dtype:
            raise TaskError(
                f"{what} are {ours.dtype} of shape {ours.shape[1:]} per row in training but {theirs.dtype} of shape "
                f"{theirs.shape[1:]} in {name!r}; prepare both parts alike"
            )


def _check_apart(one: tuple[Array, Array], other: tuple[Array, Array], name: str, other_name: str) -> None:
    """Catch the slip of giving the same rows twice; copies of rows cannot be told from rows that are equal."""
    try:
        # The bound keeps this from searching long through exotic strides.
        shared = np.shares_memory(one[0], other[0], max_work=1000)  # pyright: ignore[reportArgumentType]
    except (RuntimeError, np.exceptions.TooHardError):
        shared = False
    if shared:
        raise TaskError(
            f"the {name} and the {other_name} part hold the same rows; nothing can be learnt from being judged on "
            f"what was trained on: give each part rows of its own"
        )
