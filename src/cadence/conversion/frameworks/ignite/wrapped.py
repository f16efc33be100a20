"""Torch's own schedulers inside ignite, which asks them for their rates in its own way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions, native
from cadence.conversion.doors import native_of
from cadence.conversion.frameworks.ignite.governed import governed
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, ramp
from cadence.spec.nodes import Plateau, Product, Schedule
from cadence.spec.plan import Plan, plan
from cadence.spec.value import absolute

WITHOUT_RATE = ("SequentialLR", "ChainedScheduler", "ReduceLROnPlateau")
"""Schedulers of torch that do not say their rate when asked, so that ignite fails with them."""

RECURSIVE = ("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "MultiplicativeLR")
"""Schedulers of torch whose next rate is the present one times a factor, whoever set it."""


@native(
    "ignite",
    "ignite.handlers.param_scheduler.LRScheduler",
    note="Asks torch's scheduler for its first rate a second time, which several of them take for a step; "
    "use_legacy=True is read as attached to ITERATION_COMPLETED, as ignite says there.",
)
def lr_scheduler(
    on: Setting, lr_scheduler: Any, save_history: bool = False, use_legacy: bool = False
) -> Schedule | Plan:
    """A scheduler of torch, stepped at each event."""
    return wrapped(on, native_of("torch", lr_scheduler), fresh=not use_legacy)


def wrapped(on: Setting, inner: Native, *, fresh: bool) -> Schedule | Plan:
    """A scheduler of torch inside ignite.

    Args:
        on: the run.
        inner: the scheduler.
        fresh: whether it is asked for its first rate again, which it has set when it was made.
    """
    if inner.framework != "torch" or inner.name in WITHOUT_RATE:
        raise ConversionError(
            f"{inner.name} has no rate of its own that ignite could ask for (its get_lr is not implemented); write the "
            f"schedulers inside one by one, as a ConcatScheduler"
        )
    if inner.name == "CosineAnnealingWarmRestarts":
        # Ignite's own version of it, which counts before it computes.
        return ahead(on, inner, 1) if fresh else on.read(inner)
    schedule = on.read(inner)
    return again(on, inner, schedule) if fresh else schedule


def again(on: Setting, inner: Native, schedule: Schedule | Plan) -> Schedule | Plan:
    """What asking for the first rate twice does: the recursion of most classes takes it for one more step."""
    own = definitions("torch")[inner.name].full(inner)
    match inner.name:
        case "ConstantLR":
            return _times(schedule, [float(own["factor"])] * len(on.bases))
        case "LinearLR":
            return _times(schedule, [float(own["start_factor"])] * len(on.bases))
        case "ExponentialLR":
            return _times(schedule, [float(own["gamma"])] * len(on.bases))
        case "PolynomialLR":
            n = own["total_iters"]
            # As torch writes it for step 0, where it has no meaning.
            return _times(schedule, [(1.0 / (1.0 + 1.0 / n)) ** own["power"]] * len(on.bases))
        case "MultiStepLR":
            at_zero = [m for m in own["milestones"] if m == 0]
            return _times(schedule, [float(own["gamma"]) ** len(at_zero)] * len(on.bases))
        case "MultiplicativeLR":
            functions: Any = own["lr_lambda"]
            each: list[Callable[[int], float]] = (
                list(cast("list[Any]", functions))
                if isinstance(functions, (list, tuple))
                else [functions] * len(on.bases)
            )
            return _times(schedule, [float(f(0)) for f in each])
        case "CosineAnnealingLR":
            return _high_first(on, own["T_max"], float(own["eta_min"]), schedule)
        case _:
            return schedule


def carried(on: Setting, inner: Native, schedule: Schedule | Plan, rates: tuple[float, ...]) -> Schedule | Plan:
    """What a wrapped scheduler of torch does where its groups do not have the rates that it gave them.

    Args:
        on: the run.
        inner: the scheduler.
        schedule: what it does where they have.
        rates: what the groups have when it is asked first.
    """
    given = start_rates(on, inner)
    if inner.name in RECURSIVE:
        return _times(schedule, [rate / own if own else 1.0 for rate, own in zip(rates, given, strict=True)])
    if inner.name == "CosineAnnealingLR" and rates != given:
        own = definitions("torch")[inner.name].full(inner)
        return _high_first(on, own["T_max"], float(own["eta_min"]), on.read(inner), rates)
    return schedule


def constructed(on: Setting, inner: Native, rates: tuple[float, ...]) -> tuple[float, ...]:
    """The groups' rates after a scheduler of torch has been made for them."""
    given = start_rates(on, inner)
    if inner.name not in (*RECURSIVE, "CosineAnnealingLR"):
        return given
    return tuple(rate * own / base if base else rate for rate, own, base in zip(rates, given, on.bases, strict=True))


def _times(schedule: Schedule | Plan, factors: list[float]) -> Schedule | Plan:
    """Every group's rate times its factor."""
    if all(f == 1 for f in factors):
        return schedule
    if len(set(factors)) == 1 and not isinstance(schedule, Plan):
        return schedule * factors[0]
    own = dict(schedule.entries) if isinstance(schedule, Plan) else {"lr": schedule}
    return plan({f"{i}/lr": own.get(f"{i}/lr", own.get("lr", constant())) * f for i, f in enumerate(factors)})


def _high_first(
    on: Setting, T_max: int, eta_min: float, schedule: Schedule | Plan, rates: tuple[float, ...] | None = None
) -> Schedule | Plan:
    """CosineAnnealingLR's recursion at step 0, as if step -1 lay on the curve: its first rate is above the base."""
    firsts: list[float] = []
    for base, rate in zip(on.bases, rates or on.bases, strict=True):
        if T_max == 1:
            first = rate + (base - eta_min) * (1 - math.cos(math.pi)) / 2
        else:
            first = 2 / (1 + math.cos(-math.pi / T_max)) * (rate - eta_min) + eta_min
        firsts.append(first / base if base else 1.0)

    def lifted(k: int) -> Schedule:
        text = f"{firsts[k]!r} if {on.clock} < 1 else 1"
        return _whole(schedule) * formula(text, local=on.local)

    if len(set(firsts)) == 1:
        return lifted(0)
    return plan({f"{i}/lr": lifted(i) for i in range(len(firsts))})


def _whole(schedule: Schedule | Plan) -> Schedule:
    assert isinstance(schedule, Schedule)
    return schedule


def ahead(on: Setting, inner: Native, ticks: int) -> Schedule:
    """CosineAnnealingWarmRestarts as it is some ticks later."""
    own = definitions("torch")[inner.name].full(inner)
    on.read(inner)  # says what torch refuses
    length, grow, eta_min = int(own["T_0"]), int(own["T_mult"]), on.value(float(own["eta_min"]))
    done = ticks
    while done >= length:
        done, length = done - length, length * grow
    if not done:
        return ramp(on.span(length), shape="cosine", to=eta_min).repeat(grow=grow)
    # The rest of the cycle that it stands in, then whole ones.
    left = on.span(length - done)
    falling = f"(1 + cos(pi * ({on.clock} + {done}) / {length})) / 2"
    rest: Schedule = formula(falling, left, local=True)
    if eta_min != 0:
        rest = rest + constant(left, start=eta_min) * formula(f"1 - {falling}", left, local=True)
    made = rest >> ramp(on.span(length * grow), shape="cosine", to=eta_min).repeat(grow=grow)
    known = on.ticks is not None and not on.local and on.ticks > length - done
    return made if known else made.cut()


def start_rates(on: Setting, inner: Native) -> tuple[float, ...]:
    """The rates that a scheduler of torch sets when it is made, one for each group."""
    if inner.framework != "torch":
        raise ConversionError(f"{inner.name} is no scheduler of torch")
    curve = replace(on, local=False).placed(on.read(inner))
    return tuple(curve.at(0, group=i, value="lr") for i in range(len(on.bases)))


@native(
    "ignite",
    "ignite.handlers.param_scheduler.ReduceLROnPlateauScheduler",
    note="min_lr is passed on only for param_group_index=0; ignite loses it otherwise.",
)
def reduce_lr_on_plateau_scheduler(
    on: Setting,
    metric_name: str,
    trainer: Any = None,
    save_history: bool = False,
    param_group_index: int | None = None,
    mode: str = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
) -> Schedule | Plan:
    """Torch's ReduceLROnPlateau, which listens to a metric of the engine."""
    if param_group_index is not None and not isinstance(min_lr, float):
        raise ConversionError(f"min_lr is {min_lr!r}; with param_group_index ignite wants a float")
    lowest = min_lr if param_group_index == 0 else 0.0
    inner = definitions("torch")["ReduceLROnPlateau"].bind(
        [],
        {
            "mode": mode, "factor": factor, "patience": patience, "threshold": threshold,
            "threshold_mode": threshold_mode, "cooldown": cooldown, "min_lr": lowest, "eps": eps,
        },
    )  # fmt: skip
    schedule = on.read(inner)
    if isinstance(schedule, Plan):
        raise ConversionError("groups with rules of their own are not read; write min_lr once")
    return governed(on, "lr", param_group_index, _listening(schedule, metric_name))


def _listening(schedule: Schedule, metric: str) -> Schedule:
    """The same with its rule listening to `metric`."""
    assert isinstance(schedule, Product)
    parts = tuple(replace(p, metric=metric) if isinstance(p, Plateau) else p for p in schedule.parts)
    return Product(parts)


@native(
    "ignite",
    "ignite.handlers.param_scheduler.BatchSizeScheduler",
    note="A schedule of the batch size.",
)
def batch_size_scheduler(on: Setting, scheduler_fn: Any, save_history: bool = False) -> Plan:
    """The batch size as a function of the event."""
    return plan({"batch_size": on.sampled(scheduler_fn, "scheduler_fn") * absolute(1.0)})
