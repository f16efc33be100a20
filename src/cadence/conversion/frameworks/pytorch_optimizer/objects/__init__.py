"""pytorch_optimizer's objects: read, built, run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch

with warnings.catch_warnings():
    # What it imports may frown at what that imports in turn.
    warnings.simplefilter("ignore")
    from pytorch_optimizer import lr_scheduler as peer

from cadence._errors import ConversionError
from cadence.conversion.definition import definitions
from cadence.conversion.doors import inspect as inspect_any
from cadence.conversion.framework import Framework, Live, framework
from cadence.conversion.frameworks.pytorch_optimizer.objects.express import express
from cadence.conversion.frameworks.pytorch_optimizer.objects.source import source
from cadence.conversion.frameworks.pytorch_optimizer.torch_classes import CLASSES
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve

ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "linear": {"t_max": "total_steps", "max_lr": "max_lr", "min_lr": "min_lr", "init_lr": "init_lr",
               "warmup_steps": "warmup_steps"},
    "rex": {"total_steps": "total_steps", "max_lr": "max_lr", "min_lr": "min_lr"},
    "cosine_annealing_with_warmup": {
        "cycle_mult": "cycle_mult", "first_cycle_steps": "first_cycle_steps", "max_lr": "base_max_lr",
        "min_lr": "min_lr", "warmup_steps": "warmup_steps", "gamma": "gamma",
    },
    "proportion": {"max_lr": "max_lr", "min_lr": "min_lr", "max_value": "max_value", "min_value": "min_value"},
}  # fmt: skip
"""Argument -> the attribute that keeps it."""

OF_CLASS = {
    "LinearScheduler": "linear", "CosineScheduler": "cosine", "PolyScheduler": "poly", "REXScheduler": "rex",
    "CosineAnnealingWarmupRestarts": "cosine_annealing_with_warmup", "ProportionScheduler": "proportion",
}  # fmt: skip

OF_FUNCTION = {"get_wsd_scheduler_lambda": "warmup_stable_decay", "get_chebyshev_lr_lambda": "chebyshev"}


@final
class PytorchOptimizer(Framework):
    """Schedulers of pytorch_optimizer."""

    def inspect(self, scheduler: object) -> Live:
        name = OF_CLASS.get(type(scheduler).__name__)
        made = _of_function(scheduler) if name is None else None
        if made is not None:
            return made
        if name is None:
            raise ConversionError(
                f"{type(scheduler).__qualname__} of pytorch_optimizer is no scheduler that is known here; known are "
                f"{', '.join(sorted(OF_CLASS))}"
            )
        own = vars(scheduler)
        if name == "proportion":
            inner = inspect_any(own["lr_scheduler"])
            return Live(_native(name, own, {"lr_scheduler": inner.native}), inner.t, inner.bases)
        groups: list[Any] = own["optimizer"].param_groups
        bases = tuple(float(group.get("initial_lr", own["min_lr"])) for group in groups)
        return Live(_native(name, own, {}), _t(name, own), bases)

    def restore(self, name: str, state: Mapping[str, Any], bases: tuple[float, ...]) -> Live:
        if name in CLASSES:
            live = framework("torch").restore(CLASSES[name], state, bases)
            native = Native("pytorch_optimizer", name, live.native.arguments)
            return Live(native, live.t, live.bases, live.factor, live.momentum)
        if name not in ("rex", "cosine_annealing_with_warmup"):
            raise ConversionError(
                f"pytorch_optimizer's {name} saves no state that says what it was made with; give the object, or kwargs"
            )
        return Live(_native(name, state, {}), _t(name, state), bases)

    def run(self, native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
        if native.name in CLASSES:
            return framework("torch").run(Native("torch", CLASSES[native.name], native.arguments), on, ticks)
        if native.name == "deberta_v3":
            return {"lr": np.repeat(_deberta(native, len(on.bases))[:, None], ticks + 1, axis=1)}
        optimizer = torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": base} for base in on.bases])
        scheduler = self.build(native, on, optimizer)
        follows = native.name == "proportion"
        rows: list[list[float]] = []
        for k in range(ticks + 1):
            if k:
                with warnings.catch_warnings():
                    # Nobody trains here: the scheduler alone is looked at.
                    warnings.simplefilter("ignore", UserWarning)
                    if follows:
                        scheduler.lr_scheduler.step()
                    scheduler.step()
            rates = [float(group["lr"]) for group in optimizer.param_groups]
            rows.append([float(scheduler.get_lr())] if follows else rates)
        return {"rho" if follows else "lr": np.array(rows).T}

    def bases(self, optimizer: Any) -> tuple[float, ...] | None:
        """The base rates that torch keeps in the groups, else their present ones."""
        return tuple(float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups)

    def build(self, native: Native, on: Setting, optimizer: Any) -> Any:
        if native.framework == "torch":
            return framework("torch").build(native, on, optimizer)
        if native.name == "deberta_v3":
            raise ConversionError("deberta_v3 is made for a model: deberta_v3_large_lr_scheduler(model, ...)")
        if optimizer is None:
            raise ConversionError(f"{native.name} is made for an optimizer; give it: to_native(..., optimizer)")
        make: Callable[..., Any] = peer.load_lr_scheduler(native.name)
        arguments = dict(native.arguments)
        if native.name == "proportion":
            return make(self.build(arguments.pop("lr_scheduler"), on, optimizer), **arguments)
        return make(optimizer, **arguments)

    def express(self, curve: Curve) -> Native:
        return express(curve)

    def code(self, native: Native, on: Setting) -> str:
        return source(native, on)


def _of_function(scheduler: object) -> Live | None:
    """What get_wsd_schedule and get_chebyshev_schedule make: torch's LambdaLR with a function that holds the rest."""
    functions: Any = getattr(scheduler, "lr_lambdas", ())
    function: Any = functions[0] if functions else None
    name = OF_FUNCTION.get(getattr(getattr(function, "func", None), "__name__", ""))
    if name is None:
        return None
    own: Any = vars(scheduler)
    given: Mapping[str, Any] = function.keywords
    bases = tuple(float(rate) for rate in own["base_lrs"])
    return Live(definitions("pytorch_optimizer")[name].call(given), int(own["last_epoch"]), bases)


def _native(name: str, own: Mapping[str, Any], more: Mapping[str, Any]) -> Native:
    """What an object was made with, the arguments that keep their defaults left out."""
    attributes = ATTRIBUTES.get(name, ATTRIBUTES["linear"])
    found = {**more, **{key: own[attribute] for key, attribute in attributes.items() if attribute in own}}
    if name == "poly":
        found["poly_order"] = own["poly_order"]
    definition = definitions("pytorch_optimizer")[name]
    missing = [p.name for p in definition.parameters if p.default is p.empty and p.name not in found]
    if missing:
        raise ConversionError(f"the state of {name} holds no {' and no '.join(missing)}; give kwargs instead")
    return definition.call(found)


def _t(name: str, own: Mapping[str, Any]) -> int:
    if name == "cosine_annealing_with_warmup":
        return int(own["last_epoch"])
    # REX takes its own first step when it is made.
    return int(own["step_t"]) - (1 if name == "rex" else 0)


def _deberta(native: Native, groups: int) -> npt.NDArray[Any]:
    """The rates of the groups that it makes of a model with as many parameters as there are groups, less the head."""
    model = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(1)) for _ in range(groups - 1)])
    made: list[Any] = list(peer.deberta_v3_large_lr_scheduler(model, **native.arguments))
    return np.array([group["lr"] for group in made])


FRAMEWORK = PytorchOptimizer()
