"""Schedules of optax that are made of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions, native
from cadence.conversion.native import Native
from cadence.conversion.rates import chained, divided, lasting, number, own, rate, sampled, whole
from cadence.conversion.setting import Setting
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown

FRAMEWORK = "optax"


@native("optax", "optax.warmup_cosine_decay_schedule", note="decay_steps is the whole length, the warmup included")
def warmup_cosine_decay_schedule(
    on: Setting,
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    decay_steps: int,
    end_value: float = 0.0,
    exponent: float = 1.0,
) -> Schedule:
    """A straight line up to peak_value, then half a cosine down to end_value."""
    peak, end = rate(peak_value, "peak_value"), number(end_value, "end_value")
    cosine = Native(FRAMEWORK, "cosine_decay_schedule", {
        "init_value": peak, "alpha": 0.0 if peak == 0 else divided(end, peak), "exponent": exponent,
        "decay_steps": number(decay_steps, "decay_steps") - number(warmup_steps, "warmup_steps"),
    })  # fmt: skip
    return join(on, [_warmup(init_value, peak, warmup_steps), cosine], [warmup_steps])


@native("optax", "optax.warmup_exponential_decay_schedule")
def warmup_exponential_decay_schedule(
    on: Setting,
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """A straight line up to peak_value, then times decay_rate for every transition_steps."""
    decay = Native(FRAMEWORK, "exponential_decay", {
        "init_value": peak_value, "transition_steps": transition_steps, "decay_rate": decay_rate,
        "transition_begin": transition_begin, "staircase": staircase, "end_value": end_value,
    })  # fmt: skip
    return join(on, [_warmup(init_value, peak_value, warmup_steps), decay], [warmup_steps])


def _warmup(init: Any, peak: Any, length: Any) -> Native:
    arguments = {"init_value": init, "end_value": peak, "transition_steps": length}
    return Native(FRAMEWORK, "linear_schedule", arguments)


@native("optax", "optax.sgdr_schedule")
def sgdr_schedule(on: Setting, cosine_kwargs: Iterable[Mapping[str, Any]]) -> Schedule:
    """Cycles of warmup and cosine, one after the other."""
    cycles: list[Native] = []
    ends: list[float] = []
    for kwargs in list(cosine_kwargs):
        if not isinstance(kwargs, Mapping):
            raise ConversionError(f"cosine_kwargs holds the arguments of each cycle, not {shown(kwargs)}")
        cycles.append(definitions(FRAMEWORK)["warmup_cosine_decay_schedule"].bind([], kwargs))
        ends.append((ends[-1] if ends else 0) + number(kwargs["decay_steps"], "decay_steps"))
    if not cycles:
        raise ConversionError("cosine_kwargs is empty; write the arguments of at least one cycle")
    return join(on, cycles, ends[:-1])


@native("optax", "optax.join_schedules", note="boundaries without a schedule, and schedules without one, are ignored")
def join_schedules(on: Setting, schedules: Sequence[Any], boundaries: Sequence[int]) -> Schedule:
    """Each schedule from its boundary on, where it counts from 0 again."""
    return join(on, list(schedules), list(boundaries))


def join(on: Setting, schedules: Sequence[Any], boundaries: Sequence[Any]) -> Schedule:
    """The schedule that `join_schedules` makes of these."""
    if not schedules:
        raise ConversionError("join_schedules needs at least one schedule")
    # 1. Who is in force when: the last of those whose boundary is passed, whatever the order of the boundaries.
    begins = [None, *(whole(b, "a boundary") for b in boundaries)]
    turns: list[tuple[int, int]] = []
    for i, (_, begin) in reversed(list(enumerate(zip(schedules, begins, strict=False)))):
        if begin is None or begin <= 0:
            turns.insert(0, (i, 0))
            break
        if not turns or begin < turns[0][1]:
            turns.insert(0, (i, begin))
    # 2. Each for its time; the last one for the rest.
    parts: list[tuple[Schedule, int]] = []
    for k, (i, begin) in enumerate(turns):
        missed = -(begins[i] or 0) if k == 0 else 0
        if k == len(turns) - 1:
            rest = None if on.ticks is None else max(on.ticks - begin, 1)
            part = _part(on, schedules[i], missed, rest, alone=not parts)
            return chained(on, parts, part)
        n = turns[k + 1][1] - begin
        parts.append((lasting(on, _part(on, schedules[i], missed, n, alone=False), n), n))
    raise AssertionError(turns)


def _part(on: Setting, schedule: Any, missed: int, n: int | None, *, alone: bool) -> Schedule:
    """One of the schedules, for its n ticks, the first `missed` of which lie before the run."""
    there = on if alone and not missed else _within(on, None if n is None else n + missed)
    read = _read(there, schedule)
    if not missed:
        return read
    if n is None:
        raise ConversionError(
            f"{shown(schedule)} begins {missed} steps before the run, so the rest of it is sampled, and the length of "
            f"the run is not known; give total=, e.g. total=1000"
        )
    values = there.placed(read.cut()).values(missed, missed + n + 1)
    unit = own(on, float(values.max()))
    return on.inside.table(unit.value(float(x)) for x in values)


def _within(on: Setting, n: int | None) -> Setting:
    """The setting of a part that lasts n ticks."""
    run = on.horizon
    if n is not None and on.per == "epoch":
        n = None if run.steps_per_epoch is None else n * run.steps_per_epoch
    return replace(on, local=True, horizon=replace(run, total=n))


def _read(on: Setting, schedule: Any) -> Schedule:
    if callable(schedule) and not str(getattr(schedule, "__module__", "")).startswith(FRAMEWORK):
        name = getattr(schedule, "__name__", type(schedule).__name__)
        return sampled(on, cast("Callable[[int], float]", schedule), name)
    from cadence.conversion.doors import native_of

    read = on.read(schedule if isinstance(schedule, Native) else native_of(FRAMEWORK, schedule))
    if isinstance(read, Plan):
        raise ConversionError(f"{shown(schedule)} moves more than the learning rate, which no part of a schedule can")
    return read
