"""Torch's schedulers that go from one value to another."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.torch.checks import begun, number, rate, whole
from cadence.conversion.frameworks.torch.groups import per_group
from cadence.conversion.frameworks.torch.rates import NEXT
from cadence.conversion.frameworks.torch.tables import table
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.value import absolute, number_text

DRIFTS = 5000
"""T_max from which the digits that torch loses at the bottom of a cosine can be seen behind it."""


@native("torch", "torch.optim.lr_scheduler.LinearLR")
def linear_lr(
    on: Setting,
    start_factor: float = 1 / 3,
    end_factor: float = 1.0,
    total_iters: int = 5,
    last_epoch: int = -1,
) -> Schedule:
    """A straight line from one factor to another, which then stays."""
    start = number(start_factor, "start_factor", most=1.0)
    if start <= 0:
        raise ConversionError(f"start_factor is {start:g}; torch wants more than 0, e.g. start_factor=0.01")
    end, n = number(end_factor, "end_factor", least=0.0, most=1.0), number(total_iters, "total_iters")
    first, last = begun(last_epoch), math.floor(n)

    def reached(k: int) -> float:
        return start + (end - start) * k / n

    if last <= first or start == end:
        # Before its first step nothing has been multiplied yet where it is told to go on.
        return constant(start=1.0 if first else start)
    # A length that is not whole is left at the last whole step; of what was begun before, the ratio is what counts.
    to = end if last == n else reached(last)
    if first:
        return ramp(on.span(last - first), shape="linear", start=1.0, to=to / reached(first))
    return ramp(on.span(last), shape="linear", start=start, to=to)


@native("torch", "torch.optim.lr_scheduler.PolynomialLR")
def polynomial_lr(on: Setting, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> Schedule:
    """A power of the steps that are left."""
    n, exponent, first = number(total_iters, "total_iters"), number(power, "power"), begun(last_epoch)
    last = math.floor(n)
    if last <= first or exponent == 0:
        return constant()
    if exponent < 0 and last == n and (on.ticks is None or last - first <= on.ticks):
        raise ConversionError(f"power is {exponent:g}, and torch divides by zero at step {last}; write a positive one")
    if exponent > 0 and last == n:
        length = on.span(last - first)
        if exponent == 1:
            return ramp(length, shape="linear")
        return ramp(length, shape="power", exponent=exponent)
    left = f"1 - min({on.clock}, {last - first}) / {number_text(n - first)}"
    return formula(f"({left}) ** {number_text(exponent)}", local=on.local)


@native("torch", "torch.optim.lr_scheduler.CosineAnnealingLR", note="Past T_max it rises again, in torch too.")
@per_group("CosineAnnealingLR")
def cosine_annealing_lr(on: Setting, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> Schedule | Plan:
    """Half a cosine down to eta_min at T_max, then back up, for ever."""
    n, low = abs(number(T_max, "T_max")), rate(eta_min, "eta_min")
    if not n:
        raise ConversionError("T_max is 0, and torch divides by it at the first step; it must be at least 1")
    if begun(last_epoch):
        # It goes on from the rate that the group has, and returns to the base behind its end.
        arguments = {"T_max": T_max, "eta_min": low, "last_epoch": last_epoch}
        return table(Native("torch", "CosineAnnealingLR", arguments), on, "CosineAnnealingLR goes on from last_epoch")
    if n.is_integer() and low and n >= DRIFTS and on.ticks is not None and on.ticks > n:
        return _drifting(on, int(n), low, on.ticks)
    if n.is_integer():
        return ramp(on.span(int(n)), shape="cosine", to=on.value(low)).past_end("mirror")
    turn = f"cos(pi * {on.clock} / {number_text(n)})"
    down = formula(f"(1 + {turn}) / 2", local=on.local)
    return down if not low else down + constant(start=absolute(low)) * formula(f"(1 - {turn}) / 2", local=on.local)


def _drifting(on: Setting, n: int, low: float, ticks: int) -> Schedule:
    """Cosines down to `low` and up again, each as high as torch's rounding lets it rise."""
    down = ramp(on.span(n), shape="cosine", to=absolute(low))
    whole: Schedule = down
    for bottom in range(n, ticks, 2 * n):
        # Torch adds a tiny first step to what is there, and multiplies what came of it: its last digits count.
        state = SimpleNamespace(
            a=SimpleNamespace(T_max=n, eta_min=low), group={"lr": low}, base=on.base, last=bottom, first=False, calls=2
        )
        for _ in range(n // 16):
            state.last += 1
            state.group["lr"] = NEXT["CosineAnnealingLR"](state)
        share = (1 + math.cos(math.pi * state.last / n)) / 2
        top = absolute(low + (state.group["lr"] - low) / share)
        whole = whole >> ramp(on.span(n), shape="cosine", start=absolute(low), to=top)
        if bottom + n < ticks:
            whole = whole >> ramp(on.span(n), shape="cosine", start=top, to=absolute(low))
    return whole


@native(
    "torch", "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
    note="A run that ends with a cycle ends at its low; torch's rate after the last update is the next cycle's first.",
)  # fmt: skip
@per_group("CosineAnnealingWarmRestarts")
def cosine_annealing_warm_restarts(
    on: Setting, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
) -> Schedule | Plan:
    """Cosines that restart, each T_mult times as long as the one before."""
    n, grow, low = whole(T_0, "T_0"), whole(T_mult, "T_mult"), rate(eta_min, "eta_min")
    if begun(last_epoch):
        arguments = {"T_0": n, "T_mult": grow, "eta_min": low, "last_epoch": last_epoch}
        resumed = Native("torch", "CosineAnnealingWarmRestarts", arguments)
        return table(resumed, on, "CosineAnnealingWarmRestarts goes on from last_epoch")
    return ramp(on.span(n), shape="cosine", to=on.value(low)).repeat(grow=grow)


@native("torch", "torch.optim.swa_utils.SWALR", note="Alone it goes from the base; behind others from where they end.")
@per_group("SWALR")
def swalr(
    on: Setting, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos", last_epoch: int = -1
) -> Schedule:
    """From the rate that the group has to swa_lr, which then stays."""
    goal = rate(swa_lr, "swa_lr")
    if isinstance(anneal_epochs, float) or number(anneal_epochs, "anneal_epochs", least=0.0) != int(anneal_epochs):
        raise ConversionError(f"anneal_epochs is {anneal_epochs!r}, and torch wants a whole number of at least 0 there")
    begun(last_epoch)
    along = strategy(anneal_strategy)
    if not anneal_epochs:
        return constant(start=on.value(goal))
    return ramp(on.span(int(anneal_epochs)), shape=along, to=on.value(goal))


def strategy(anneal_strategy: Any) -> str:
    """The shape of torch's two ways to anneal.

    Raises:
        ConversionError: a third.
    """
    shapes = {"cos": "cosine", "linear": "linear"}
    if anneal_strategy not in shapes:
        raise ConversionError(f"anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r:.60}")
    return shapes[anneal_strategy]
