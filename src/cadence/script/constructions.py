"""The schedulers that a script makes, each with what is known of its run: what a conversion is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cadence.conversion.native import Native
from cadence.script.model import Loop, Optimizer, Scheduler, Script, Unknown, is_number
from cadence.script.names import default_rate


@dataclass(frozen=True)
class Construction:
    """One scheduler of a script that stands for itself.

    Attributes:
        line: where it is made.
        text: the call as it is written.
        native: the call as data; None where it cannot be.
        reason: why it cannot.
        bases: base learning rate of each group of its optimizer; None where they cannot be told.
        per: ``"step"`` or ``"epoch"``: what it is stepped for; ``"step"`` where that cannot be told.
        ticks: how often it is stepped; None where that cannot be told.
    """

    line: int
    text: str
    native: Native | None
    reason: str
    bases: tuple[float, ...] | None
    per: str
    ticks: int | None


def constructions(script: Script) -> list[Construction]:
    """The schedulers of a script, in the order of their lines; those inside others go with them."""
    found: list[Construction] = []
    for scheduler in script.schedulers:
        if scheduler.outer is not None or (scheduler.native is None and not scheduler.reason):
            continue
        native, reason = scheduler.native, scheduler.reason
        if scheduler.unknown and native is not None:
            native, reason = None, _cannot(script, scheduler)
        loops = scheduler.steps[0].loops if scheduler.steps else ()
        text, per = script.source(scheduler.node), scheduler.per or "step"
        bases, ticks = _bases(scheduler.optimizer), _ticks(loops, scheduler.per)
        found.append(Construction(scheduler.line, text, native, reason, bases, per, ticks))
    return found


def _cannot(script: Script, scheduler: Scheduler) -> str:
    """Why the arguments of a scheduler are not known."""
    assert scheduler.native is not None
    name = scheduler.unknown[0]
    what = f"{name} of {scheduler.name}, {_unknown(scheduler.native.arguments[name])}"
    if "len(" in what and script.steps_per_epoch is None:
        return f"{what}, is not known; say how many batches there are: --steps-per-epoch 500"
    return f"{what}, cannot be told without running the script; write the number there"


def _bases(optimizer: Optimizer | None) -> tuple[float, ...] | None:
    if optimizer is None or not (optimizer.lr is None or is_number(optimizer.lr)):
        return None
    rate = default_rate(optimizer.path) if optimizer.lr is None else optimizer.lr
    if optimizer.framework == "paddle":
        return (rate,)
    bases = [group.get("lr", rate) for group in optimizer.groups] or [rate]
    return tuple(map(float, bases)) if all(map(is_number, bases)) else None


def _ticks(loops: tuple[Loop, ...], per: str | None) -> int | None:
    """The turns of the loops around a step, multiplied."""
    if per is None or not loops:
        return None
    total = 1
    for loop in loops:
        if not is_number(loop.count):
            return None
        total *= int(loop.count)
        if per == "epoch" and loop.kind == "epoch":
            break
    return total or None


def _unknown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return next((_unknown(v) for v in value if _unknown(v)), "")  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return next((_unknown(v) for v in value.values() if _unknown(v)), "")  # pyright: ignore[reportUnknownVariableType]
    return value.text if isinstance(value, Unknown) else ""
