"""What it costs to measure, once in 20 updates, what the optimizer really did to each parameter group.

Both sides are the same training with the same record, one of them with `effective_rates=20`. A sample is 20 updates, so
that each holds one measurement of every group. Processor time of one update: gradients, optimizer, driver, record. On
the embedded tasks the whole loop of `cadence.train` is measured; the perceptron of 5 million values has as few
operations for each of its weights as a batch of 64 makes possible, so the measurement, which goes by the number of
weights, weighs most there. The last table has no model at all: of a step of the optimizer alone the measurement is a
larger share, which nobody pays who trains.

    python benchmarks/effective_rates.py --rounds 30
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import cadence as cd
from _bench import Benchmark, Case, Limit, main
from cadence.recipe.builtin import builtin_recipes, builtin_tasks
from cadence.run import train as run
from cadence.run.checkpoint import Checkpoints
from cadence.run.course import settle
from cadence.run.engine import find_engine
from cadence.run.feed import groups
from cadence.run.leaving import Leaving
from cadence.run.loop import Loop
from cadence.run.ranks import Alone
from cadence.tasks import resolve_task

EVERY = 20
"""Updates between two measurements of a group, and of one sample."""

WITHOUT, WITH = "without", "with effective rates"


def case(name: str, update: Callable[[], object]) -> Case:
    def sample() -> float:
        begin = time.process_time()
        for _ in range(EVERY):
            update()
        return (time.process_time() - begin) / EVERY

    return Case(name, sample)


def training(name: str, task_name: str, folder: Path, every: int | None) -> Case:
    recipe = next(r for r in builtin_recipes(task_name) if r.name == "adamw-cosine")
    recipe = recipe.changed(total=100_000, effective_rates=every)
    task = resolve_task(task_name)
    course = settle(recipe, task, "val")
    # Left open: the engine must live as long as the samples are taken.
    engine = find_engine("torch")(recipe, task, Alone()).__enter__()
    checkpoints = Checkpoints(folder, keep=1, best=None)
    parts = run._assemble(
        recipe,
        task,
        course,
        Alone(),
        engine,
        checkpoints,
        folder,
        None,
        {},
        Leaving(),
        fresh=True,
        tell=lambda progress: None,
    )
    loop, feed = Loop(parts), groups(task.data, course, recipe.seed, 0, Alone())
    return case(name, lambda: loop._update(next(feed)))


def driven(optimizer: Any, folder: Path, every: int | None) -> Any:
    return cd.drive(optimizer, "cosine()", total=10**6, record=folder, effective_rates=every)


def perceptron(name: str, folder: Path, every: int | None) -> Case:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(1000, 1000) for _ in range(5)]
    model = torch.nn.Sequential(*(part for layer in layers for part in (layer, torch.nn.ReLU())))
    x, y = torch.randn(64, 1000), torch.randn(64, 1000)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    driver = driven(optimizer, folder, every)

    def update() -> None:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        driver.step()

    return case(name, update)


def step_alone(name: str, folder: Path, every: int | None, *, fused: bool) -> Case:
    shapes = [(512, 512, 3, 3)] * 8 + [(256, 256, 3, 3)] * 10 + [(64,)] * 143
    weights = [torch.nn.Parameter(torch.randn(shape) * 0.02) for shape in shapes]
    for x in weights:
        x.grad = torch.randn_like(x) * 1e-3
    optimizer = torch.optim.AdamW(weights, lr=1e-4, fused=fused)
    driver = driven(optimizer, folder, every)

    def update() -> None:
        optimizer.step()
        driver.step()

    return case(name, update)


def benchmarks(folder: Path) -> list[Benchmark]:
    limit = Limit(WITH, WITHOUT, ratio=1.02)
    both = ((WITHOUT, None), (WITH, EVERY))
    found = [
        Benchmark(
            f"one update on {task}",
            [training(name, task, folder / task / name, every) for name, every in both],
            [limit],
        )
        for task in builtin_tasks()
    ]
    cases = [perceptron(name, folder / "perceptron" / name, every) for name, every in both]
    found.append(Benchmark("one update of a perceptron, 5 million values, batch 64", cases, [limit]))
    for fused in (False, True):
        kind = "fused" if fused else "plain"
        cases = [step_alone(name, folder / kind / name, every, fused=fused) for name, every in both]
        found.append(Benchmark(f"a step of AdamW alone ({kind}), 161 tensors, 28 million values", cases))
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place_for_records:
        main(benchmarks(Path(place_for_records)))
