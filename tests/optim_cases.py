"""What the tests of all methods share: their classes and variants, and a small training without a model."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np

from cadence.optim.rules.found import rules
from cadence.optim.rules.rule import defaults
from cadence.optim.rules.settings import Betas, Bound, Flag, Number, Positive, Rate, Setting, Share

NAMES = list(rules())

SHAPES = [(3, 4), (4,), (2, 3, 3, 3), (5, 1), (1, 40), (8,)]


def starting_values() -> list[np.ndarray]:
    """Parameters, one of them a fresh bias: its norm is 0."""
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape) for shape in SHAPES]
    values[1] = np.zeros(4)
    return values


def gradients(t: int) -> list[np.ndarray]:
    """Of update `t`, of very different sizes."""
    rng = np.random.default_rng([7, t])
    return [rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3) for shape in SHAPES]


def method(name: str) -> Any:
    """The class of a method for torch."""
    package = importlib.import_module("cadence.optim.for_torch")
    found = {
        made.rule.name: made
        for file in pkgutil.iter_modules(package.__path__)
        for made in vars(importlib.import_module(f"{package.__name__}.{file.name}")).values()
        if isinstance(made, type) and hasattr(made, "rule")
    }
    return found[name]


def another(setting: Setting) -> Any:
    """A value that is not the default of a setting, and makes a difference in fifty updates."""
    match setting:
        case Rate():
            return 0.03
        case Flag():
            return not setting.default
        case Bound():
            return 0.7
        case Betas():
            return (0.8, 0.95)
        case Share():
            return 0.6
        case Positive():
            return 3 * setting.default
        case Number():
            return {"weight_decay": 0.05}.get(setting.name, 0.02)
    raise AssertionError(setting)


COMPANIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("lamb", "always_adapt"): {"weight_decay": 0.0},
    ("lars", "always_adapt"): {"weight_decay": 0.0},
    ("rmsprop", "rate_in_momentum"): {"momentum": 0.6},
}
"""What a setting needs beside itself to make a difference."""


def singles(name: str) -> list[dict[str, Any]]:
    """Each setting of a method but its rate on its own, with what it needs."""
    rule = rules()[name]
    decay = {} if defaults(rule)["weight_decay"] else {"weight_decay": 0.01}
    return [
        {**decay, **COMPANIONS.get((name, s.name), {}), s.name: another(s)}
        for s in rule.settings
        if s.name not in ("lr", "momentum") or (name == "rmsprop" and s.name == "momentum")
    ]


def mixtures(name: str, count: int = 4) -> list[dict[str, Any]]:
    """Several settings at a time; each is in half of them, and none is in all."""
    rng = np.random.default_rng(5)
    settings = [s for s in rules()[name].settings if s.name != "lr"]
    chosen = np.array([rng.permutation([i < count // 2 for i in range(count)]) for _ in settings])
    return [{s.name: another(s) for s, row in zip(settings, chosen, strict=True) if row[i]} for i in range(count)]
