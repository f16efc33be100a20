"""LAMB: Adam with a step in proportion to the size of each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cadence.optim.rules.rule import Numbers, Point, Rule, Value
from cadence.optim.rules.settings import Betas, Bound, Flag, Number, Rate


@dataclass(frozen=True)
class LambRule(Rule):
    """With Adam's bias-corrected moments m and v, for each parameter tensor x:

        r = m / (sqrt(v) + eps) + weight_decay * x
        x = x - lr * |x| / |r| * r        where |x| / |r|, the trust ratio, is 1 if one of the norms is 0

    Source:
        You et al. 2020, "Large batch optimization for deep learning: training BERT in 76 minutes", arXiv:1904.00962v5,
        algorithm 2. Its lines ``m = m / (1 - beta1^t)`` are read as Adam's, that is, without changing the m that the
        next step goes on from.
    """

    name = "lamb"
    settings = (
        Rate("lr", 1e-3, "learning rate"),
        Betas("betas", (0.9, 0.999), "decay of the two moments"),
        Number("eps", 1e-6, "added to the root of the second moment"),
        Number("weight_decay", 0.01, "share of the parameter in the update"),
        Flag("adapt", True, "False: the trust ratio is 1, and what remains is AdamW (adam-like)"),
        Flag("always_adapt", True, "False: only groups whose weight_decay is not 0 are adapted"),
        Bound("trust_clip", None, "upper bound of the trust ratio (Fong et al. 2020, arXiv:2011.13584)"),
        Bound("norm_clip", None, "upper bound of the parameter's norm in the trust ratio, the paper's phi"),
        Number("ratio_eps", 0.0, "added to the norm of the update in the trust ratio"),
        Flag("bias_correction", True, "False: the moments as they are, as in the paper's third version"),
        Flag("rate_correction", False, "True: lr is divided by 1 - beta1^t, outside of the trust ratio"),
        Flag("grad_averaging", True, "False: gradients enter the first moment with weight 1 instead of 1 - beta1"),
        Number("eps_root", 0.0, "added to the second moment, under the root"),
        Flag("decoupled_decay", False, "True: the decay multiplies the parameter by 1 - lr * weight_decay instead"),
        Flag("independent_decay", False, "True: the decay multiplies the parameter by 1 - weight_decay instead"),
        Bound("max_grad_norm", None, "gradients of all groups together are first scaled down to this norm"),
        Flag("maximize", False, "True: ascend"),
    )

    adapt: bool
    trust_clip: bool
    norm_clip: bool
    bias_correction: bool
    rate_correction: bool
    grad_averaging: bool
    eps_root: bool
    decoupled_decay: bool
    independent_decay: bool
    max_grad_norm: bool
    maximize: bool

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        return cls(
            adapt=group["adapt"] and (group["always_adapt"] or group["weight_decay"] != 0),
            trust_clip=group["trust_clip"] is not None,
            norm_clip=group["norm_clip"] is not None,
            bias_correction=group["bias_correction"],
            rate_correction=group["rate_correction"],
            grad_averaging=group["grad_averaging"],
            eps_root=group["eps_root"] != 0,
            decoupled_decay=group["decoupled_decay"],
            independent_decay=group["independent_decay"],
            max_grad_norm=group["max_grad_norm"] is not None,
            maximize=group["maximize"],
        )

    @property
    def state(self) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    @property
    def measures(self) -> bool:
        return self.adapt

    def numbers(self, group: Mapping[str, Any]) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        return {
            "lr": group["lr"],
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "trust_clip": group["trust_clip"] or 0.0,
            "norm_clip": group["norm_clip"] or 0.0,
            "ratio_eps": group["ratio_eps"],
            "eps_root": group["eps_root"],
        }

    def advance(self, p: Point, k: Any, xp: Numbers) -> dict[str, Value]:
        g = -p.g if self.maximize else p.g
        if self.max_grad_norm:
            g = g / k.shrink
        m = xp.mix(p.exp_avg, g, 1 - k.beta1) if self.grad_averaging else k.beta1 * p.exp_avg + g
        return {"exp_avg": m, "exp_avg_sq": xp.mix(p.exp_avg_sq, g * g, 1 - k.beta2)}

    def vectors(self, p: Point, k: Any, xp: Numbers) -> tuple[Value, ...]:
        # m / c1 / (sqrt(v / c2) + eps), with both corrections in the denominator: one division fewer per element.
        first, second = (1 - k.beta1**k.t, (1 - k.beta2**k.t) ** 0.5) if self.bias_correction else (1.0, 1.0)
        v = p.exp_avg_sq + second**2 * k.eps_root if self.eps_root else p.exp_avg_sq
        r = p.exp_avg / (xp.sqrt(v) * (first / second) + first * k.eps)
        if self.independent_decay:
            return (1 - k.weight_decay) * p.x, r
        if self.decoupled_decay:
            return (1 - k.lr * k.weight_decay) * p.x, r
        return p.x, r + k.weight_decay * p.x

    def scale(self, norms: tuple[Value, ...], k: Any, xp: Numbers) -> Value:
        size, length = norms
        void = (size == 0) | (length == 0)
        if self.norm_clip:
            size = xp.minimum(size, k.norm_clip)
        ratio = xp.where(void, 1.0, size / (length + k.ratio_eps))
        return xp.minimum(ratio, k.trust_clip) if self.trust_clip else ratio

    def step(self, p: Point, vectors: tuple[Value, ...], scale: Value, k: Any, xp: Numbers) -> dict[str, Value]:
        x, r = vectors
        rate = k.lr / (1 - k.beta1**k.t) if self.rate_correction else k.lr
        return {"x": x - (rate * scale) * r}
