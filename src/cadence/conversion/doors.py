"""The doors: `from_native`, `to_native`, `to_code`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.epochs import per_epoch
from cadence.conversion.framework import FRAMEWORKS, Live, framework, known
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.horizon import horizon
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown
from cadence.spec.span import SpanLike
from cadence.spec.value import number_of

MODULES = {
    "torch": "torch", "paddle": "paddle", "transformers": "transformers", "timm": "timm", "optax": "optax",
    "keras": "keras", "ignite": "ignite", "pytorch_optimizer": "pytorch_optimizer",
}  # fmt: skip
"""Top-level module of a class -> framework."""


def from_native(
    scheduler: Any,
    name: str | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    state: Mapping[str, Any] | None = None,
    base: float | Sequence[float] | None = None,
    total: SpanLike | None = None,
    per: str = "step",
    steps_per_epoch: int | None = None,
) -> Schedule | Plan:
    """Read another framework's schedule.

    Args:
        scheduler: a framework's name, with `name` and `kwargs`; or a scheduler object, also in the middle of its run.
        name: of the class or function: ``"CosineAnnealingLR"``, ``"cosine_with_restarts"``.
        kwargs: its arguments, the optimizer left out; a scheduler inside another is an object, a ``(name, kwargs)``
            pair, or a `Native`.
        state: a saved ``state_dict``; `kwargs` then say what the framework does not save.
        base: base learning rate, one number or one for each parameter group; where it is left out, the scheduler's own
            if it carries one, else 1.
        total: length of the run, where the schedule depends on it or a function has to be sampled.
        per: ``"step"``: the scheduler is stepped after each update; ``"epoch"``: after each epoch.
        steps_per_epoch: updates in one epoch.

    Returns:
        A schedule; a plan where more than the learning rate moves, or where groups differ.

    Raises:
        UnknownNameError: no such framework, scheduler or argument.
        ConversionError: what the framework refuses, or what is no function of the update number.

    Example:
        >>> from_native("torch", "CosineAnnealingLR", {"T_max": 90}, base=0.1)
        cosine(90).past_end('mirror')
    """
    if isinstance(scheduler, str):
        live = _described(known(scheduler), name, kwargs, state, base)
    else:
        live = inspect(scheduler)
    bases = live.bases if base is None else bases_of(base)
    return reading(live.native, replace(setting(bases, per, total, steps_per_epoch), momentum=live.momentum))


def inspect(scheduler: Any) -> Live:
    """A scheduler object as data: what it was made with, its bases, and where it stands.

    Raises:
        ConversionError: no scheduler of a known framework.
    """
    owner = owner_of(scheduler)
    if owner is not None:
        return framework(owner).inspect(scheduler)
    raise ConversionError(
        f"{type(scheduler).__module__}.{type(scheduler).__qualname__} is a scheduler of no framework known here; known "
        f"are {', '.join(FRAMEWORKS)}"
    )


def owner_of(scheduler: Any) -> str | None:
    """The framework that made an object; None where it is none of those known here."""
    # What transformers and pytorch_optimizer make is torch's LambdaLR; whose it is, its functions say.
    for function in getattr(scheduler, "lr_lambdas", ()):
        home = getattr(getattr(function, "func", function), "__module__", "")
        if home == "transformers.optimization":
            return "transformers"
        if home.startswith("pytorch_optimizer."):
            return "pytorch_optimizer"
    # A function is of the module that defined it; everything else of its class's, or of one that it inherits from.
    homes = [getattr(scheduler, "__module__", None) or "", *(kind.__module__ for kind in type(scheduler).__mro__)]
    modules = (home.partition(".")[0] for home in homes)
    return next((MODULES[module] for module in modules if module in MODULES), None)


def setting(bases: tuple[float, ...], per: str, total: SpanLike | None, steps_per_epoch: int | None) -> Setting:
    """A checked setting."""
    if per not in ("step", "epoch"):
        raise ConversionError(f"per is 'step' or 'epoch', not {shown(per)}")
    if per == "epoch" and steps_per_epoch is None and isinstance(total, str):
        # Its length in epochs is all that a scheduler stepped per epoch can depend on.
        steps_per_epoch = 1
    return Setting(bases, per, horizon(total, steps_per_epoch), read)


def reading(native: Native, on: Setting) -> Schedule | Plan:
    """What a native scheduler means on a run, its ticks turned into updates."""
    schedule = read(native, on)
    return schedule if on.per == "step" else per_epoch(schedule)


def read(native: Native, on: Setting) -> Schedule | Plan:
    """What a native scheduler means, in ticks."""
    return definitions(native.framework)[native.name].read(native, on)


def to_native(
    schedule: Schedule | Plan | str,
    framework_name: str,
    optimizer: Any = None,
    *,
    base: float | Sequence[float] | None = None,
    total: SpanLike | None = None,
    per: str = "step",
    steps_per_epoch: int | None = None,
) -> Any:
    """The framework's own object that gives the same numbers.

    Args:
        schedule: what to build.
        framework_name: ``"torch"``, ``"paddle"``, ...
        optimizer: where the framework's schedulers are made for one.
        base: base learning rate of each group; the optimizer's own where it is left out, else 1.
        total, per, steps_per_epoch: as for `from_native`.

    Raises:
        ConversionError: which part the framework cannot express, why, and what to use instead.
    """
    made = framework(known(framework_name))
    own = None if optimizer is None else made.bases(optimizer)
    on = setting(bases_of((own or 1.0) if base is None else base), per, total, steps_per_epoch)
    return made.build(made.express(on.placed(_as_schedule(schedule))), on, optimizer)


def to_code(
    schedule: Schedule | Plan | str,
    framework_name: str,
    *,
    base: float | Sequence[float] = 1.0,
    total: SpanLike | None = None,
    per: str = "step",
    steps_per_epoch: int | None = None,
) -> str:
    """Readable source that builds the framework's own equal.

    Args:
        schedule: what to build.
        framework_name: ``"torch"``, ``"paddle"``, ...
        base, total, per, steps_per_epoch: as for `from_native`.

    Raises:
        ConversionError: which part the framework cannot express, why, and what to use instead.
    """
    on = setting(bases_of(base), per, total, steps_per_epoch)
    made = framework(known(framework_name))
    return made.code(made.express(on.placed(_as_schedule(schedule))), on)


def bases_of(base: float | Sequence[float]) -> tuple[float, ...]:
    """Base rates of the groups, checked."""
    numbers = tuple(base) if isinstance(base, Sequence) else (base,)
    if not numbers:
        raise ConversionError("base has no number; write one for each parameter group")
    return tuple(number_of(x, "base") for x in numbers)


def native_of(framework_name: str, part: Any) -> Native:
    """A scheduler inside another: a `Native`, a ``(name, kwargs)`` pair, or an object."""
    if isinstance(part, Native):
        return part
    if isinstance(part, Sequence):
        pair = list(cast("Sequence[Any]", part))
        if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], Mapping):
            raise ConversionError(
                f"a scheduler inside another is an object or a (name, kwargs) pair, not {shown(pair)}"
            )
        return _bound(framework_name, pair[0], cast("Mapping[str, Any]", pair[1]))
    return inspect(part).native


def _bound(framework_name: str, name: str, kwargs: Mapping[str, Any]) -> Native:
    return definitions(framework_name)[name].bind([], kwargs)


def _described(
    framework_name: str,
    name: str | None,
    kwargs: Mapping[str, Any] | None,
    state: Mapping[str, Any] | None,
    base: float | Sequence[float] | None,
) -> Live:
    if name is None:
        raise ConversionError(
            f"which scheduler of {framework_name}? Write from_native({framework_name!r}, 'CosineAnnealingLR', ...)"
        )
    if state is None:
        native = _bound(framework_name, name, kwargs or {})
        return Live(native, 0, (own_base(native),) if base is None else bases_of(base))
    bases = (1.0,) if base is None else bases_of(base)
    known_by = {**(kwargs or {}), **state}
    return framework(framework_name).restore(definitions(framework_name)[name].name, known_by, bases)


def own_base(native: Native) -> float:
    """The base rate that a scheduler carries itself (or the one inside it does); 1 where it carries none."""
    given: Any = native.arguments.get(definitions(native.framework)[native.name].base)
    if hasattr(given, "__float__"):
        number = float(given)
        # Of one that is no rate the scheduler itself says what is wrong.
        return number if 0 <= number < math.inf else 1.0
    return 1.0 if given is None or isinstance(given, str) else own_base(native_of(native.framework, given))


def _as_schedule(schedule: Schedule | Plan | str) -> Schedule | Plan:
    from cadence.spec.parse import parse

    return parse(schedule) if isinstance(schedule, str) else schedule
