"""Values that are asked for: checked where they come in, and completed where a part of them says enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from cadence._errors import AdviceError, CadenceError, neighbours
from cadence.advice.practices.practice import Practice
from cadence.advice.profile import Profile
from cadence.advice.rules.batch import factor_of
from cadence.advice.rules.layout import CHANNELS_LAST
from cadence.advice.rules.optimizer import numbers_of
from cadence.optim import known, sources
from cadence.optim.paddle_names import METHODS as PADDLE_METHODS
from cadence.recipe.recipe import make_recipe
from cadence.spec.parse import parse
from cadence.spec.span import span

Given: TypeAlias = Callable[[Any, Any, Profile, Practice], Any]
"""(what is asked for, what the rule says, profile, practice of its kind) -> the value of the field."""

KEYS = {
    "precision": "precision", "clip_norm": "clip_norm", "label_smoothing": "label_smoothing", "averaging": "average",
    "stopping": "stop",
}  # fmt: skip
"""Fields that a recipe has as they are -> its key."""


def as_asked(field: str, asked: Any, rule: Any, profile: Profile, practice: Practice) -> Any:
    """The value of a field that no rule is to decide.

    Args:
        field: one of `cadence.advice.rules.consult.FIELDS`.
        asked: what somebody wants it to be.
        rule: what the rule would have it be.
        profile: of the training.
        practice: of its kind.

    Raises:
        AdviceError: the field takes no such value.
    """
    if field in KEYS:
        return _of_recipe(KEYS[field], asked)
    return _READERS[field](asked, rule, profile, practice)


def _of_recipe(key: str, asked: Any) -> Any:
    """A value that a recipe takes: the recipe says what is wrong with it."""
    try:
        make_recipe({"task": "asked", "optimizer": {"name": "sgd", "lr": 1.0}, "total": 1, key: asked})
    except CadenceError as fault:
        raise AdviceError(str(fault)) from None
    return asked


def _optimizer(asked: Any, rule: Any, profile: Profile, practice: Practice) -> dict[str, Any]:
    del rule, profile
    if isinstance(asked, str):
        made = numbers_of(asked, practice)
    elif isinstance(asked, Mapping) and isinstance(cast("Mapping[str, Any]", asked).get("name"), str):
        made = dict(cast("Mapping[str, Any]", asked))
    else:
        raise AdviceError(f"optimizer is {asked!r:.60}; write its name, or a mapping with a name: {{'name': 'adamw'}}")
    _check_name(str(made["name"]))
    return made


def _check_name(name: str) -> None:
    """Refuse a method that nobody has, without loading a framework to find out."""
    if ":" in name:
        return  # its source, or an import path: looked for where it is made
    ours = {*sources.own("torch"), *sources.own("paddle"), *known.TORCH, *PADDLE_METHODS}
    theirs = {*known.SCHEDULEFREE, *sources.names_of("pytorch_optimizer", "torch")}
    if name not in ours | theirs:
        told = neighbours(name, ours | theirs)
        more = known.INSTEAD.get(name) or (told if told.startswith("did you mean") else neighbours(name, ours))
        raise AdviceError(f"there is no optimizer called {name!r:.60}; {more}")


def _rate(asked: Any, rule: Any, profile: Profile, practice: Practice) -> float:
    del rule, profile, practice
    if not _is_number(asked) or not 0 < asked < math.inf:
        raise AdviceError(f"learning_rate is {asked!r:.60}; write a finite number above 0")
    return float(asked)


def _decay(asked: Any, rule: Any, profile: Profile, practice: Practice) -> float | None:
    del rule, profile, practice
    if asked is not None and (not _is_number(asked) or not 0 <= asked < math.inf):
        raise AdviceError(f"weight_decay is {asked!r:.60}; write a finite number of at least 0")
    return asked


def _warmup(asked: Any, rule: Any, profile: Profile, practice: Practice) -> int | str | None:
    del rule, profile, practice
    if asked is not None:
        try:
            span(asked)
        except CadenceError as fault:
            raise AdviceError(f"warmup: {fault}") from None
    return asked


def _schedule(asked: Any, rule: Any, profile: Profile, practice: Practice) -> str:
    del rule, profile, practice
    try:
        return repr(parse(asked))
    except CadenceError as fault:
        raise AdviceError(f"schedule: {fault}") from None


def _groups(asked: Any, rule: Any, profile: Profile, practice: Practice) -> dict[str, Any]:
    """What it leaves open is as the rule has it."""
    del profile, practice
    if not isinstance(asked, Mapping):
        raise AdviceError(f"groups is {asked!r:.60}; write a mapping: {{'no_decay': True, 'layer_decay': None}}")
    table = cast("Mapping[str, Any]", asked)
    keys = ("no_decay", "layer_decay", "groups")
    for key in table:
        if key not in keys:
            raise AdviceError(f"there is no {key!r:.60} in groups; {neighbours(str(key), keys)}")
        _of_recipe(key, table[key])
    own = {} if "groups" in table or "groups" not in rule else {"groups": rule["groups"]}
    return {"no_decay": rule["no_decay"], "layer_decay": rule["layer_decay"], **own, **table}


def _layout(asked: Any, rule: Any, profile: Profile, practice: Practice) -> str | None:
    del rule, profile, practice
    if asked not in (None, CHANNELS_LAST):
        raise AdviceError(f"layout is {asked!r:.60}; write None, or {CHANNELS_LAST!r}")
    return asked


def _scaling(asked: Any, rule: Any, profile: Profile, practice: Practice) -> dict[str, Any] | None:
    """None: the rate is not scaled; else the rule with its factor for this batch."""
    del rule
    if asked is None:
        return None
    table: Mapping[str, Any] = cast("Mapping[str, Any]", asked) if isinstance(asked, Mapping) else {}
    if table.get("rule") not in ("linear", "sqrt") or practice.reference_batch is None:
        raise AdviceError(
            f"batch_scaling is {asked!r:.60}; write None, or {{'rule': 'linear'}} or 'sqrt' where the rate is stated "
            f"for a batch of reference"
        )
    kind = str(table["rule"])
    factor = factor_of(kind, profile, practice)
    return {"rule": kind, "reference_batch": practice.reference_batch, "factor": factor}


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


_READERS: Mapping[str, Given] = {
    "optimizer": _optimizer,
    "batch_scaling": _scaling,
    "learning_rate": _rate,
    "warmup": _warmup,
    "schedule": _schedule,
    "weight_decay": _decay,
    "groups": _groups,
    "layout": _layout,
}
