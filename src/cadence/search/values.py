"""Ranges and values as Optuna has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cadence._lazy import need
from cadence.search.ranges import Choices, Floats, Range, Value, Wholes

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def distribution(one: Range) -> BaseDistribution:
    """What Optuna calls a range."""
    kinds = need("optuna.distributions", extra="sweep")
    if isinstance(one, Floats):
        return kinds.FloatDistribution(one.low, one.high, log=one.log)
    if isinstance(one, Wholes):
        return kinds.IntDistribution(one.low, one.high, log=one.log, step=one.step)
    assert isinstance(one, Choices)
    return kinds.CategoricalDistribution([stored(value) for value in one.values])


def stored(value: Value) -> Any:
    """A value as Optuna keeps it: lists and mappings as their JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def restored(one: Range, kept: Any) -> Value:
    """The value of a range that Optuna keeps so."""
    if not isinstance(one, Choices):
        return kept
    return next(value for value in one.values if stored(value) == kept)
