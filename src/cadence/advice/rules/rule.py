"""What a rule is, and the order in which all of them are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from cadence.advice.choice import GIVEN, Alternative, Choice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.findings.finding import Both

Chosen: TypeAlias = Mapping[str, Choice]
"""Field -> what was chosen before."""

Rule: TypeAlias = Callable[[Profile, Practice, Chosen], Choice]
"""(profile, practice of its kind, choices before) -> choice."""


def from_practice(field: str, value: Any, practice: Practice, otherwise: Why) -> Choice:
    """A choice with the practice's own words for it, where it has any.

    Args:
        field: of the recipe.
        value: chosen.
        practice: whose words are asked for.
        otherwise: words where it has none.
    """
    why = practice.why.get(field, otherwise)
    return Choice(field, value, why.reason, why.source, why.confidence, why.alternatives, why.pilot)


def as_given(choice: Choice, value: Any) -> Choice:
    """What was asked for, with what the rule would have said as the alternative."""
    same = value == choice.value
    others = choice.alternatives if same else (Alternative(choice.value, choice.source, choice.reason),)
    return replace(
        choice,
        value=value,
        reason=Both("it was asked for", "按要求设定"),
        source=GIVEN,
        confidence="high",
        alternatives=others,
        pilot=None,
    )
