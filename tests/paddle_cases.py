"""Random arguments for every scheduler of paddle, and paddle's own numbers for them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

with warnings.catch_warnings():
    # Paddle looks for a compiler cache when it is imported, and says so where there is none.
    warnings.filterwarnings("ignore", "No ccache found", UserWarning)
    import paddle

lr: Any = paddle.optimizer.lr
Random = np.random.Generator


@dataclass(frozen=True)
class Case:
    """One configuration.

    Attributes:
        name: of the class.
        arguments: the learning rate left out where it is the base.
        rate: the parameter that is the base, empty where there is none.
        most: steps that paddle can do.
    """

    name: str
    arguments: Mapping[str, Any]
    rate: str = "learning_rate"
    most: int = 10**9
    inner: Case | None = field(default=None)

    def full(self, base: float) -> dict[str, Any]:
        """All arguments where the base is the learning rate."""
        own = {} if not self.rate or self.inner else {self.rate: base}
        inner = {"learning_rate": (self.inner.name, self.inner.full(base))} if self.inner else {}
        return {**own, **inner, **self.arguments}

    def made(self, base: float) -> Any:
        """Paddle's object."""
        return made(self.name, self.full(base))


def made(name: str, arguments: Mapping[str, Any]) -> Any:
    """Paddle's object, with the one inside it where there is one."""
    inner = arguments.get("learning_rate")
    arguments = {**arguments, "learning_rate": made(*inner)} if isinstance(inner, tuple) else arguments
    return getattr(lr, name)(**arguments)


def stepped(scheduler: Any, steps: int) -> np.ndarray[Any, Any]:
    """The rate in force during updates 0 to steps."""
    rates = [float(scheduler())]
    for _ in range(steps):
        scheduler.step()
        rates.append(float(scheduler()))
    return np.array(rates)


def some_rate(random: Random) -> float:
    return float(random.choice([1.0, 0.1, 3e-4, random.uniform(1e-5, 2)]))


def some_low(random: Random, base: float) -> float:
    """An end value: none, small, and above the base."""
    return float(random.choice([0.0, 1e-5, 0.5 * base, 1.5 * base]))


# ---- one class each ----------------------------------------------------------------------------------------------


def noam(random: Random, base: float) -> Case:
    warmup = float(random.uniform(0.3, 9)) if random.random() < 0.2 else int(random.integers(1, 60))
    rate = {"learning_rate": base} if random.random() < 0.5 else {}
    return Case("NoamDecay", {"d_model": int(random.integers(1, 1025)), "warmup_steps": warmup, **rate}, "")


def piecewise(random: Random, base: float) -> Case:
    # In any order, twice too, at and before 0, between two epochs, with more values than needed.
    boundaries = random.integers(-3, 60, random.integers(1, 6)).tolist()
    if random.random() < 0.6:
        boundaries = sorted(boundaries)
    if random.random() < 0.2:
        boundaries[0] += 0.5
    values = random.uniform(0, 2, len(boundaries) + random.integers(1, 3)).tolist()
    return Case("PiecewiseDecay", {"boundaries": boundaries, "values": values}, "")


def natural_exp(random: Random, base: float) -> Case:
    return Case("NaturalExpDecay", {"gamma": float(random.choice([1e-7, 0.01, 0.1, 2.0, random.uniform(1e-3, 1)]))})


def inverse_time(random: Random, base: float) -> Case:
    return Case("InverseTimeDecay", {"gamma": float(random.choice([0.0, 1e-17, 0.1, 3.0, random.uniform(1e-3, 1)]))})


def polynomial(random: Random, base: float) -> Case:
    power = float(random.choice([0.5, 0.9, 1.0, 2.0, random.uniform(0.2, 5)]))
    return Case(
        "PolynomialDecay",
        {
            "decay_steps": int(random.integers(1, 60)), "end_lr": some_low(random, base), "power": power,
            "cycle": bool(random.integers(2)),
        },
    )  # fmt: skip


def exponential(random: Random, base: float) -> Case:
    return Case("ExponentialDecay", {"gamma": float(random.uniform(0.2, 0.9999))})


def multi_step(random: Random, base: float) -> Case:
    milestones = sorted({float(m) for m in random.integers(-2, 70, random.integers(0, 7))})
    if random.random() < 0.2:
        milestones = [m + 0.25 for m in milestones]
    gamma = float(random.choice([0.0, 0.1, 0.5, random.uniform(0.05, 0.999)]))
    return Case("MultiStepDecay", {"milestones": milestones, "gamma": gamma})


def step(random: Random, base: float) -> Case:
    gamma = float(random.choice([0.0, 0.1, random.uniform(0.05, 0.999)]))
    return Case("StepDecay", {"step_size": int(random.integers(1, 50)), "gamma": gamma})


def lambda_(random: Random, base: float) -> Case:
    a, k = float(random.uniform(0.01, 1)), int(random.integers(1, 40))
    function: Callable[[int], float] = [
        lambda e: 1 / (1 + a * e), lambda e: max(a, 1 - e / k), lambda e: a ** (e // k), lambda e: math.cos(e / k) ** 2,
    ][random.integers(4)]  # fmt: skip
    return Case("LambdaDecay", {"lr_lambda": function})


def multiplicative(random: Random, base: float) -> Case:
    a, k = float(random.uniform(0.8, 1.05)), int(random.integers(1, 40))
    function: Callable[[int], float] = [lambda e: a, lambda e: a if e % k == 0 else 1.0, lambda e: 1 - 0.3 / (e + 1)][
        random.integers(3)
    ]
    return Case("MultiplicativeDecay", {"lr_lambda": function})


def cosine(random: Random, base: float) -> Case:
    return Case("CosineAnnealingDecay", {"T_max": int(random.integers(1, 60)), "eta_min": some_low(random, base)})


def restarts(random: Random, base: float) -> Case:
    return Case(
        "CosineAnnealingWarmRestarts",
        {"T_0": int(random.integers(1, 30)), "T_mult": int(random.integers(1, 4)), "eta_min": some_low(random, base)},
    )


def linear(random: Random, base: float) -> Case:
    total = float(random.uniform(0.3, 40)) if random.random() < 0.2 else int(random.integers(1, 60))
    start = float(random.choice([1.0, 1 / 3, random.uniform(0.01, 1)]))
    end = float(random.choice([0.0, 1.0, start, random.uniform(0, 1)]))
    return Case("LinearLR", {"total_steps": total, "start_factor": start, "end_factor": end})


def one_cycle(random: Random, base: float) -> Case:
    total, three = int(random.integers(6, 120)), bool(random.integers(2))
    top = 0.499 if three else 0.999
    whole = int(random.integers(2, max(int(top * total), 3))) / total
    share = float(random.choice([whole, 0.0, random.uniform(0, top)]))
    if share * total - 1 == 0:
        share = 0.3
    end, strategy = some_low(random, base), str(random.choice(["cos", "linear"]))
    last = total
    if strategy == "linear" and end <= base:
        # One step past its end the line is below 0, in general.
        last = total - 1
    return Case(
        "OneCycleLR",
        {
            "total_steps": total, "divide_factor": float(random.uniform(0.5, 50)), "end_learning_rate": end,
            "phase_pct": share, "anneal_strategy": strategy, "three_phase": three,
        },
        "max_learning_rate",
        last,
    )  # fmt: skip


def cyclic(random: Random, base: float) -> Case:
    mode = str(random.choice(["triangular", "triangular2", "exp_range", "function"]))
    named: dict[str, Any] = {"mode": mode}
    if mode == "exp_range":
        named["exp_gamma"] = float(random.choice([0.0, 1.0, 0.99, 1.01]))
    if mode == "function":
        named = {"scale_fn": lambda x: 1 / (1 + x), "scale_mode": str(random.choice(["cycle", "iterations"]))}
    if random.random() < 0.7:
        named["step_size_down"] = int(random.integers(1, 25))
    high = base * float(random.choice([1.0, 10.0, 0.3 if named.get("exp_gamma") != 1.01 else 2.0]))
    named = {"max_learning_rate": high, "step_size_up": int(random.integers(1, 25)), **named}
    return Case("CyclicLR", named, "base_learning_rate")


def warmup(random: Random, base: float) -> Case:
    """Around a number, or around any other."""
    start = float(random.choice([0.0, 1e-6, 0.01 * base]))
    end = float(random.choice([base, 2 * base]))
    named = {"warmup_steps": int(random.integers(1, 40)), "start_lr": start, "end_lr": max(end, 2e-6)}
    kinds = [kind for kind in KINDS if kind is not noam and kind is not one_cycle]
    if random.random() < 0.2:
        return Case("LinearWarmup", named)
    return Case("LinearWarmup", named, inner=kinds[random.integers(len(kinds))](random, base))


Kind = Callable[[Random, float], Case]
KINDS: list[Kind] = [
    noam, piecewise, natural_exp, inverse_time, polynomial, exponential, multi_step, step, lambda_, multiplicative, cosine,
    restarts, linear, one_cycle, cyclic, warmup,
]  # fmt: skip
