"""The labelled set: `python tools/labelled_runs.py` trains what is missing and packs tests/diagnosis/data."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from labelled.plans import Run
from labelled.runs import runs, seen
from labelled.training import trained

HERE = Path(__file__).parents[1]
WORK = HERE / "runs" / "labelled"
DATA = HERE / "tests" / "diagnosis" / "data"

OF_RATES = ("low-", "high-", "sudden-")
"""Faults that are a rate other than the best, which may do no harm."""

HARM = 0.03
"""Share of what the best rate gains by which a training must be worse to be harmed."""


def train(run: Run, folder: Path) -> Path:
    """Train a run that has not been trained yet."""
    path = folder / f"{run.name}.npz"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    updates, evaluations, _ = trained(run.plan)
    columns = {f"update/{k}": v for k, v in updates.items()} | {f"evaluation/{k}": v for k, v in evaluations.items()}
    part = path.with_suffix(".tmp")
    with part.open("wb") as out:
        np.savez(out, **columns)  # pyright: ignore[reportArgumentType]
    part.replace(path)
    return path


def pack(which: list[Run], paths: list[Path], out: Path) -> None:
    """All records in one file, in single precision, and their labels beside it."""
    arrays = {
        f"{run.name}/{key}": column.astype(np.int32 if column.dtype.kind == "i" else np.float32)
        for run, path in zip(which, paths, strict=True)
        for key, column in np.load(path).items()
    }
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "records.npz", **arrays)  # pyright: ignore[reportArgumentType]
    ends = {run.name: end(path) for run, path in zip(which, paths, strict=True)}
    labels = {run.name: label(run, ends) for run in which}
    (out / "labels.json").write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")


def end(path: Path) -> tuple[float, float]:
    """The first and the last validation loss of a record."""
    losses = np.load(path)["evaluation/val_loss"]
    return float(losses[0]), float(np.median(losses[-2:])) if np.isfinite(losses[-1]) else float("inf")


def label(run: Run, ends: Mapping[str, tuple[float, float]]) -> dict[str, object]:
    """What is known about a run.

    Args:
        run: a training.
        ends: first and last validation loss by name of a run.
    """
    plan = run.plan
    return {
        "faults": run.faults, "near": run.near, "seen": seen(run), "jump": run.jump, "cause": run.cause,
        "harmless": run.name.startswith(OF_RATES) and harm(run, ends) < HARM,
        "optimizer": plan.optimizer, "lr": plan.lr, "schedule": plan.schedule, "updates": plan.updates,
        "batch": plan.batch, "still": plan.still[1] if plan.still else None,
    }  # fmt: skip


def harm(run: Run, ends: Mapping[str, tuple[float, float]]) -> float:
    """How much worse a run ends than one at the best rate, as a share of what that one gained."""
    task = run.name.rpartition("-")[2]
    name = f"sound-cosine-at-{task}"
    first, best = ends[name if name in ends else f"sound-cosine-{task}"]
    return (ends[run.name][1] - best) / (first - best)


def main() -> None:
    """Train and pack."""
    torch.set_num_threads(1)
    which = runs()
    wanted = sys.argv[1:]
    paths: list[Path] = []
    for i, run in enumerate(which):
        if wanted and not any(word in run.name for word in wanted):
            continue
        print(f"{i + 1}/{len(which)} {run.name}", flush=True)
        paths.append(train(run, WORK))
    if not wanted:
        pack(which, paths, DATA)


if __name__ == "__main__":
    main()
