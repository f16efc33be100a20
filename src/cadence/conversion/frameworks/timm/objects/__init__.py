"""Schedules of timm as objects: read, run, built."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.framework import Framework, Live
from cadence.conversion.frameworks.timm.objects.express import express
from cadence.conversion.frameworks.timm.objects.loading import schedulers
from cadence.conversion.frameworks.timm.objects.source import by_update, called, code
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve


class Timm(Framework):
    """timm's schedules, which keep no count: the training loop hands them the epoch or the number of updates."""

    def inspect(self, scheduler: object) -> Live:
        name = next((kind.__name__ for kind in type(scheduler).__mro__ if kind.__name__ in definitions("timm")), None)
        if name is None:
            raise ConversionError(f"{type(scheduler).__qualname__} is no scheduler of timm.scheduler")
        state = {**vars(scheduler)}
        if name == "PlateauLRScheduler":
            state |= _of_plateau(state["lr_scheduler"])
        groups: list[dict[str, Any]] = state["optimizer"].param_groups
        scales = [float(group.get("lr_scale", 1.0)) for group in groups]
        live = self.restore(name, state, (1.0,))
        if all(scale == 1 for scale in scales):
            return live
        native = Native("timm", name, {**live.native.arguments, "lr_scale": scales})
        return Live(native, live.t, live.bases)

    def restore(self, name: str, state: Mapping[str, Any], bases: tuple[float, ...]) -> Live:
        parameters = definitions("timm")[name].parameters
        if name == "PlateauLRScheduler" and "decay_rate" not in state:
            raise ConversionError(
                "the state of timm's PlateauLRScheduler holds its best metric and none of its arguments; give those: "
                "from_native('timm', 'PlateauLRScheduler', {'patience_t': ...})"
            )
        missing = [p.name for p in parameters if p.default is p.empty and p.name not in state]
        if missing:
            raise ConversionError(f"this is no state of timm's {name}: it lacks {', '.join(missing)}")
        given = {p.name: state[p.name] for p in parameters if p.name in state and _differs(state[p.name], p.default)}
        # An object always has a seed, with noise or without.
        given = {key: value for key, value in given.items() if not key.startswith("noise_") or key == "noise_range_t"}
        known = tuple(float(base) for base in state.get("base_values", bases))
        return Live(Native("timm", name, given), None, known)

    def run(self, native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
        groups = [
            {"params": [torch.zeros(1, dtype=torch.float64)], "lr": base, "initial_lr": base} for base in on.bases
        ]
        optimizer = torch.optim.SGD(groups, lr=on.base)
        scheduler = self.build(native, on, optimizer)
        rates = np.empty((len(on.bases), ticks + 1))
        counted_from = 0
        if scheduler is None or type(scheduler).__name__ == "PlateauLRScheduler":
            # step(0) of this one writes warmup_lr_init also where there is no warmup; no training loop calls it.
            rates[:, 0], counted_from = [group["lr"] for group in optimizer.param_groups], 1
        step = "step_update" if by_update(native, on) else "step"
        for k in range(counted_from, ticks + 1):
            if scheduler is not None:
                getattr(scheduler, step)(k)
            rates[:, k] = [group["lr"] for group in optimizer.param_groups]
        return {"lr": rates}

    def build(self, native: Native, on: Setting, optimizer: Any) -> Any:
        if optimizer is None:
            raise ConversionError("timm makes its schedulers for an optimizer; give to_native one")
        function, given, scales = called(native, on)
        for group, scale in zip(optimizer.param_groups, scales, strict=False):
            group["lr_scale"] = scale
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "PlateauLRScheduler is deprecated", FutureWarning)
            made = getattr(schedulers(), function)(optimizer, **given)
        return made[0] if function == "create_scheduler_v2" else made

    def express(self, curve: Curve) -> Native:
        return express(curve)

    def code(self, native: Native, on: Setting) -> str:
        return code(native, on)


def _of_plateau(inner: Any) -> dict[str, Any]:
    """The arguments of a PlateauLRScheduler that it hands on to torch's."""
    return {
        "decay_rate": inner.factor, "patience_t": inner.patience, "threshold": inner.threshold,
        "cooldown_t": inner.cooldown, "mode": inner.mode, "lr_min": inner.min_lrs[0],
    }  # fmt: skip


def _differs(value: Any, default: Any) -> bool:
    return default is inspect.Parameter.empty or bool(value != default)


FRAMEWORK: Framework = Timm()
