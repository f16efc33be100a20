"""What a run really did to each parameter group, from its record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from cadence.record.reader import Record
    from cadence.record.table import Floats, Ints, Table


class Spread(NamedTuple):
    """The least, the middle and the greatest of some numbers."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class GroupEffect:
    """What the updates of a run did to one parameter group; None where it was not measured or does not exist.

    Attributes:
        group: its name.
        measured: updates at which it was measured.
        update_ratio: of the norms of update and weights, over these updates.
        weight_norm: at the first and at the last of them.
        trust: lowest and highest trust ratio of any tensor, and the middle of the medians.
        decay: what its weight decay is; see `docs/formats.md`.
        decay_sum: sum of the decay's rates over all updates.
        decay_left: share of a weight that the decay alone would have left.
        half_life: updates in which the decay alone halves a weight, at the mean rate of the run.
        half_life_epochs: the same in epochs.
    """

    group: str
    measured: int
    update_ratio: Spread | None
    weight_norm: tuple[float, float] | None
    trust: Spread | None
    decay: str | None
    decay_sum: float | None
    decay_left: float | None
    half_life: float | None
    half_life_epochs: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {
            name: None if spread is None else spread._asdict()
            for name, spread in (("update_ratio", self.update_ratio), ("trust", self.trust))
        }


def effects_of(record: Record) -> list[GroupEffect]:
    """One entry for each parameter group; none where the record has nothing of the kind.

    Args:
        record: of a run.
    """
    table, run = record.updates, record.run
    if "update_ratio" not in table and "decay_rate" not in table:
        return []
    decays: list[str | None] = list(run.get("decay") or ())
    horizon: Mapping[str, Any] = run.get("horizon") or {}
    return [
        _effect(table, g, str(name), decays[g] if g < len(decays) else None, horizon.get("steps_per_epoch"))
        for g, name in enumerate(run.get("groups") or ())
    ]


def together(runs: Sequence[Sequence[GroupEffect]]) -> tuple[GroupEffect, ...]:
    """What several runs of one training did to each group: means over the runs, extremes of all of them.

    Args:
        runs: of each what `effects_of` gives; those that have nothing are passed over.
    """
    by_name: dict[str, list[GroupEffect]] = {}
    for effect in (effect for run in runs for effect in run):
        by_name.setdefault(effect.group, []).append(effect)
    return tuple(_mean_of(effects) for effects in by_name.values())


def _mean_of(effects: Sequence[GroupEffect]) -> GroupEffect:
    weights = [effect.weight_norm for effect in effects if effect.weight_norm is not None]
    decays = {effect.decay for effect in effects}
    return GroupEffect(
        effects[0].group,
        sum(effect.measured for effect in effects),
        _spread_of([effect.update_ratio for effect in effects if effect.update_ratio is not None]),
        (_mean([first for first, _ in weights]), _mean([last for _, last in weights])) if weights else None,
        _spread_of([effect.trust for effect in effects if effect.trust is not None]),
        decays.pop() if len(decays) == 1 else None,
        *(
            _mean(known) if (known := [x for x in numbers if x is not None]) else None
            for numbers in zip(
                *((e.decay_sum, e.decay_left, e.half_life, e.half_life_epochs) for e in effects), strict=True
            )
        ),
    )


def _spread_of(spreads: Sequence[Spread]) -> Spread | None:
    if not spreads:
        return None
    return Spread(min(s.low for s in spreads), _mean([s.median for s in spreads]), max(s.high for s in spreads))


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def _effect(table: Table, g: int, name: str, decay: str | None, per_epoch: int | None) -> GroupEffect:
    weights = _measured(table, "weight_norm", g)
    trust = [_measured(table, f"trust_{which}", g) for which in ("min", "median", "max")]
    total, left, half_life = _decayed(table, g)
    return GroupEffect(
        name,
        len(weights),
        _spread(_measured(table, "update_ratio", g)),
        (float(weights[0]), float(weights[-1])) if len(weights) else None,
        Spread(float(trust[0].min()), float(np.median(trust[1])), float(trust[2].max())) if len(trust[0]) else None,
        decay,
        total,
        left,
        half_life,
        None if half_life is None or not per_epoch else half_life / per_epoch,
    )


def _measured(table: Table, column: str, g: int) -> Floats:
    """The finite numbers of one group."""
    if column not in table or table[column].ndim < 2 or g >= table[column].shape[1]:
        return np.empty(0)
    numbers = table[column][:, g]
    return numbers[np.isfinite(numbers)]


def _spread(numbers: Floats) -> Spread | None:
    return Spread(float(numbers.min()), float(np.median(numbers)), float(numbers.max())) if len(numbers) else None


def _decayed(table: Table, g: int) -> tuple[float | None, float | None, float | None]:
    """Sum of the rates, what they leave of a weight, and the half-life."""
    if "decay_rate" not in table or g >= table["decay_rate"].shape[1]:
        return None, None, None
    rates, updates = table["decay_rate"][:, g], _held(table["t"])
    known = np.isfinite(rates)
    rates, updates = rates[known], updates[known]
    if not len(rates):
        return None, None, None
    if rates.max() >= 1:
        # Nothing is left after such an update, or less than nothing.
        return math.fsum(rates * updates), 0.0, 0.0
    fall = -math.fsum(np.log1p(-rates) * updates)
    half_life = float(updates.sum()) * math.log(2) / fall if fall > 0 else None
    return math.fsum(rates * updates), math.exp(-fall), half_life


def _held(t: Ints) -> Ints:
    """For how many updates the values of each row were in force: those that were left out had the row's before."""
    return np.diff(t, append=t[-1] + 1) if len(t) else t
