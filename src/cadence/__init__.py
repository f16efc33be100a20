"""cadence: learning-rate control for deep learning.

    import cadence as cd

    schedule = cd.warmup("5%") >> cd.cosine(to=0.01)
    driver = cd.drive(optimizer, schedule, total="90 epochs", steps_per_epoch=len(loader))

Names are loaded on first use: importing this package loads no framework and no numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cadence.advice.recommend import recommend as recommend
    from cadence.conversion.convert import convert as convert
    from cadence.conversion.doors import from_native as from_native
    from cadence.conversion.doors import to_code as to_code
    from cadence.conversion.doors import to_native as to_native
    from cadence.curve.place import place as place
    from cadence.diagnosis.diagnose import diagnose as diagnose
    from cadence.drivers.doors import drive as drive
    from cadence.drivers.keras_schedule import keras_schedule as keras_schedule
    from cadence.drivers.optax_schedule import optax_schedule as optax_schedule
    from cadence.drivers.paddle_scheduler import paddle_scheduler as paddle_scheduler
    from cadence.drivers.torch_scheduler import torch_scheduler as torch_scheduler
    from cadence.feedback.replay import replay as replay
    from cadence.finder.door import find_lr as find_lr
    from cadence.findings.lint import lint as lint
    from cadence.optim.groups.door import parameter_groups as parameter_groups
    from cadence.optim.make import optimizer as optimizer
    from cadence.recipe.scaling import scale_lr as scale_lr
    from cadence.record.environment import environment as environment
    from cadence.record.reader import load_record as load_record
    from cadence.report.compare import compare as compare
    from cadence.report.plot import plot as plot
    from cadence.report.sweep import sweep as sweep
    from cadence.run.train import train as train
    from cadence.spec.constructors.cycles import one_cycle as one_cycle
    from cadence.spec.constructors.cycles import restarts as restarts
    from cadence.spec.constructors.cycles import triangular as triangular
    from cadence.spec.constructors.cycles import wsd as wsd
    from cadence.spec.constructors.phases import constant as constant
    from cadence.spec.constructors.phases import decay as decay
    from cadence.spec.constructors.phases import exponential as exponential
    from cadence.spec.constructors.phases import formula as formula
    from cadence.spec.constructors.phases import inverse as inverse
    from cadence.spec.constructors.phases import piecewise as piecewise
    from cadence.spec.constructors.phases import ramp as ramp
    from cadence.spec.constructors.phases import steps as steps
    from cadence.spec.constructors.phases import warmup as warmup
    from cadence.spec.constructors.rules import early_stop as early_stop
    from cadence.spec.constructors.rules import plateau as plateau
    from cadence.spec.constructors.shaped import ShapeConstructor
    from cadence.spec.parse import parse as parse
    from cadence.spec.plan import plan as plan
    from cadence.spec.shape import shape as shape
    from cadence.spec.value import absolute as absolute

    linear: ShapeConstructor
    cosine: ShapeConstructor
    power: ShapeConstructor
    tanh: ShapeConstructor
    rex: ShapeConstructor

__version__ = "0.1.0"

_HOMES = {
    "absolute": "spec.value",
    "plan": "spec.plan",
    "parse": "spec.parse",
    "shape": "spec.shape",
    "place": "curve.place",
    "drive": "drivers.doors",
    "convert": "conversion.convert",
    "from_native": "conversion.doors",
    "to_native": "conversion.doors",
    "to_code": "conversion.doors",
    "replay": "feedback.replay",
    "lint": "findings.lint",
    "find_lr": "finder.door",
    "torch_scheduler": "drivers.torch_scheduler",
    "keras_schedule": "drivers.keras_schedule",
    "optax_schedule": "drivers.optax_schedule",
    "paddle_scheduler": "drivers.paddle_scheduler",
    "optimizer": "optim.make",
    "parameter_groups": "optim.groups.door",
    "scale_lr": "recipe.scaling",
    "train": "run.train",
    "compare": "report.compare",
    "diagnose": "diagnosis.diagnose",
    "sweep": "report.sweep",
    "load_record": "record.reader",
    "environment": "record.environment",
    "recommend": "advice.recommend",
    "plot": "report.plot",
}
_CONSTRUCTORS = (
    "constant", "cosine", "decay", "early_stop", "exponential", "formula", "inverse", "linear", "one_cycle",
    "piecewise", "plateau", "power", "ramp", "restarts", "rex", "steps", "tanh", "triangular", "warmup", "wsd",
)  # fmt: skip

__all__ = sorted([*_HOMES, *_CONSTRUCTORS])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from cadence._lazy import load

        found = getattr(load(f"cadence.{_HOMES[name]}"), name)
    elif name.startswith("_"):
        raise AttributeError(f"module 'cadence' has no attribute {name!r}")
    else:
        # Every registered shape and constructor, those registered later too.
        from cadence._errors import UnknownNameError
        from cadence.spec.constructors.shaped import named

        try:
            found = named(name).make
        except UnknownNameError as unknown:
            raise AttributeError(
                f"module 'cadence' has no attribute {name!r}; {str(unknown).partition('; ')[2]}"
            ) from None
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
