"""Schedules of transformers as objects: read, run, built."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from transformers.optimization import AdafactorSchedule, GreedyLR

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.framework import Framework, Live
from cadence.conversion.frameworks.transformers.objects.express import express
from cadence.conversion.frameworks.transformers.objects.source import called, code
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve

FUNCTIONS = {
    "_get_constant_lambda": "constant",
    "_get_constant_schedule_with_warmup_lr_lambda": "constant_with_warmup",
    "_get_linear_schedule_with_warmup_lr_lambda": "linear",
    "_get_cosine_schedule_with_warmup_lr_lambda": "cosine",
    "_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda": "cosine_with_restarts",
    "_get_polynomial_decay_schedule_with_warmup_lr_lambda": "polynomial",
    "_get_inverse_sqrt_schedule_lr_lambda": "inverse_sqrt",
    "_get_cosine_with_min_lr_schedule_with_warmup_lr_rate_lambda": "cosine_warmup_with_min_lr",
    "_get_wsd_scheduler_lambda": "warmup_stable_decay",
}
"""What transformers puts into torch's LambdaLR -> the schedule's name."""


class Transformers(Framework):
    """transformers' schedules, which are objects of torch."""

    def inspect(self, scheduler: object) -> Live:
        if isinstance(scheduler, (GreedyLR, AdafactorSchedule)):
            name = "greedy" if isinstance(scheduler, GreedyLR) else "AdafactorSchedule"
            return Live(Native("transformers", name), 0, (1.0,))
        if isinstance(scheduler, LambdaLR):
            natives = [_native_of(function) for function in scheduler.lr_lambdas]
            if all(native == natives[0] for native in natives):
                return Live(natives[0], int(scheduler.last_epoch), tuple(map(float, scheduler.base_lrs)))
        raise ConversionError(
            f"{type(scheduler).__qualname__} is no schedule that transformers' get_scheduler makes; read it as torch's"
        )

    def restore(self, name: str, state: Mapping[str, Any], bases: tuple[float, ...]) -> Live:
        known = tuple(float(base) for base in state.get("base_lrs", bases))
        if name in ("constant", "get_constant_schedule"):
            return Live(Native("transformers", name), int(state["last_epoch"]), known)
        if name in ("reduce_lr_on_plateau", "get_reduce_on_plateau_schedule") and "patience" in state:
            given = {
                key: state[key] for key in ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown")
            }
            given |= {"min_lr": list(state["min_lrs"]), "eps": state["eps"]}
            return Live(Native("transformers", name, given), int(state["last_epoch"]), known)
        raise ConversionError(
            f"the state of transformers' {name} holds its last step ({state.get('last_epoch')}) and none of its "
            f"arguments; give them: from_native('transformers', {name!r}, {{'num_warmup_steps': ...}})"
        )

    def run(self, native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
        rate = native.arguments.get("lr_init") or on.base
        groups = [{"params": [torch.zeros(1, dtype=torch.float64)], "lr": base} for base in on.bases]
        optimizer: Any = torch.optim.SGD(groups, lr=rate)
        begun = Native(native.framework, native.name, {k: v for k, v in native.arguments.items() if k != "last_epoch"})
        scheduler = self.build(begun, on, optimizer)
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ConversionError(
                f"{native.name} has no rates without a metric; compare them with replay(schedule, metrics)"
            )
        rates = np.empty((len(on.bases), ticks + 1))
        for k in range(ticks + 1):
            rates[:, k] = [group["lr"] for group in optimizer.param_groups]
            if k < ticks:
                optimizer.step()
                scheduler.step()
        return {"lr": rates}

    def build(self, native: Native, on: Setting, optimizer: Any) -> Any:
        if optimizer is None:
            raise ConversionError("transformers makes its schedules for an optimizer; give to_native one")
        function, given = called(native, float(optimizer.defaults["lr"]))
        make: Callable[..., Any] = getattr(transformers, function)
        return make(optimizer, **given)

    def express(self, curve: Curve) -> Native:
        return express(curve)

    def code(self, native: Native, on: Setting) -> str:
        return code(native, on)


def _native_of(function: Any) -> Native:
    """The schedule whose factor a function computes."""
    inner = function.func if isinstance(function, functools.partial) else function
    name = FUNCTIONS.get(getattr(inner, "__name__", ""))
    if name is None or getattr(inner, "__module__", "") != "transformers.optimization":
        raise ConversionError(f"{function!r} is no function of a schedule that transformers' get_scheduler makes")
    given = dict(function.keywords) if isinstance(function, functools.partial) else {}
    if name == "cosine" and "min_lr_rate" in given:
        name = "cosine_with_min_lr"
    given = {key: value for key, value in given.items() if value is not None}
    return definitions("transformers")[name].bind([], given)


FRAMEWORK: Framework = Transformers()
