"""A run that goes on with another recipe, because somebody says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from cadence._errors import RecordError
from cadence.drivers.driver import Driver
from cadence.recipe.recipe import NOT_CONTENT, Recipe

Differences: TypeAlias = dict[str, list[Any]]
"""Key, with dots where it stands inside another -> what it was, what it is now."""

FITTING = (
    "device", "optimizer.lr", "schedule", "total", "batch_size", "accumulate", "update_size", "drop_last", "clip_norm",
    "divergence", "label_smoothing", "seed", "evaluate", "stop", "checkpoint", "effective_rates", "threads",
)  # fmt: skip
"""Keys, and those inside them, that leave the arrays of a checkpoint and what belongs to them as they are."""


def differences(there: Recipe, wanted: Recipe) -> Differences:
    """In what the training of two recipes differs.

    Example:
        >>> one = Recipe(task="digits", optimizer={"name": "adamw", "lr": 0.003}, total=600)
        >>> differences(one, one.changed(total=900, notes="longer"))
        {'total': [600, 900]}
    """
    a, b = (_flat(recipe.model_dump(exclude=set(NOT_CONTENT))) for recipe in (there, wanted))
    found: Differences = {key: [a.get(key), b.get(key)] for key in {**a, **b} if a.get(key) != b.get(key)}
    if not found and there.content_hash != wanted.content_hash:
        found["the order of groups or optimizers"] = [[*r.groups, *r.optimizers] for r in (there, wanted)]
    return found


def told(found: Differences) -> str:
    """Differences in words."""
    return ", ".join(f"{key} {was!r:.80} there and {now!r:.80} here" for key, (was, now) in found.items())


def check_fits(found: Differences, where: object) -> None:
    """Refuse what nobody can force.

    Args:
        found: in what the recipes differ.
        where: the folder of the run.

    Raises:
        RecordError: a key that the state of model or optimizer depends on.
    """
    fixed = {key: both for key, both in found.items() if not any(f"{key}.".startswith(f"{k}.") for k in FITTING)}
    if fixed:
        raise RecordError(
            f"the checkpoints in {where} do not fit this recipe, whatever is forced: {told(fixed)}; put that back, or "
            f"choose another folder"
        )


def forced(driver: Driver, then: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a driver that has not moved yet, as if its schedule had held until a state of another one."""
    kept = {key: then[key] for key in ("t", "events", "commands") if key in then}
    return {**driver.state_dict(), **kept}


def entry(found: Differences, t: int, then: Mapping[str, Any]) -> dict[str, Any]:
    """What the journal says of it; `then` is the state of the driver that is left behind."""
    changed = ", ".join(f"{key} {was!r:.60} -> {now!r:.60}" for key, (was, now) in found.items())
    sentence = f"From update {t} on with another recipe, because it was forced: {changed}."
    was = {key: then[key] for key in ("spec", "horizon", "bases")}
    return {"t": t, "kind": "force", "differs": found, "was": was, "sentence": sentence}


def _flat(keys: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in keys.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flat(cast("Mapping[str, Any]", value), f"{before}{key}."))
        else:
            flat[before + key] = value
    return flat
