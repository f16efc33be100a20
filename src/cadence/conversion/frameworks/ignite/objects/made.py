"""Schedulers of ignite made from data, and read back from objects and their states."""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

with warnings.catch_warnings():
    # What it imports may frown at what that imports in turn.
    warnings.simplefilter("ignore")
    from ignite.handlers import param_scheduler, state_param_scheduler
    from ignite.handlers.param_scheduler import BaseParamScheduler, ParamGroupScheduler

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.framework import Live, framework
from cadence.conversion.native import Native

STATE = tuple(name for name in dir(state_param_scheduler) if name.endswith("StateScheduler"))
"""Schedulers of the engine's state, which are made without an optimizer."""

CYCLIC = ("LinearCyclicalScheduler", "CosineAnnealingScheduler")


def made(native: Native, optimizer: Any) -> Any:
    """The object, the schedulers inside it made first and in order."""
    if native.framework == "torch":
        # As in a program: each begins with the rates that it finds.
        module, _, name = definitions("torch")[native.name].path.rpartition(".")
        return getattr(importlib.import_module(module), name)(optimizer, **native.arguments)
    arguments = {key: _inside(value, optimizer) for key, value in native.arguments.items()}
    if native.name in STATE:
        return getattr(state_param_scheduler, native.name)(**arguments)
    make: Callable[..., Any] = getattr(param_scheduler, native.name)
    if native.name in ("ConcatScheduler", "ParamGroupScheduler", "LRScheduler", "create_lr_scheduler_with_warmup"):
        return make(**arguments)
    if native.name == "BatchSizeScheduler":
        from torch.utils.data import DataLoader

        return make(DataLoader(cast("Any", [0])), **arguments)
    return make(optimizer, **arguments)


def _inside(value: Any, optimizer: Any) -> Any:
    if isinstance(value, Native):
        return made(value, optimizer)
    items: list[Any] = list(cast("list[Any]", value)) if isinstance(value, (list, tuple)) else []
    if any(isinstance(x, Native) for x in items):
        return [_inside(x, optimizer) for x in items]
    return cast("Any", value)


# ---- objects as data ---------------------------------------------------------------------------------------------


def read(scheduler: Any) -> Live:
    """An object as data."""
    if isinstance(scheduler, param_scheduler.LRScheduler):
        return _read_wrapper(scheduler)
    native, t = _native(scheduler)
    return Live(native, t, _bases(scheduler))


def _bases(scheduler: Any) -> tuple[float, ...]:
    optimizer: Any = getattr(scheduler, "optimizer", None)
    if isinstance(optimizer, list):
        optimizer = cast("list[Any]", optimizer)[0]
    groups = getattr(optimizer, "param_groups", None)
    if not groups:
        return (1.0,)
    return tuple(float(group.get("initial_lr", group.get("lr", 1.0))) for group in groups)


def _read_wrapper(scheduler: Any) -> Live:
    inner: Any = scheduler.lr_scheduler
    # Ignite puts one of torch's classes into a shell of its own.
    inner = getattr(inner, "_lr_scheduler", inner)
    shell = inner is not scheduler.lr_scheduler
    restarts = shell and type(inner).__name__ == "CosineAnnealingWarmRestarts"
    if restarts:
        # That shell moves the count of steps twice for each event, and the place in the cycle once.
        inner = copy.copy(inner)
        inner.last_epoch //= 2
    live = framework("torch").inspect(inner)
    assert live.t is not None, "torch's schedulers count"
    events = live.t // 2 if shell and not restarts else live.t
    return Live(
        Native("ignite", "LRScheduler", {"lr_scheduler": live.native}), events, live.bases, live.factor, live.momentum
    )


def _native(scheduler: Any) -> tuple[Native, int]:
    """What it was made with, and its events so far."""
    name, own = type(scheduler).__name__, cast("dict[str, Any]", vars(scheduler))
    if name not in definitions("ignite"):
        raise ConversionError(f"{name} is a scheduler of ignite that is not known here; write its values as a schedule")
    if isinstance(scheduler, param_scheduler.LRScheduler):
        live = _read_wrapper(scheduler)
        assert live.t is not None
        return live.native, live.t
    if isinstance(scheduler, ParamGroupScheduler):
        parts = [_native(part) for part in scheduler.schedulers]
        return Native("ignite", name, {"schedulers": [native for native, _ in parts]}), parts[0][1]
    if isinstance(scheduler, param_scheduler.ConcatScheduler):
        return _concat(scheduler)
    if isinstance(scheduler, param_scheduler.ReduceLROnPlateauScheduler):
        return _plateau(scheduler)
    if isinstance(scheduler, param_scheduler.BatchSizeScheduler):
        return Native("ignite", name, {"scheduler_fn": own["scheduler_fn"]}), int(own["event_index"])
    return from_attributes(name, own)


def _concat(scheduler: Any) -> tuple[Native, int]:
    durations: list[int] = list(scheduler.durations)
    parts = [_native(part)[0] for part in scheduler.schedulers]
    k: int = scheduler._scheduler_index
    planned = durations[k] if k < len(durations) else -1
    done = sum(durations[:k]) + planned - scheduler._current_duration
    return Native("ignite", "ConcatScheduler", {"schedulers": parts, "durations": durations}), done


def _plateau(scheduler: Any) -> tuple[Native, int]:
    inner = framework("torch").inspect(scheduler.scheduler)
    own = [p.name for p in definitions("ignite")["ReduceLROnPlateauScheduler"].parameters]
    arguments: dict[str, Any] = {"metric_name": scheduler.metric_name}
    if scheduler.param_group_index is not None:
        arguments["param_group_index"] = scheduler.param_group_index
    arguments |= {k: v for k, v in inner.native.arguments.items() if k in own and k != "min_lr"}
    lowest: Any = scheduler.scheduler.min_lrs
    if scheduler.param_group_index is not None and any(lowest):
        arguments["min_lr"] = float(lowest[scheduler.param_group_index])
    return Native("ignite", "ReduceLROnPlateauScheduler", arguments), scheduler.event_index


def from_attributes(name: str, own: Mapping[str, Any]) -> tuple[Native, int]:
    """What a scheduler was made with, from its attributes or its saved state; and its events so far."""
    definition = definitions("ignite")[name]
    found = {p.name: own[p.name] for p in definition.parameters if p.name in own}
    if "values" in own:
        found["milestones_values"] = list(zip(own["milestones"], own["values"], strict=True))
    t = int(own["event_index"])
    if name in CYCLIC:
        first, before = first_cycle(own)
        found, t = found | first, before + t
    missing = [p.name for p in definition.parameters if p.default is p.empty and p.name not in found]
    if missing:
        raise ConversionError(f"the state of {name} holds no {' and no '.join(missing)}; give the object, or kwargs")
    kept = {
        p.name: found[p.name]
        for p in definition.parameters
        if p.name in found
        and p.name != "save_history"
        and not (p.default is not p.empty and found[p.name] == p.default)
    }
    return Native("ignite", name, kept), t


def first_cycle(own: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Arguments of a cyclical scheduler's first cycle, and the events before the present one.

    Ignite overwrites them from cycle to cycle. Lengths that it has cut to whole numbers are found again by trying: of
    several first lengths that lead to the present one the shortest is taken; what is to come is the same with all.
    """
    cycle, index = int(own["cycle"]), int(own["event_index"])
    size, back, grow = int(own["cycle_size"]), int(own["warmup_duration"]), float(own["cycle_mult"])
    sizes, backs = _lengths(size, grow, cycle, least=2), _lengths(back, grow, cycle, least=0)
    # With a way back, the next start is already there while the present cycle returns to it.
    ahead = index > size or (index == size and own["total_cycle_size"] > size)
    return {
        "cycle_size": sizes[0],
        "warmup_duration": backs[0],
        "start_value": _undone(own["start_value"], own["start_value_mult"], cycle + ahead),
        "end_value": _undone(own["end_value"], own["end_value_mult"], cycle),
    }, sum(sizes[:cycle]) + sum(backs[:cycle])


def _lengths(now: int, grow: float, cycle: int, *, least: int) -> list[int]:
    """Lengths of the cycles up to the present one."""
    if cycle == 0 or int(now * grow) == now == int(int(now * grow) * grow):
        return [now] * (cycle + 1)
    high = now if grow >= 1 else int((now + 1) / grow**cycle) + 2
    for first in range(least, high + 1):
        lengths = [first]
        for _ in range(cycle):
            lengths.append(int(lengths[-1] * grow))
        if lengths[-1] == now:
            return lengths
    raise ConversionError(f"no first cycle becomes {now} events long after {cycle} cycles; were they changed by hand?")


def _undone(value: float, factor: float, times: int) -> float:
    """The value before it was multiplied; where that cannot be undone, the value itself."""
    return value / factor**times if times and factor and factor != 1 else value


def engine() -> Any:
    """What stands for an engine where a scheduler only wants to write into its state."""
    return SimpleNamespace(state=SimpleNamespace())


def is_scheduler(x: object) -> bool:
    """Whether ignite calls it at events."""
    return isinstance(x, (BaseParamScheduler, ParamGroupScheduler))
