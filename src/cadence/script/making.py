"""Optimizers and schedulers of a script as they begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cadence._errors import CadenceError, ScriptError
from cadence.conversion.native import Native
from cadence.script.handled import Handled
from cadence.script.model import Function, Optimizer, Scheduler, Unknown, is_number, is_unknown
from cadence.script.names import default_rate
from cadence.script.sims import (
    PLATEAUS,
    PULLED,
    Chain,
    Closed,
    Improving,
    MovingOptimizer,
    MovingScheduler,
    Pulled,
    Recursive,
)


def made_optimizer(optimizer: Optimizer, rate: Any) -> MovingOptimizer:
    """An optimizer as it begins.

    Args:
        optimizer: what makes it.
        rate: its learning rate: a number, None (the framework's default), a `Pulled`, or a `Function` of the update.

    Raises:
        ScriptError: the rate cannot be told.
    """
    scheduled = not is_number(rate) and rate is not None
    base = default_rate(optimizer.path) if rate is None else float(rate) if is_number(rate) else 0.0
    if isinstance(rate, Unknown):
        raise ScriptError(
            f"the learning rate of {optimizer.name} in line {optimizer.line}, {rate.text}, cannot be told without "
            f"running the script; give it: --base 0.1"
        )
    groups: list[dict[str, Any]] = []
    named = _name_of_momentum(optimizer)
    for written in optimizer.groups or ({},):
        group: dict[str, Any] = {"lr": base}
        momentum = _momentum({**optimizer.numbers, **written}, named)
        if momentum is not None:
            group["momentum"] = momentum
        for key in ("lr", "learning_rate", "lr_scale", "lr_mult"):
            own = written.get(key)
            if own is None:
                continue
            if not is_number(own):
                raise ScriptError(
                    f"a group of {optimizer.name} in line {optimizer.line} has a rate that cannot be told without "
                    f"running the script: {own}; write the number there"
                )
            if key == "lr_scale":
                group["lr_scale"] = float(own)
            elif optimizer.framework == "paddle":
                # A group's own rate multiplies the optimizer's there.
                group["multiplier"], group["lr"] = float(own), base * float(own)
            else:
                group["lr"] = float(own)
        groups.append(group)
    made = MovingOptimizer(optimizer, groups, named)
    if scheduled and isinstance(rate, Pulled):
        made.scheduler = rate
        rate.optimizer = made
        made.made.append(rate)
        made.bases = made.rates(0)
    return made


WITH_MOMENTUM = frozenset({"SGD", "RMSprop", "Momentum", "LARS", "Lars", "ASGD"})
"""Optimizers with a momentum instead of betas."""


def _name_of_momentum(optimizer: Optimizer) -> str:
    """What a schedule of an optimizer's momentum moves."""
    told = {"betas": "beta1", "momentum": "momentum"}
    usual = "momentum" if optimizer.name in WITH_MOMENTUM else "beta1"
    return next((told[key] for key in told if key in optimizer.numbers), usual)


def _momentum(numbers: Mapping[str, Any], named: str) -> float | None:
    """A group's momentum, or the first of its betas, before any scheduler; None where it cannot be told."""
    if named == "momentum":
        held: Any = numbers.get("momentum", 0.0)
    else:
        betas = numbers.get("betas", (0.9, 0.999))
        held = cast("Any", betas)[0] if isinstance(betas, (list, tuple)) and betas else None
    return float(held) if is_number(held) else None


def made_scheduler(
    scheduler: Scheduler,
    native: Native,
    optimizer: MovingOptimizer | None,
    parts: list[MovingScheduler],
    ticks: int | None,
) -> MovingScheduler:
    """A scheduler as it begins.

    Args:
        scheduler: what makes it.
        native: its arguments, as they are then.
        optimizer: whose rates it moves.
        parts: schedulers inside it that were made before.
        ticks: over how many ticks a function in it is sampled.

    Raises:
        ScriptError: it cannot be followed; the sentence says why.
    """
    where = f"the {scheduler.name} of line {scheduler.line}"
    for name, value in native.arguments.items():
        if is_unknown(value):
            raise ScriptError(
                f"{name} of {where} cannot be told without running the script: {_unknown_in(value)}{_remedy(value)}"
            )
    try:
        if scheduler.framework in PULLED:
            return Pulled(scheduler, native, ticks)
        if optimizer is None:
            raise ScriptError(
                f"which optimizer {where} belongs to cannot be seen ({scheduler.optimizer_text or 'none is given'}); "
                f"make both in the same script"
            )
        if scheduler.name in PLATEAUS or native.arguments.get("name") == "reduce_lr_on_plateau":
            return Improving(scheduler, native, optimizer)
        if scheduler.framework == "torch":
            if scheduler.name == "ChainedScheduler":
                return Chain(scheduler, native, optimizer, parts)
            return Recursive(scheduler, native, optimizer)
        made = Handled if scheduler.framework == "ignite" else Closed
        return made(scheduler, native, optimizer, ticks)
    except ScriptError:
        raise
    except CadenceError as error:
        raise ScriptError(f"{where} cannot be followed: {error}") from None
    except (ArithmeticError, ValueError, TypeError, AttributeError, LookupError) as fault:
        raise ScriptError(f"{where} would fail: {type(fault).__name__}: {fault}; change its arguments") from None


def _unknown_in(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return next((_unknown_in(v) for v in value if _unknown_in(v)), "")  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Unknown):
        return value.text
    if isinstance(value, Mapping):
        return _unknown_in(list(cast("Mapping[Any, Any]", value).values()))
    if isinstance(value, Function):
        return next((_unknown_in(v) for v in value.by_name.values() if _unknown_in(v)), "")
    return ""


def _remedy(value: Any) -> str:
    text = _unknown_in(value)
    if "len(" in text:
        return "; say how many batches an epoch has: --steps-per-epoch 500"
    return "; write the number there"
