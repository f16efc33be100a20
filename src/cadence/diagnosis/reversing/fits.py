"""One phase: the shape, the beginning and the end that explain a piece of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast, final

import numpy as np

from cadence.diagnosis.log import Floats
from cadence.spec.shape import shape as shapes


@final
@dataclass(frozen=True)
class Phase:
    """A phase with numbers.

    Attributes:
        kind: ``"constant"``, ``"inverse"``, or a registered shape.
        begin, end: where it starts and where it is over, on the clock of the column.
        start, to: its values there.
        parameters: the shape's own (``exponent``), or those of ``inverse`` (``timescale``, ``power``).
        miss: the largest distance from the column, in multiples of how exact the column is.
        bound: whether `end` follows from the numbers: a line and an exponential have none of their own.
    """

    kind: str
    begin: float
    end: float
    start: float
    to: float
    parameters: dict[str, float] = field(default_factory=dict[str, float])
    miss: float = 0.0
    bound: bool = True

    def at(self, t: Any) -> Any:
        """Its values, going on by its formula beyond its ends where the formula does."""
        t = np.asarray(t, dtype=np.float64)
        if self.kind == "constant":
            return np.full(t.shape, self.start)
        if self.kind == "inverse":
            done = np.maximum((t - self.begin) / self.parameters["timescale"], -0.999)
            return self.start * (1 + done) ** -self.parameters["power"]
        length = self.end - self.begin
        if self.kind == "linear":
            return self.start + (self.to - self.start) * (t - self.begin) / length
        if self.kind == "exponential":
            return self.start * (self.to / self.start) ** ((t - self.begin) / length)
        left = weight(self.kind, t, self.begin, self.end, self.parameters)
        return self.to + (self.start - self.to) * left


def weight(kind: str, t: Floats, begin: float, end: float, parameters: dict[str, float]) -> Floats:
    """Weight of the starting value of a registered shape; 1 before it begins, 0 after its end."""
    length = end - begin
    done = np.clip((t - begin) / length, 0.0, 1.0)
    left = np.clip((end - t) / length, 0.0, 1.0)
    with np.errstate(all="ignore"):
        return np.asarray(shapes[kind].make(done, left, np, **parameters), dtype=np.float64)


@final
@dataclass(frozen=True)
class Bounds:
    """Where a phase may begin and end.

    Attributes:
        begin: least and greatest.
        end: least and greatest; the greatest may be far beyond the rows.
        likely: ends to try first, the length of the run for one.
    """

    begin: tuple[float, float]
    end: tuple[float, float]
    likely: tuple[float, ...] = ()


SIMPLE = ("linear", "cosine", "exponential", "inverse", "1-sqrt", "rex", "tanh", "power")
"""Shapes from what is written most to what is written least; others that are registered come after them."""

FINE = 1.3
"""A phase explains a piece where it misses no number by more than so many times what that is exact to."""

_POWERS = (0.5, 1.0)


def best_fit(t: Floats, values: Floats, tolerance: Floats, bounds: Bounds, *, loose: tuple[bool, bool]) -> Phase:
    """The simplest phase that explains some rows; where none does, the nearest.

    Args:
        t: rising; at least two rows.
        values: as many.
        tolerance: how exact each is.
        bounds: of the phase.
        loose: whether the first, and the last row may belong to a neighbour: a phase may begin between two rows.
    """
    others = [name for name in shapes.names() if name not in SIMPLE]
    parts = [slice(None)]
    parts += [slice(1, None)] * loose[0] + [slice(None, -1)] * loose[1] + [slice(1, -1)] * (loose[0] and loose[1])
    nearest: Phase | None = None
    for name in (*SIMPLE, *others):
        for part in parts:
            # Through three rows a line may be a coincidence; everything else is one.
            if part != slice(None) and len(t[part]) < (3 if name == "linear" else 5):
                continue
            for fit in _fit(name, t[part], values[part], tolerance[part], bounds):
                if fit.miss <= FINE:
                    return fit
                if part == slice(None) and (nearest is None or fit.miss < 0.8 * nearest.miss):
                    nearest = fit
    assert nearest is not None, "a line always fits somehow"
    return nearest


def _fit(name: str, t: Floats, values: Floats, tolerance: Floats, bounds: Bounds) -> Iterator[Phase]:
    begin, end = bounds.begin[1], bounds.end[0]
    if name == "linear":
        yield _line(t, values, tolerance, begin, end)
    elif name == "exponential":
        if (values > 0).all():
            log = _line(t, np.log(values), tolerance / values, begin, end)
            fit = Phase("exponential", begin, end, float(np.exp(log.start)), float(np.exp(log.to)), bound=False)
            yield _judged(fit, t, values, tolerance)
    elif name == "inverse":
        if (values > 0).all() and values[-1] < values[0]:
            yield from (_inverse(t, values, tolerance, begin, end, power) for power in _POWERS)
    elif shapes[name].mixes == "linear" and len(t) >= 3:
        if name == "power":
            yield _power(t, values, tolerance, bounds)
        else:
            yield _shaped(name, {}, t, values, tolerance, bounds)


def _judged(fit: Phase, t: Floats, values: Floats, tolerance: Floats) -> Phase:
    with np.errstate(all="ignore"):
        miss = np.abs(fit.at(t) - values) / tolerance
    return replace(fit, miss=float(np.max(miss)) if np.isfinite(miss).all() else float("inf"))


def _line(t: Floats, values: Floats, tolerance: Floats, begin: float, end: float) -> Phase:
    """A straight line, through as much as the weights of the numbers say."""
    end = end if end > begin else begin + 1
    done = (t - begin) / (end - begin)
    start, to = _two(np.stack([1 - done, done], axis=1), values, tolerance)
    return _judged(Phase("linear", begin, end, start, to, bound=False), t, values, tolerance)


def _inverse(t: Floats, values: Floats, tolerance: Floats, begin: float, end: float, power: float) -> Phase:
    # (A (1 + n / s) ** -p) ** (-1 / p) is a line in n.
    line = values ** (-1 / power)
    slope_at = np.abs(-1 / power * line / values) * tolerance
    at, to = _two(np.stack([np.ones(len(t)), t - begin], axis=1), line, np.maximum(slope_at, 1e-300))
    if at <= 0 or to <= 0:
        return Phase("inverse", begin, end, 1.0, 1.0, {"timescale": 1.0, "power": power}, float("inf"))
    fit = Phase("inverse", begin, end, float(at**-power), 0.0, {"timescale": at / to, "power": power}, bound=False)
    return _judged(fit, t, values, tolerance)


def _two(columns: Floats, values: Floats, tolerance: Floats) -> tuple[float, float]:
    """Least squares for two numbers."""
    weights = 1 / tolerance
    weights = weights / weights.max()
    # By pyright, what lstsq gives back is of no known type.
    solved = cast("Floats", np.linalg.lstsq(columns * weights[:, None], values * weights, rcond=None)[0])  # pyright: ignore[reportUnknownMemberType]
    return float(solved[0]), float(solved[1])


def shaped_at(
    name: str, parameters: dict[str, float], t: Floats, values: Floats, tolerance: Floats, begin: float, end: float
) -> Phase:
    """The phase of a shape with its two ends given: the values there follow."""
    left = weight(name, t, begin, end, parameters)
    if np.ptp(left) < 1e-12 or not np.isfinite(left).all():
        return Phase(name, begin, end, 1.0, 0.0, parameters, float("inf"))
    start, to = _two(np.stack([left, 1 - left], axis=1), values, tolerance)
    return _judged(Phase(name, begin, end, start, max(to, 0.0) if start > to else to, parameters), t, values, tolerance)


def _shaped(
    name: str, parameters: dict[str, float], t: Floats, values: Floats, tolerance: Floats, bounds: Bounds
) -> Phase:
    """The best beginning and end of a shape, whole numbers where these do."""

    def fit(begin: float, end: float) -> Phase:
        return shaped_at(name, parameters, t, values, tolerance, begin, end)

    some = _some(t, values, tolerance)

    def judge(x: Floats) -> float:
        begin, end = float(np.clip(x[0], *bounds.begin)), float(np.clip(x[1], *bounds.end))
        return _rms(shaped_at(name, parameters, *some, begin, max(end, begin + 1e-6)), *some)

    span = max(float(t[-1] - t[0]), 1.0)
    begins = list(
        dict.fromkeys([float(np.clip(t[0], *bounds.begin)), bounds.begin[1], bounds.begin[0], sum(bounds.begin) / 2])
    )
    for end in (*bounds.likely, *_zero(name, t, values, bounds)):
        for begin in begins:
            if end > begin and (exact := fit(begin, end)).miss <= 1.05:
                return exact
    ends = [*bounds.likely, *_grid(bounds.end, span)]
    starts = sorted(((judge(np.array([b, e])), b, e) for b in begins for e in ends if e > b), key=lambda x: x[0])
    if not starts:
        return Phase(name, 0.0, 1.0, 1.0, 0.0, parameters, float("inf"))
    free = np.array([bounds.begin[0] < bounds.begin[1], bounds.end[0] < bounds.end[1]])
    alike = [start for start in starts[:2] if start[0] < 3 * starts[0][0]]
    candidates = [_descend(judge, np.array([b, e]), free, span) for _, b, e in alike]
    begin, end = min(candidates, key=judge)
    return _whole(fit, float(np.clip(begin, *bounds.begin)), float(np.clip(end, *bounds.end)), bounds)


def _zero(name: str, t: Floats, values: Floats, bounds: Bounds) -> list[float]:
    """Where a square root that falls reaches 0: its end follows from nothing else."""
    if name != "1-sqrt" or len(t) < 3:
        return []
    root = np.sqrt(np.maximum(t - bounds.begin[1], 0))
    at, slope = _two(np.stack([np.ones(len(t)), root], axis=1), values, np.ones(len(t)))
    end = bounds.begin[1] + (at / -slope) ** 2 if slope < 0 else 0.0
    return [float(round(end))] if bounds.end[0] <= round(end) <= bounds.end[1] else []


def _exponent(t: Floats, values: Floats, tolerance: Floats, begin: float, end: float) -> Phase:
    """The exponent of a power whose ends are given, by golden section."""
    low, high = np.log(0.05), np.log(20.0)
    ratio = (np.sqrt(5) - 1) / 2
    some = _some(t, values, tolerance)

    def fit(x: float) -> Phase:
        return shaped_at("power", {"exponent": float(np.exp(x))}, t, values, tolerance, begin, end)

    def judge(x: float) -> float:
        return _rms(shaped_at("power", {"exponent": float(np.exp(x))}, *some, begin, end), *some)

    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = judge(a), judge(b)
    for _ in range(40 if len(t) > 50 else 50):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = judge(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = judge(b)
    exponent = float(np.exp((low + high) / 2))
    for digits in (2, 3, 4):
        short = fit(float(np.log(round(exponent, digits - 1)))) if round(exponent, digits - 1) > 0 else fit(low)
        if short.miss <= 1.05:
            return short
    return fit((low + high) / 2)


def _power(t: Floats, values: Floats, tolerance: Floats, bounds: Bounds) -> Phase:
    """A power whose exponent is free."""
    best: Phase | None = None
    knot = float(np.clip(t[0], *bounds.begin))
    for begin in dict.fromkeys((knot, bounds.begin[0], bounds.begin[1])):
        for end in bounds.likely:
            if end > begin:
                fit = _exponent(t, values, tolerance, begin, end)
                best = fit if best is None or fit.miss < best.miss else best
                if best.miss <= FINE:
                    return best
    span = max(float(t[-1] - t[0]), 1.0)
    for end in _grid(bounds.end, span)[1::2]:
        fit = _exponent(t, values, tolerance, knot, end)
        best = fit if best is None or fit.miss < best.miss else best
    if best is None or best.miss <= FINE or not np.isfinite(best.miss):
        return best or Phase("power", 0.0, 1.0, 1.0, 0.0, {"exponent": 2.0}, float("inf"))

    def fit_at(t: Floats, values: Floats, tolerance: Floats, x: Floats) -> Phase:
        begin, end = float(np.clip(x[0], *bounds.begin)), float(np.clip(x[1], *bounds.end))
        exponent = {"exponent": float(np.clip(x[2] / span, 0.05, 20.0))}
        return shaped_at("power", exponent, t, values, tolerance, begin, max(end, begin + 1e-6))

    free = np.array([bounds.begin[0] < bounds.begin[1], bounds.end[0] < bounds.end[1], True])
    x = np.array([best.begin, best.end, best.parameters["exponent"] * span])
    some = _some(t, values, tolerance)
    found = fit_at(t, values, tolerance, _descend(lambda y: _rms(fit_at(*some, y), *some), x, free, span))
    return found if found.miss < best.miss else best


SEARCHED = 160
"""Rows that a search looks at; what it finds is judged by all."""


def _some(t: Floats, values: Floats, tolerance: Floats) -> tuple[Floats, Floats, Floats]:
    if len(t) <= SEARCHED:
        return t, values, tolerance
    index = np.unique(np.linspace(0, len(t) - 1, SEARCHED).astype(np.int64))
    return t[index], values[index], tolerance[index]


def _rms(fit: Phase, t: Floats, values: Floats, tolerance: Floats) -> float:
    if not np.isfinite(fit.miss):
        return float("inf")
    off: Floats = (fit.at(t) - values) / tolerance
    return float(np.sqrt((off**2).mean()))


def _grid(end: tuple[float, float], span: float) -> list[float]:
    """Ends to begin a search from, denser near the rows."""
    low, high = end
    if high <= low:
        return [low]
    reach = max(high - low, 1e-9)
    return [low + reach * x for x in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)]


def _descend(judge: Callable[[Floats], float], x: Floats, free: Any, span: float) -> Floats:
    """The lowest point near a start, by Gauss and Newton's step where it helps and by halving steps where not."""
    value = judge(x)
    step = np.where(free, 0.05 * span, 0.0)
    for _ in range(120):
        moved = False
        for i in np.flatnonzero(free):
            for sign in (1.0, -1.0):
                trial = x.copy()
                trial[i] += sign * step[i]
                found = judge(trial)
                if found < value:
                    x, value, moved = trial, found, True
                    step[i] *= 1.6
                    break
            else:
                step[i] *= 0.5
        if not moved and float(step.max()) < 1e-7 * span:
            break
    return x


def _whole(fit: Callable[[float, float], Phase], begin: float, end: float, bounds: Bounds) -> Phase:
    """The phase with whole ends near the best ones, unless it explains less."""
    best = fit(begin, end)
    choices = [
        fit(b, e)
        for b in _near(begin, bounds.begin)
        for e in _near(end, bounds.end)
        if e > b
    ]  # fmt: skip
    whole = min(choices, key=lambda f: f.miss, default=best)
    return whole if whole.miss <= max(FINE, 1.5 * best.miss) else best


def _near(x: float, bounds: tuple[float, float]) -> list[float]:
    around = {float(round(x)), float(np.floor(x)), float(np.ceil(x))}
    inside = [y for y in around if bounds[0] <= y <= bounds[1]]
    return sorted(inside) or [x]
