"""What a scheduler was made with, read from the object or from its saved state."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import tidy
from cadence.conversion.definition import definitions
from cadence.conversion.frameworks.torch.objects.view import both
from cadence.conversion.frameworks.torch.rates import one_cycle_ends
from cadence.conversion.native import Native

State = Mapping[str, Any]
Groups = Sequence[Mapping[str, Any]]
Reader = Callable[[State, "Groups | None"], dict[str, Any]]


def state_of(scheduler: Any) -> State:
    """The attributes of an object, or a state as it is."""
    return cast("State", scheduler) if isinstance(scheduler, Mapping) else scheduler.__dict__


def name_of(scheduler: Any) -> str:
    """The registered name of a scheduler's class.

    Raises:
        ConversionError: a class that is not torch's own.
    """
    kind = cast("type[Any]", type(scheduler))
    for name in definitions("torch"):
        if definitions("torch")[name].path == f"{kind.__module__}.{kind.__qualname__}":
            return name
    raise ConversionError(
        f"{kind.__qualname__} is a class of its own, whose step cannot be seen from outside; known are "
        f"{', '.join(definitions('torch').names())}"
    )


def native_of(name: str, state: State, groups: Groups | None) -> Native:
    """What a scheduler was made with, as far as it differs from the defaults.

    Args:
        name: of its class.
        state: its attributes.
        groups: of its optimizer; None where only the state is at hand.

    Raises:
        ConversionError: what the state does not hold.
    """
    arguments = READERS[name](state, groups)
    defaults = {p.name: p.default for p in definitions("torch")[name].parameters}
    return Native(
        "torch",
        name,
        {k: v for k, v in arguments.items() if defaults[k] is inspect.Parameter.empty or not _same(v, defaults[k])},
    )


def _same(value: Any, default: Any) -> bool:
    return type(value) is not bool and value == default if not isinstance(default, bool) else value is default


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
    return {"milestones": sorted(map(tidy, at)), "gamma": state["gamma"]}


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
    up = _rounded(size * ratio)
    down = _rounded(size - up)
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
    pct = _rounded((float(phases[0]["end_step"]) + 1) / total)
    if one_cycle_ends(total, float(pct), len(phases) == 3)[0] != phases[0]["end_step"]:
        pct = (float(phases[0]["end_step"]) + 1) / total
    first = groups[0]
    arguments = {
        "max_lr": both([float(group["max_lr"]) for group in groups]), "total_steps": total, "pct_start": float(pct),
        "anneal_strategy": state["_anneal_func_type"], "cycle_momentum": state["cycle_momentum"],
        "div_factor": float(_rounded(first["max_lr"] / first["initial_lr"])),
        "final_div_factor": float(_rounded(first["initial_lr"] / first["min_lr"])), "three_phase": len(phases) == 3,
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
    names = [_guessed(state_of(part)) if isinstance(part, Mapping) else name_of(part) for part in parts]
    return {"schedulers": [native_of(name, state_of(part), groups) for name, part in zip(names, parts, strict=True)]}


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


def _rounded(x: float) -> float:
    """Without the digits that a division left; whole numbers as such."""
    near = round(x, 9)
    return tidy(near if math.isclose(x, near, rel_tol=1e-13) else x)


READERS: Mapping[str, Reader] = {
    "LambdaLR": _functions, "MultiplicativeLR": _functions, "StepLR": _copied("step_size", "gamma"),
    "MultiStepLR": _multi_step, "ConstantLR": _copied("factor", "total_iters"),
    "LinearLR": _copied("start_factor", "end_factor", "total_iters"), "ExponentialLR": _copied("gamma"),
    "PolynomialLR": _copied("total_iters", "power"), "CosineAnnealingLR": _copied("T_max", "eta_min"),
    "CosineAnnealingWarmRestarts": _copied("T_0", "T_mult", "eta_min"), "SWALR": _swa, "CyclicLR": _cyclic,
    "OneCycleLR": _one_cycle, "ReduceLROnPlateau": _plateau, "SequentialLR": _sequential, "ChainedScheduler": _chained,
}  # fmt: skip
