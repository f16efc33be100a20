"""LARS: momentum whose rate per layer is in proportion to the ratio of the layer's size to that of its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cadence.optim.rules.rule import Numbers, Point, Rule, Value
from cadence.optim.rules.settings import Bound, Flag, Number, Positive, Rate, Share


@dataclass(frozen=True)
class LarsRule(Rule):
    """For each parameter tensor x with gradient g:

        ratio = trust * |x| / (|g| + weight_decay * |x| + eps)        1 if one of the norms is 0
        b = momentum * b + lr * ratio * (g + weight_decay * x)
        x = x - b

    Source:
        You, Gitman, Ginsburg 2017, "Large batch training of convolutional networks", arXiv:1708.03888, algorithm 1 and
        equation 6.
    """

    name = "lars"
    settings = (
        Rate("lr", 0.1, "learning rate, before each layer's ratio"),
        Share("momentum", 0.9, "decay of the accumulated steps"),
        Number("weight_decay", 1e-4, "share of the parameter in the update, and in the ratio's denominator"),
        Positive("trust", 1e-3, "the paper's eta: how far a layer may move by one update, as a share of its size"),
        Number("eps", 0.0, "added to the ratio's denominator"),
        Flag("adapt", True, "False: the ratio is 1, and what remains is momentum"),
        Bound("trust_clip", None, "upper bound of the ratio"),
        Flag(
            "rate_in_momentum", True, "False: b = momentum * b + ratio * (...), and x moves by lr * b, as torch's SGD"
        ),
        Flag("nesterov", False, "True: the step looks one update ahead"),
        Flag("maximize", False, "True: ascend"),
    )

    adapt: bool
    trust_clip: bool
    rate_in_momentum: bool
    nesterov: bool
    maximize: bool

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        return cls(
            group["adapt"],
            group["trust_clip"] is not None,
            group["rate_in_momentum"],
            group["nesterov"],
            group["maximize"],
        )

    @property
    def state(self) -> tuple[str, ...]:
        return ("momentum_buffer",)

    @property
    def measures(self) -> bool:
        return self.adapt

    def numbers(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {
            "lr": group["lr"],
            "momentum": group["momentum"],
            "weight_decay": group["weight_decay"],
            "trust": group["trust"],
            "eps": group["eps"],
            "trust_clip": group["trust_clip"] or 0.0,
        }

    def vectors(self, p: Point, k: Any, xp: Numbers) -> tuple[Value, ...]:
        return p.x, p.g

    def scale(self, norms: tuple[Value, ...], k: Any, xp: Numbers) -> Value:
        size, slope = norms
        void = (size == 0) | (slope == 0)
        ratio = xp.where(void, 1.0, k.trust * size / (slope + k.weight_decay * size + k.eps))
        return xp.minimum(ratio, k.trust_clip) if self.trust_clip else ratio

    def step(self, p: Point, vectors: tuple[Value, ...], scale: Value, k: Any, xp: Numbers) -> dict[str, Value]:
        x, g = vectors
        g = (-g if self.maximize else g) + k.weight_decay * x
        inner, outer = (k.lr * scale, 1.0) if self.rate_in_momentum else (scale, k.lr)
        now = inner * g
        b = k.momentum * p.momentum_buffer + now
        move = now + k.momentum * b if self.nesterov else b
        return {"x": x - (outer * move if not self.rate_in_momentum else move), "momentum_buffer": b}
