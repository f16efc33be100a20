"""Data that are one long sequence of tokens, seen through windows: text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, final

import numpy as np

from cadence._errors import TaskError
from cadence.tasks._checks import check_place, check_split, fingerprint, generator, whole
from cadence.tasks.base import Batch, Data, Split

if TYPE_CHECKING:
    from cadence.tasks.base import Array


@final
class TokenData(Data):
    """Windows of a token sequence; the target of each token is the one after it.

    An epoch reads the training sequence once: it is cut into windows that lie side by side, from a first token drawn
    anew for each epoch, and the windows come in an order drawn from seed and epoch. So no token is seen twice in an
    epoch, and over the epochs a token is seen at every place of the window.

    Args:
        train: whole numbers, one axis. Kept in the dtype given; batches are int64.
        val: the sequence that is reported on.
        tune: the sequence that tuning is judged on.
        context: tokens per window, 1 or more.
        default_batch_size: windows per batch where nothing else is asked for.
        held_out_windows: windows of a held-out sequence that are judged on, spread evenly over it and not overlapping;
            fewer where it is shorter.

    Raises:
        TaskError: sequences that are too short for a window, or no whole numbers.

    Example:
        >>> import numpy as np
        >>> text = np.arange(23)
        >>> data = TokenData(text, val=text + 100, tune=text + 200, context=4, held_out_windows=2)
        >>> data.train_examples, data.batches_per_epoch(2)
        (4, 2)
        >>> next(data.held_out("val")).inputs.tolist()
        [[100, 101, 102, 103], [118, 119, 120, 121]]
        >>> next(data.held_out("val")).targets.tolist()
        [[101, 102, 103, 104], [119, 120, 121, 122]]
    """

    def __init__(
        self,
        train: Array,
        *,
        val: Array,
        tune: Array,
        context: int = 64,
        default_batch_size: int = 16,
        held_out_windows: int = 96,
    ) -> None:
        self._context = whole(context, "context", least=1)
        self._default_batch_size = whole(default_batch_size, "default_batch_size", least=1)
        wanted = whole(held_out_windows, "held_out_windows", least=1)
        # A phase of up to context - 1, windows of context, and one token more, the last target.
        self._train = _sequence(train, "train", 2 * self._context)
        self._held_out = {
            "val": _windows(_sequence(val, "val", self._context + 1), self._context, wanted),
            "tune": _windows(_sequence(tune, "tune", self._context + 1), self._context, wanted),
        }

    @property
    def train_examples(self) -> int:
        # The same number at every phase.
        return (len(self._train) - self._context) // self._context

    @property
    def tokens_per_example(self) -> int | None:
        return self._context

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
        drawn = generator(seed, epoch, 0)
        phase = int(drawn.integers(self._context))
        order = drawn.permutation(self.train_examples)
        ahead = np.arange(self._context + 1)
        for i in range(start, self.batches_per_epoch(batch_size), step):
            windows = order[i * batch_size : (i + 1) * batch_size]
            begins = phase + self._context * windows
            yield _batch(self._train[begins[:, None] + ahead])

    def held_out(self, split: Split) -> Iterator[Batch]:
        check_split(split)
        return self._chunks(self._held_out[split])

    def _chunks(self, windows: Array) -> Iterator[Batch]:
        # Twice the rows of a training batch: nothing is kept for a backward pass.
        size = 2 * self._default_batch_size
        for begin in range(0, len(windows), size):
            yield _batch(windows[begin : begin + size])

    def fingerprint(self) -> str:
        return fingerprint([("train", self._train), *self._held_out.items()])


def _sequence(value: object, name: str, least: int) -> Array:
    array: Array = np.asarray(value)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TaskError(
            f"the {name} sequence is {array.dtype} with {array.ndim} axes; give whole numbers along one axis"
        )
    if len(array) < least:
        raise TaskError(
            f"the {name} sequence has {len(array)} tokens, and needs {least} for one window; "
            f"give more text or a smaller context"
        )
    return array


def _windows(sequence: Array, context: int, wanted: int) -> Array:
    """Windows with the token after each, spread evenly from end to end; shape (windows, context + 1)."""
    count = min(wanted, (len(sequence) - 1) // context)
    last = len(sequence) - 1 - context
    begins = np.arange(count) * last // max(1, count - 1)
    return sequence[begins[:, None] + np.arange(context + 1)]


def _batch(windows: Array) -> Batch:
    tokens = windows.astype(np.int64)
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    return Batch(inputs, targets, len(tokens), targets.size)
