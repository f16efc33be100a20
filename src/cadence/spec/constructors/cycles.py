"""Whole schedules under the names people know them by; each is written in the algebra and prints as that."""

from __future__ import annotations

from cadence._errors import SpecError
from cadence.spec.catalogue import constructor
from cadence.spec.constructors.phases import constant, decay, ramp, warmup
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown
from cadence.spec.span import SpanLike, span
from cadence.spec.value import Absolute, Value, number_of, value_of


@constructor(
    formula="warmup, then 1, then decay",
    source="Hu et al. 2024, arXiv:2404.06395, section 4; Haegele et al. 2024, arXiv:2405.18392",
    when="Pre-training, few passes over the data, runs that may be extended: the cooldown can start at any time.",
    avoid="Small data seen many times, where decaying throughout regularises.",
    example="wsd()",
)
def wsd(
    *,
    warmup: SpanLike = "2%",
    cooldown: SpanLike = "20%",
    shape: str = "1-sqrt",
    to: Value = 0.0,
) -> Schedule:
    """Warmup, stable, decay.

    Args:
        warmup: length of the rise.
        cooldown: length of the decay.
        shape: of the decay.
        to: end value.

    Example:
        >>> wsd()
        warmup('2%') >> constant() >> decay('20%', shape='1-sqrt')
    """
    return _warmup(warmup) >> constant() >> decay(cooldown, shape=shape, to=to)


@constructor(
    formula="start up to 1, down to `to`;  in three phases down to start in between",
    source="Smith & Topin 2018, arXiv:1708.07120",
    when="Short trainings with SGD at a rate found by a range test.",
    avoid="Past its length, and for runs that may go on.",
    example="one_cycle()",
)
def one_cycle(
    *,
    up: SpanLike = "30%",
    start: Value = 0.04,
    to: Value = 4e-6,
    phases: int = 2,
    shape: str = "cosine",
) -> Schedule:
    """One cycle in two phases (fast.ai, torch's default) or three (the paper).

    Args:
        up: length of the rise; in three phases also of the fall back to `start`.
        start: value of the first update.
        to: value at the end.
        phases: 2 or 3.
        shape: of every phase.

    Raises:
        SpecError: another number of phases.

    Example:
        >>> one_cycle()
        warmup('30%', start=0.04, shape='cosine') >> cosine(to=4e-06)
        >>> one_cycle(phases=3, shape="linear", to=0.001)
        warmup('30%', start=0.04) >> linear('30%', to=0.04) >> decay(to=0.001)
    """
    if phases not in (2, 3):
        raise SpecError(f"one_cycle has 2 or 3 phases, not {shown(phases)}")
    rise = warmup(up, start=start, shape=shape)
    if phases == 2:
        return rise >> ramp(shape=shape, to=to)
    return rise >> ramp(up, shape=shape, to=start) >> decay(shape=shape, to=to)


@constructor(
    formula="low + (1 - low) decay ** k * triangle",
    source="Smith 2017, arXiv:1506.01186, section 3",
    when="Exploring a range of rates; several minima for an ensemble.",
    avoid="As the last word: it ends wherever the run is cut.",
    example="triangular(up='10 epochs', low=0.1)",
)
def triangular(*, up: SpanLike, down: SpanLike | None = None, low: float = 0.0, decay: float = 1.0) -> Schedule:
    """Up and down in straight lines, again and again.

    Args:
        up: length of a rise.
        down: length of a fall; None: as the rise.
        low: the lower value, a multiple of the base.
        decay: each cycle's height above `low` is so many times that of the one before (0.5: "triangular2").

    Example:
        >>> triangular(up=100, low=0.1)
        (linear(100, to=1, start=0.1) >> linear(100, to=0.1)).repeat()
        >>> triangular(up=100, low=0.1, decay=0.5)
        0.1 + (linear(100, to=0.9, start=0) >> linear(100, start=0.9)).repeat(decay=0.5)
    """
    floor, fall = number_of(low, "low of triangular"), up if down is None else down
    if decay == 1:
        return (ramp(up, shape="linear", start=floor, to=1.0) >> ramp(fall, shape="linear", to=floor)).repeat()
    # Only the height above `low` shrinks, so the floor stands outside the cycle.
    height = 1.0 - floor
    cycle = ramp(up, shape="linear", start=0.0, to=height) >> ramp(fall, shape="linear", start=height, to=0.0)
    return constant(start=floor) + cycle.repeat(decay=decay)


@constructor(
    formula="to + (decay ** k - to) w,  the k-th cycle grow ** k times as long",
    source="Loshchilov & Hutter 2017, arXiv:1608.03983, section 3",
    when="Anytime results: each cycle ends in a model; snapshots for an ensemble.",
    avoid="When only the end counts: one cosine over the whole run ends lower.",
    example="restarts('10 epochs', grow=2)",
)
def restarts(
    length: SpanLike, *, grow: float = 1.0, decay: float = 1.0, to: Value = 0.0, shape: str = "cosine"
) -> Schedule:
    """Decay and restart, with cycles that may grow and peaks that may fall.

    Args:
        length: of the first cycle.
        grow: each cycle is so many times as long as the one before.
        decay: each peak is so many times the one before.
        to: value at the end of each cycle.
        shape: of the decay.

    Raises:
        SpecError: falling peaks together with an absolute end value: the peaks are multiples of the base.

    Example:
        >>> restarts("10 epochs", grow=2)
        cosine('10 epochs').repeat(grow=2)
    """
    low = value_of(to, "to of restarts")
    if decay == 1 or low == 0.0:
        return ramp(length, shape=shape, to=low).repeat(grow=grow, decay=decay)
    if isinstance(low, Absolute):
        raise SpecError(f"restarts with falling peaks needs to as a multiple of the base, not {low}")
    # peak_k = decay ** k and a fixed floor: floor (1 - w) does not shrink, w decay ** k does.
    falling = ramp(length, shape=shape).repeat(grow=grow, decay=decay)
    rising = ramp(length, shape=shape, start=0.0, to=low).repeat(grow=grow)
    return falling + rising


_warmup = warmup

__all__ = ["one_cycle", "restarts", "span", "triangular", "wsd"]
