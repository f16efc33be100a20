"""Schedulers that exist, or their saved states, as data: also in the middle of a run."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.doors import read, setting
from cadence.conversion.framework import Live
from cadence.conversion.frameworks.torch.composed import FACTORS
from cadence.conversion.frameworks.torch.rates import one_cycle_ends
from cadence.conversion.frameworks.torch.tables import leaves
from cadence.conversion.frameworks.torch.view import both
from cadence.conversion.native import Native

State = Mapping[str, Any]
Groups = Sequence[Mapping[str, Any]]

FORGETS = ("LambdaLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR")
"""What computes each rate from the base, whatever was done to the one before."""


def inspected(scheduler: Any) -> Live:
    """A scheduler object as data.

    Raises:
        ConversionError: of a class of its own, or with a rate that its further course cannot be told from.
    """
    name = _name(scheduler)
    groups = scheduler.optimizer.param_groups
    native = _native(name, _state(scheduler), groups)
    current = tuple(float(group["lr"]) for group in groups)
    # A rate that is a tensor has fewer digits, and torch's recursions lose some at each step.
    digits = 1e-4 if any(hasattr(group["lr"], "dtype") for group in groups) else 1e-9
    momentum = "beta1" if "betas" in scheduler.optimizer.defaults else "momentum"
    if name == "ReduceLROnPlateau":
        bases = tuple(float(group.get("initial_lr", group["lr"])) for group in groups)
        factors = tuple(c / b if b else 1.0 for c, b in zip(current, bases, strict=True))
        return Live(native, int(scheduler.last_epoch), bases, factors, momentum)
    return _located(native, _state(scheduler), current, momentum, digits)


def restored(name: str, state: State, bases: tuple[float, ...]) -> Live:
    """A saved state as data.

    Raises:
        ConversionError: what the state does not hold: functions, and what OneCycleLR keeps in the optimizer.
    """
    native = _native(name, state, None)
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
    return int(state["last_epoch"]) if "last_epoch" in state else _steps(_state(state["_schedulers"][0]))


def _first(state: State) -> State:
    """The state of the first scheduler at the bottom."""
    while "_schedulers" in state:
        state = _state(state["_schedulers"][0])
    return state


def _state(scheduler: Any) -> State:
    return cast("State", scheduler) if isinstance(scheduler, Mapping) else scheduler.__dict__


def _name(scheduler: Any) -> str:
    kind = cast("type[Any]", type(scheduler))
    for name in definitions("torch"):
        if definitions("torch")[name].path == f"{kind.__module__}.{kind.__qualname__}":
            return name
    raise ConversionError(
        f"{kind.__qualname__} is a class of its own, whose step cannot be seen from outside; known are "
        f"{', '.join(definitions('torch').names())}"
    )


def _native(name: str, state: State, groups: Groups | None) -> Native:
    """What a scheduler was made with, as far as it differs from the defaults."""
    arguments = READERS[name](state, groups)
    defaults = {p.name: p.default for p in definitions("torch")[name].parameters}
    return Native(
        "torch",
        name,
        {k: v for k, v in arguments.items() if defaults[k] is inspect.Parameter.empty or not _same(v, defaults[k])},
    )


def _same(value: Any, default: Any) -> bool:
    return type(value) is not bool and value == default if not isinstance(default, bool) else value is default


Reader = Callable[[State, "Groups | None"], dict[str, Any]]


def _copied(*names: str) -> Reader:
    return lambda state, _: {name: state[name] for name in names}


def _functions(state: State, _: Groups | None) -> dict[str, Any]:
    functions = state["lr_lambdas"]
    if not all(callable(f) for f in functions):
        raise ConversionError(
            "a saved state holds no functions, and lr_lambda is one; give the scheduler itself, or name and arguments"
        )
    return {"lr_lambda": functions[0] if all(f is functions[0] for f in functions) else list(functions)}


def _multi_step(state: State, _: Groups | None) -> dict[str, Any]:
    # Torch counts its milestones; a state that was JSON once has text for keys.
    counts: Mapping[Any, int] = state["milestones"]
    at = [float(m) if isinstance(m, str) else m for m, times in counts.items() for _ in range(times)]
    return {"milestones": sorted(int(m) if float(m).is_integer() else m for m in at), "gamma": state["gamma"]}


def _swa(state: State, groups: Groups | None) -> dict[str, Any]:
    if groups is None:
        raise ConversionError("SWALR keeps swa_lr in the optimizer, not in its state; give the scheduler itself")
    goals = [float(group["swa_lr"]) for group in groups]
    return {
        "swa_lr": both(goals),
        "anneal_epochs": state["anneal_epochs"],
        "anneal_strategy": state["_anneal_strategy"],
    }


def _cyclic(state: State, _: Groups | None) -> dict[str, Any]:
    size, ratio = state["total_size"], state["step_ratio"]
    up = _tidy(size * ratio)
    down = _tidy(size - up)
    function = state.get("_scale_fn_custom")
    arguments = {
        "base_lr": both([float(x) for x in state["base_lrs"]]), "max_lr": both([float(x) for x in state["max_lrs"]]),
        "step_size_up": up, "mode": state["mode"], "gamma": state["gamma"], "cycle_momentum": state["cycle_momentum"],
    }  # fmt: skip
    if down != up:
        arguments["step_size_down"] = down
    if function is not None:
        if not callable(function):
            raise ConversionError("a saved state holds no functions, and scale_fn is one; give the scheduler itself")
        arguments.update(scale_fn=function, scale_mode=state["scale_mode"])
    elif "_scale_fn_ref" not in state and state["mode"] not in ("triangular", "triangular2", "exp_range"):
        raise ConversionError("a saved state holds no functions, and scale_fn is one; give the scheduler itself")
    if state["cycle_momentum"]:
        arguments["base_momentum"] = both([float(x) for x in state["base_momentums"]])
        arguments["max_momentum"] = both([float(x) for x in state["max_momentums"]])
    return arguments


def _one_cycle(state: State, groups: Groups | None) -> dict[str, Any]:
    if groups is None:
        raise ConversionError(
            "OneCycleLR keeps its rates in the optimizer, not in its state; give the scheduler itself"
        )
    phases, total = state["_schedule_phases"], state["total_steps"]
    pct = _tidy((float(phases[0]["end_step"]) + 1) / total)
    if one_cycle_ends(total, float(pct), len(phases) == 3)[0] != phases[0]["end_step"]:
        pct = (float(phases[0]["end_step"]) + 1) / total
    first = groups[0]
    arguments = {
        "max_lr": both([float(group["max_lr"]) for group in groups]), "total_steps": total, "pct_start": float(pct),
        "anneal_strategy": state["_anneal_func_type"], "cycle_momentum": state["cycle_momentum"],
        "div_factor": float(_tidy(first["max_lr"] / first["initial_lr"])),
        "final_div_factor": float(_tidy(first["initial_lr"] / first["min_lr"])), "three_phase": len(phases) == 3,
    }  # fmt: skip
    if state["cycle_momentum"]:
        arguments["base_momentum"] = both([float(group["base_momentum"]) for group in groups])
        arguments["max_momentum"] = both([float(group["max_momentum"]) for group in groups])
    return arguments


def _plateau(state: State, _: Groups | None) -> dict[str, Any]:
    names = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "eps")
    return {**{name: state[name] for name in names}, "min_lr": both([float(x) for x in state["min_lrs"]])}


def _sequential(state: State, groups: Groups | None) -> dict[str, Any]:
    return {**_chained(state, groups), "milestones": list(state["_milestones"])}


def _chained(state: State, groups: Groups | None) -> dict[str, Any]:
    parts = state["_schedulers"]
    names = [_guessed(_state(part)) if isinstance(part, Mapping) else _name(part) for part in parts]
    return {"schedulers": [_native(name, _state(part), groups) for name, part in zip(names, parts, strict=True)]}


def _guessed(state: State) -> str:
    """The class of a part's state, from what it holds: torch does not save the name."""
    keys: Mapping[str, tuple[str, ...]] = {
        "SequentialLR": ("_milestones",), "ChainedScheduler": ("_schedulers",), "OneCycleLR": ("_schedule_phases",),
        "CyclicLR": ("total_size",), "CosineAnnealingWarmRestarts": ("T_0",), "CosineAnnealingLR": ("T_max",),
        "SWALR": ("anneal_epochs",), "LambdaLR": ("lr_lambdas",), "StepLR": ("step_size",),
        "MultiStepLR": ("milestones",), "LinearLR": ("start_factor",), "PolynomialLR": ("power",),
        "ConstantLR": ("factor", "total_iters"), "ExponentialLR": ("gamma",),
    }  # fmt: skip
    for name, needed in keys.items():
        if all(key in state for key in needed):
            return name
    raise ConversionError(
        f"a state with {', '.join(map(str, state))} belongs to no scheduler of torch; give the scheduler itself"
    )


def _tidy(x: float) -> float:
    """Without the digits that a division left; whole numbers as such."""
    near = round(x, 9)
    tidy = near if math.isclose(x, near, rel_tol=1e-13) else x
    return int(tidy) if float(tidy).is_integer() else tidy


READERS: Mapping[str, Reader] = {
    "LambdaLR": _functions, "MultiplicativeLR": _functions, "StepLR": _copied("step_size", "gamma"),
    "MultiStepLR": _multi_step, "ConstantLR": _copied("factor", "total_iters"),
    "LinearLR": _copied("start_factor", "end_factor", "total_iters"), "ExponentialLR": _copied("gamma"),
    "PolynomialLR": _copied("total_iters", "power"), "CosineAnnealingLR": _copied("T_max", "eta_min"),
    "CosineAnnealingWarmRestarts": _copied("T_0", "T_mult", "eta_min"), "SWALR": _swa, "CyclicLR": _cyclic,
    "OneCycleLR": _one_cycle, "ReduceLROnPlateau": _plateau, "SequentialLR": _sequential, "ChainedScheduler": _chained,
}  # fmt: skip
