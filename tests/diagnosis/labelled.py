"""The labelled set as logs: as they were recorded, and as programs that log less would have kept them."""

from __future__ import annotations

import functools
import json
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


def log(name: str, *, every: int = 1, mean: bool = False, bare: bool = False) -> Log:
    """One of the set.

    Args:
        name: of the run.
        every: updates from one logged loss to the next.
        mean: whether a logged loss is the mean since the one before, as in Hugging Face's log.
        bare: with the update, the loss, the rate and the validation loss only.
    """
    record, label = _records()[name], labels()[name]
    t = record["update/t"]
    keep = np.arange(len(t))[::every] if not mean else np.arange(len(t))[every - 1 :: every]
    if len(keep) and keep[-1] != len(t) - 1 and not np.isfinite(record["update/loss"][-1]):
        keep = np.append(keep, len(t) - 1)
    loss = record["update/loss"].astype(np.float64)
    if mean and every > 1:
        with np.errstate(invalid="ignore"):
            loss = np.array([loss[max(0, i - every + 1) : i + 1].mean() for i in range(len(loss))])
    groups = ["all"] if record["update/lr"].shape[1] == 1 else ["rest", "own"]
    train: dict[str, Series] = {}
    ratio: dict[str, Series] = {}
    metrics = {"val_loss": _series(record["evaluation/t"], record["evaluation/val_loss"])}
    facts = Facts(total=label["updates"], averaged=every if mean else 1)
    if not bare:
        for key in ("grad_norm", "loss_scale", "data_seconds", "update_seconds"):
            if f"update/{key}" in record:
                train[key] = _series(t[keep], record[f"update/{key}"][keep])
        ratios = record["update/update_ratio"]
        ratio = {g: _series(t, ratios[:, i], there=True) for i, g in enumerate(groups)}
        if "evaluation/val_accuracy" in record:
            metrics["val_accuracy"] = _series(record["evaluation/t"], record["evaluation/val_accuracy"])
    rates = {g: _series(t[keep], record["update/lr"][keep, i]) for i, g in enumerate(groups)}
    return Log(
        name, "csv", loss=_series(t[keep], loss[keep]), lr=rates, train=train, update_ratio=ratio, metrics=metrics,
        val_loss="val_loss", facts=facts,
    )  # fmt: skip
