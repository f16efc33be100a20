"""Adagrad: steps divided by the root of the sum of all squared gradients so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cadence.optim.rules.rule import Numbers, Point, Rule, Value
from cadence.optim.rules.settings import Flag, Number, Rate


@dataclass(frozen=True)
class AdagradRule(Rule):
    """With g the gradient plus weight_decay * x:

        s = s + g^2
        x = x - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Source:
        Duchi, Hazan, Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization",
        Journal of Machine Learning Research 12, figure 1, with the diagonal matrix and without a bound on x; its delta
        is `eps`. The decay of the rate is torch's and not in the paper.
    """

    name = "adagrad"
    settings = (
        Rate("lr", 1e-2, "learning rate"),
        Number("lr_decay", 0.0, "share of the first rate by which its divisor grows with every update"),
        Number("weight_decay", 0.0, "share of the parameter that is added to the gradient"),
        Number("initial_accumulator_value", 0.0, "what the sum of squares begins with"),
        Number("eps", 1e-10, "added to the root of the sum"),
        Flag("eps_in_root", False, "True: eps is added under the root"),
        Flag("maximize", False, "True: ascend"),
    )

    eps_in_root: bool
    maximize: bool

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        return cls(group["eps_in_root"], group["maximize"])

    @property
    def state(self) -> tuple[str, ...]:
        return ("sum",)

    def numbers(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {name: group[name] for name in ("lr", "lr_decay", "weight_decay", "eps")}

    def start(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def step(self, p: Point, vectors: tuple[Value, ...], scale: Value, k: Any, xp: Numbers) -> dict[str, Value]:
        g = (-p.g if self.maximize else p.g) + k.weight_decay * p.x
        s = p.sum + g * g
        rate = k.lr / (1 + (k.t - 1) * k.lr_decay)
        return {"x": p.x - rate * (g / (xp.sqrt(s + k.eps) if self.eps_in_root else xp.sqrt(s) + k.eps)), "sum": s}
