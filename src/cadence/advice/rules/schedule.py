"""Warmup, and what the rate does after it."""

from __future__ import annotations

from cadence.advice.choice import Choice, article, practice
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.advice.rules.rule import Chosen, from_practice
from cadence.findings.finding import Both
from cadence.spec.parse import parse

AVERAGING = "schedule_free"
"""Methods that average in the place of a decay begin so."""


def warmup(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """Length of the climb from a hundredth of the rate: updates, or text with a unit."""
    del chosen
    length = practice_.warmup
    if isinstance(length, int) and length >= profile.updates:
        length = max(1, profile.updates // 10)
    return from_practice("warmup", length, practice_, _SHORT)


def schedule(profile: Profile, practice_: Practice, chosen: Chosen) -> Choice:
    """The whole schedule as text, warmup included, in multiples of the base rate."""
    del profile
    decay = practice_.decay
    if str(chosen["optimizer"].value["name"]).startswith(AVERAGING):
        return Choice(
            "schedule",
            with_warmup(chosen["warmup"].value, "constant()"),
            Both("schedule-free methods average in the place of a decay", "schedule-free 方法以平均代替衰减"),
            practice("schedulefree"),
            "high",
        )
    return from_practice("schedule", with_warmup(chosen["warmup"].value, decay), practice_, _COSINE)


def with_warmup(length: int | str | None, decay: str) -> str:
    """A schedule behind a warmup, as the one form that its text has.

    Example:
        >>> with_warmup("5 epochs", "cosine(to=0.01)")
        "warmup('5 epochs') >> cosine(to=0.01)"
        >>> with_warmup(None, "constant()")
        'constant()'
    """
    return repr(parse(decay if length is None else f"warmup({length!r}) >> {decay}"))


_SHORT = Why(
    Both(
        "a twentieth of the run: the first updates of an adaptive method are its least certain",
        "全程的二十分之一：自适应方法最初的更新最不可靠",
    ),
    article("warmup takes 5 to 10 % of the run, from a hundredth of the rate"),
    "medium",
)
_COSINE = Why(
    Both("a cosine to 0 loses little anywhere", "余弦降到 0 在各处都损失不大"),
    article("warmup + cosine first"),
    "medium",
)
