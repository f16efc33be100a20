"""The same recipe in two frameworks: whether the learning rates are the same, and how close the losses are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadence._errors import RecordError
from cadence.record.reader import Record

MARKS = (1, 10, 100, 1000, 10_000, 100_000)
"""Numbers of first updates within which the losses are compared, as far as the runs are as long."""


@dataclass(frozen=True)
class Twin:
    """One recipe beside itself in another framework.

    Attributes:
        first, second: names of the recipes.
        seeds: that both have records of.
        updates: of both records together, over all seeds, that were compared.
        rates_equal: whether every scheduled value of every group is the same number in every update.
        losses: (number of first updates, largest relative difference of the losses within them, over all seeds).
        final: largest relative difference of the final validation losses over the seeds; None: not both have one.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    updates: int
    rates_equal: bool
    losses: tuple[tuple[int, float], ...]
    final: float | None

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "first": self.first,
            "second": self.second,
            "seeds": list(self.seeds),
            "updates": self.updates,
            "rates_equal": self.rates_equal,
            "losses": [{"updates": n, "largest": gap} for n, gap in self.losses],
            "final": self.final,
        }


def twin(first: str, second: str, pairs: Iterable[tuple[int, Record, Record]]) -> Twin | None:
    """Compare the records of a recipe in two frameworks.

    Args:
        first, second: names of the recipes.
        pairs: seed, record of the first, record of the second.

    Returns:
        What was found; None where no seed has updates of both.
    """
    seeds: list[int] = []
    equal, updates, gaps, finals = True, 0, list[NDArray[np.float64]](), list[float]()
    for seed, one, other in pairs:
        try:
            rows = min(len(one.updates["t"]), len(other.updates["t"]))
            equal = equal and _same_values(one, other, rows)
            gaps.append(_relative(one.updates["loss"][:rows], other.updates["loss"][:rows]))
        except (RecordError, KeyError):
            continue
        seeds.append(seed)
        updates += rows
        finals += _final_gap(one, other)
    if not updates:
        return None
    return Twin(first, second, tuple(seeds), updates, equal, _within(gaps), max(finals, default=None))


def _same_values(one: Record, other: Record, rows: int) -> bool:
    """Whether all scheduled values are the same numbers; of a run that ended early as far as it went."""
    names: Sequence[str] = one.run["values"]
    if list(names) != list(other.run["values"]) or one.run["groups"] != other.run["groups"]:
        return False
    return all(np.array_equal(one.updates[n][:rows], other.updates[n][:rows], equal_nan=True) for n in names)


def _relative(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.maximum(np.abs(a), np.abs(b))
    return np.abs(a - b) / np.where(size > 0, size, 1.0)


def _within(gaps: Sequence[NDArray[np.float64]]) -> tuple[tuple[int, float], ...]:
    longest = max(map(len, gaps))
    marks = [mark for mark in MARKS if mark < longest] + [longest]
    return tuple((mark, float(max(gap[:mark].max(initial=0.0) for gap in gaps))) for mark in marks)


def _final_gap(one: Record, other: Record) -> list[float]:
    results: list[Mapping[str, Any]] = [record.result or {} for record in (one, other)]
    found: list[Any] = [result.get("final", {}).get("val_loss") for result in results]
    if any(not isinstance(x, float) or not np.isfinite(x) for x in found):
        return []
    return [float(_relative(np.array([found[0]]), np.array([found[1]]))[0])]
