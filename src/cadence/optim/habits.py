"""What is certain about single methods, and makes them unlike the others. Loads no framework."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

AVERAGED = frozenset({"schedulefreeadamw", "schedulefreeradam", "schedulefreesgd"})
"""Methods of `pytorch_optimizer` that average weights in the place of a schedule, beside all of `schedulefree`."""

OWN_RATE = frozenset({"prodigy", "dadaptadagrad", "dadaptadam", "dadaptadan", "dadaptlion", "dadaptsgd"})
"""Methods that estimate the rate themselves; `lr` multiplies the estimate, and is 1 unless there is a reason."""

BY_USE = frozenset({"adago", "adamuon", "distributedmuon", "muon", "muonclip", "normuon"})
"""Methods of `pytorch_optimizer` that want groups, each with ``use_muon``."""

MATRICES = frozenset({"torch:muon", "pytorch_optimizer:spectralsphere"})
"""Methods that take nothing but matrices."""

SPARSE = frozenset(
    {
        "torch:adagrad",
        "torch:sgd",
        "torch:sparseadam",
        "schedulefree:schedule_free_sgd",
        "schedulefree:schedule_free_sgd_reference",
        "pytorch_optimizer:dadaptadagrad",
        "pytorch_optimizer:sgd",
        "pytorch_optimizer:sm3",
    }
)
"""Methods that take sparse gradients; all others refuse them at their first step."""

REAL = frozenset({"torch:adafactor", "torch:muon", "torch:sparseadam"})
"""Methods of torch that refuse complex parameters."""

OWN_LOOP: Mapping[str, str] = MappingProxyType(
    {
        "AdaHessian": "needs second derivatives, from loss.backward(create_graph=True)",
        "SophiaH": "needs second derivatives, from loss.backward(create_graph=True)",
        "BSAM": "needs the gradients at three places for each update",
    }
)
"""Classes that an ordinary loop cannot step, with the reason, beside those whose `step` demands a closure."""


def averages(name: str) -> bool:
    """Whether a method averages weights in the place of a schedule, and so is switched before evaluations.

    Args:
        name: as `cadence.optimizer` takes it.

    Example:
        >>> averages("schedule_free_adamw"), averages("pytorch_optimizer:schedulefreesgd"), averages("adamw")
        (True, True, False)
    """
    plain = name.rpartition(":")[2].lower()
    return plain in AVERAGED or plain.startswith("schedule_free_") or "schedulefree" in name.partition(":")[0]


def finds_rate(name: str) -> bool:
    """Whether a method estimates its rate itself.

    Example:
        >>> finds_rate("prodigy"), finds_rate("adam")
        (True, False)
    """
    return name.rpartition(":")[2].lower() in OWN_RATE
