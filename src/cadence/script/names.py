"""Which dotted names are optimizers and schedulers, and of which framework."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Mapping

from cadence.conversion.definition import Definition, definitions

OF_MODULE = {
    "torch": "torch", "paddle": "paddle", "transformers": "transformers", "timm": "timm", "optax": "optax",
    "keras": "keras", "tensorflow": "keras", "ignite": "ignite", "pytorch_optimizer": "pytorch_optimizer",
}  # fmt: skip
"""Top-level module -> framework."""

TORCH_OPTIMIZERS = (
    "torch.optim.", "timm.optim.", "pytorch_optimizer.", "bitsandbytes.optim.", "apex.optimizers.", "schedulefree.",
    "torch_optimizer.", "lion_pytorch.", "prodigyopt.", "dadaptation.", "muon.", "adabelief_pytorch.",
    "deepspeed.ops.", "came_pytorch.", "transformers.",
)  # fmt: skip
"""Where optimizers come from that torch's schedulers can be put on."""

USUAL = {
    "np": "numpy", "tf": "tensorflow", "optim": "torch.optim", "lr_scheduler": "torch.optim.lr_scheduler",
    "nn": "torch.nn", "F": "torch.nn.functional", "pl": "lightning.pytorch",
}  # fmt: skip
"""What a name that a snippet does not import is short for."""

STARRED = {
    "torch.optim": "torch", "torch.optim.lr_scheduler": "torch", "paddle.optimizer": "paddle",
    "paddle.optimizer.lr": "paddle", "optax": "optax", "keras.optimizers": "keras",
    "keras.optimizers.schedules": "keras", "timm.scheduler": "timm", "transformers": "transformers",
    "pytorch_optimizer": "pytorch_optimizer", "ignite.handlers": "ignite",
}  # fmt: skip
"""Modules imported with a star whose names can be told."""

_OPTIMIZERS = frozenset((
    "SGD", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "ASGD", "LBFGS",
    "SparseAdam", "Adafactor", "Muon", "Momentum", "Lamb", "Lars", "Lion", "Nadam", "Ftrl", "RMSProp",
))  # fmt: skip
_NO_OPTIMIZERS = frozenset((
    "Optimizer", "OptimizerWrapper", "lr_scheduler", "swa_utils", "schedules", "lr",
))  # fmt: skip
_OPTAX_OPTIMIZERS = frozenset((
    "adabelief", "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamaxw", "adamw", "adan", "amsgrad",
    "fromage", "lamb", "lars", "lbfgs", "lion", "nadam", "nadamw", "noisy_sgd", "novograd",
    "optimistic_gradient_descent", "optimistic_adam", "radam", "rmsprop", "rprop", "sgd", "sign_sgd", "signum",
    "sm3", "yogi", "scale_by_learning_rate", "scale_by_schedule",
))  # fmt: skip
_OPTAX_SCHEDULES = frozenset((
    "constant_schedule", "cosine_decay_schedule", "cosine_onecycle_schedule", "exponential_decay",
    "linear_onecycle_schedule", "linear_schedule", "piecewise_constant_schedule", "piecewise_interpolate_schedule",
    "polynomial_schedule", "sgdr_schedule", "warmup_constant_schedule", "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule", "join_schedules",
))  # fmt: skip
_IGNITE_SCHEDULERS = frozenset((
    "LinearCyclicalScheduler", "CosineAnnealingScheduler", "ConcatScheduler", "LRScheduler", "PiecewiseLinear",
    "ParamGroupScheduler", "ReduceLROnPlateauScheduler", "create_lr_scheduler_with_warmup",
))  # fmt: skip
_OPTIMIZER_AT: Mapping[str, int | None] = {
    "get_scheduler": 1, "create_scheduler": 1, "ChainedScheduler": 1, "ConcatScheduler": None,
    "ParamGroupScheduler": None, "create_lr_scheduler_with_warmup": None, "ProportionScheduler": None,
    "ignite.handlers.LRScheduler": None,
}  # fmt: skip
"""Where the optimizer stands among the values that a scheduler is given by position, where it is not the first of them.

None: schedulers that take other schedulers, which have it. By the last part of a path, or by the whole of it.
"""
_BASES = frozenset((
    "LRScheduler", "_LRScheduler", "LearningRateSchedule", "Scheduler",
))  # fmt: skip

_CAMEL = re.compile(r"[A-Z]\w*[a-z]\w*|SWALR")
_LIKE_SCHEDULER = re.compile(r"\w*(?:LR|Scheduler|Annealing\w*|Warmup\w*)")

_DEFAULT_RATES: Mapping[str, float] = {
    "torch.optim.RMSprop": 1e-2, "torch.optim.Adagrad": 1e-2, "torch.optim.Adadelta": 1.0, "torch.optim.Adamax": 2e-3,
    "torch.optim.NAdam": 2e-3, "torch.optim.Rprop": 1e-2, "torch.optim.ASGD": 1e-2, "torch.optim.LBFGS": 1.0,
    "torch.optim.Adafactor": 1e-2, "keras.optimizers.SGD": 1e-2,
}  # fmt: skip


def canonical(path: str) -> str:
    """One dotted name for what can be imported from several places.

    Example:
        >>> (
        ...     canonical("tensorflow.keras.optimizers.legacy.Adam"),
        ...     canonical("timm.scheduler.cosine_lr.CosineLRScheduler"),
        ... )
        ('keras.optimizers.Adam', 'timm.scheduler.CosineLRScheduler')
    """
    parts = path.split(".")
    if parts[0] == "tensorflow" and "keras" in parts:
        parts = parts[parts.index("keras") :]
    if parts[:2] == ["keras", "api"]:
        parts = ["keras", *parts[2:]]
    if parts[:2] == ["keras", "optimizers"] and len(parts) > 3 and parts[2] in ("legacy", "experimental"):
        parts.pop(2)
    if parts[0] == "optax" and len(parts) == 3 and parts[1] == "schedules":
        parts.pop(1)
    if parts[0] == "transformers" and len(parts) > 2:
        parts = ["transformers", parts[-1]]
    if parts[:2] in (["timm", "scheduler"], ["timm", "optim"]) and len(parts) > 3:
        parts = [*parts[:2], parts[-1]]
    if parts[:2] == ["ignite", "contrib"]:
        parts.pop(1)
    if parts[:2] == ["ignite", "handlers"] and len(parts) > 3:
        parts = ["ignite", "handlers", parts[-1]]
    if parts[:2] == ["torch", "optim"] and len(parts) == 4 and parts[2].islower() and parts[2] == parts[3].lower():
        parts.pop(2)
    return ".".join(parts)


def framework_of(path: str) -> str:
    """The framework that a canonical path belongs to; empty where it is none of those known here."""
    return OF_MODULE.get(path.partition(".")[0], "")


@functools.cache
def index(framework: str) -> Mapping[str, Definition]:
    """Definitions of a framework by every name that a script may call them by, the last part of a path among them."""
    if importlib.util.find_spec(f"cadence.conversion.frameworks.{framework}") is None:
        return {}
    registry = definitions(framework)
    found: dict[str, Definition] = {}
    for name in registry:
        found[name] = registry[name]
        found.setdefault(registry[name].path.rpartition(".")[2], registry[name])
    return found


def is_scheduler(path: str) -> bool:
    """Whether a canonical path is, or by its place would be, a scheduler of a framework."""
    home, _, name = path.rpartition(".")
    if name in _BASES and home != "ignite.handlers":
        return False
    match framework_of(path):
        case "torch":
            return (home == "torch.optim.lr_scheduler" and _CAMEL.fullmatch(name) is not None) or path.endswith(
                "swa_utils.SWALR"
            )
        case "paddle":
            return home == "paddle.optimizer.lr" and _CAMEL.fullmatch(name) is not None
        case "keras":
            return (home == "keras.optimizers.schedules" and _CAMEL.fullmatch(name) is not None) or path in (
                "keras.callbacks.LearningRateScheduler", "keras.callbacks.ReduceLROnPlateau",
            )  # fmt: skip
        case "optax":
            return home == "optax" and name in _OPTAX_SCHEDULES
        case "transformers":
            return home == "transformers" and name.startswith("get_") and "schedule" in name
        case "timm":
            return home == "timm.scheduler" and (name.endswith("Scheduler") or name.startswith("create_scheduler"))
        case "ignite":
            return home == "ignite.handlers" and name in _IGNITE_SCHEDULERS
        case "pytorch_optimizer":
            return name in index("pytorch_optimizer") or name == "get_scheduler" or name.endswith("Scheduler")
        case _:
            return False


def optimizer_at(path: str) -> int | None:
    """Where the optimizer stands among the values that a scheduler is given by position; None where it takes none.

    Args:
        path: canonical, of a scheduler of a framework whose schedulers take the optimizer.
    """
    return _OPTIMIZER_AT.get(path, _OPTIMIZER_AT.get(path.rpartition(".")[2], 0))


def looks_like_scheduler(path: str) -> bool:
    """Whether a name that no framework is known for reads like a scheduler's: ``GradualWarmupScheduler``."""
    name = path.rpartition(".")[2]
    return name[:1].isupper() and _LIKE_SCHEDULER.fullmatch(name) is not None


def optimizer_framework(path: str) -> str:
    """``"torch"``, ``"paddle"``, ``"keras"`` or ``"optax"`` where a canonical path is an optimizer; else empty."""
    home, _, name = path.rpartition(".")
    if name in _NO_OPTIMIZERS:
        return ""
    if home == "optax":
        return "optax" if name in _OPTAX_OPTIMIZERS else ""
    if home in ("paddle.optimizer", "paddle.incubate.optimizer"):
        return "paddle" if _CAMEL.fullmatch(name) or name in _OPTIMIZERS else ""
    if home == "keras.optimizers":
        return "keras" if _CAMEL.fullmatch(name) or name in _OPTIMIZERS else ""
    if home == "transformers":
        return "torch" if name in ("AdamW", "Adafactor") else ""
    if home == "torch.optim" or (path.startswith(TORCH_OPTIMIZERS) and not is_scheduler(path)):
        like = _CAMEL.fullmatch(name) is not None or name in _OPTIMIZERS
        made = name.startswith("create_optimizer") or name in ("create_optimizer", "load_optimizer")
        return (
            "torch" if (like and not path.startswith(("torch.optim.lr_scheduler", "torch.optim.swa"))) or made else ""
        )
    return ""


def default_rate(path: str) -> float:
    """The learning rate of an optimizer that is given none."""
    return _DEFAULT_RATES.get(path, 1e-3)


def unimported(name: str, stars: list[str]) -> str:
    """What a name that nothing in the script binds stands for.

    Args:
        name: the name.
        stars: modules imported with a star.
    """
    for module in stars:
        path = canonical(f"{module}.{name}")
        home = STARRED.get(canonical(f"{module}.x")[:-2], "")
        if home and (optimizer_framework(path) or (is_scheduler(path) and name in index(home))):
            return path
    if name in USUAL:
        return USUAL[name]
    if name in _TORCH_NAMES:
        return f"torch.optim.lr_scheduler.{name}"
    if name in _PADDLE_NAMES:
        return f"paddle.optimizer.lr.{name}"
    return name


_TORCH_NAMES = frozenset((
    "LambdaLR", "MultiplicativeLR", "StepLR", "MultiStepLR", "ConstantLR", "ExponentialLR", "PolynomialLR",
    "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR", "ReduceLROnPlateau",
    "SequentialLR", "ChainedScheduler", "LinearLR",
))  # fmt: skip
_PADDLE_NAMES = frozenset((
    "NoamDecay", "PiecewiseDecay", "NaturalExpDecay", "InverseTimeDecay", "PolynomialDecay", "LinearWarmup",
    "ExponentialDecay", "MultiStepDecay", "StepDecay", "LambdaDecay", "ReduceOnPlateau", "CosineAnnealingDecay",
    "MultiplicativeDecay",
))  # fmt: skip
