"""The methods in the plainest form there is: numpy in double precision, line by line as their papers have them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Settings = dict[str, Any]
State = dict[str, np.ndarray]


def norm(x: np.ndarray) -> float:
    return math.sqrt(float((x**2).sum()))


def lamb(x: np.ndarray, g: np.ndarray, memory: State, t: int, s: Settings) -> np.ndarray:
    """arXiv:1904.00962v5, algorithm 2."""
    b1, b2 = s["betas"]
    g = -g if s["maximize"] else g
    m = memory["m"] = b1 * memory.get("m", 0.0) + ((1 - b1) if s["grad_averaging"] else 1.0) * g
    v = memory["v"] = b2 * memory.get("v", 0.0) + (1 - b2) * g**2
    if s["bias_correction"]:
        m, v = m / (1 - b1**t), v / (1 - b2**t)
    r = m / (np.sqrt(v + s["eps_root"]) + s["eps"])
    if s["independent_decay"]:
        x = x - s["weight_decay"] * x
    elif s["decoupled_decay"]:
        x = x - s["lr"] * s["weight_decay"] * x
    else:
        r = r + s["weight_decay"] * x
    ratio = 1.0
    if s["adapt"] and (s["always_adapt"] or s["weight_decay"] > 0):
        if norm(x) > 0 and norm(r) > 0:
            phi = min(norm(x), math.inf if s["norm_clip"] is None else s["norm_clip"])
            ratio = phi / (norm(r) + s["ratio_eps"])
        ratio = min(ratio, math.inf if s["trust_clip"] is None else s["trust_clip"])
    lr = s["lr"] / (1 - b1**t) if s["rate_correction"] else s["lr"]
    return x - lr * ratio * r


def lars(x: np.ndarray, g: np.ndarray, memory: State, t: int, s: Settings) -> np.ndarray:
    """arXiv:1708.03888, algorithm 1; with `rate_in_momentum` off, momentum as in torch's SGD."""
    g = -g if s["maximize"] else g
    push = g + s["weight_decay"] * x
    below = norm(push) if s["joint_norm"] else norm(g) + s["weight_decay"] * norm(x)
    ratio = 1.0
    if s["adapt"] and (s["always_adapt"] or s["weight_decay"] > 0):
        if norm(x) > 0 and (norm(push) if s["joint_norm"] else norm(g)) > 0:
            ratio = s["trust"] * norm(x) / (below + s["eps"])
        if s["clip_by_rate"]:
            ratio = min(ratio / s["lr"], 1.0)
        ratio = min(ratio, math.inf if s["trust_clip"] is None else s["trust_clip"])
    now = ratio * push * (s["lr"] if s["rate_in_momentum"] else 1.0)
    if t == 1 or s["momentum"] == 0:
        b = now
    else:
        b = s["momentum"] * memory["b"] + (1 - s["dampening"]) * now
    memory["b"] = b
    move = now + s["momentum"] * b if s["nesterov"] else b
    return x - move * (1.0 if s["rate_in_momentum"] else s["lr"])


def adabound(x: np.ndarray, g: np.ndarray, memory: State, t: int, s: Settings) -> np.ndarray:
    """arXiv:1902.09843, algorithms 2 and 3, and the code of its authors."""
    b1, b2 = s["betas"]
    g = -g if s["maximize"] else g
    if s["independent_decay"]:
        x = x - s["weight_decay"] * x
    elif s["decoupled_decay"]:
        x = x - s["lr"] * s["weight_decay"] * x
    else:
        g = g + s["weight_decay"] * x
    m = memory["m"] = b1 * memory.get("m", 0.0) + (1 - b1) * g
    v = memory["v"] = b2 * memory.get("v", 0.0) + (1 - b2) * g**2
    if s["amsbound"]:
        v = memory["largest"] = np.maximum(memory.get("largest", 0.0), v)
    final = s["final_lr"] * s["lr"] / s["initial_lr"]
    low, high = final * (1 - 1 / (s["gamma"] * t + 1)), final * (1 + 1 / (s["gamma"] * t))
    root = np.sqrt(v + s["eps_root"]) + s["eps"]
    if s["paper"]:
        return x - np.clip(s["lr"] / root, low, high) / math.sqrt(t) * m
    return x - np.clip(s["lr"] * math.sqrt(1 - b2**t) / (1 - b1**t) / root, low, high) * m


def rmsprop(x: np.ndarray, g: np.ndarray, memory: State, t: int, s: Settings) -> np.ndarray:
    """Hinton's lecture 6e; centered: arXiv:1308.0850, equations 38 to 45."""
    g = (-g if s["maximize"] else g) + s["weight_decay"] * x
    v = memory["v"] = s["alpha"] * memory.get("v", s["initial_square"]) + (1 - s["alpha"]) * g**2
    if s["centered"]:
        mean = memory["mean"] = s["alpha"] * memory.get("mean", 0.0) + (1 - s["alpha"]) * g
        v = np.maximum(v - mean**2, 0.0)
    now = g / (np.sqrt(v + s["eps"]) if s["eps_in_root"] else np.sqrt(v) + s["eps"])
    if s["rate_in_momentum"]:
        b = memory["b"] = s["momentum"] * memory.get("b", 0.0) + s["lr"] * now
        return x - b
    b = memory["b"] = s["momentum"] * memory.get("b", 0.0) + now
    return x - s["lr"] * b


def adagrad(x: np.ndarray, g: np.ndarray, memory: State, t: int, s: Settings) -> np.ndarray:
    """Duchi, Hazan, Singer 2011, figure 1, diagonal; the decay of the rate is torch's."""
    g = (-g if s["maximize"] else g) + s["weight_decay"] * x
    total = memory["total"] = memory.get("total", s["initial_accumulator_value"]) + g**2
    root = np.sqrt(total + s["eps"]) if s["eps_in_root"] else np.sqrt(total) + s["eps"]
    return x - s["lr"] / (1 + (t - 1) * s["lr_decay"]) * g / root


def adamw(x: np.ndarray, g: np.ndarray, memory: State, t: int, s: Settings) -> np.ndarray:
    """arXiv:1711.05101, algorithm 2, with the rate inside of the decay or not; amsgrad as torch has it."""
    b1, b2 = s["betas"]
    g = -g if s["maximize"] else g
    m = memory["m"] = b1 * memory.get("m", 0.0) + (1 - b1) * g
    v = memory["v"] = b2 * memory.get("v", 0.0) + (1 - b2) * g**2
    if s["amsgrad"]:
        v = memory["largest"] = np.maximum(memory.get("largest", 0.0), v)
    decay = s["weight_decay"] * (1.0 if s["independent_decay"] else s["lr"])
    return x - decay * x - s["lr"] * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + s["eps"])


METHODS: dict[str, Callable[[np.ndarray, np.ndarray, State, int, Settings], np.ndarray]] = {
    "lamb": lamb,
    "lars": lars,
    "adabound": adabound,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adamw": adamw,
}


class Reference:
    """A training: groups of arrays with settings, which may be changed between updates.

    Arrays without a gradient are left alone, and count their own updates.
    """

    def __init__(self, name: str, groups: list[tuple[list[np.ndarray], Settings]]) -> None:
        self.groups = [([x.copy() for x in xs], dict(settings)) for xs, settings in groups]
        for _, settings in self.groups:
            settings.setdefault("initial_lr", settings["lr"])
        self._update = METHODS[name]
        self._memory: list[list[State]] = [[{} for _ in xs] for xs, _ in groups]
        self._t = [[0 for _ in xs] for xs, _ in groups]

    def step(self, gradients: list[list[np.ndarray | None]]) -> None:
        """One update with these gradients, by group."""
        size = math.sqrt(sum(float((g**2).sum()) for gs in gradients for g in gs if g is not None))
        for i, (xs, s) in enumerate(self.groups):
            bound = s.get("max_grad_norm")
            shrink = 1.0 if bound is None or size <= bound else bound / size
            for j, g in enumerate(gradients[i]):
                if g is not None:
                    self._t[i][j] += 1
                    xs[j] = self._update(xs[j], g * shrink, self._memory[i][j], self._t[i][j], s)
