"""Paddle's own objects: read, built, run, written as source."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

with warnings.catch_warnings():
    # Paddle looks for a compiler cache when it is imported, and says so where there is none.
    warnings.filterwarnings("ignore", "No ccache found", UserWarning)
    import paddle

from cadence._errors import ConversionError
from cadence.conversion.definition import Definition, definitions
from cadence.conversion.doors import native_of, own_base, reading, setting
from cadence.conversion.framework import Framework, Live
from cadence.conversion.frameworks.paddle.objects.equal.tree import native_equal
from cadence.conversion.frameworks.paddle.objects.source import script
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve
from cadence.spec.shown import shown

lr: Any = cast("Any", paddle).optimizer.lr

SAVED = ("last_epoch", "last_lr", "LinearWarmup_LR", "cooldown_counter", "best", "num_bad_epochs")
"""What paddle's `state_dict` holds, of all classes together: where a scheduler stands, and nothing it was made with."""

KEPT = {
    "NoamDecay": ("d_model", "warmup_steps"),
    "PiecewiseDecay": ("boundaries", "values"),
    "NaturalExpDecay": ("gamma",),
    "InverseTimeDecay": ("gamma",),
    "PolynomialDecay": ("decay_steps", "end_lr", "power", "cycle"),
    "ExponentialDecay": ("gamma",),
    "MultiStepDecay": ("milestones", "gamma"),
    "StepDecay": ("step_size", "gamma"),
    "LambdaDecay": ("lr_lambda",),
    "ReduceOnPlateau": (
        "mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "epsilon",
    ),
    "CosineAnnealingDecay": ("T_max", "eta_min"),
    "MultiplicativeDecay": ("lr_lambda",),
    "LinearLR": ("total_steps", "start_factor", "end_factor"),
    "CosineAnnealingWarmRestarts": ("T_0", "T_mult", "eta_min"),
}  # fmt: skip
"""Arguments that a scheduler keeps under their own names; its `learning_rate` it calls `base_lr`."""


class _Paddle(Framework):
    """paddle.optimizer.lr."""

    def inspect(self, scheduler: object) -> Live:
        native = native_from(scheduler)
        live: Any = scheduler
        if native.name == "CosineAnnealingWarmRestarts":
            _check_place(native, live)
        t, base = int(live.last_epoch), own_base(native)
        return Live(native, t, (base,), (_factor(native, t, base, float(live.last_lr)),))

    def restore(self, name: str, state: Mapping[str, Any], bases: tuple[float, ...]) -> Live:
        definition = definitions("paddle")[name]
        native, saved = _with_arguments(definition, state)
        t, last = int(saved["last_epoch"]), saved.get("last_lr")
        if definition.base in native.arguments:
            bases = (own_base(native),)
        if last is None:
            return Live(native, t, bases)
        factor = _factor(native, t, bases[0], float(last))
        if factor == 1.0 and name != "ReduceOnPlateau":
            _check_rate(native, t, bases[0], float(last))
        return Live(native, t, bases, (factor,))

    def run(self, native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
        if native.name == "ReduceOnPlateau":
            raise ConversionError("ReduceOnPlateau follows a metric, so without one there is no course; use cd.replay")
        scheduler = self.build(native, on, None)
        rates = [float(scheduler())]
        try:
            for _ in range(ticks):
                scheduler.step()
                rates.append(float(scheduler()))
        except (ValueError, ArithmeticError) as fault:
            raise ConversionError(
                f"paddle's {native.name} stops after {len(rates) - 1} steps: {fault}; compare fewer"
            ) from fault
        multiples = [base / on.base if on.base else 1.0 for base in on.bases]
        return {"lr": np.outer(multiples, rates)}

    def bases(self, optimizer: Any) -> tuple[float, ...] | None:
        return (float(optimizer.get_lr()),)

    def build(self, native: Native, on: Setting, optimizer: Any) -> Any:
        scheduler = made(native, on.base)
        if optimizer is not None:
            optimizer.set_lr_scheduler(scheduler)
        return scheduler

    def express(self, curve: Curve) -> Native:
        return native_equal(curve)

    def code(self, native: Native, on: Setting) -> str:
        return script(native, on)


FRAMEWORK = _Paddle()


def made(native: Native, base: float) -> Any:
    """The scheduler itself; `base` is its rate where it is given none.

    Raises:
        ConversionError: paddle refuses the arguments.
    """
    definition = definitions("paddle")[native.name]
    own = {definition.base: base} if definition.base else {}
    arguments = {**own, **native.arguments}
    inner = arguments.get("learning_rate")
    if inner is not None and not hasattr(inner, "__float__"):
        arguments["learning_rate"] = made(native_of("paddle", inner), base)
    try:
        return getattr(lr, native.name)(**arguments)
    except (TypeError, ValueError, ArithmeticError, AssertionError) as fault:
        raise ConversionError(f"paddle refuses {native}: {str(fault).strip()}") from fault


def native_from(scheduler: Any) -> Native:
    """What a scheduler was made with, as far as it says.

    Raises:
        ConversionError: a class of somebody's own, or one that paddle does not have.
    """
    name = type(scheduler).__name__
    if type(scheduler).__module__.startswith("cadence."):
        raise ConversionError(
            f"{name} is cadence's own and needs no conversion; its schedule is written in scheduler.curve.spec"
        )
    if name not in definitions("paddle") or type(scheduler) is not getattr(lr, name, None):
        raise ConversionError(
            f"{type(scheduler).__module__}.{name} is no scheduler of paddle's own, and what its get_lr computes cannot "
            f"be seen; give its values: cd.piecewise([(0, ...), ...]), or write it as a LambdaDecay"
        )
    special = _SPECIAL.get(name)
    if special is not None:
        return Native("paddle", name, special(scheduler))
    arguments: dict[str, Any] = {} if name == "PiecewiseDecay" else {"learning_rate": scheduler.base_lr}
    return Native("paddle", name, {**arguments, **{key: getattr(scheduler, key) for key in KEPT[name]}})


# ---- arguments that are kept in another form ---------------------------------------------------------------------


def _warmup(scheduler: Any) -> dict[str, Any]:
    inner = scheduler.learning_rate
    return {
        "learning_rate": native_from(inner) if isinstance(inner, lr.LRScheduler) else inner,
        "warmup_steps": scheduler.warmup_steps, "start_lr": scheduler.start_lr, "end_lr": scheduler.end_lr,
    }  # fmt: skip


def _one_cycle(scheduler: Any) -> dict[str, Any]:
    levels, n = scheduler._lr_config, scheduler.total_steps
    strategy = "cos" if scheduler.anneal_func.__name__ == "_cos_annealing" else "linear"
    peak, start, end = levels[1], levels[0], scheduler._step_config[1]
    share = _shortest((end + 1) / n, lambda x: x * n - 1 == end)
    divide = _shortest(peak / start, lambda x: peak / x == start) if start else (math.inf if peak else 25.0)
    return {
        "max_learning_rate": peak, "total_steps": n, "divide_factor": divide, "end_learning_rate": levels[-1],
        "phase_pct": share, "anneal_strategy": strategy, "three_phase": len(levels) == 4,
    }  # fmt: skip


def _shortest(x: float, fits: Callable[[float], bool]) -> float:
    """The number with the fewest digits near x that gives back what x was computed from; x where none does."""
    for digits in range(1, 17):
        short = float(f"{x:.{digits}g}")
        if short and fits(short):
            return short
    return x


def _cyclic(scheduler: Any) -> dict[str, Any]:
    up = round(scheduler.step_up_pct * scheduler.cycle_size)
    arguments = {
        "base_learning_rate": scheduler.base_lr, "max_learning_rate": scheduler.max_lr, "step_size_up": up,
        "step_size_down": round(scheduler.cycle_size) - up, "mode": scheduler.mode, "exp_gamma": scheduler.gamma,
    }  # fmt: skip
    if getattr(scheduler.scale_fn, "__self__", None) is scheduler:
        return arguments
    return {**arguments, "scale_fn": scheduler.scale_fn, "scale_mode": scheduler.scale_mode}


_SPECIAL: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "LinearWarmup": _warmup, "OneCycleLR": _one_cycle, "CyclicLR": _cyclic,
}  # fmt: skip


# ---- where it stands ---------------------------------------------------------------------------------------------


def _with_arguments(definition: Definition, state: Mapping[str, Any]) -> tuple[Native, Mapping[str, Any]]:
    """A saved state, and what was given beside it, taken apart."""
    names = [p.name for p in definition.parameters]
    if "LR_Scheduler" in state:
        # The state of an optimizer, which holds its scheduler's among its own.
        state = {**{key: x for key, x in state.items() if key in names}, **state["LR_Scheduler"]}
    if "last_epoch" not in state:
        raise ConversionError(
            f"a saved state of paddle's {definition.name} holds last_epoch, and this one has {shown(sorted(state))}; "
            f"give scheduler.state_dict() or optimizer.state_dict()"
        )
    given = {key: x for key, x in state.items() if key not in SAVED}
    missing = [
        p.name for p in definition.parameters if p.default is p.empty and p.name not in {*given, definition.base}
    ]
    if missing:
        example = ", ".join(f"{name!r}: ..." for name in missing)
        raise ConversionError(
            f"a saved state of paddle's {definition.name} says where it stands and not what it was made with; give "
            f"{' and '.join(missing)} beside it: from_native('paddle', {definition.name!r}, {{{example}}}, state=...)"
        )
    return definition.bind([], given), state


def _factor(native: Native, t: int, base: float, last: float) -> float:
    """What the rate was multiplied with since: by hand where a recursion keeps that, by the cuts of a plateau."""
    given = definitions("paddle")[native.name].full(native)
    if native.name == "ReduceOnPlateau":
        return last / base if base else 1.0
    if native.name == "LinearLR":
        n, start, end = given["total_steps"], given["start_factor"], given["end_factor"]
        expected = base * (start + (end - start) * min(t, math.floor(n)) / n)
    elif native.name == "CosineAnnealingDecay" and not given["eta_min"]:
        expected = base * (1 + math.cos(math.pi * t / given["T_max"])) / 2
    else:
        return 1.0
    if expected < 1e-6 * base or abs(last - expected) < 1e-6 * expected:
        return 1.0
    return last / expected


def _check_rate(native: Native, t: int, base: float, last: float) -> None:
    """Refuse arguments or a base with which the scheduler would not stand where its state says."""
    on = setting((base,), "step", t + 1, None)
    expected = on.placed(reading(native, on)).at(t)
    if abs(last - expected) > 1e-6 * max(abs(last), abs(expected)):
        raise ConversionError(
            f"the state says last_lr={last:g} at last_epoch={t}, where {native} with a base of {base:g} has "
            f"{expected:g}; give the arguments it was made with, learning_rate among them"
        )


def _check_place(native: Native, scheduler: Any) -> None:
    """Refuse restarts that forgot where they stand: paddle does not save it."""
    n, grow = native.arguments["T_0"], native.arguments["T_mult"]
    begin, length = 0, n
    while scheduler.last_epoch >= begin + length:
        begin, length = begin + length, length * grow
    if scheduler.T_cur != scheduler.last_epoch - begin and scheduler.T_cur != length:
        raise ConversionError(
            f"this CosineAnnealingWarmRestarts stands at {scheduler.T_cur} of its cycle after {scheduler.last_epoch} "
            f"epochs, where {scheduler.last_epoch - begin} is due: paddle does not save T_cur, and it was lost when a "
            f"state was loaded; convert the class with its arguments, and begin at update {scheduler.last_epoch}"
        )
