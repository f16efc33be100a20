"""A log with what several rules want to know about it, each computed once."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import final

import numpy as np

from cadence.diagnosis.estimate import Estimate, level, roughness
from cadence.diagnosis.log import Floats, Log, Series

LARGEST = 1e100
"""Largest number that is reckoned with."""

FEWEST = 8
"""Losses or evaluations that a judgement about their course needs at least."""


MANY = 60
"""Losses from which on a log shows what happens between two evaluations."""


def bounded(series: Series) -> Series:
    """A series whose numbers are not so large that their squares are none: a loss of 1e100 has diverged anyway."""
    if not len(series) or float(np.abs(series.values).max()) <= LARGEST:
        return series
    return Series(series.t, np.clip(series.values, -LARGEST, LARGEST))


def _differs(y: Floats) -> float:
    """Noise of one logged loss as a share of the losses."""
    return roughness(y) / max(abs(float(np.median(y))), 1e-300)


@final
class View:
    """A log as rules look at it.

    Args:
        log: of a training.
    """

    def __init__(self, log: Log) -> None:
        self.log = log

    @cached_property
    def loss(self) -> Series | None:
        """The training losses that are finite; None where there are too few to say anything."""
        if self.log.loss is None:
            return None
        found = bounded(self.log.loss.finite())
        return found if len(found) >= FEWEST else None

    @cached_property
    def val(self) -> Series | None:
        """The validation losses that are finite; None where there are fewer than 5."""
        name = self.log.val_loss
        if name is None or name not in self.log.metrics:
            return None
        found = bounded(self.log.metrics[name].finite())
        return found if len(found) >= 5 else None

    @cached_property
    def course(self) -> Series | None:
        """The losses; where they are few, with the evaluations of the first quarter among them.

        Before much is learnt both are about the same, and an evaluation may be the only one to see what happens
        between two logged losses, or what the loss was before the first.
        """
        if self.loss is None or self.val is None or len(self.loss) >= MANY or self.apart:
            return self.loss
        first = float(self.loss.t[0])
        early = self.val.between(0, first + 0.25 * (self.end - first) + 1)
        # What a model does not generalise stays; what a rate has done to it does not.
        early = early.take(early.values > 1.2 * float(np.median(self.val.values[-3:])))
        # An evaluation at t comes before update t. What may be a mean says most about the beginning of its stretch.
        mean = self.loss.t[0] >= 0.9 * (self.loss.every - 1) > 0
        since = np.maximum(self.loss.t - int(mean) * int(self.loss.every - 1), 0)
        t = np.concatenate([2 * early.t, 2 * since + 1])
        order = np.argsort(t)
        return Series(t[order], np.concatenate([early.values, self.loss.values])[order])

    @cached_property
    def apart(self) -> bool:
        """Whether the training loss ends well above the validation loss, as with augmentation or dropout."""
        if self.loss is None or self.val is None:
            return False
        ends = [float(np.median(s.values[-max(3, len(s) // 10) :])) for s in (self.loss, self.val)]
        return ends[0] > 1.3 * ends[1] > 0

    @property
    def untrained(self) -> float | None:
        """The validation loss before the first update, where it says something of the training loss."""
        if self.loss is None or self.val is None or self.val.t[0] > self.end / 100:
            return None
        first = float(self.val.values[0])
        # A model that was trained before may have two losses that are apart from the beginning.
        return None if self.apart and float(self.loss.values[0]) > 1.3 * first else first

    @property
    def averaged(self) -> int:
        """Batches that a logged loss is the mean of, at least."""
        facts = self.log.facts
        # Of a row for an epoch, that there are ten is all that is known.
        return facts.averaged if facts.averaged > 1 or facts.clock != "epochs" else 10

    @cached_property
    def warmup(self) -> float | None:
        """Share of the run in which the rate rises to its peak; None where the log begins too late to tell."""
        if self.rate is None:
            return None
        reached = int((self.rate.values >= 0.9).argmax())
        if reached == 0 and (self.log.facts.clock == "epochs" or self.rate.t[0] > 0.025 * self.end):
            return None
        return float(self.rate.t[reached]) / max(1, self.end)

    @cached_property
    def end(self) -> int:
        """Updates that the log tells of."""
        return self.log.updates

    @cached_property
    def rate(self) -> Series | None:
        """The rate as a share of its peak: of several groups, of the one that is furthest up at the time."""
        rates = [s.finite() for s in self.log.lr.values()]
        rates = [s for s in rates if len(s) >= 2 and float(s.values.max()) > 0]
        if not rates:
            return None
        longest = max(rates, key=len)
        highest: list[Floats] = [np.interp(longest.t, s.t, s.values / s.values.max()) for s in rates]
        return Series(longest.t, np.maximum.reduce(highest))

    def rate_at(self, t: Floats) -> Floats:
        """The rate as a share of its peak at some updates; ones where the log has no rate."""
        if self.rate is None:
            return np.ones(len(t))
        return np.interp(t, self.rate.t, self.rate.values)

    def ridden(self, t: Floats) -> Floats:
        """The rates added up until some updates, in updates at the peak."""
        grid = np.unique(np.concatenate([self.rate.t.astype(float), t])) if self.rate is not None else np.unique(t)
        height = self.rate_at(grid)
        area = np.concatenate([[0.0], np.cumsum(np.diff(grid) * 0.5 * (height[1:] + height[:-1]))])
        return np.interp(t, grid, area)

    def whole_of(self, series: Series) -> tuple[float, float]:
        """First update of a series, and one past its last."""
        return float(series.t[0]), float(series.t[-1]) + 1

    @cached_property
    def initial(self) -> float:
        """The loss before anything was learnt: of the first updates, before a rate can have done harm."""
        assert self.loss is not None
        y = self.loss.values
        first, few = float(y[0]), float(np.median(y[: max(3, len(y) // 100)]))
        if min(_differs(y[: max(8, len(y) // 20)]), _differs(y[-40:])) > 0.1:
            # One batch of few says little; the lower of the two, because a rate too high lifts the later ones.
            first = few if self.log.facts.averaged == 1 else min(first, few)
            if self.untrained is not None:
                return self.untrained
        if self.untrained is not None and first > 1.5 * self.untrained > 0:
            # An evaluation before the first update knows nothing of what the first updates have done.
            return self.untrained
        return first

    @cached_property
    def blocks(self) -> list[tuple[float, float, Estimate]]:
        """The loss in up to 40 stretches of equal length: beginning, end, level."""
        assert self.loss is not None
        k = int(np.clip(len(self.loss) // 4, 4, 40))
        first, end = self.whole_of(self.loss)
        edges = np.linspace(first, end, k + 1)
        found = [(float(a), float(b), level(self.loss, a, b)) for a, b in pairwise(edges.tolist())]
        return [block for block in found if block[2].n]

    @cached_property
    def best(self) -> float:
        """The lowest level of the loss."""
        return min(block.value for *_, block in self.blocks)

    @cached_property
    def last(self) -> Estimate:
        """The level of the loss at the end: of the last twentieth, and at least 5 losses."""
        assert self.loss is not None
        first, end = self.whole_of(self.loss)
        start = min(end - (end - first) / 20, float(self.loss.t[-min(5, len(self.loss))]))
        return level(self.loss, start, end)

    @property
    def gain(self) -> float:
        """How far the loss has come down."""
        return self.initial - self.best
