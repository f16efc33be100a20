"""Advice handed over to a search: which fields are worth trying, and how far around the advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadence._errors import SpecError
from cadence.advice.choice import Choice, Confidence
from cadence.advice.recipes import recipe_keys
from cadence.advice.rules.rate import round_rate
from cadence.advice.rules.schedule import with_warmup
from cadence.recipe.recipe import make_recipe
from cadence.recipe.writing import to_yaml

if TYPE_CHECKING:
    from cadence.advice.advice import Advice

SPREAD: dict[Confidence, float] = {"high": 2.0, "medium": 3.0, "low": 10.0, "unknown": 100.0}
"""Factor to either side of a number that is as sure as this: what the words of `CONFIDENCE` say."""

MIDDLE = 1e-3
"""Where the range of a rate lies of which nothing is known: 1e-5 to 1e-1."""

TRIALS = 20


def search_space(advice: Advice) -> dict[str, Any]:
    """Ranges by field; see `Advice.search_space`."""
    rate, decay, schedule = advice["learning_rate"], advice["weight_decay"], advice["schedule"]
    space: dict[str, Any] = {}
    if rate.source.kind != "given":
        space["lr"] = _log(MIDDLE if rate.value is None else float(rate.value), SPREAD[rate.confidence])
    if decay.value and decay.confidence != "high" and decay.source.kind != "given":
        space["weight_decay"] = _log(float(decay.value), SPREAD[decay.confidence])
    others = _schedules(advice, schedule)
    if len(others) > 1 and schedule.source.kind != "given":
        space["schedule"] = others
    return space


def search_text(advice: Advice, *, task: str | None, model: str | None) -> str:
    """The recipe with its section `search`; see `Advice.search`."""
    space = search_space(advice)
    known = advice if advice["learning_rate"].value is not None else advice.having(learning_rate=MIDDLE)
    keys = recipe_keys(known, task=task, model=model)
    make_recipe(keys)
    # Of a search the end of every trial counts.
    keys.pop("tune", None)
    return to_yaml(keys) + to_yaml({"search": {"space": space, "trials": TRIALS}})


def _log(middle: float, spread: float) -> str:
    return f"log({round_rate(middle / spread):g}, {round_rate(middle * spread):g})"


def _schedules(advice: Advice, schedule: Choice) -> list[str]:
    """The schedule, and those of other sources that are one."""
    found = [str(schedule.value)]
    for other in schedule.alternatives:
        try:
            text = with_warmup(advice["warmup"].value, str(other.value))
        except SpecError:
            continue
        if text not in found:
            found.append(text)
    return found
