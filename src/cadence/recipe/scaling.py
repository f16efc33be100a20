"""How a learning rate that was found for one batch becomes that of another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cadence._errors import SpecError, UnknownNameError, neighbours
from cadence.spec.constructors.phases import constant, warmup
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan, split_key
from cadence.spec.span import SpanLike


@dataclass(frozen=True)
class ScalingRule:
    """One rule.

    Attributes:
        power: of the ratio of the batches, that the rate is multiplied by.
        source: who found it, and for what.
    """

    power: float
    source: str


RULES: Mapping[str, ScalingRule] = {
    "linear": ScalingRule(
        1.0,
        "Goyal et al. 2017, arXiv:1706.02677, section 2.1: SGD with momentum, with a warmup of 5 epochs from the rate "
        "of the reference batch (section 2.2)",
    ),
    "sqrt": ScalingRule(
        0.5,
        "Krizhevsky 2014, arXiv:1404.5997 (the variance of the step stays the same); You et al. 2020, "
        "arXiv:1904.00962, section 4 (LAMB, with a warmup in proportion to the batch); Malladi et al. 2022, "
        "arXiv:2205.10287 (Adam and RMSprop, where 1 - beta grows with the batch and eps falls with its root as well)",
    ),
}
"""All rules by name."""


@dataclass(frozen=True)
class Scaling:
    """What a rule came to in one run.

    Attributes:
        rule: its name.
        lr: rate as it was stated.
        reference: examples in one update that it was stated for.
        batch: examples in one update of the run.
    """

    rule: str
    lr: float
    reference: int
    batch: int

    @property
    def factor(self) -> float:
        """What the rate is multiplied by."""
        return (self.batch / self.reference) ** RULES[self.rule].power

    @property
    def scaled(self) -> float:
        """The rate of the run."""
        return self.lr * self.factor

    def to_json(self) -> dict[str, Any]:
        """Plain data, as ``run.json`` has it."""
        return {
            "rule": self.rule, "lr": self.lr, "reference_batch": self.reference, "batch": self.batch,
            "factor": self.factor, "scaled": self.scaled,
        }  # fmt: skip


def scale_lr(lr: float, *, batch: int, reference: int, rule: str) -> float:
    """The learning rate for a batch, from the one that was found for another.

    Neither rule holds without limit: linear scaling was shown up to batches of 8,192 on ImageNet, and needs a warmup
    where the factor is large.

    Args:
        lr: rate for the reference batch, above 0.
        batch: examples in one update: of all micro-batches and of all ranks together.
        reference: examples in one update that `lr` was found with.
        rule: ``"linear"``: in proportion to the batch (SGD with momentum); ``"sqrt"``: to its square root (Adam, LAMB).

    Returns:
        The rate.

    Raises:
        UnknownNameError: another rule.
        SpecError: a rate or a batch that is none.

    Source:
        Goyal et al. 2017, arXiv:1706.02677, section 2.1 (linear); Krizhevsky 2014, arXiv:1404.5997 (square
        root).

    Example:
        >>> scale_lr(0.1, batch=8192, reference=256, rule="linear")
        3.2
        >>> scale_lr(0.001, batch=1024, reference=256, rule="sqrt")
        0.002
    """
    return scaling(rule, lr, reference, batch).scaled


def scaling(rule: str, lr: float, reference: int, batch: int) -> Scaling:
    """What a rule comes to.

    Args:
        rule: one of `RULES`.
        lr: rate as it is stated.
        reference: examples in one update that it is stated for.
        batch: examples in one update.

    Raises:
        UnknownNameError: another rule.
        SpecError: a rate or a batch that is none.
    """
    if rule not in RULES:
        raise UnknownNameError(f"there is no rule {rule!r:.60} to scale a rate by; {neighbours(str(rule), RULES)}")
    if isinstance(lr, bool) or not isinstance(lr, (int, float)) or not 0 < lr < math.inf:
        raise SpecError(f"lr is {lr!r:.60}; a rate to be scaled is a finite number above 0")
    for name, examples in (("batch", batch), ("reference", reference)):
        if type(examples) is not int or examples < 1:
            raise SpecError(f"{name} is {examples!r:.60}; a batch has a whole number of examples, at least 1")
    return Scaling(rule, float(lr), reference, batch)


def with_warmup(plan: Plan, scaled: Scaling, length: SpanLike) -> Plan:
    """A plan whose learning rates climb from those of the reference batch to the scaled ones.

    Args:
        plan: of the run.
        scaled: with a factor above 1; with another one nothing has to climb.
        length: of the climb.

    Source:
        Goyal et al. 2017, arXiv:1706.02677, section 2.2, gradual warmup.
    """
    if scaled.factor <= 1:
        return plan

    def climbing(key: str, schedule: Schedule) -> Schedule:
        if split_key(key)[1] != "lr":
            return schedule
        return schedule * (warmup(length, start=1 / scaled.factor) >> constant())

    return Plan(tuple((key, climbing(key, schedule)) for key, schedule in plan.entries))
