"""What has no closed form: every value of the run, computed as torch computes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.frameworks.torch.groups import COMPOSERS, parts_of
from cadence.conversion.frameworks.torch.recursion import recursed
from cadence.conversion.native import Native
from cadence.conversion.setting import MOST_SAMPLES, Setting
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan, plan
from cadence.spec.value import absolute


def table(native: Native, on: Setting, why: str) -> Schedule | Plan:
    """The values of one group's scheduler at every step of the run.

    Args:
        native: as the group sees it.
        on: with the group's base alone.
        why: begins the sentence about a run of unknown length.

    Raises:
        ConversionError: the length is not known or too long, torch fails on the way, or a rate is negative.
    """
    ticks = on.need_ticks(why)
    if ticks > MOST_SAMPLES:
        raise ConversionError(f"{why}, and {ticks} values are too many; at most 1e7")
    relative = all(map(_relative, leaves(native)))
    rates, momenta = recursed(native, 1.0 if relative else on.base, ticks)
    bad = next((k for k, x in enumerate(rates) if not (math.isfinite(x) and x >= 0)), None)
    if bad is not None:
        raise ConversionError(
            f"torch's {native} gives a rate of {rates[bad]:g} at step {bad}; a rate is finite and at least 0, so "
            f"change its arguments"
        )
    schedule = on.table(rates if relative else map(on.value, rates))
    if not any(moves_momentum(leaf) for leaf in leaves(native)):
        return schedule
    return plan({"lr": schedule, on.momentum: on.table(map(absolute, momenta))})


def leaves(native: Native) -> list[Native]:
    """The schedulers at the bottom of one, from left to right."""
    if native.name not in COMPOSERS:
        return [native]
    return [leaf for part in parts_of(native) for leaf in leaves(part)]


def moves_momentum(leaf: Native) -> bool:
    """Whether a scheduler moves the momentum too."""
    return leaf.name in ("CyclicLR", "OneCycleLR") and bool(leaf.arguments.get("cycle_momentum", True))


def _relative(leaf: Native) -> bool:
    """Whether all its values are multiples of the base."""
    if leaf.name in ("CyclicLR", "OneCycleLR", "SWALR"):
        return False
    return not leaf.arguments.get("eta_min", 0.0)


def sampled(
    function: Any, what: str, on: Setting, values: Callable[[Callable[[int], float], int], list[float]]
) -> Schedule:
    """A user's function of the step as a table.

    Args:
        function: what torch calls.
        what: its name in messages.
        on: the run.
        values: from the function and the number of steps, the multiples of the base.

    Raises:
        ConversionError: no function, one that fails, or a negative multiple.
    """
    if not callable(function):
        raise ConversionError(f"{what} is a function of the step, not {function!r:.60}; write e.g. lambda t: 0.95 ** t")
    ticks = on.need_ticks(f"{what} is a function, which is sampled over the whole run")
    if ticks > MOST_SAMPLES:
        raise ConversionError(f"{what} is a function, and {ticks} values of it are too many to sample; at most 1e7")

    def checked(k: int) -> float:
        try:
            return float(cast("Any", function)(k))
        except Exception as fault:
            raise ConversionError(f"{what} fails at {k}: {type(fault).__name__}: {fault}; repair it") from fault

    numbers = values(checked, ticks)
    for k, x in enumerate(numbers):
        if not (math.isfinite(x) and x >= 0):
            raise ConversionError(f"{what} leads to {x:g} times the base at step {k}; a rate is finite and at least 0")
    return on.table(numbers)
