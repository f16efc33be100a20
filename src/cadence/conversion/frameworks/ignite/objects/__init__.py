"""Ignite's objects: read, built, run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, final

import numpy as np
import numpy.typing as npt
import torch

from cadence._errors import ConversionError
from cadence.conversion.framework import Framework, Live, framework
from cadence.conversion.frameworks.ignite.objects import made
from cadence.conversion.frameworks.ignite.objects.express import express
from cadence.conversion.frameworks.ignite.objects.source import source
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.curve.curve import Curve

WRAPPED = ("StepLR", "MultiStepLR", "LambdaLR", "CyclicLR")
"""Schedulers of torch that say the same when they are asked a second time."""


@final
class Ignite(Framework):
    """Schedulers of ignite.handlers."""

    def inspect(self, scheduler: object) -> Live:
        if not made.is_scheduler(scheduler):
            raise ConversionError(f"{type(scheduler).__qualname__} of ignite is no scheduler; give one of its handlers")
        return made.read(scheduler)

    def restore(self, name: str, state: Mapping[str, Any], bases: tuple[float, ...]) -> Live:
        if name in ("ConcatScheduler", "ParamGroupScheduler"):
            return Live(*self._restored_parts(name, state), bases)
        if name in ("LRScheduler", "create_lr_scheduler_with_warmup", "ReduceLROnPlateauScheduler"):
            raise ConversionError(
                f"the state of {name} does not say which scheduler is inside; give the object, or the inner class and "
                f"its own state"
            )
        native, t = made.from_attributes(name, state)
        return Live(native, t, bases)

    def _restored_parts(self, name: str, state: Mapping[str, Any]) -> tuple[Native, int]:
        states: list[Any] = [s[1] if isinstance(s, tuple) else s for s in state["schedulers"]]
        parts = [made.from_attributes(_class_of(own), own) for own in states]
        natives = [native for native, _ in parts]
        if name == "ParamGroupScheduler":
            return Native("ignite", name, {"schedulers": natives}), parts[0][1]
        durations, k = list(state["durations"]), int(state["_scheduler_index"])
        planned = durations[k] if k < len(durations) else -1
        done = sum(durations[:k]) + planned - int(state["_current_duration"])
        return Native("ignite", name, {"schedulers": natives, "durations": durations}), done

    def run(self, native: Native, on: Setting, ticks: int) -> Mapping[str, npt.NDArray[Any]]:
        if native.name == "ReduceLROnPlateauScheduler":
            raise ConversionError(
                "ReduceLROnPlateauScheduler has no rates without a metric; compare them with replay(schedule, metrics)"
            )
        optimizer = torch.optim.SGD(
            [{"params": [torch.zeros(1, requires_grad=True)], "lr": base} for base in on.bases], momentum=0.9
        )
        scheduler = made.made(native, optimizer)
        if native.name in made.STATE:
            return {native.arguments["param_name"]: _states(scheduler, native, ticks)}
        if native.name == "BatchSizeScheduler":
            sizes = [float(scheduler.scheduler_fn(k)) for k in range(ticks + 1)]
            return {"batch_size": np.array([sizes])}
        legacy = bool(native.arguments.get("use_legacy")) and native.name == "LRScheduler"
        rows: dict[str, list[list[float]]] = {}
        for k in range(ticks + 1):
            # Attached to the end of an iteration, it leaves the first one the rate that there is.
            if not (legacy and k == 0):
                scheduler(None)
            for value in _governed(scheduler):
                rows.setdefault(value, []).append([_number(group, value) for group in optimizer.param_groups])
        return {value: np.array(columns, float).T for value, columns in rows.items()}

    def bases(self, optimizer: Any) -> tuple[float, ...] | None:
        """The base rates that torch keeps in the groups, else their present ones."""
        return tuple(float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups)

    def build(self, native: Native, on: Setting, optimizer: Any) -> Any:
        if optimizer is None and native.name not in (*made.STATE, "BatchSizeScheduler"):
            raise ConversionError(
                f"ignite's {native.name} is made for an optimizer; give it: to_native(..., optimizer)"
            )
        return made.made(native, optimizer)

    def express(self, curve: Curve) -> Native:
        try:
            return express(curve)
        except ConversionError as fault:
            wrapped = _by_torch(curve)
            if wrapped is None:
                raise fault from None
            return wrapped

    def code(self, native: Native, on: Setting) -> str:
        event = "ITERATION_STARTED" if on.per == "step" else "EPOCH_STARTED"
        if native.name != "LRScheduler":
            return source(native, event)
        inner = framework("torch").code(native.arguments["lr_scheduler"], on)
        return (
            f"from ignite.handlers import LRScheduler\n{inner.rstrip()}\nscheduler = LRScheduler(scheduler)\n"
            f"# trainer.add_event_handler(Events.{event}, scheduler)\n"
        )


def _by_torch(curve: Curve) -> Native | None:
    """A scheduler of torch that ignite's wrapper leaves as it is."""
    if curve.plan.values() != ["lr"]:
        return None
    try:
        inner = framework("torch").express(curve)
    except ConversionError:
        return None
    if inner.name == "ReduceLROnPlateau" and not inner.arguments.get("min_lr"):
        # A smallest rate is what ignite loses on its way to torch.
        own = {key: value for key, value in inner.arguments.items() if key != "min_lr"}
        metric = curve.rules[0].rule.metric
        return Native("ignite", "ReduceLROnPlateauScheduler", {"metric_name": metric, **own})
    if inner.name not in WRAPPED or 0 in inner.arguments.get("milestones", ()):
        return None
    return Native("ignite", "LRScheduler", {"lr_scheduler": inner})


def _governed(scheduler: Any) -> list[str]:
    """Names of what a scheduler sets in the groups; with torch's cycles the momentum too."""
    names: Any = scheduler.param_name
    found: list[str] = list(dict.fromkeys(cast("list[str]", names))) if isinstance(names, list) else [names]
    inner = getattr(scheduler, "lr_scheduler", None)
    if getattr(inner, "cycle_momentum", False):
        found.append("momentum")
    return found


def _number(group: Mapping[str, Any], value: str) -> float:
    # A value that no scheduler has set in this group yet.
    return float(group.get(value, float("nan")))


def _states(scheduler: Any, native: Native, ticks: int) -> npt.NDArray[Any]:
    engine = made.engine()
    try:
        numbers = [float(scheduler.get_param())]
    except Exception:
        numbers = [float(native.arguments["lambda_obj"](1))]
    for _ in range(ticks):
        scheduler(engine)
        numbers.append(float(getattr(engine.state, native.arguments["param_name"])))
    return np.array([numbers])


def _class_of(state: Mapping[str, Any]) -> str:
    """The class that has such a state, where only one has."""
    if "milestones" in state and "values" in state:
        return "PiecewiseLinear"
    if "cycle_size" in state:
        raise ConversionError(
            "a state with cycles does not say whether they are straight or along a cosine; give the object"
        )
    raise ConversionError("a state inside does not say which scheduler it is of; give the object")


FRAMEWORK = Ignite()
