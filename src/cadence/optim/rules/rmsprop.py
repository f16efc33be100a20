"""RMSprop: steps divided by the root of a running mean of squared gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cadence.optim.rules.rule import Numbers, Point, Rule, Value
from cadence.optim.rules.settings import Flag, Number, Rate, Share


@dataclass(frozen=True)
class RMSpropRule(Rule):
    """With g the gradient plus weight_decay * x:

        v = alpha * v + (1 - alpha) * g^2
        b = momentum * b + g / (sqrt(v) + eps)
        x = x - lr * b

    Centered, sqrt(v - a^2) stands for sqrt(v), with a the running mean of g: the standard deviation instead of the
    root mean square. Where rounding makes v - a^2 negative, it is taken as 0.

    Source:
        Hinton 2012, "Neural networks for machine learning", lecture 6e; centered: Graves 2013, "Generating sequences
        with recurrent neural networks", arXiv:1308.0850, equations 38 to 45.
    """

    name = "rmsprop"
    settings = (
        Rate("lr", 1e-2, "learning rate"),
        Share("alpha", 0.99, "decay of the mean of squares"),
        Number("eps", 1e-8, "added to the root"),
        Number("weight_decay", 0.0, "share of the parameter that is added to the gradient"),
        Share("momentum", 0.0, "decay of the accumulated steps; 0: there are none"),
        Flag("centered", False, "True: the steps are divided by the standard deviation of the gradients"),
        Flag("eps_in_root", False, "True: eps is added under the root"),
        Flag("rate_in_momentum", False, "True: b = momentum * b + lr * (...), and x moves by b"),
        Number("initial_square", 0.0, "what the mean of squares begins with"),
        Flag("maximize", False, "True: ascend"),
    )

    momentum: bool
    centered: bool
    eps_in_root: bool
    rate_in_momentum: bool
    maximize: bool

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        return cls(
            momentum=group["momentum"] != 0,
            centered=group["centered"],
            eps_in_root=group["eps_in_root"],
            rate_in_momentum=group["rate_in_momentum"],
            maximize=group["maximize"],
        )

    @property
    def state(self) -> tuple[str, ...]:
        wanted = {"square_avg": True, "momentum_buffer": self.momentum, "grad_avg": self.centered}
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    def numbers(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {name: group[name] for name in ("lr", "alpha", "eps", "weight_decay", "momentum")}

    def start(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"square_avg": group["initial_square"]}

    def step(self, p: Point, vectors: tuple[Value, ...], scale: Value, k: Any, xp: Numbers) -> dict[str, Value]:
        g = (-p.g if self.maximize else p.g) + k.weight_decay * p.x
        v = xp.mix(p.square_avg, g * g, 1 - k.alpha)
        new = {"square_avg": v}
        if self.centered:
            a = new["grad_avg"] = xp.mix(p.grad_avg, g, 1 - k.alpha)
            v = xp.maximum(v - a * a, 0.0)
        move = g / (xp.sqrt(v + k.eps) if self.eps_in_root else xp.sqrt(v) + k.eps)
        if not self.momentum:
            return {"x": p.x - k.lr * move, **new}
        b = k.momentum * p.momentum_buffer + (k.lr * move if self.rate_in_momentum else move)
        return {"x": p.x - (b if self.rate_in_momentum else k.lr * b), "momentum_buffer": b, **new}
