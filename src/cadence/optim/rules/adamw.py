"""AdamW: Adam, with a decay of the parameters that does not pass through its moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cadence.optim.rules.rule import Numbers, Point, Rule, Value
from cadence.optim.rules.settings import Betas, Flag, Number, Rate


@dataclass(frozen=True)
class AdamWRule(Rule):
    """With the moments m and v of the gradient, corrected for their beginning at 0:

        x = (1 - lr * weight_decay) * x - lr * m / (sqrt(v) + eps)

    That is what every framework does: the decay follows the learning rate. In the paper it does not: there x is
    multiplied by 1 - weight_decay times the schedule's multiplier. ``independent_decay=True`` multiplies x by
    1 - weight_decay whatever the rate; the multiplier is a schedule of `weight_decay`, as in
    ``plan({"lr": s, "weight_decay": s})``.

    Source:
        Loshchilov, Hutter 2019, "Decoupled weight decay regularization", arXiv:1711.05101, algorithm 2; amsgrad: Reddi,
        Kale, Kumar 2018, "On the convergence of Adam and beyond", arXiv:1904.09237, algorithm 2.
    """

    name = "adamw"
    settings = (
        Rate("lr", 1e-3, "learning rate"),
        Betas("betas", (0.9, 0.999), "decay of the two moments"),
        Number("eps", 1e-8, "added to the root of the second moment"),
        Number("weight_decay", 1e-2, "share of the parameter that goes with every update, times the rate"),
        Flag("amsgrad", False, "True: the largest second moment so far takes its place"),
        Flag("independent_decay", False, "True: the decay multiplies the parameter by 1 - weight_decay"),
        Flag("maximize", False, "True: ascend"),
    )

    amsgrad: bool
    independent_decay: bool
    maximize: bool

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        return cls(group["amsgrad"], group["independent_decay"], group["maximize"])

    @property
    def state(self) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if self.amsgrad else ("exp_avg", "exp_avg_sq")

    def numbers(self, group: Mapping[str, Any]) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        return {
            "lr": group["lr"],
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
        }

    def step(self, p: Point, vectors: tuple[Value, ...], scale: Value, k: Any, xp: Numbers) -> dict[str, Value]:
        g = -p.g if self.maximize else p.g
        m = xp.mix(p.exp_avg, g, 1 - k.beta1)
        v = xp.mix(p.exp_avg_sq, g * g, 1 - k.beta2)
        new = {"exp_avg": m, "exp_avg_sq": v}
        if self.amsgrad:
            v = new["max_exp_avg_sq"] = xp.maximum(p.max_exp_avg_sq, v)
        # m / c1 / (sqrt(v / c2) + eps), with the first correction in the rate: one division per element.
        root = xp.sqrt(v) * (1 / (1 - k.beta2**k.t) ** 0.5) + k.eps
        kept = 1 - (k.weight_decay if self.independent_decay else k.lr * k.weight_decay)
        return {"x": kept * p.x - (k.lr / (1 - k.beta1**k.t)) * (m / root), **new}
