"""Reverse engineering: a column of rates becomes a schedule in cadence's notation, with what it leaves unexplained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast, final

import numpy as np

from cadence._errors import CadenceError
from cadence.curve.curve import Curve
from cadence.curve.place import place
from cadence.diagnosis.log import Floats, Series
from cadence.diagnosis.reversing.clock import held
from cadence.diagnosis.reversing.cycles import cycles
from cadence.diagnosis.reversing.fits import FINE, Phase
from cadence.diagnosis.reversing.joints import phases_of
from cadence.diagnosis.reversing.pieces import Piece, merged, pieces_of, with_plateaus
from cadence.diagnosis.reversing.precision import LEAST, tolerances
from cadence.diagnosis.reversing.waypoints import waypoints
from cadence.diagnosis.reversing.wording import Wording, count, sequence
from cadence.spec.parse import parse

ROWS = 1500
"""So many rows are fitted at most, those around bends and jumps among them; all are compared in the end."""

NAMED = 0.02
"""A schedule with a name is preferred to waypoints as long as it leaves no more than this share unexplained."""

FEW = 12
"""A column of so few levels may be meant as steps at updates, whatever epochs they would make."""

SINGLY = 24
"""So many numbers at most are rounded one by one, each as far as it bears; more are rounded together only."""

MANY = 60
"""Pieces of a column that is taken for a schedule; more are taken for waypoints at once."""


@final
@dataclass(frozen=True)
class Reversed:
    """A schedule that explains a column of rates.

    Attributes:
        schedule: text; `place` and `parse` read it.
        base: what it is a multiple of.
        total: length of the run in updates that it was placed on.
        steps_per_epoch: updates of an epoch, where lengths are in epochs; else None.
        residual: largest difference from the column, relative to the value, or to a thousandth of the largest where
            the value is smaller.
        exact: the column is explained as far as its digits go.
        numbers: how many numbers the schedule has.
        share: what 98 % of the rows differ by at most, as a share of the largest rate.
    """

    schedule: str
    base: float
    total: int
    steps_per_epoch: int | None
    residual: float
    exact: bool
    numbers: int
    share: float

    def curve(self) -> Curve:
        """The schedule, placed."""
        return place(self.schedule, total=self.total, base=self.base, steps_per_epoch=self.steps_per_epoch)


def reverse(rate: Series, *, total: int | None = None, steps_per_epoch: float | None = None) -> Reversed | None:
    """The schedule that explains a column of rates.

    Of schedules that explain it equally well, the one with the fewest numbers; they are rounded as far as the column
    bears.

    Args:
        rate: the column, each rate at the update that it governed; every k-th update suffices.
        total: length of the run in updates, where it is known.
        steps_per_epoch: updates of an epoch, where it is known.

    Returns:
        The schedule; None where there are no two finite rates, or negative ones.

    Example:
        >>> from cadence import place
        >>> values = place("warmup(50) >> cosine(to=0.1)", total=1000, base=3e-4).values()
        >>> found = reverse(Series(np.arange(1000), values), total=1000)
        >>> found.schedule, found.base
        ('warmup(50) >> cosine(to=0.1)', 0.0003)
    """
    rate = rate.finite()
    if len(rate) < 2 or (rate.values < 0).any() or not (rate.values > 0).any():
        return None
    column = _Column(rate, total, epochs_known=steps_per_epoch is not None)
    texts = list(_constant(column))
    per_epoch = held(rate.t, rate.values, steps_per_epoch)
    if per_epoch is not None:
        texts += column.texts(per_epoch.epochs, per_epoch.values, per_epoch.length)
    known = steps_per_epoch is not None and per_epoch is not None
    told = per_epoch is not None and any(column.explains(text) for text in texts)
    if not told or (not known and len(np.unique(rate.values)) <= FEW):
        some = _some(rate)
        texts += column.texts(some.t.astype(np.float64), some.values, None)
    found = [said for text in texts if (said := column.said(text)) is not None]
    if not any(said.exact for said in found):
        found += [said for text in _through(column) if (said := column.said(text)) is not None]
    return _chosen(found)


@final
@dataclass(frozen=True)
class _Text:
    """A candidate: text with places for numbers."""

    text: str
    numbers: tuple[float, ...]
    base: float
    total: int
    steps_per_epoch: int | None

    def filled(self, numbers: Sequence[float]) -> str:
        return self.text.format(*(repr(float(x)) for x in numbers))


@final
class _Column:
    """The rates, and what is compared with them."""

    def __init__(self, rate: Series, total: int | None, *, epochs_known: bool = True) -> None:
        self.rate = rate
        # The length of an epoch that a column itself told is one more number.
        self.epochs_known = epochs_known
        self.tolerance = tolerances(rate.values)
        self.total = max(total or 0, int(rate.t[-1]) + 1)
        self.known = total is not None and total >= int(rate.t[-1]) + 1
        self.largest = float(rate.values.max())
        some = _some(rate)
        index = np.searchsorted(rate.t, some.t)
        self._few = (rate.t[index], rate.values[index], self.tolerance[index])

    def texts(self, t: Floats, values: Floats, length: int | None) -> list[_Text]:
        """Candidates from the pieces of a column, on its clock."""
        tolerance = tolerances(values)
        pieces = pieces_of(t, values, tolerance)
        found: list[_Text] = []
        for i, some in enumerate((pieces, with_plateaus(pieces), merged(pieces))):
            if (not i or some != pieces) and len(some) <= MANY and not any(self.explains(text) for text in found):
                found += self._texts(some, t, values, tolerance, length)
        return found

    def _texts(
        self, pieces: Sequence[Piece], t: Floats, values: Floats, tolerance: Floats, length: int | None
    ) -> Iterator[_Text]:
        scale = length or 1
        total = self.total / scale
        phases = phases_of(pieces, t, values, tolerance, total if self.known else None)
        if not phases:
            return
        phases = _joined(phases)
        if not self.known and 0 <= phases[-1].end - float(t[-1]) < 1.5 * _every(t):
            total = phases[-1].end
        base = _base(phases)
        words = Wording(total, " epochs" if length else "", base)
        run = self.total if self.known else max(round(total * scale), 1)
        for text, numbers in ((sequence(phases, words), words.numbers), *cycles(phases, words)):
            if np.isfinite([base, *numbers]).all():
                yield _Text(text, tuple(numbers), base, run, length)

    def misses(self, text: _Text, numbers: Sequence[float], base: float) -> float:
        """The largest distance, in multiples of how exact the column is; infinite for what cannot be placed."""
        t, values, tolerance = self._few
        computed = _computed(text.filled(numbers), base, text, t)
        return float("inf") if computed is None else float(np.max(np.abs(computed - values) / tolerance))

    def _misses_with(self, text: _Text, numbers: Sequence[float], i: int, base: float, number: float) -> float:
        return self.misses(text, [*numbers[:i], number, *numbers[i + 1 :]], base)

    def explains(self, text: _Text) -> bool:
        return self.misses(text, text.numbers, text.base) <= FINE

    def said(self, text: _Text) -> Reversed | None:
        """A candidate with its numbers rounded."""
        least = self.misses(text, text.numbers, text.base)
        if not np.isfinite(least):
            return None
        limit = max(1.02, 1.02 * least)
        base, numbers = self._rounded_together(text, limit)
        for _ in range(2 if len(numbers) <= SINGLY else 0):
            base = self._rounded(base, partial(self.misses, text, numbers), limit)
            for i in range(len(numbers)):
                judge = partial(self._misses_with, text, numbers, i, base)
                numbers[i] = self._rounded(numbers[i], judge, limit)
        try:
            short = repr(parse(text.filled(numbers)))
        except CadenceError:
            return None
        computed = _computed(short, base, text, self.rate.t)
        if computed is None:
            return None
        size = np.maximum(np.abs(self.rate.values), LEAST * self.largest)
        off = np.abs(computed - self.rate.values)
        exact = bool((off <= FINE * self.tolerance).all())
        return Reversed(
            short, base, text.total, text.steps_per_epoch, float((off / size).max()), exact,
            count(short) + 1 + (text.steps_per_epoch is not None and not self.epochs_known),
            float(np.quantile(off, 0.98)) / self.largest,
        )  # fmt: skip

    def _rounded_together(self, text: _Text, limit: float) -> tuple[float, list[float]]:
        """Base and numbers with as few digits as explain no less, all at once: each alone may make up for another."""
        for digits in range(1, 11):
            base = _short(text.base, digits)
            numbers = [_snapped(number * text.base / base, digits) for number in text.numbers]
            alone = [_snapped(number, digits) for number in text.numbers]
            for choice in (numbers, alone):
                if self.misses(text, choice, base) <= limit:
                    return base, choice
        return text.base, list(text.numbers)

    def _rounded(self, number: float, judge: Any, limit: float) -> float:
        """The number with the fewest digits that explains no less."""
        for near in (0.0, 1.0):
            if abs(number - near) < 1e-3 and judge(near) <= limit:
                return near
        for digits in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15):
            short = _short(number, digits)
            if judge(short) <= limit:
                return short
        return number


def _computed(text: str, base: float, of: _Text, t: Any) -> Floats | None:
    try:
        return cast("Floats", place(text, total=of.total, base=base, steps_per_epoch=of.steps_per_epoch).at(t))
    except (CadenceError, ValueError, ZeroDivisionError, OverflowError):
        return None


def _short(number: float, digits: int) -> float:
    return float(f"{number:.{digits - 1}e}")


def _snapped(number: float, digits: int) -> float:
    """A number with few digits; 0 or 1 where it is nearly that."""
    near = float(round(number))
    return near if near in (0.0, 1.0) and abs(number - near) < 10.0 ** -(digits + 1) else _short(number, digits)


def _constant(column: _Column) -> Iterator[_Text]:
    middle = float(np.median(column.rate.values))
    if np.abs(column.rate.values - middle).max() <= NAMED * middle:
        yield _Text("constant()", (), middle, column.total, None)


def _some(rate: Series) -> Series:
    """Rows enough to see every bend and jump."""
    if len(rate) <= ROWS:
        return rate
    from cadence.diagnosis.reading.bins import Thinned

    thin = Thinned(-(-len(rate) // (ROWS // 4)))
    thin.add(rate.t, rate.values)
    kept = thin.whole("")
    return (
        Series(kept.t, kept.values) if len(kept.t) <= 4 * ROWS else rate.take(slice(None, None, -(-len(rate) // ROWS)))
    )


def _joined(phases: Sequence[Phase]) -> list[Phase]:
    """Phases of some length; two that go on along one curve are one."""
    kept: list[Phase] = []
    for phase in phases:
        if kept and phase.kind == kept[-1].kind == "constant" and phase.start == kept[-1].start:
            kept[-1] = replace(kept[-1], end=phase.end)
        elif phase.end > phase.begin:
            kept.append(phase)
    return kept or list(phases)


def _base(phases: Sequence[Phase]) -> float:
    """What the rates are multiples of: the highest value that a phase starts at or ends at."""
    return max(max(phase.start, phase.to) for phase in phases)


def _every(t: Floats) -> float:
    return float(np.median(np.diff(t))) if len(t) > 1 else 1.0


def _through(column: _Column) -> Iterator[_Text]:
    """Waypoints, which say any column."""
    points = waypoints(column.rate.t, column.rate.values, column.tolerance)
    places = ", ".join(f"({t}, {{{i}}})" for i, (t, _) in enumerate(points))
    numbers = tuple(value / column.largest for _, value in points)
    yield _Text(f"piecewise([{places}], shape='linear')", numbers, column.largest, column.total, None)


def _chosen(found: Sequence[Reversed]) -> Reversed | None:
    """The simplest that explains the column; where none does, a named one that nearly does, else the nearest."""
    exact = [said for said in found if said.exact]
    near = [said for said in found if said.share <= NAMED and "piecewise" not in said.schedule]
    if exact or near:
        return min(exact or near, key=lambda said: (said.numbers, said.steps_per_epoch is not None, said.residual))
    return min(found, key=lambda said: said.residual, default=None)
