"""Where trainings are done: on this machine, or on those of a Ray cluster."""

from __future__ import annotations

from collections.abc import Collection

from cadence._errors import RecipeError
from cadence.comparison.pool import Pool
from cadence.comparison.processes import ProcessPool


def open_pool(on: str | None, size: int | None, *, threads: int, devices: Collection[str]) -> Pool:
    """Workers for trainings.

    Args:
        on: None: this machine. ``"ray"``: the Ray cluster that this machine belongs to; ``"ray=<address>"``: that one.
        size: how many at most; None: as many as there is room for.
        threads: numerical threads of each.
        devices: what the recipes ask for: ``"cpu"``, ``"cuda"``, ``"auto"``, ...

    Raises:
        RecipeError: there is no such place, or no room for a single training in it.
        MissingExtraError: Ray is not installed.
    """
    if on is None:
        return ProcessPool(size, threads=threads)
    raise RecipeError(f"on={on!r} is no place to train at; leave it out, which means this machine")
