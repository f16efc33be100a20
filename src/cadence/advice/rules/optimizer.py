"""Which method, with its own numbers."""

from __future__ import annotations

from typing import Any

from cadence.advice.choice import Choice, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen, from_practice
from cadence.findings.finding import Both

MOMENTUM = {"sgd": {"momentum": 0.9}, "lars": {"momentum": 0.9}}
"""What a method is nowhere used without, where it was asked for in place of the practice's own."""


def optimizer(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """The method, and everything that is its own but rate and decay: ``{"name": "adamw", "betas": (0.9, 0.999)}``."""
    del profile, chosen
    value = {"name": practice_.optimizer, **practice_.arguments}
    return from_practice("optimizer", value, practice_, _OTHERWISE)


def numbers_of(name: str, practice_: Practice) -> dict[str, Any]:
    """The numbers of a method that was asked for by its name alone."""
    if name == practice_.optimizer:
        return {"name": name, **practice_.arguments}
    return {"name": name, **MOMENTUM.get(name, {})}


_OTHERWISE = Why(
    Both("the method that such trainings are done with", "此类训练通常使用的方法"), practice("most code"), "medium"
)
