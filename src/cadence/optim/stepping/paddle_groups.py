"""Parameters, groups and settings of cadence's optimizers for paddle.

Settings are kept where paddle's own optimizers keep theirs, so that drivers find them: in the groups, or, where there
are none, as attributes with an underscore before the name; betas one by one, as ``beta1`` and ``beta2``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from paddle.optimizer.lr import LinearWarmup, LRScheduler

from cadence._errors import OptimizerError, neighbours
from cadence.optim.rules.rule import Rule, check
from cadence.optim.stepping.paddle_checks import Tensor, check_clip

INITIAL_VALUES = "_initial_values"
"""Attribute of an optimizer with what relative values are multiples of, by group and value: drivers keep it there."""

_BETAS = "betas"
_OWN_KEYS = ("params", "learning_rate", "grad_clip", "name")


# ---- settings --------------------------------------------------------------------------------------------------------


def signature(rule: type[Rule]) -> inspect.Signature:
    """That of a method's class: as paddle's own, and the settings of the rule by their names."""
    kind, keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    rate, *others = rule.settings
    parameters = [
        inspect.Parameter("learning_rate", kind, default=rate.default),
        inspect.Parameter("parameters", kind, default=None),
        inspect.Parameter("grad_clip", kind, default=None),
    ]
    parameters += [inspect.Parameter(s.name, keyword, default=s.default) for s in others]
    own = {"multi_precision": False, "compiled": None, "name": None}
    parameters += [inspect.Parameter(name, keyword, default=default) for name, default in own.items()]
    return inspect.Signature(parameters)


def bound(method: type, rule: type[Rule], settings: Mapping[str, Any]) -> dict[str, Any]:
    """All settings but the rate, by name; a TypeError for what the method does not have, as for any function."""
    known = {s.name: s.default for s in rule.settings[1:]}
    for name in settings:
        if name not in known:
            raise TypeError(f"{method.__name__} has no argument {name!r}; {neighbours(name, [*known, *_keywords()])}")
    return {**known, **settings}


def stored(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are kept."""
    kept = {name: value for name, value in settings.items() if name != _BETAS}
    if _BETAS in settings:
        kept["beta1"], kept["beta2"] = settings[_BETAS]
    return kept


def settings_in(rule: type[Rule], place: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Settings as the rule takes them, without the rate."""
    return {
        s.name: (place[f"{before}beta1"], place[f"{before}beta2"]) if s.name == _BETAS else place[before + s.name]
        for s in rule.settings[1:]
    }


def checked_group(rule: type[Rule], group: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter group with its settings as they are kept.

    Args:
        rule: whose settings.
        group: as the user wrote it.
        defaults: settings of the optimizer, by their names.

    Raises:
        OptimizerError: a key that nobody would read, or a setting out of its range.
    """
    known = [s.name for s in rule.settings[1:]]
    if "lr" in group:
        raise OptimizerError(
            f"a parameter group has lr={group['lr']!r}; write learning_rate, which is a multiple of the optimizer's"
        )
    for key in group:
        if key not in (*known, *_OWN_KEYS) and "did you mean" in (hint := neighbours(key, [*known, *_OWN_KEYS])):
            raise OptimizerError(f"a parameter group of {rule.name} has the key {key!r}; {hint}")
    given = {**defaults, **{key: group[key] for key in known if key in group}}
    check(rule, {"lr": rule.settings[0].default, **given})
    multiple = group.get("learning_rate", 1.0)
    if not _is_real(multiple) or not 0 <= multiple < math.inf:
        raise OptimizerError(
            f"learning_rate={multiple!r} of a parameter group must be a finite number of at least 0: it is a multiple "
            f"of the optimizer's"
        )
    check_clip(group.get("grad_clip"))
    return {**{key: value for key, value in group.items() if key != _BETAS}, **stored(given)}


def _keywords() -> list[str]:
    return ["learning_rate", "parameters", "grad_clip", "multi_precision", "compiled", "name"]


# ---- the rate --------------------------------------------------------------------------------------------------------


def checked_rate(rule: type[Rule], rate: object) -> float | LRScheduler:
    """A learning rate as paddle keeps it.

    Raises:
        OptimizerError: neither a number in its range nor a scheduler.
    """
    if isinstance(rate, LRScheduler):
        rule.settings[0].check(base_of(rate), rule.name)
        return rate
    if not _is_real(rate):
        raise OptimizerError(f"learning_rate={rate!r} must be a number or a paddle.optimizer.lr.LRScheduler")
    number = float(rate)  # type: ignore[arg-type]
    check_rate(number)
    rule.settings[0].check(number, rule.name)
    return number


def check_rate(rate: object) -> None:
    """Refuse a rate that no update can be done with."""
    if not _is_real(rate) or not 0 <= rate < math.inf:  # type: ignore[operator]
        raise OptimizerError(f"the learning rate is {rate!r}; it must be a finite number of at least 0")


def base_of(rate: float | LRScheduler) -> float:
    """What a schedule's rates are multiples of."""
    while isinstance(rate, LinearWarmup):
        # Its own base is where the warmup begins.
        rate = rate.learning_rate
    return float(rate.base_lr) if isinstance(rate, LRScheduler) else float(rate)


def _is_real(x: object) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def each(parameters: Iterable[Any]) -> Iterator[Tensor]:
    """Every parameter of a list of parameters or of groups."""
    for entry in parameters:
        yield from entry["params"] if isinstance(entry, Mapping) else (entry,)


def multiple_of(x: Tensor) -> float:
    """The share of the optimizer's rate that a parameter has: its own, or that of its group."""
    attributes = getattr(x, "optimize_attr", None)
    return 1.0 if attributes is None else float(attributes.get("learning_rate", 1.0))
