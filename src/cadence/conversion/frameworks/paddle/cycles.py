"""Cycles of paddle: one, and many."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.paddle.rates import (
    Rates,
    at_least_zero,
    began,
    epoch,
    negative,
    scaled,
    whole,
)
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, exponential, formula, ramp
from cadence.spec.nodes import Schedule, Sequence
from cadence.spec.shown import shown
from cadence.spec.value import Value

ROUNDED = 1e-9
"""How far from a whole number of epochs the end of a phase may lie through rounding alone."""

MOST_HALVINGS = 1024
"""Powers of two that a float holds."""


@native(
    "paddle",
    "paddle.optimizer.lr.OneCycleLR",
    base="max_learning_rate",
    note="raises past total_steps",
)
def one_cycle_lr(
    on: Setting,
    max_learning_rate: float,
    total_steps: int,
    divide_factor: float = 25.0,
    end_learning_rate: float = 0.0001,
    phase_pct: float = 0.3,
    anneal_strategy: str = "cos",
    three_phase: bool = False,
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """From max / divide_factor up to max, down to end_learning_rate at total_steps - 1."""
    rates, n = Rates.of(on, max_learning_rate, "max_learning_rate"), whole(total_steps, "total_steps")
    first = began(on, last_epoch)
    if not isinstance(end_learning_rate, (float, int)) or not isinstance(divide_factor, (float, int)):
        raise ConversionError(
            "end_learning_rate and divide_factor of OneCycleLR are floats or ints; paddle takes no other"
        )
    if not isinstance(phase_pct, float) or not 0 <= phase_pct <= 1:
        raise ConversionError(f"phase_pct is a float between 0 and 1, not {shown(phase_pct)}")
    if three_phase and phase_pct >= 0.5:
        raise ConversionError(f"phase_pct is {phase_pct:g}; with three_phase it must be less than 0.5")
    if anneal_strategy not in ("cos", "linear"):
        raise ConversionError(f"anneal_strategy is 'cos' or 'linear', not {shown(anneal_strategy)}")
    if not divide_factor > 0:
        raise ConversionError(f"divide_factor is {divide_factor:g}; write a number above 0")
    ends = [0.0, phase_pct * n - 1, *([2 * phase_pct * n - 2] if three_phase else []), n - 1.0]
    start, end = rates.rate / float(divide_factor), at_least_zero(end_learning_rate, "end_learning_rate")
    levels = [start, rates.rate, *([start] if three_phase else []), end]
    last = _last_step(ends, n)
    if on.ticks is not None and first + on.ticks > last:
        raise ConversionError(
            f"OneCycleLR of {n} steps raises after step {last}, and the run has {on.ticks}"
            f"{f' from step {first} on' if first else ''}; make total_steps as long as the run"
        )
    if not first and _regular(ends):
        low = rates.number(end, "end_learning_rate")
        values = [rates.times(1 / divide_factor), rates.times(1.0), rates.times(1 / divide_factor), low]
        return _phases(on, ends, values if three_phase else [*values[:2], low], levels, anneal_strategy, last)
    text = _text(ends, levels, anneal_strategy, epoch(on, first))
    return _ended(on, scaled(rates.number(1.0, "1"), formula(text, local=on.local)), last - first)


def _last_step(ends: list[float], n: int) -> int:
    """The last step that paddle computes.

    Raises:
        ConversionError: a phase without a length, by which it divides at once.
    """
    if ends[1] == 0 or n == 1 == ends[1] + 1:
        raise ConversionError(
            "the first phase of OneCycleLR is one step long, which paddle divides by as 0; choose another phase_pct"
        )
    # One step past the end the last phase goes on; of no length, it is divided by there.
    return n - 1 if ends[-1] == ends[-2] else n


def _regular(ends: list[float]) -> bool:
    """Whether the phases begin and end at whole steps, one after the other."""
    return all(abs(e - round(e)) < ROUNDED for e in ends) and all(round(a) < round(b) for a, b in pairwise(ends))


def _phases(
    on: Setting, ends: list[float], values: list[Value], levels: list[float], strategy: str, last: int
) -> Schedule:
    shape = "cosine" if strategy == "cos" else "linear"
    parts: list[Schedule] = [
        ramp(on.span(round(b) - round(a)), shape=shape, start=x, to=y)
        for (a, b), (x, y) in zip(pairwise(ends), pairwise(values), strict=True)
    ]
    if on.ticks is None or on.ticks == last:
        parts[-1] = _one_more(on, parts[-1], ends, values, levels, strategy)
    whole_of_it = Sequence(tuple(parts))
    if on.ticks is not None and on.ticks <= round(ends[-2]):
        return whole_of_it.cut()
    return _ended(on, whole_of_it, last)


def _one_more(
    on: Setting, phase: Schedule, ends: list[float], values: list[Value], levels: list[float], strategy: str
) -> Schedule:
    """The last phase with the step after its end, which paddle computes too."""
    if strategy == "cos":
        return phase.past_end("mirror")
    n, (start, end) = round(ends[-1]) - round(ends[-2]), levels[-2:]
    after = end + (end - start) / n
    # Where that is below 0, as it mostly is, it is left out: no update of the run is made with it.
    if after < 0 or start == end:
        return phase
    beyond = Rates(on, on.base).number(after, "end_learning_rate")
    return ramp(on.span(n + 1), shape="linear", start=values[-2], to=beyond)


def _ended(on: Setting, schedule: Schedule, last: int) -> Schedule:
    """Refused after its last step, where the run may be longer."""
    return schedule if on.ticks is not None else schedule.cut(on.span(last)).past_end("raise")


def _text(ends: list[float], levels: list[float], strategy: str, n: str) -> str:
    """The rate as a formula, phase by phase."""
    texts: list[str] = []
    for (a, b), (x, y) in zip(pairwise(ends), pairwise(levels), strict=True):
        share = f"({n} - {a!r}) / {b - a!r}"
        texts.append(
            f"{y!r} + {(x - y) / 2!r} * (cos(pi * {share}) + 1)"
            if strategy == "cos"
            # Each end times its own share: towards 0 nothing is subtracted that could leave less.
            else f"{x!r} * ({b!r} - {n}) / {b - a!r} + {y!r} * {share}"
        )
    text = texts[-1]
    for end, before in zip(ends[-2:0:-1], texts[-2::-1], strict=True):
        text = f"where({n} <= {end!r}, {before}, {text})"
    return text


@native("paddle", "paddle.optimizer.lr.CyclicLR", base="base_learning_rate")
def cyclic_lr(
    on: Setting,
    base_learning_rate: float,
    max_learning_rate: float,
    step_size_up: int,
    step_size_down: int | None = None,
    mode: str = "triangular",
    exp_gamma: float = 1.0,
    scale_fn: Callable[[float], float] | None = None,
    scale_mode: str = "cycle",
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """Up from base_learning_rate to max_learning_rate and down again, for ever; what is above the base may shrink."""
    rates = Rates.of(on, base_learning_rate, "base_learning_rate")
    high = Rates.of(on, max_learning_rate, "max_learning_rate").rate
    up, first = whole(step_size_up, "step_size_up"), began(on, last_epoch)
    down = up if step_size_down is None else whole(step_size_down, "step_size_down")
    if not isinstance(exp_gamma, float):
        raise ConversionError(f"exp_gamma is a float, not {shown(exp_gamma)}; paddle takes no other")
    if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
        raise ConversionError(f"mode is 'triangular', 'triangular2' or 'exp_range', not {shown(mode)}")
    if scale_mode not in ("cycle", "iterations"):
        raise ConversionError(f"scale_mode is 'cycle' or 'iterations', not {shown(scale_mode)}")
    if scale_fn is not None:
        return _by_function(rates, high, (up, down), scale_fn, scale_mode, first)
    if mode == "triangular2" and first + (on.ticks or 0) >= MOST_HALVINGS * (up + down):
        raise ConversionError(
            f"CyclicLR halves its height with every cycle, which paddle cannot after {MOST_HALVINGS} of them; make the "
            f"cycles longer or the run shorter"
        )
    if mode == "exp_range" and exp_gamma < 0:
        raise negative("CyclicLR", exp_gamma)
    top, floor = rates.number(high, "max_learning_rate"), rates.times(1.0)
    if mode == "triangular" and not first % (up + down):
        # The bare cycle, which reads best.
        rise = ramp(on.span(up), shape="linear", start=floor, to=top)
        return (rise >> ramp(on.span(down), shape="linear", start=top, to=floor)).repeat()
    if first or high < rates.rate:
        return _by_formula(rates, high, (up, down), mode, exp_gamma, first)
    height = rates.number(high - rates.rate, "max_learning_rate")
    cycle = ramp(on.span(up), shape="linear", start=0.0, to=height)
    cycle = cycle >> ramp(on.span(down), shape="linear", start=height, to=0.0)
    if mode == "triangular2":
        return constant(start=floor) + cycle.repeat(decay=0.5)
    return constant(start=floor) + cycle.repeat() * exponential(gamma=exp_gamma, every=on.span(1))


def _by_formula(rates: Rates, high: float, sizes: tuple[int, int], mode: str, gamma: float, first: int) -> Schedule:
    """The irregular ones: those that dip below their base, and those that begin in the middle."""
    (up, down), on = sizes, rates.on
    n = epoch(on, first)
    inside = f"({n} % {up + down})"
    shrink = {"triangular": "", "triangular2": f" * 0.5 ** ({n} // {up + down})", "exp_range": f" * {gamma!r} ** {n}"}
    height = f"where({inside} <= {up}, {inside} / {up}, ({up + down} - {inside}) / {down})"
    text = f"{rates.rate!r} + {high - rates.rate!r} * {height}{shrink[mode]}"
    return scaled(rates.number(1.0, "1"), formula(text, local=on.local))


def _by_function(
    rates: Rates,
    high: float,
    sizes: tuple[int, int],
    scale_fn: Callable[[float], float],
    scale_mode: str,
    first: int,
) -> Schedule:
    """A table: the height is a function's."""
    (up, down), on = sizes, rates.on
    if not callable(scale_fn):
        raise ConversionError(f"scale_fn is a function, not {shown(scale_fn)}")

    def value(k: int) -> float:
        k += first
        inside = k % (up + down)
        height = inside / up if inside <= up else (up + down - inside) / down
        # Paddle counts cycles from 1, as a float, and iterations as they come.
        x = 1 + k // float(up + down) if scale_mode == "cycle" else k
        return rates.rate + (high - rates.rate) * height * float(scale_fn(x))

    return scaled(rates.number(1.0, "1"), on.sampled(value, "scale_fn"))
