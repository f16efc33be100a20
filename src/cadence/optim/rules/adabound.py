"""AdaBound: Adam whose step per element is kept between two bounds that close on that of SGD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cadence.optim.rules.rule import Numbers, Point, Rule, Value
from cadence.optim.rules.settings import Betas, Flag, Number, Positive, Rate


@dataclass(frozen=True)
class AdaBoundRule(Rule):
    """With Adam's moments m and v (not corrected), f = final_lr * lr / base and base the group's base rate:

        low = f * (1 - 1 / (gamma * t + 1)), high = f * (1 + 1 / (gamma * t))
        x = x - clip(lr * sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + eps), low, high) * m

    That is the authors' own code. Their printed algorithm 2 has no bias correction and divides the clipped rate by
    sqrt(t); it is ``paper=True``.

    Source:
        Luo et al. 2019, "Adaptive gradient methods with dynamic bound of learning rate", arXiv:1902.09843, algorithms 2
        (AdaBound) and 3 (AMSBound), and section 5 for the bounds.
    """

    name = "adabound"
    settings = (
        Rate("lr", 1e-3, "learning rate of the Adam that it begins as", above_zero=True),
        Betas("betas", (0.9, 0.999), "decay of the two moments"),
        Positive("final_lr", 0.1, "rate of the SGD that it ends as, at the group's base rate"),
        Positive("gamma", 1e-3, "speed at which the bounds close, per update"),
        Number("eps", 1e-8, "added to the root of the second moment"),
        Number("weight_decay", 0.0, "share of the parameter that is added to the gradient"),
        Flag("amsbound", False, "True: the largest second moment so far takes its place (AMSBound)"),
        Number("eps_root", 0.0, "added to the second moment, under the root"),
        Flag("decoupled_decay", False, "True: the decay multiplies the parameter by 1 - lr * weight_decay instead"),
        Flag("independent_decay", False, "True: the decay multiplies the parameter by 1 - weight_decay instead"),
        Flag("paper", False, "True: the printed algorithm 2, without bias correction and with 1 / sqrt(t)"),
        Flag("maximize", False, "True: ascend"),
    )

    amsbound: bool
    eps_root: bool
    decoupled_decay: bool
    independent_decay: bool
    paper: bool
    maximize: bool

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        return cls(
            amsbound=group["amsbound"],
            eps_root=group["eps_root"] != 0,
            decoupled_decay=group["decoupled_decay"],
            independent_decay=group["independent_decay"],
            paper=group["paper"],
            maximize=group["maximize"],
        )

    @property
    def state(self) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if self.amsbound else ("exp_avg", "exp_avg_sq")

    def numbers(self, group: Mapping[str, Any]) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        return {
            "lr": group["lr"],
            "beta1": beta1,
            "beta2": beta2,
            # A schedule moves the bounds as it moves the rate: by its ratio to the base that the group itself keeps.
            "final": group["final_lr"] * (group["lr"] / group["initial_lr"]),
            "gamma": group["gamma"],
            "eps": group["eps"],
            "eps_root": group["eps_root"],
            "weight_decay": group["weight_decay"],
        }

    def step(self, p: Point, vectors: tuple[Value, ...], scale: Value, k: Any, xp: Numbers) -> dict[str, Value]:
        x, g = p.x, -p.g if self.maximize else p.g
        if self.independent_decay:
            x = (1 - k.weight_decay) * x
        elif self.decoupled_decay:
            x = (1 - k.lr * k.weight_decay) * x
        else:
            g = g + k.weight_decay * x
        m = xp.mix(p.exp_avg, g, 1 - k.beta1)
        v = xp.mix(p.exp_avg_sq, g * g, 1 - k.beta2)
        new = {"exp_avg": m, "exp_avg_sq": v}
        if self.amsbound:
            v = new["max_exp_avg_sq"] = xp.maximum(p.max_exp_avg_sq, v)
        if self.eps_root:
            v = v + k.eps_root
        low, high = k.final * (1 - 1 / (k.gamma * k.t + 1)), k.final * (1 + 1 / (k.gamma * k.t))
        rate = k.lr
        if not self.paper:
            rate = rate * (1 - k.beta2**k.t) ** 0.5 / (1 - k.beta1**k.t)
        bounded = xp.clip(rate / (xp.sqrt(v) + k.eps), low, high)
        if self.paper:
            bounded = bounded * (1 / k.t**0.5)
        return {"x": x - bounded * m, **new}
