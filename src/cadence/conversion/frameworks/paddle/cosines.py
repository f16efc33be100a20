"""Cosines of paddle: one that goes down and up for ever, one that starts again."""

from __future__ import annotations

import math

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.paddle.rates import Rates, at_least_zero, began, epoch, scaled, whole
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import formula, piecewise, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown
from cadence.spec.span import LONGEST

DRIFT = 1e-11
"""Relative error of paddle's recursion that is worth a correction."""

SETTLED = 5000
"""Steps after the bottom in which that error comes about: it is made where the rate is next to nothing."""


@native(
    "paddle",
    "paddle.optimizer.lr.CosineAnnealingDecay",
    base="learning_rate",
    note="rises again after T_max",
)
def cosine_annealing_decay(
    on: Setting,
    learning_rate: float,
    T_max: int,
    eta_min: float = 0,
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """Half a cosine down to eta_min at T_max, then back up, for ever."""
    rates, first, n = Rates.of(on, learning_rate), began(on, last_epoch), whole(T_max, "T_max")
    if not isinstance(eta_min, (float, int)):
        raise ConversionError(f"eta_min is a float or an int, not {shown(eta_min)}; paddle takes no other")
    low = rates.number(eta_min, "eta_min")
    if first:
        return _resumed(rates, n, float(eta_min), first)
    drift = [] if on.local else _drift(rates.rate, float(eta_min), n, on.ticks or 0)
    if drift:
        return _drifting(rates, n, float(eta_min), drift)
    return ramp(on.span(n), shape="cosine", start=rates.times(1.0), to=low).past_end("mirror")


def _drift(rate: float, low: float, n: int, ticks: int) -> list[float]:
    """By what the recursion's height is off after each bottom that the run passes; empty where it hardly is."""
    # From the bottom the recursion starts with 1 - cos(pi / n), of which for large n few digits are left, and keeps the
    # error: each step multiplies. (Driven by a LinearWarmup it is no recursion.)
    height, off = rate - low, list[float]()
    if n < 100 or not height:
        return []
    for bottom in range(n, ticks, 2 * n):
        at = low + height * (1 - math.cos(math.pi / n)) / 2
        last = min(bottom + n, bottom + SETTLED)
        for k in range(bottom + 2, last + 1):
            above, below = 1 + math.cos(math.pi * k / n), 1 + math.cos(math.pi * (k - 1) / n)
            at = above / below * (at - low) + low
        off.append((at - low) / (height * (1 + math.cos(math.pi * last / n)) / 2))
    return off if any(abs(x - 1) > DRIFT for x in off) else []


def _drifting(rates: Rates, n: int, low: float, drift: list[float]) -> Schedule:
    """low + (rate - low) * cosine * drift."""
    on = rates.on
    wave = f"(1 + cos(pi * {on.clock} / {n})) / 2"
    off = piecewise([(on.span(0), 1.0), *((on.span((2 * k + 1) * n), x) for k, x in enumerate(drift))])
    high = scaled(rates.times(1.0), formula(wave) * off)
    floor = rates.number(low, "eta_min")
    if floor == 0.0:
        return high
    return high + scaled(floor, formula("1")) + scaled(floor, formula(f"-{wave}") * off)


def _resumed(rates: Rates, n: int, low: float, first: int) -> Schedule:
    """What the recursion makes of a last_epoch: it takes the rate for the one of that epoch."""
    on, before = rates.on, first - 1
    bottom = before // (2 * n) * 2 * n + n
    if before > bottom:
        bottom += 2 * n
    if before == bottom:
        # The step after a bottom adds, and what it adds to is the whole rate.
        start = (1 + (1 - math.cos(math.pi / n)) / 2) / (1 + math.cos(math.pi * first / n))
        bottom += 2 * n
    else:
        start = 1 / (1 + math.cos(math.pi * before / n))
    n_ = epoch(on, first)
    text = f"where({n_} < {bottom}, {start!r}, 0.5) * (1 + cos(pi * {n_} / {n}))"
    return rates.between(text, low, "eta_min")


@native(
    "paddle",
    "paddle.optimizer.lr.CosineAnnealingWarmRestarts",
    base="learning_rate",
    note="does not save where in its cycle it stands",
)
def cosine_annealing_warm_restarts(
    on: Setting,
    learning_rate: float,
    T_0: int,
    T_mult: int = 1,
    eta_min: float = 0,
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """Half a cosine down to eta_min, again and again, each T_mult times as long."""
    rates, first = Rates.of(on, learning_rate), began(on, last_epoch)
    n, grow = whole(T_0, "T_0"), whole(T_mult, "T_mult")
    low = rates.number(at_least_zero(eta_min, "eta_min"), "eta_min")
    if first >= n:
        raise ConversionError(
            f"CosineAnnealingWarmRestarts with last_epoch={last_epoch} takes that for its place in the first cycle, of "
            f"{n}; leave last_epoch out and begin at update {first}"
        )
    if first:
        wave = f"(1 + cos(pi * {epoch(on, first)} / {n})) / 2"
        rest = rates.between(wave, float(eta_min), "eta_min").cut(on.span(n - first))
        return (rest >> ramp(on.span(n * grow), shape="cosine", start=rates.times(1.0), to=low).repeat(grow=grow)).cut()
    missed = _missed(n, grow, on.ticks) if on.local else []
    if missed:
        return _without(rates, n, grow, float(eta_min), missed)
    return ramp(on.span(n), shape="cosine", start=rates.times(1.0), to=low).repeat(grow=grow)


def _missed(n: int, grow: int, ticks: int | None) -> list[int]:
    """Restarts that paddle misses by one epoch where it is told its epoch, as LinearWarmup does.

    It finds the cycle with a logarithm, which at a restart may fall just short of the whole number that it is.
    """
    missed: list[int] = []
    if grow == 1:
        return missed
    k, begin = 1, n
    while begin <= (LONGEST if ticks is None else ticks):
        if int(math.log(begin / n * (grow - 1) + 1, grow)) < k:
            missed.append(begin)
        begin += n * grow**k
        k += 1
    return missed


def _without(rates: Rates, n: int, grow: int, low: float, missed: list[int]) -> Schedule:
    """The restarts, with eta_min held for one more epoch at each of `missed`."""
    on, floor = rates.on, rates.number(low, "eta_min")
    gaps = [(on.span(k + d), 1.0 - (d == 0)) for k in missed for d in (0, 1)]
    wave = ramp(on.span(n), shape="cosine", start=rates.times(1.0)).repeat(grow=grow)
    high = wave * piecewise([(on.span(0), 1.0), *gaps], local=True)
    if floor == 0.0:
        return high
    held = [(on.span(k + d), 0.0 if d else floor) for k in missed for d in (0, 1)]
    rising = ramp(on.span(n), shape="cosine", start=0.0, to=floor).repeat(grow=grow)
    return high + rising + piecewise([(on.span(0), 0.0), *held], local=True)
