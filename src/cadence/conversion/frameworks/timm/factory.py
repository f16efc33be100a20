"""timm.scheduler.create_scheduler_v2, and the names it knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import real
from cadence.conversion.definition import native
from cadence.conversion.frameworks.timm.warm import Scale, scaled
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown

NAMES = ("cosine", "tanh", "step", "multistep", "plateau", "poly", "wsd", "rsqrt", "constant")
"""Schedules that the factory makes; `none` is none."""


@native("timm", "timm.scheduler.create_scheduler_v2", aliases=("create_scheduler",))
def create_scheduler_v2(
    on: Setting, sched: str = "cosine", num_epochs: int = 300, decay_epochs: float | None = None,
    decay_milestones: Sequence[int] = (90, 180, 270), cooldown_epochs: int = 0, patience_epochs: int = 10,
    decay_rate: float = 0.1, min_lr: float = 0.0, warmup_lr: float = 1e-5, warmup_epochs: int = 0,
    warmup_prefix: bool = False, noise: object = None, noise_pct: float = 0.67, noise_std: float = 1.0,
    noise_seed: int = 42, cycle_mul: float = 1.0, cycle_decay: float = 0.1, cycle_limit: int = 1,
    k_decay: float = 1.0, decay_fn: str | None = None, stable_timescale: float | None = None,
    plateau_mode: str = "max", step_on_epochs: bool = True, updates_per_epoch: int = 0, *, lr_scale: Scale = None,
) -> Schedule | Plan:  # fmt: skip
    """The schedule of a name, its lengths in epochs."""
    if sched == "none":
        return scaled(on, constant(), lr_scale)
    return on.read(made(locals()))


def made(given: dict[str, Any]) -> Native:
    """What create_scheduler_v2 makes of its arguments.

    Raises:
        ConversionError: what it refuses.
    """
    sched, per_epoch = given["sched"], 1
    if sched not in NAMES:
        raise ConversionError(f"sched is {shown(sched)}; it is one of {', '.join(NAMES)}, or none")
    if not given["step_on_epochs"]:
        per_epoch = real(given["updates_per_epoch"], "updates_per_epoch")
        if per_epoch <= 0:
            raise ConversionError(
                "with step_on_epochs=False updates_per_epoch is needed; write the updates of an epoch"
            )

    def ticks(name: str) -> float:
        return real(given[name], name) * per_epoch

    common: dict[str, Any] = {
        "warmup_t": ticks("warmup_epochs"), "warmup_lr_init": given["warmup_lr"],
        "noise_range_t": given["noise"], "lr_scale": given["lr_scale"],
    }  # fmt: skip
    clock = {"t_in_epochs": bool(given["step_on_epochs"])}
    prefix = {"warmup_prefix": given["warmup_prefix"]}
    cycles = {key: given[key] for key in ("cycle_mul", "cycle_decay", "cycle_limit")}
    floor, rate = {"lr_min": given["min_lr"]}, {"decay_rate": given["decay_rate"]}
    length = {"t_initial": ticks("num_epochs")}
    match sched:
        case "cosine":
            own = {**length, **floor, **clock, **cycles, **prefix, "k_decay": given["k_decay"]}
            return Native("timm", "CosineLRScheduler", {**own, **common})
        case "tanh":
            return Native("timm", "TanhLRScheduler", {**length, **floor, **clock, **cycles, **prefix, **common})
        case "poly":
            own = {**length, **floor, **clock, **cycles, **prefix, "k_decay": given["k_decay"]}
            return Native("timm", "PolyLRScheduler", {**own, "power": given["decay_rate"], **common})
        case "step":
            every = 90 * per_epoch if given["decay_epochs"] is None else ticks("decay_epochs")
            return Native("timm", "StepLRScheduler", {"decay_t": every, **rate, **clock, **prefix, **common})
        case "constant":
            return Native("timm", "StepLRScheduler", {"decay_t": 1, "decay_rate": 1.0, **clock, **prefix, **common})
        case "multistep":
            at = [real(m, "a milestone of decay_milestones") * per_epoch for m in given["decay_milestones"]]
            return Native("timm", "MultiStepLRScheduler", {"decay_t": at, **rate, **clock, **prefix, **common})
        case "plateau":
            if not given["step_on_epochs"]:
                raise ConversionError("timm steps its plateau once an epoch only; write step_on_epochs=True")
            own = {**rate, "patience_t": given["patience_epochs"], **floor, "mode": given["plateau_mode"]}
            return Native("timm", "PlateauLRScheduler", {**own, **common})
        case _:
            return Native("timm", "WSDLRScheduler", {**_wsd(given, per_epoch), **floor, **clock, **common})


def _wsd(given: dict[str, Any], per_epoch: float) -> dict[str, Any]:
    """Lengths and functions of `wsd` and `rsqrt`, whose warmup is always a prefix."""
    falling = given["sched"] == "rsqrt"
    length = real(given["num_epochs"], "num_epochs") * per_epoch
    if not given["warmup_prefix"]:
        length -= real(given["warmup_epochs"], "warmup_epochs") * per_epoch
    epochs = 0.2 if given["decay_epochs"] is None else real(given["decay_epochs"], "decay_epochs")
    decay = round(epochs * length if 0 < epochs < 1 else epochs * per_epoch)
    if not 0 < decay <= length:
        raise ConversionError(
            f"decay_epochs makes a decay of {decay:g}, and what follows the warmup is {length:g} long; write a decay "
            f"above 0 that fits"
        )
    scale = given["stable_timescale"]
    return {
        "t_initial": length, "decay_t": decay, "stable_fn": "rsqrt" if falling else "constant",
        "stable_timescale": None if scale is None else real(scale, "stable_timescale") * per_epoch,
        "decay_fn": given["decay_fn"] or ("linear" if falling else "1-sqrt"),
    }  # fmt: skip


def _enter(name: str) -> None:
    """The factory's schedule of a name, by that name."""

    def meaning(on: Setting, **given: Any) -> Schedule | Plan:
        return create_scheduler_v2(on, name, **given)

    whole = inspect.signature(create_scheduler_v2)
    kept = [p.replace(kind=p.KEYWORD_ONLY) for p in whole.parameters.values() if p.name not in ("on", "sched")]
    first = whole.parameters["on"]
    made_here: Callable[..., Schedule | Plan] = meaning
    made_here.__signature__ = whole.replace(parameters=[first, *kept])  # type: ignore[attr-defined]
    made_here.__doc__ = f"create_scheduler_v2 with sched={name!r}."
    native("timm", "timm.scheduler.create_scheduler_v2", name=name)(made_here)


for _name in NAMES:
    _enter(_name)
