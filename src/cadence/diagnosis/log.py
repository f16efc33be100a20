"""A log of a training as diagnosis reads it, whatever program wrote it.

Every quantity is a series with updates of its own, because logs mix frequencies: a loss each update, a validation loss
each epoch. What was odd about a log (gaps, resets, no rate) is a note with numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

from cadence.findings.finding import Both

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

Clock: TypeAlias = Literal["updates", "epochs", "rows"]
"""What a log counts by; ``"rows"``: it has no such column, and the order of its rows stands for it."""

Kind: TypeAlias = Literal["cadence", "tensorboard", "visualdl", "csv", "jsonl", "wandb", "trainer_state"]
"""Which program's log it is."""

ONE = "all"
"""Name of the only group of a log that knows no groups."""

TRAIN = (
    "grad_norm", "momentum", "weight_decay", "loss_scale", "data_seconds", "update_seconds", "evaluation_seconds",
    "checkpoint_seconds", "seconds", "samples_per_second", "gpu_use", "memory",
)  # fmt: skip
"""Names that `Log.train` may have. Seconds are those of one update, evaluation or checkpoint, but for ``"seconds"``:
since the start of the training. ``"gpu_use"`` is a share from 0 to 1, ``"memory"`` is in bytes."""


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@final
@dataclass(frozen=True, eq=False)
class Series:
    """One quantity over time.

    Attributes:
        t: update numbers, int64, strictly rising. A loss or a rate at `t` is that of update `t`, counted from 0; a
            metric at `t` was measured after `t` updates. (Of programs that do not say what they count, `t` is theirs.)
        values: float64, as many. NaN and infinity are numbers that were logged so. In a log that was too long to keep,
            each is the median of the finite numbers of a bin of neighbours, and `t` is the bin's first update; rates
            are thinned out instead, all their events kept exactly.
        low: smallest finite number of each bin; where nothing was binned, the values themselves.
        high: largest finite number of each bin; likewise.
        rows: logged numbers in each bin; where nothing was binned, ones.
        bad: how many of them are not finite.
    """

    t: Ints
    values: Floats
    low: Floats = field(default=None)  # type: ignore[assignment]
    high: Floats = field(default=None)  # type: ignore[assignment]
    rows: Ints = field(default=None)  # type: ignore[assignment]
    bad: Ints = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        fill: dict[str, Any] = {
            "low": self.values,
            "high": self.values,
            "rows": np.ones(len(self.t), dtype=np.int64),
            "bad": (~np.isfinite(self.values)).astype(np.int64),
        }
        for name, value in fill.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.t)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        ts: list[int] = self.t.tolist()
        values: list[float] = self.values.tolist()
        return iter(zip(ts, values, strict=True))

    @property
    def binned(self) -> bool:
        """Whether an entry stands for several logged numbers."""
        return bool((self.rows > 1).any())

    @cached_property
    def every(self) -> float:
        """Median distance of two entries, in updates; 1 where there are fewer than two."""
        return float(np.median(np.diff(self.t))) if len(self) > 1 else 1.0

    def take(self, which: Any) -> Series:
        """The entries of an index, a slice or a mask."""
        return Series(*(getattr(self, f)[which] for f in ("t", "values", "low", "high", "rows", "bad")))

    def between(self, first: float, end: float) -> Series:
        """The entries with `first` <= t < `end`."""
        low, high = np.searchsorted(self.t, [first, end])
        return self.take(slice(int(low), max(int(low), int(high))))

    def finite(self) -> Series:
        """The entries whose value is a finite number."""
        return self.take(np.isfinite(self.values))

    def at(self, t: float) -> float:
        """The value of the last entry at or before `t`; NaN where there is none."""
        i = int(np.searchsorted(self.t, t, side="right")) - 1
        return float(self.values[i]) if i >= 0 else float("nan")


@final
@dataclass(frozen=True)
class Event:
    """Something that the log itself says happened: an entry of a journal, a resume.

    Attributes:
        t: the first update that it governs.
        kind: as in ``journal.jsonl``: ``"cut"``, ``"resume"``, ``"set"``, ``"rollback"``, ...
        sentence: what the journal says; may be empty.
        details: everything else it says.
    """

    t: int
    kind: str
    sentence: str = ""
    details: Mapping[str, Any] = field(default_factory=_nothing)


NoteKind: TypeAlias = Literal[
    "no_rate", "no_loss", "no_clock", "gap", "reset", "restart", "duplicate", "unsorted", "not_finite", "unreadable",
    "binned", "assumed", "short", "cut_off",
]  # fmt: skip


@final
@dataclass(frozen=True)
class Note:
    """What is odd about a log, and what was made of it.

    Attributes:
        kind: what it is about.
        sentence: in English and Chinese, with the numbers.
        numbers: the numbers by name.
    """

    kind: NoteKind
    sentence: Both
    numbers: Mapping[str, Any] = field(default_factory=_nothing)


@final
@dataclass(frozen=True)
class Facts:
    """What a log knows about its training, apart from what it measured. None: it does not say.

    Attributes:
        clock: what `t` counts.
        name: of the run.
        status: how the run ended, as in ``result.json``.
        total: length of the run in updates.
        steps_per_epoch: updates of an epoch.
        batch_size: examples of an update.
        schedule: text of the schedule or plan that the run was to follow.
        bases: value -> one number for each group, in the order of `Log.lr`.
        optimizer: settings of the optimizer, ``{"name": "adamw", "weight_decay": 0.01, ...}``, as far as they are
            known.
        averaged: updates that one logged training loss is the mean of.
    """

    clock: Clock = "updates"
    name: str = ""
    status: str | None = None
    total: int | None = None
    steps_per_epoch: float | None = None
    batch_size: int | None = None
    schedule: str | None = None
    bases: Mapping[str, tuple[float | None, ...]] = field(default_factory=_nothing)
    optimizer: Mapping[str, Any] = field(default_factory=_nothing)
    averaged: int = 1


@final
@dataclass(frozen=True, eq=False)
class Log:
    """A training as its log tells it. Made by `cadence.diagnosis.reading`.

    Attributes:
        source: path that it was read from.
        kind: which program's log it is.
        loss: of training; None where there is none.
        lr: rates, by parameter group, `ONE` where the log knows no groups; empty where there are none.
        planned: the rates that the schedule says, at the same updates, where the log knows its schedule.
        train: further quantities of training by name, see `TRAIN`; only those that are there.
        update_ratio: by parameter group, how far an update moved the weights, in multiples of their size.
        metrics: of evaluations, by the log's own names.
        val_loss: name of the metric that is the validation loss; None where none is.
        events: what the log itself says happened, by update.
        facts: what it knows about its training.
        notes: what is odd about it.
    """

    source: str
    kind: Kind
    loss: Series | None = None
    lr: Mapping[str, Series] = field(default_factory=_nothing)
    planned: Mapping[str, Series] = field(default_factory=_nothing)
    train: Mapping[str, Series] = field(default_factory=_nothing)
    update_ratio: Mapping[str, Series] = field(default_factory=_nothing)
    metrics: Mapping[str, Series] = field(default_factory=_nothing)
    val_loss: str | None = None
    events: tuple[Event, ...] = ()
    facts: Facts = field(default_factory=Facts)
    notes: tuple[Note, ...] = ()

    @property
    def rate(self) -> Series | None:
        """The rate of the first group; None where the log has none."""
        return next(iter(self.lr.values()), None)

    @property
    def updates(self) -> int:
        """How many updates the log tells of: one more than its last, or what its last metric was measured after."""
        training = [*self.lr.values(), *([] if self.loss is None else [self.loss])]
        ends = [int(s.t[-1]) + 1 for s in training if len(s)]
        # Evaluations have times and memory too.
        others = [*self.metrics.values(), *self.train.values()]
        return max([*ends, *(int(s.t[-1]) for s in others if len(s))], default=0)
