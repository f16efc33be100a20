"""Where trainings are done: on this machine, or on those of a Ray cluster."""

from __future__ import annotations

from collections.abc import Collection

from cadence._errors import RecipeError
from cadence.comparison.cluster.pool import RayPool
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
        RecipeError: there is no such place.
        ClusterError: the cluster does not answer, or has no room for a single training.
        MissingExtraError: Ray is not installed.
    """
    if on is None:
        return ProcessPool(size, threads=threads)
    return RayPool(address_of(on), size, threads=threads, devices=devices)


def address_of(on: str) -> str:
    """The address of a cluster, as `ray.init` takes it.

    Args:
        on: ``"ray"`` or ``"ray=<address>"``.

    Raises:
        RecipeError: it is neither.

    Example:
        >>> address_of("ray"), address_of("ray=10.0.0.5:6379"), address_of("ray=ray://10.0.0.5:10001")
        ('auto', '10.0.0.5:6379', 'ray://10.0.0.5:10001')
        >>> address_of("rya")
        Traceback (most recent call last):
        cadence._errors.RecipeError: on='rya' is no place to train at; write ray, or ray=HOST:PORT, or leave it out,
        which means this machine
    """
    place, given, address = on.partition("=")
    if place != "ray" or (given and not address.strip()):
        raise RecipeError(
            f"on={on!r} is no place to train at; write ray, or ray=HOST:PORT, or leave it out, which means this machine"
        )
    return address.strip() or "auto"
