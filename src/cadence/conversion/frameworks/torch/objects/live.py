"""Schedulers that exist, or their saved states, as data: also in the middle of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.doors import read, setting
from cadence.conversion.framework import Live
from cadence.conversion.frameworks.torch.composed import FACTORS
from cadence.conversion.frameworks.torch.objects.attributes import State, name_of, native_of, state_of
from cadence.conversion.frameworks.torch.tables import leaves
from cadence.conversion.native import Native

FORGETS = ("LambdaLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR")
"""What computes each rate from the base, whatever was done to the one before."""


def inspected(scheduler: Any) -> Live:
    """A scheduler object as data.

    Raises:
        ConversionError: of a class of its own, or with a rate that its further course cannot be told from.
    """
    name = name_of(scheduler)
    groups = scheduler.optimizer.param_groups
    native = native_of(name, state_of(scheduler), groups)
    current = tuple(float(group["lr"]) for group in groups)
    # A rate that is a tensor has fewer digits, and torch's recursions lose some at each step.
    digits = 1e-4 if any(hasattr(group["lr"], "dtype") for group in groups) else 1e-9
    momentum = "beta1" if "betas" in scheduler.optimizer.defaults else "momentum"
    if name == "ReduceLROnPlateau":
        bases = tuple(float(group.get("initial_lr", group["lr"])) for group in groups)
        factors = tuple(c / b if b else 1.0 for c, b in zip(current, bases, strict=True))
        return Live(native, int(scheduler.last_epoch), bases, factors, momentum)
    return _located(native, state_of(scheduler), current, momentum, digits)


def restored(name: str, state: State, bases: tuple[float, ...]) -> Live:
    """A saved state as data.

    Raises:
        ConversionError: what the state does not hold: functions, and what OneCycleLR keeps in the optimizer.
    """
    native = native_of(name, state, None)
    current = tuple(float(x) for x in state.get("_last_lr", bases))
    if name == "ReduceLROnPlateau":
        given = bases if len(bases) == len(current) else bases * len(current)
        return Live(native, int(state["last_epoch"]), given, tuple(c / b for c, b in zip(current, given, strict=True)))
    return _located(native, state, current, "beta1" if state.get("use_beta1") else "momentum", 1e-9)


def _located(native: Native, state: State, current: tuple[float, ...], momentum: str, digits: float) -> Live:
    """Where the scheduler stands, and what was done to its rates by hand."""
    first = _first(state)
    t = int(first["_step_count"]) - 1 if native.name == "SWALR" else _steps(state)
    bases = tuple(float(x) for x in first["base_lrs"])
    if native.name == "SWALR":
        return Live(native, t, _began(native, t, current, bases), (1.0,) * len(bases), momentum)
    if native.name == "CosineAnnealingWarmRestarts":
        _check_cycle(native, t, float(state["T_cur"]))
    if native.name in FORGETS:
        return Live(native, t, bases, (1.0,) * len(bases), momentum)
    on = setting(bases, "step", max(t, 1), None)
    curve = on.placed(read(native, on))
    planned = [curve.at(t, group=g) for g in range(len(bases))]
    factors = tuple(
        1.0 if math.isclose(c, p, rel_tol=digits, abs_tol=1e-3 * digits * b) else c / p if p else math.inf
        for c, p, b in zip(current, planned, bases, strict=True)
    )
    if any(f != 1 for f in factors):
        factors = _kept(native, t, planned, current, factors)
    return Live(native, t, bases, factors, momentum)


def _check_cycle(native: Native, t: int, shown: float) -> None:
    """That CosineAnnealingWarmRestarts stands in its cycle where `t` steps lead it."""
    length, grow = native.arguments["T_0"], native.arguments.get("T_mult", 1)
    rest = t % length if grow == 1 else t
    while rest >= length:
        rest, length = rest - length, length * grow
    if rest != shown:
        raise ConversionError(
            f"CosineAnnealingWarmRestarts stands {shown:g} steps into a cycle, where {t} steps lead to {rest}: it was "
            f"stepped with numbers of its own, so give its name and arguments, and say at which update the run goes on"
        )


def _kept(
    native: Native, t: int, planned: Sequence[float], current: Sequence[float], factors: tuple[float, ...]
) -> tuple[float, ...]:
    """What a change by hand comes to from here on."""
    acting = native
    if native.name == "SequentialLR":
        milestones = native.arguments["milestones"]
        acting = native.arguments["schedulers"][sum(t >= m for m in milestones)]
        if any(m > t for m in milestones) and acting.name not in FORGETS:
            acting = native
    keeps = all(
        leaf.name in FACTORS or (leaf.name == "CosineAnnealingLR" and not leaf.arguments.get("eta_min"))
        for leaf in leaves(acting)
    )
    if acting.name in FORGETS:
        return (1.0,) * len(factors)
    if acting.name == "SequentialLR" or not keeps or math.inf in factors:
        told = ", ".join(f"{c:g} instead of {p:g}" for c, p in zip(current, planned, strict=True))
        raise ConversionError(
            f"the optimizer has a rate of {told} after {t} steps of {native.name}; it was changed from outside, and "
            f"what torch makes of that from here on is no multiple of the schedule: set the rates back, or build the "
            f"scheduler anew"
        )
    return factors


def _began(native: Native, t: int, current: Sequence[float], bases: tuple[float, ...]) -> tuple[float, ...]:
    """The rates that SWALR began with: those that the optimizer had, not its base."""
    n, goals = native.arguments.get("anneal_epochs", 10), native.arguments["swa_lr"]
    x = 1.0 if not n else min(t / n, 1.0)
    done = x if native.arguments.get("anneal_strategy") == "linear" else (1 - math.cos(math.pi * x)) / 2
    if done == 1:
        return bases
    each: list[float] = list(goals) if isinstance(goals, list) else [goals] * len(bases)  # type: ignore[arg-type]
    return tuple((c - done * g) / (1 - done) for c, g in zip(current, each, strict=True))


def _steps(state: State) -> int:
    """Calls of its step; ChainedScheduler does not count them, but its parts do."""
    return int(state["last_epoch"]) if "last_epoch" in state else _steps(state_of(state["_schedulers"][0]))


def _first(state: State) -> State:
    """The state of the first scheduler at the bottom."""
    while "_schedulers" in state:
        state = state_of(state["_schedulers"][0])
    return state
