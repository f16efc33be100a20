"""What the record of one run tells, as far as it can be read: a damaged one hides no other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from cadence._errors import RecordError
from cadence.comparison.results import COMPLETE, TriedRate
from cadence.record.effective import GroupEffect, together
from cadence.record.reader import Record, load_record

TRAIN_SHARE = 0.05
"""Share of the updates at the end that the training loss is the mean of."""


def record_of(folder: Path) -> Record | None:
    """The record of a run; None where there is none that can be read, as of a run that has hardly begun."""
    if not folder.is_dir():
        return None
    try:
        return load_record(folder)
    except RecordError:
        return None


def tried(folder: Path, rate: float) -> TriedRate:
    """How a tuning run ended, and at which loss."""
    record = record_of(folder)
    if record is None:
        return TriedRate(rate, "missing", None)
    try:
        final = mapping(mapping(record.result).get("final"))
        # A tuning run is judged on rows kept for that.
        key = "tune_loss" if "tune_loss" in final else "val_loss"
        status = status_of(record, key)
        return TriedRate(rate, status, number(final.get(key)) if status in COMPLETE else None)
    except RecordError:
        return TriedRate(rate, "failed", None)


def status_of(record: Record, key: str = "val_loss") -> str:
    """How the run ended; one that ended at a loss that is no finite number has diverged, whatever it says itself."""
    if record.result is None or record.status == "interrupted":
        return "unfinished"
    final = mapping(record.result.get("final"))
    ended = record.status in COMPLETE
    return "diverged" if ended and number(final.get(key)) is None else record.status


def final_loss(record: Record | None) -> float | None:
    """Validation loss at the end of a run that came to its end; None where it is no finite number."""
    try:
        if record is None or record.result is None or record.status not in COMPLETE:
            return None
        return number(mapping(record.result.get("final")).get("val_loss"))
    except RecordError:
        return None


def effects_of(records: Sequence[Record]) -> tuple[GroupEffect, ...]:
    """What the runs of a recipe did to each group, over all seeds."""
    told: list[Sequence[GroupEffect]] = []
    for record in records:
        try:
            told.append(record.effective_rates)
        except RecordError:
            continue
    return together(told)


def train_loss(record: Record) -> float | None:
    """Mean of the last training losses; None where they are no finite numbers."""
    losses: list[float] = record.updates["loss"].tolist() if "loss" in record.updates else []
    last = losses[-max(1, round(TRAIN_SHARE * len(losses))) :]
    return number(math.fsum(last) / len(last)) if last and all(map(math.isfinite, last)) else None


def base_rate(record: Record) -> float | None:
    """The rate that the recipe names, or else the largest base of any group: others may be given a share of it."""
    optimizer = mapping(mapping(record.recipe).get("optimizer"))
    # Of several by name the first.
    first = optimizer if "lr" in optimizer else mapping(next(iter(optimizer.values()), None))
    rate = number(first.get("lr"))
    if rate is not None:
        return rate
    bases: Sequence[float | None] = mapping(record.run.get("bases")).get("lr") or ()
    return max((float(base) for base in bases if base is not None), default=None)


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping, or an empty one in place of anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def number(value: Any) -> float | None:
    """A finite number, or None."""
    if value is None or isinstance(value, bool | str):
        return None
    return float(value) if math.isfinite(value) else None


def spacing(record: Record) -> int | None:
    """The usual distance between evaluations."""
    try:
        t: list[int] = record.evaluations["t"].tolist()
    except RecordError:
        return None
    gaps = Counter(b - a for a, b in zip([0, *t], t, strict=False) if b > a)
    return gaps.most_common(1)[0][0] if gaps else None
