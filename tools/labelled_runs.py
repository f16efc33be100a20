"""The labelled set: `python tools/labelled_runs.py` trains what is missing and packs tests/diagnosis/data."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from labelled.plans import Run
from labelled.runs import is_held, runs
from labelled.training import trained

HERE = Path(__file__).parents[1]
WORK = HERE / "runs" / "labelled"
DATA = HERE / "tests" / "diagnosis" / "data"


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
    labels = {run.name: label(run) for run in which}
    (out / "labels.json").write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")


def label(run: Run) -> dict[str, object]:
    """What is known about a run."""
    plan = run.plan
    return {
        "faults": run.faults, "near": run.near, "held": is_held(run), "jump": run.jump, "cause": run.cause,
        "optimizer": plan.optimizer, "lr": plan.lr, "schedule": plan.schedule, "updates": plan.updates,
        "batch": plan.batch, "still": plan.still[1] if plan.still else None,
    }  # fmt: skip


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
