"""Which methods the frameworks and libraries have, so that a name is understood before any of them is imported.

Tests compare these lists with what is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def words(text: str) -> frozenset[str]:
    """The words of a text as a set.

    Example:
        >>> sorted(words("sgd adam sgd"))
        ['adam', 'sgd']
    """
    return frozenset(text.split())


TORCH = words("adadelta adafactor adagrad adam adamax adamw asgd lbfgs muon nadam radam rmsprop rprop sgd sparseadam")
"""Classes of `torch.optim`, in lower case. What paddle has stands in `paddle_names`."""

SCHEDULEFREE: Mapping[str, str] = MappingProxyType(
    {
        "schedule_free_adamw": "AdamWScheduleFree",
        "schedule_free_adamw_closure": "AdamWScheduleFreeClosure",
        "schedule_free_adamw_paper": "AdamWScheduleFreePaper",
        "schedule_free_adamw_reference": "AdamWScheduleFreeReference",
        "schedule_free_radam": "RAdamScheduleFree",
        "schedule_free_radam_closure": "RAdamScheduleFreeClosure",
        "schedule_free_sgd": "SGDScheduleFree",
        "schedule_free_sgd_closure": "SGDScheduleFreeClosure",
        "schedule_free_sgd_reference": "SGDScheduleFreeReference",
    }
)
"""Optimizers of `schedulefree`, by the names that they have here."""

PYTORCH_OPTIMIZER_VERSION = "4.1.0"
"""The release that the following names are from; of another one the library itself is asked."""

PYTORCH_OPTIMIZER = words(
    """
    a2grad accsgd adabelief adabound adadelta adafactor adagc adago adahessian adai adalite adam adamax adamc
    adamg adammini adamod adamp adams adamuon adamw adamwsn adan adanorm adapnm adashift adasmooth adatam
    ademamix adopt aggmo aida alice amos ano apollo apollodqn asgd avagrad bcos bsam came conda dadaptadagrad
    dadaptadam dadaptadan dadaptlion dadaptsgd dash demo diffgrad distributedmuon dualadam emofact emolynx
    emonavi exadam fadam fira flashadamw focus fromage ftrl galore grams gravity grokfastadamw kate kron lamb
    laprop lars lbfgs lion lorarite madgrad mars msvag muon muonclip nadam nero normuon novograd padam pid pnm
    prodigy qhadam qhm racs radam ranger ranger21 rmsprop rose sara scalableshampoo schedulefreeadamw
    schedulefreeradam schedulefreesgd scion scionlight sgd sgdp sgdsai sgdw shampoo signsgd simplifiedademamix
    sm3 soap sophiah spam spectralsphere splus srmm stableadamw stablespam swats tam tiger vsgd yogi
    """
)
"""Names of `pytorch_optimizer`, as its own `get_supported_optimizers` lists them."""

NOT_MADE: Mapping[str, str] = MappingProxyType(
    {
        "alig": "has no learning rate but an upper bound of one, and needs the loss at every step",
        "magma": "wraps another optimizer",
        "lomo": "updates within the backward pass, and has no step of its own",
        "adalomo": "updates within the backward pass, and has no step of its own",
    }
)
"""Classes of `pytorch_optimizer` that are no optimizers of parameters at a rate, with the reason."""

INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "momentum": "write 'sgd' with momentum=0.9",
        "schedulefree": "write 'schedule_free_adamw' or 'schedule_free_sgd'",
        "schedule_free": "write 'schedule_free_adamw' or 'schedule_free_sgd'",
        "dadaptation": "write 'dadaptadam' or 'prodigy'",
        "sophia": "write 'sophiah'",
        "larsmomentum": "write 'lars'",
    }
)
"""Names that people use for methods that are called otherwise here."""
