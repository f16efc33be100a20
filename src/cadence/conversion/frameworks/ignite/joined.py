"""Schedulers made of schedulers: one after the other, one for each group, and a warmup before another."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions, native
from cadence.conversion.doors import native_of
from cadence.conversion.frameworks.ignite.cyclical import checked
from cadence.conversion.frameworks.ignite.governed import in_turn
from cadence.conversion.frameworks.ignite.piecewise import lines, points_of
from cadence.conversion.frameworks.ignite.wrapped import ahead, carried, constructed, start_rates, wrapped
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan, plan, split_key
from cadence.spec.shown import shown

PARAM = (
    "LinearCyclicalScheduler", "CosineAnnealingScheduler", "PiecewiseLinear", "ConcatScheduler", "LRScheduler",
    "create_lr_scheduler_with_warmup", "ReduceLROnPlateauScheduler",
)  # fmt: skip
"""What ignite knows as a ParamScheduler."""


@native("ignite", "ignite.handlers.param_scheduler.ConcatScheduler")
def concat_scheduler(
    on: Setting, schedulers: Sequence[Any], durations: Sequence[int], save_history: bool = False
) -> Schedule | Plan:
    """Each scheduler for its duration, the last for ever."""
    parts = inside(schedulers, "schedulers")
    if len(parts) < 2:
        raise ConversionError(f"schedulers has {len(parts)} member; ignite wants two or more")
    if not isinstance(durations, (list, tuple)) or not all(isinstance(n, numbers.Integral) for n in durations):
        raise ConversionError(f"durations is a list of whole numbers, not {shown(durations)}")
    if len(parts) != len(durations) + 1:
        raise ConversionError(
            f"{len(parts)} schedulers have {len(durations)} durations; write one for each but the last"
        )
    names = {name for part in parts for name in _governs(part)}
    if len(names) != 1:
        raise ConversionError(
            f"the schedulers govern {', '.join(sorted(names))}; ignite wants one value for all of them"
        )
    kept: list[tuple[Native, int | None]] = []
    for i, part in enumerate(parts):
        n = int(durations[i]) if i < len(durations) else None
        if n == 0 and i == 0:
            continue
        # A duration is counted down before it is looked at: none but the first can be 0, and none below 0 is passed.
        kept.append((part, n if n is not None and n > 0 else None))
        if kept[-1][1] is None:
            break
    if len(kept) == 1:
        return on.read(kept[0][0])
    return in_turn(on, handed_on(on, kept, _constructed(on, parts)))


def handed_on(
    on: Setting, parts: Sequence[tuple[Native, int | None]], rates: tuple[float, ...]
) -> list[tuple[Schedule | Plan, int | None]]:
    """What parts do one after the other: some of torch's schedulers go on from the rate that they find.

    Args:
        on: the run.
        parts: schedulers with their durations.
        rates: what the groups have before the first.
    """
    read: list[tuple[Schedule | Plan, int | None]] = []
    begin = 0
    for part, n in parts:
        room = n if n is not None or on.ticks is None else max(on.ticks - begin, 1)
        here = _for_ticks(on, room)
        schedule, inner = here.read(part), _torch_inside(part)
        if inner is not None:
            found = _rates_at(on, read, begin - 1) if read else rates
            schedule = carried(here, inner, schedule, found)
        read.append((schedule, n))
        begin += n or 0
    return read


def _for_ticks(on: Setting, ticks: int | None) -> Setting:
    """A part of a sequence, which has a run of its own."""
    run = on.horizon
    if ticks is None or (on.per == "epoch" and run.steps_per_epoch is None):
        return on.inside
    total = ticks if on.per == "step" else ticks * (run.steps_per_epoch or 1)
    return replace(on.inside, horizon=replace(run, total=total))


def _rates_at(on: Setting, parts: Sequence[tuple[Schedule | Plan, int | None]], tick: int) -> tuple[float, ...]:
    free = replace(on, local=False, horizon=replace(on.horizon, total=None), per="step")
    curve = free.placed(in_turn(replace(free, local=True), [(part, n) for part, n in parts]))
    return tuple(curve.at(tick, group=i, value="lr") for i in range(len(on.bases)))


def _constructed(on: Setting, parts: Sequence[Native]) -> tuple[float, ...]:
    """The groups' rates after all parts have been made, in the order in which they stand."""
    rates = on.bases
    for part in parts:
        inner = _torch_inside(part)
        if inner is not None:
            rates = constructed(on, inner, rates)
    return rates


def _torch_inside(part: Native) -> Native | None:
    """The scheduler of torch that a part wraps and asks for its first rate again."""
    if part.name != "LRScheduler" or part.arguments.get("use_legacy"):
        return None
    return inside([part.arguments["lr_scheduler"]], "lr_scheduler")[0]


@native("ignite", "ignite.handlers.param_scheduler.ParamGroupScheduler")
def param_group_scheduler(
    on: Setting, schedulers: Sequence[Any], names: Sequence[str] | None = None, save_history: bool = False
) -> Schedule | Plan:
    """All schedulers at once; of two that set the same value the later one counts."""
    parts = inside(schedulers, "schedulers")
    if not all(part.name in PARAM for part in parts):
        raise ConversionError("schedulers holds a scheduler that is no ParamScheduler, which ignite refuses")
    if not parts:
        raise ConversionError("schedulers is empty; write at least one")
    if names is not None and len(names) != len(parts):
        raise ConversionError(f"{len(parts)} schedulers have {len(names)} names; write one for each")
    entries: dict[str, Schedule] = {}
    for part in parts:
        read = on.read(part)
        own = dict(read.entries) if isinstance(read, Plan) else {"lr": read}
        group = part.arguments.get("param_group_index")
        for key, schedule in own.items():
            pattern, value = split_key(key)
            if pattern is None and group is not None and value in entries:
                continue  # the rate that other groups keep, where an earlier scheduler has said more about it
            if pattern is None and group is None:
                # It sets every group, whatever was set before.
                entries = {k: s for k, s in entries.items() if split_key(k)[1] != value}
            entries[key] = schedule
    return entries["lr"] if list(entries) == ["lr"] else plan(entries)


@native("ignite", "ignite.handlers.param_scheduler.create_lr_scheduler_with_warmup")
def create_lr_scheduler_with_warmup(
    on: Setting,
    lr_scheduler: Any,
    warmup_start_value: float,
    warmup_duration: int,
    warmup_end_value: float | None = None,
    save_history: bool = False,
    output_simulated_values: list[Any] | None = None,
) -> Schedule | Plan:
    """A line from warmup_start_value to warmup_end_value, then another scheduler."""
    inner = inside([lr_scheduler], "lr_scheduler")[0]
    if inner.framework == "ignite" and inner.name not in PARAM:
        raise ConversionError(f"lr_scheduler is a {inner.name}, which ignite refuses; give it the schedulers inside")
    if not isinstance(warmup_duration, int):
        raise ConversionError(f"warmup_duration is a whole number, not {shown(warmup_duration)}")
    if warmup_duration < 2:
        raise ConversionError(f"warmup_duration is {warmup_duration}; ignite wants at least 2 events")
    start = float(warmup_start_value)
    if inner.framework == "torch":
        return _before_torch(on, inner, start, warmup_duration, warmup_end_value)
    return _before_ignite(on, inner, start, warmup_duration, warmup_end_value)


def _before_torch(on: Setting, inner: Native, start: float, n: int, end: float | None) -> Schedule | Plan:
    """A torch scheduler, which has set its first rates when the warmup is made, and goes on from its first step."""
    rates = start_rates(on, inner)
    ends = rates if end is None else (float(end),) * len(rates)
    met = all(rate == to for rate, to in zip(rates, ends, strict=True))
    if not met and len(rates) > 1:
        raise ConversionError(
            f"warmup_end_value is {end} where the groups start at {', '.join(f'{r:g}' for r in rates)}; with several "
            f"groups ignite goes on from where the warmup ended, which is no schedule of theirs, so leave it out"
        )
    risen = n - 1 if met else n
    if inner.name == "CosineAnnealingWarmRestarts" and len(rates) > 1:
        # Asking for its value moves it on, once for each further group.
        return _risen(on, [_line(start, end, n) for end in ends], n, ahead(_left(on, n), inner, len(rates)))
    after = wrapped(_left(on, risen), inner, fresh=False)
    return _risen(on, [_line(start, end, n) for end in ends], risen, after)


def _before_ignite(on: Setting, inner: Native, start: float, n: int, end: float | None) -> Schedule | Plan:
    """A scheduler of ignite, which sets its first value when the warmup is over."""
    ends = on.bases if end is None else (float(end),) * len(on.bases)
    first = first_value(on, inner)
    # Where the two meet, the line stops one event short of it. What the last group does counts for the length of all.
    rises = [_line(start, end, n) if first != end else _short_line(start, end, n) for end in ends]
    ticks = rises[-1][-1][0] + 1
    here = _left(on, ticks)
    after, wraps = here.read(inner), _torch_inside(inner)
    if wraps is not None:
        found = tuple(_at(points, ticks - 1) for points in rises)
        after = carried(here, wraps, after, found)
    return _risen(on, rises, ticks, after)


def _line(start: float, end: float, n: int) -> list[tuple[int, float]]:
    return [(0, start), (n - 1, end)]


def _short_line(start: float, end: float, n: int) -> list[tuple[int, float]]:
    return [(0, start), (n - 2, end - (end - start) / (n - 1))] if n > 2 else [(0, start)]


def _at(points: list[tuple[int, float]], tick: int) -> float:
    (a, x), (b, y) = points[0], points[-1]
    return y if tick >= b else x + (y - x) * (tick - a) / (b - a)


def _left(on: Setting, ticks: int) -> Setting:
    """What is left of the run after so many ticks."""
    return _for_ticks(on, None if on.ticks is None else max(on.ticks - ticks, 1))


def _risen(on: Setting, rises: list[list[tuple[int, float]]], ticks: int, after: Schedule | Plan) -> Schedule | Plan:
    """`ticks` ticks along each group's line, then what comes after."""
    if all(points == rises[0] for points in rises):
        return in_turn(on, [(lines(on.inside, "lr", rises[0]), ticks), (after, None)])
    rise = plan({f"{i}/lr": lines(on.inside, "lr", points) for i, points in enumerate(rises)})
    return in_turn(on, [(rise, ticks), (after, None)])


def first_value(on: Setting, inner: Native) -> float | None:
    """What an ignite scheduler's `get_param` says before its first event, computed as there; None for a list."""
    own = definitions("ignite")[inner.name].full(inner)
    match inner.name:
        case "LinearCyclicalScheduler":
            start, end = float(own["start_value"]), float(own["end_value"])
            checked("linear", start, end, own["cycle_size"], own["cycle_mult"], 1.0, 1.0, 0)
            return start + (end - start) * 0.0 if own["monotonic"] else end + (start - end) * 0.5 * 2
        case "CosineAnnealingScheduler":
            return float(own["start_value"])
        case "PiecewiseLinear":
            points = points_of(own["milestones_values"])
            if points[0][0] > 0 or points[-1][0] <= 0:
                return points[0][1] if points[0][0] > 0 else points[-1][1]
            k = max(i for i, (m, _) in enumerate(points) if m <= 0)
            (a, x), (b, y) = points[k], points[k + 1]
            return x + (y - x) * (0 - a) / (b - a)
        case "ConcatScheduler":
            return first_value(on, inside(own["schedulers"], "schedulers")[0])
        case "LRScheduler":
            rates = start_rates(on, inside([own["lr_scheduler"]], "lr_scheduler")[0])
            return rates[0] if len(rates) == 1 else None
        case _:
            raise ConversionError(f"a warmup before {inner.name} is not read; write the two as a ConcatScheduler")


def inside(parts: Any, what: str) -> list[Native]:
    """Schedulers inside another, of ignite or of torch."""
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        raise ConversionError(f"{what} is a list of schedulers, not {shown(parts)}")
    return [native_of("ignite", part) for part in cast("Sequence[Any]", parts)]


def _governs(part: Native) -> list[str]:
    """Names of what a scheduler sets."""
    if part.framework == "torch":
        raise ConversionError(f"{part.name} is torch's own; wrap it for ignite: LRScheduler({part.name}(...))")
    own = part.arguments
    if "param_name" in own:
        return [str(own["param_name"])]
    if "schedulers" in own:
        return [name for each in inside(own["schedulers"], "schedulers") for name in _governs(each)]
    return ["lr"]
