"""What it costs to log: one scalar to the record, and with a logger beside it; and an update of the training loop.

Rows have ten scalars, as those of a run with two parameter groups have; times are of one scalar, processor time of all
threads, flushing included. The floor writes the same numbers as a line of a CSV file that stays open. torch's
`SummaryWriter`, where tensorboard is installed, is what most loops use; its thread's time counts too.

    python benchmarks/loggers.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib.util
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _bench import Benchmark, Case, Limit, main
from cadence.recipe.builtin import builtin_recipes
from cadence.record.writer import RunWriter
from cadence.run.meter import Meter
from cadence.run.timing import Stopwatch
from loop import almost_nothing, hand_written_torch, ours

ROWS = 500
"""Of one sample."""

SCALARS = 10

HORIZON = {"total": 10**9, "steps_per_epoch": 1000, "batch_size": 64, "tokens_per_step": None}
RUN: dict[str, Any] = {
    "spec": "constant()", "horizon": HORIZON, "groups": ["body", "head"], "values": ["lr", "weight_decay"],
    "bases": {"lr": [0.1, 0.2], "weight_decay": [0.0, 0.1]},
}  # fmt: skip


def row(t: int) -> dict[str, Any]:
    x = 1.0 / (t + 1.5)
    return {
        "t": t, "loss": x, "samples": 64, "grad_norm": 2.0 * x, "lr": [0.1 * x, 0.2 * x], "weight_decay": [0.0, x],
        "seconds": 0.013 * t, "data_seconds": 1e-4 * x, "update_seconds": 1e-2 * x,
    }  # fmt: skip


def flat(t: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in row(t).items():
        if isinstance(value, list):
            found.update({f"{name}/{g}": x for g, x in zip(RUN["groups"], value, strict=True)})
        elif name != "t":
            found[name] = value
    return found


def per_scalar(name: str, write: Callable[[int], object], flush: Callable[[], object]) -> Case:
    numbers = itertools.count()

    def sample() -> float:
        rows = list(itertools.islice(numbers, ROWS))
        begin = time.process_time()
        for t in rows:
            write(t)
        flush()
        return (time.process_time() - begin) / (ROWS * SCALARS)

    return Case(name, sample)


def csv_lines(folder: Path) -> Case:
    file = (folder / "floor.csv").open("w", encoding="utf-8")

    def write(t: int) -> None:
        file.write(",".join([str(t), *map(repr, flat(t).values())]) + "\n")

    return per_scalar("csv line", write, file.flush)


def record(folder: Path, *loggers: str) -> Case:
    writer = RunWriter(folder / "-".join(("record", *loggers)), loggers=loggers)
    writer.start(RUN, environment={})
    return per_scalar(" and ".join(("record", *loggers)), lambda t: writer.update(row(t)), writer.flush)


def summary_writer(folder: Path) -> Case:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "torch"))

    def write(t: int) -> None:
        for name, value in flat(t).items():
            writer.add_scalar(name, value, t)

    return per_scalar("torch's SummaryWriter", write, writer.flush)


def visualdl_writer(folder: Path) -> Case:
    from visualdl import LogWriter

    writer = LogWriter(str(folder / "vdl"))

    def write(t: int) -> None:
        for name, value in flat(t).items():
            writer.add_scalar(name, value, t)

    return per_scalar("VisualDL's LogWriter", write, lambda: writer._get_file_writer().flush())


def scalars(folder: Path) -> Benchmark:
    cases, limits = [csv_lines(folder), record(folder)], [Limit("record", "csv line", seconds=1e-6)]
    for name, peer in (("tensorboard", summary_writer), ("visualdl", visualdl_writer)):
        if importlib.util.find_spec(name) is not None:
            cases += [record(folder, name), peer(folder)]
            limits.append(Limit(f"record and {name}", "record", seconds=15e-6))
    if importlib.util.find_spec("mlflow") is not None:
        cases.append(record(folder, "mlflow"))
    return Benchmark("one scalar of a row of ten", cases, limits)


def clock() -> Benchmark:
    """What the columns about time cost an update: nothing done, and nothing done within the stopwatch."""
    watch, numbers = Stopwatch(Meter({"type": "cpu"})), itertools.count()

    def bare() -> float:
        begin = time.process_time()
        for _ in range(ROWS):
            next(numbers)
            next(numbers)
        return (time.process_time() - begin) / ROWS

    def timed() -> float:
        begin = time.process_time()
        for _ in range(ROWS):
            watch.timed("data", next, numbers)
            watch.timed("update", next, numbers)
            watch.of_update({"t": 0, "samples": 64})
        return (time.process_time() - begin) / ROWS

    limit = Limit("with the columns about time", "without", seconds=10e-6)
    cases = [Case("without", bare), Case("with the columns about time", timed)]
    return Benchmark("columns about time, an update", cases, [limit])


def in_the_loop(folder: Path) -> Benchmark:
    """An update of a model that does next to nothing, with eight scalars: loss, rate, clipped norm, times."""
    recipe, task = next(r for r in builtin_recipes("digits") if r.name == "adamw-cosine"), almost_nothing()
    recipe = recipe.changed(total=100_000)
    cases = [
        Case("hand-written loop", hand_written_torch(recipe, task)),
        Case("cadence.train", ours(recipe, task, folder / "plain")),
    ]
    limits = [Limit("cadence.train", "hand-written loop", seconds=150e-6)]
    if importlib.util.find_spec("tensorboard") is not None:
        logged = ours(recipe.changed(loggers=["tensorboard"]), task, folder / "logged")
        cases.append(Case("cadence.train, tensorboard", logged))
        limits.append(Limit("cadence.train, tensorboard", "cadence.train", seconds=8 * 15e-6))
    return Benchmark("one update with loggers", cases, limits)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place_for_records:
        here = Path(place_for_records)
        main([scalars(here), clock(), in_the_loop(here)], rounds=25)
