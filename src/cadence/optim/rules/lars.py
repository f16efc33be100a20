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
        Flag("joint_norm", False, "True: |g + weight_decay * x| is the denominator, not |g| + weight_decay * |x|"),
        Flag("adapt", True, "False: the ratio is 1, and what remains is momentum"),
        Flag("always_adapt", True, "False: only groups whose weight_decay is not 0 are adapted"),
        Bound("trust_clip", None, "upper bound of the ratio"),
        Flag("clip_by_rate", False, "True: a layer's rate is the smaller of ratio and lr, not their product (LARC)"),
        Share("dampening", 0.0, "from the second update on, the step enters b with weight 1 - dampening"),
        Flag(
            "rate_in_momentum", True, "False: b = momentum * b + ratio * (...), and x moves by lr * b, as torch's SGD"
        ),
        Flag("nesterov", False, "True: the step looks one update ahead"),
        Flag("maximize", False, "True: ascend"),
    )

    joint_norm: bool
    adapt: bool
    trust_clip: bool
    clip_by_rate: bool
    dampening: bool
    rate_in_momentum: bool
    nesterov: bool
    maximize: bool

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        return cls(
            joint_norm=group["joint_norm"],
            adapt=group["adapt"] and (group["always_adapt"] or group["weight_decay"] != 0),
            trust_clip=group["trust_clip"] is not None,
            clip_by_rate=group["clip_by_rate"],
            # Without momentum there is nothing that could be damped: so in torch's SGD.
            dampening=group["dampening"] != 0 and group["momentum"] != 0,
            rate_in_momentum=group["rate_in_momentum"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
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
            "dampening": group["dampening"],
        }

    def vectors(self, p: Point, k: Any, xp: Numbers) -> tuple[Value, ...]:
        return p.x, self._push(p, k) if self.joint_norm else p.g

    def scale(self, norms: tuple[Value, ...], k: Any, xp: Numbers) -> Value:
        size, slope = norms
        void = (size == 0) | (slope == 0)
        below = slope + k.eps if self.joint_norm else slope + k.weight_decay * size + k.eps
        ratio = xp.where(void, 1.0, k.trust * size / below)
        if self.clip_by_rate:
            ratio = xp.minimum(ratio / k.lr, 1.0)
        return xp.minimum(ratio, k.trust_clip) if self.trust_clip else ratio

    def step(self, p: Point, vectors: tuple[Value, ...], scale: Value, k: Any, xp: Numbers) -> dict[str, Value]:
        push = vectors[1] if self.joint_norm else self._push(p, k)
        now = (k.lr * scale if self.rate_in_momentum else scale) * push
        # The first update is not damped: t > 1 as a number, in the precision of t.
        share = 1 - k.dampening * ((k.t > 1) * k.t / k.t) if self.dampening else None
        b = k.momentum * p.momentum_buffer + (now if share is None else share * now)
        move = now + k.momentum * b if self.nesterov else b
        return {"x": p.x - (move if self.rate_in_momentum else k.lr * move), "momentum_buffer": b}

    def _push(self, p: Point, k: Any) -> Value:
        """What is accumulated, before its rate."""
        return (-p.g if self.maximize else p.g) + k.weight_decay * p.x
