"""How the rate follows the batch."""

from __future__ import annotations

from cadence.advice.choice import Choice, paper
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen, from_practice
from cadence.findings.finding import Both

FOLLOWS = {
    "sgd": "linear",
    "adam": "sqrt",
    "adamw": "sqrt",
    "lamb": "sqrt",
    "lars": "linear",
    "lion": "sqrt",
    "rmsprop": "sqrt",
}
"""How the rate of a method follows the batch, where the practice is of another method."""


def batch_scaling(profile: Profile, practice: Practice, chosen: Chosen) -> Choice:
    """The rule, the batch it begins at, and the factor it comes to; None where the rate is stated for this batch."""
    if practice.scaling is None or practice.reference_batch is None:
        return from_practice("batch_scaling", None, practice, _NONE)
    asked = str(chosen["optimizer"].value["name"])
    own = asked == practice.optimizer
    rule = practice.scaling if own else FOLLOWS.get(asked, "sqrt")
    value = {"rule": rule, "reference_batch": practice.reference_batch, "factor": factor_of(rule, profile, practice)}
    if own:
        return from_practice("batch_scaling", value, practice, _SOME)
    return Choice("batch_scaling", value, _SOME.reason, _SOME.source, "low")


def factor_of(rule: str, profile: Profile, practice: Practice) -> float:
    """What the rate of the reference batch is multiplied by."""
    assert practice.reference_batch is not None
    ratio = profile.batch_size / practice.reference_batch
    return ratio if rule == "linear" else ratio**0.5


_NONE = Why(
    Both("the rate is stated for this batch", "学习率就是针对此批量给出的"),
    paper("Malladi et al. 2022, arXiv:2205.10287"),
    "medium",
)
_SOME = Why(
    Both("in proportion for SGD, as the square root for Adam", "SGD 按比例，Adam 按平方根"),
    paper("Goyal et al. 2017, arXiv:1706.02677; Malladi et al. 2022, arXiv:2205.10287"),
    "medium",
)
