"""Runs that are wanted and not there yet, several processes at a time."""

from __future__ import annotations

import datetime
import importlib.metadata
import multiprocessing
import os
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.advice.results import Facts, Row, add_line, read_kept, read_lines

if TYPE_CHECKING:
    from benchmarks.advice.task import Task

Wanted: TypeAlias = tuple[str, str, int]


def measure(wanted: Iterable[Wanted], lines: Path, workers: int) -> Iterator[Row]:
    """Make what is missing, in order; each run is written as it ends.

    Args:
        wanted: task, level and seed of each.
        lines: the file that is added to.
        workers: processes, of one thread each.
    """
    there = {row.key for row in [*read_kept().rows, *read_lines(lines)]}
    missing = [key for key in wanted if key not in there]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for row in pool.imap_unordered(one, missing):
            add_line(lines, row)
            yield row


def one(wanted: Wanted) -> Row:
    """One run."""
    import torch
    from benchmarks.advice.levels import CLAIMS, LEVELS, ORACLE
    from benchmarks.advice.training import rise, run

    torch.set_num_threads(1)
    name, level, seed = wanted
    task = _task(name)
    found = run(task, {**LEVELS, **ORACLE, **CLAIMS}[level], seed)
    around = float(f"{rise(task, found.model):.4g}") if level in CLAIMS and found.losses else None
    losses = tuple(float(f"{loss:.5g}") for loss in found.losses)
    return Row(name, level, seed, losses, found.pilot, machine(), around)


def facts() -> dict[str, Facts]:
    """What there is to say of each task."""
    from benchmarks.advice.tasks import CHOSEN_ON, TASKS

    return {name: _facts(make.__doc__ or "", _task(name), name in CHOSEN_ON) for name, make in TASKS.items()}


def _facts(about: str, task: Task, chosen_on: bool) -> Facts:
    parameters = sum(weights.numel() for weights in task.model().parameters())
    return Facts(
        about, task.kind, task.updates, task.batch_size, task.rows, float(f"{task.blind:.5g}"), parameters, chosen_on
    )


@cache
def _task(name: str) -> Task:
    from benchmarks.advice.tasks import TASKS

    return TASKS[name]()


@cache
def machine() -> str:
    """Where and when: a number without it is worth little."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("torch", "scikit-learn", "pytorch_optimizer", "schedulefree")
    )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (
        f"{today}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, one of them for each run, "
        f"Python {platform.python_version()}, {versions}"
    )
