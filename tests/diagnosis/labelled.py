"""The labelled set as logs: as they were recorded, and as programs that log less would have kept them."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cadence.diagnosis.log import Facts, Log, Series

DATA = Path(__file__).parent / "data"


@functools.cache
def labels() -> dict[str, dict[str, Any]]:
    return json.loads((DATA / "labels.json").read_text(encoding="utf-8"))


@functools.cache
def _records() -> dict[str, dict[str, np.ndarray]]:
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(DATA / "records.npz") as packed:
        for key in packed.files:
            name, _, column = key.partition("/")
            found.setdefault(name, {})[column] = packed[key]
    return found


def _series(t: np.ndarray, values: np.ndarray, *, there: bool = False) -> Series:
    values = values.astype(np.float64)
    keep = ~np.isnan(values) if there else np.ones(len(t), dtype=bool)
    return Series(t[keep].astype(np.int64), values[keep])


@dataclass(frozen=True)
class Kept:
    """How much of a training its log keeps.

    Attributes:
        every: updates from one logged loss to the next.
        mean: whether a logged loss is the mean since the one before, as in Hugging Face's log.
        bare: with the update, the loss, the rate and the validation loss only.
        judged: whether the validation loss is logged.
        epochs: one row for each of about twenty epochs, with the mean loss, the last rate and an evaluation.
    """

    every: int = 1
    mean: bool = False
    bare: bool = False
    judged: bool = True
    epochs: bool = False

    @property
    def seen(self) -> bool:
        """Whether times and loss scales are logged."""
        return not self.bare and not self.epochs


UNSEEN = frozenset({"input_bound", "loss_scale"})
"""Faults that loss and rate say nothing of."""

UNJUDGED = frozenset({"over_fitting", "noisy_validation"})
"""Faults that only a validation loss tells."""


def tells(label: dict[str, Any], kept: Kept) -> bool:
    """Whether a log of a kind has the column that a fault is seen in."""
    faults = set(label["faults"])
    return not (faults & UNSEEN and not kept.seen) and not (faults & UNJUDGED and not kept.judged)


def log(name: str, kept: Kept) -> Log:
    """One of the set."""
    record, label = _records()[name], labels()[name]
    every = _epoch(record["evaluation/t"], label["updates"]) if kept.epochs else kept.every
    mean = kept.mean or kept.epochs
    t = record["update/t"]
    keep = np.arange(len(t))[::every] if not mean else np.arange(len(t))[every - 1 :: every]
    if len(keep) == 0 or (keep[-1] != len(t) - 1 and not np.isfinite(record["update/loss"][-1])):
        keep = np.append(keep, len(t) - 1)
    loss = record["update/loss"].astype(np.float64)
    if mean and every > 1:
        with np.errstate(invalid="ignore", over="ignore"):
            loss = np.array([loss[max(0, i - every + 1) : i + 1].mean() for i in range(len(loss))])
    groups = ["all"] if record["update/lr"].shape[1] == 1 else ["rest", "own"]
    train: dict[str, Series] = {}
    ratio: dict[str, Series] = {}
    metrics = {}
    if kept.judged:
        metrics["val_loss"] = _series(record["evaluation/t"], record["evaluation/val_loss"])
    if kept.seen:
        for key in ("grad_norm", "loss_scale", "data_seconds", "update_seconds"):
            if f"update/{key}" in record:
                train[key] = _series(t[keep], record[f"update/{key}"][keep])
        ratios = record["update/update_ratio"]
        ratio = {g: _series(t, ratios[:, i], there=True) for i, g in enumerate(groups)}
        if "evaluation/val_accuracy" in record:
            metrics["val_accuracy"] = _series(record["evaluation/t"], record["evaluation/val_accuracy"])
    rates = {g: _series(t[keep], record["update/lr"][keep, i]) for i, g in enumerate(groups)}
    whole = Log(
        name, "csv", loss=_series(t[keep], loss[keep]), lr=rates, train=train, update_ratio=ratio, metrics=metrics,
        val_loss="val_loss" if kept.judged else None,
        facts=Facts(total=label["updates"], averaged=every if kept.mean else 1),
    )  # fmt: skip
    return _by_epochs(whole, every) if kept.epochs else whole


def _epoch(evaluated: np.ndarray, updates: int) -> int:
    """Updates of an epoch: as many as from one evaluation to the next, or several times as many."""
    each = int(evaluated[1]) if len(evaluated) > 1 else updates // 20
    return each * max(1, round(updates / 22 / each))


def _by_epochs(whole: Log, every: int) -> Log:
    """The same with epochs for a clock, an evaluation at the end of each."""
    assert whole.loss is not None
    epochs = np.arange(len(whole.loss))
    metrics: dict[str, Series] = {}
    for name, series in whole.metrics.items():
        last = np.searchsorted(series.t, (epochs + 1) * every, side="right") - 1
        # An evaluation that an epoch does not have was not made.
        there = (last > 0) & (np.diff(np.append(-1, last)) > 0)
        metrics[name] = Series(epochs[there] + 1, series.values[last[there]])
    rates = {group: Series(epochs, series.values) for group, series in whole.lr.items()}
    return replace(
        whole, loss=Series(epochs, whole.loss.values), lr=rates, metrics=metrics,
        facts=Facts(clock="epochs", steps_per_epoch=1),
    )  # fmt: skip
