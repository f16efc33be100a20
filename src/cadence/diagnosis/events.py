"""Events of a column of rates: every place where the rate does something else than before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias, final

import numpy as np

from cadence.diagnosis.log import Floats, Series
from cadence.diagnosis.reversing.clock import held
from cadence.diagnosis.reversing.pieces import Piece, Way, pieces_of
from cadence.diagnosis.reversing.precision import tolerances
from cadence.findings.finding import Both

RateEventKind: TypeAlias = Literal[
    "drop", "jump", "restart", "rise begins", "rise ends", "decay begins", "decay ends", "turn"
]  # fmt: skip

BIG = 0.05
"""A jump by less than this share of the rate is no event: schedules that are stepped once an epoch make many."""

BACK = 0.5
"""A jump up to this share of the highest rate so far, after a decay, is a restart."""

SMOOTH = 0.4
"""Steps whose heights change by less than this share of the highest from one to the next are a smooth curve, held."""

STEPS = 5
"""So many of them at least..."""

GENTLE = 0.25
"""...and most of them by no more than this share of the rate."""


@final
@dataclass(frozen=True)
class RateEvent:
    """Something that a rate did.

    Attributes:
        t: the first update under the new rate; where a slope changes, the update it changes at.
        kind: ``"drop"`` and ``"jump"`` are sudden, down and up; ``"restart"`` jumps back to about the highest;
            ``"rise begins"``, ``"rise ends"`` (of a warmup, or in the middle), ``"decay begins"``, ``"decay ends"``
            (the rate stays from here on), ``"turn"`` (it fell and rises from here on) are gradual.
        before: rate of the last row before.
        after: rate from there on; of what is gradual, the rate at `t`.
        since: last update that the log shows under the old rate: the event lies in (since, t]. Where every update was
            logged, that is `t` - 1.
    """

    t: int
    kind: RateEventKind
    before: float
    after: float
    since: int

    @property
    def sudden(self) -> bool:
        """Whether the rate jumped."""
        return self.kind in {"drop", "jump", "restart"}

    @property
    def factor(self) -> float:
        """The new rate over the old; infinite from 0."""
        return self.after / self.before if self.before else float("inf")

    @property
    def sentence(self) -> Both:
        """What happened, in English and Chinese."""
        numbers = f"{self.before:.4g} → {self.after:.4g}"
        en, zh = _WORDS[self.kind]
        if self.sudden:
            return Both(
                f"the rate {en} ({numbers}) at update {self.t:,}", f"学习率在第 {self.t:,} 次更新{zh}（{numbers}）"
            )
        return Both(f"{en} at update {self.t:,} ({self.after:.4g})", f"第 {self.t:,} 次更新{zh}（{self.after:.4g}）")


_WORDS = {
    "drop": ("drops", "骤降"), "jump": ("jumps", "跳升"), "restart": ("restarts", "重启"),
    "rise begins": ("a rise begins", "开始上升"), "rise ends": ("the rise ends", "上升结束"),
    "decay begins": ("the decay begins", "开始衰减"), "decay ends": ("the decay ends", "衰减结束"),
    "turn": ("the rate turns upwards", "由降转升"),
}  # fmt: skip


def rate_events(rate: Series, *, steps_per_epoch: float | None = None) -> list[RateEvent]:
    """Every event of a column of rates.

    Args:
        rate: the column; every k-th update suffices, and then an event is known to lie between two rows.
        steps_per_epoch: updates of an epoch, where it is known: steps that follow a smooth curve once an epoch are
            none of its events.

    Returns:
        The events by update.

    Example:
        >>> from cadence import place
        >>> values = place("warmup(50) >> steps(at=[300, 600])", total=1000, base=0.1).values()
        >>> [(event.kind, event.t) for event in rate_events(Series(np.arange(1000), values))]
        [('rise ends', 50), ('drop', 300), ('drop', 600)]
    """
    rate = rate.finite()
    if len(rate) < 2:
        return []
    per_epoch = held(rate.t, rate.values, steps_per_epoch)
    if per_epoch is not None and _is_smooth(per_epoch.values):
        found = _events(per_epoch.epochs, per_epoch.values, _first_rows(rate, per_epoch.length))
        return [replace(event, since=_before(rate, event.t)) for event in found]
    return _events(rate.t.astype(np.float64), rate.values, rate)


def jumps_of(rate: Series) -> list[RateEvent]:
    """The events of a column of rates that are sudden, by update.

    Args:
        rate: of one parameter group.
    """
    return [event for event in rate_events(rate) if event.sudden]


def _before(rate: Series, t: int) -> int:
    """The last logged update before one."""
    return int(rate.t[max(int(np.searchsorted(rate.t, t)) - 1, 0)])


def _is_smooth(values: Floats) -> bool:
    """Whether what is held step by step follows a smooth curve."""
    steps = np.diff(values)
    if len(steps) < STEPS:
        return False
    higher = np.maximum(values[1:], values[:-1])
    if float(np.median(np.abs(steps[higher > 0]) / higher[higher > 0])) > GENTLE:
        return False
    bends = np.abs(np.diff(steps))
    # A corner or two (the end of a warmup, a restart) do not make it steps.
    return float(np.quantile(bends, 0.7)) <= SMOOTH * float(np.abs(steps).max())


def _first_rows(rate: Series, length: int) -> Series:
    """The first row of each epoch."""
    epochs = rate.t // length
    return rate.take(np.append(True, np.diff(epochs) > 0))


def _events(t: Floats, values: Floats, rows: Series) -> list[RateEvent]:
    pieces = pieces_of(t, values, tolerances(values))
    found: list[RateEvent] = []
    highest = float(values[: pieces[0].last + 1].max())
    for before, after in pairwise(pieces):
        event = _sudden(before, after, values, rows, highest) if after.jump else _gradual(before, after, values, rows)
        if event is not None:
            found.append(event)
        highest = max(highest, float(values[after.first : after.last + 1].max()))
    return found


def _sudden(before: Piece, after: Piece, values: Floats, rows: Series, highest: float) -> RateEvent | None:
    old, new = float(values[before.last]), float(values[after.first])
    if abs(new - old) < BIG * max(old, new):
        return None
    kind: RateEventKind = "drop"
    if new > old:
        fell = before.way == "fall" or old < BACK * highest
        back = fell and new >= BACK * highest and before.first > 0
        kind = "restart" if back or before.way == "fall" else "jump"
    return RateEvent(int(rows.t[after.first]), kind, old, new, int(rows.t[before.last]))


_GRADUAL: dict[tuple[Way, Way], RateEventKind] = {
    ("rise", "flat"): "rise ends", ("rise", "fall"): "rise ends", ("flat", "fall"): "decay begins",
    ("fall", "flat"): "decay ends", ("flat", "rise"): "rise begins", ("fall", "rise"): "turn",
}  # fmt: skip


def _gradual(before: Piece, after: Piece, values: Floats, rows: Series) -> RateEvent | None:
    kind = _GRADUAL.get((before.way, after.way))
    if kind is None:
        return None
    row = _corner(before, after, values)
    since = max(row - 1, 0)
    return RateEvent(int(rows.t[row]), kind, float(values[since]), float(values[row]), int(rows.t[since]))


def _corner(before: Piece, after: Piece, values: Floats) -> int:
    """The row of a corner. Rounding hides it among equal rows: at their beginning where the way up to them is steep,
    else in their middle.
    """
    if after.first <= before.last + 1 or "flat" in (before.way, after.way):
        return after.first
    row = before.last - 1
    while row > before.first and values[row - 1] == values[before.last - 1]:
        row -= 1
    steep = before.last - row < 0.25 * (after.first - before.last)
    return before.last if steep else (before.last + after.first + 1) // 2
