"""What the training loop costs beside a hand-written one that does the same work, in torch and in paddle.

Both train the same model on the same batches with the same optimizer and clipping; the hand-written loop sets the rate
from a list, reads the loss once per update, as everybody does, and keeps no record. The difference is all that cadence
adds: driver, record on disk, position in the data, progress. Processor time of one update; evaluations and checkpoints
are in neither. On the embedded tasks the model's own time varies by more than the difference, so there is a third task
whose model does next to nothing: it tells the cost of the loop most exactly. A GPT of two million parameters shows what
the loop is beside a model that is still small; trained in bfloat16 too, it shows what that is worth on this processor.

    python benchmarks/loop.py --rounds 300 --only paddle
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _bench import Benchmark, Case, Limit, main
from cadence.curve.place import place
from cadence.optim.make import optimizer as make_optimizer
from cadence.recipe.builtin import builtin_recipes, builtin_tasks
from cadence.recipe.recipe import Recipe
from cadence.run import train as run
from cadence.run.checkpoint import Checkpoints
from cadence.run.course import Course, settle
from cadence.run.engine import find_engine
from cadence.run.feed import groups
from cadence.run.leaving import Leaving
from cadence.run.loop import Loop
from cadence.run.ranks import Alone
from cadence.tasks import ArrayData, Batch, Task, resolve_task
from cadence.tasks.bytes_torch import ByteModel

UPDATES = 10
"""Of one sample, of small models."""

try:
    import paddle
except ImportError:
    paddle = None


def hand_written_torch(recipe: Recipe, task: Task, updates: int = UPDATES) -> Callable[[], float]:
    course = settle(recipe, task, "val")
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    model, loss_of, clip = task.model("torch")(), task.loss("torch"), recipe.clip_norm
    model.train()
    weights = list(model.parameters())
    optimizer = make_optimizer(recipe.main.name, model, lr=recipe.main.lr, **recipe.main.arguments)

    def update(batch: Batch, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = loss_of(model(torch.from_numpy(batch.inputs)), torch.from_numpy(batch.targets))
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(weights, clip)
        optimizer.step()
        loss.item()

    return samples(update, recipe, task, course, updates)


def hand_written_paddle(recipe: Recipe, task: Task) -> Callable[[], float]:
    course = settle(recipe, task, "val")
    paddle.seed(recipe.seed)
    model, loss_of, clip = task.model("paddle")(), task.loss("paddle"), recipe.clip_norm
    model.train()
    weights = list(model.parameters())
    optimizer = make_optimizer(recipe.main.name, model, lr=recipe.main.lr, **recipe.main.arguments)

    def update(batch: Batch, rate: float) -> None:
        optimizer.set_lr(rate)
        optimizer.clear_grad(set_to_zero=False)
        loss = loss_of(model(paddle.to_tensor(batch.inputs)), paddle.to_tensor(batch.targets))
        loss.backward()
        if clip is not None:
            paddle.nn.utils.clip_grad_norm_(weights, clip)
        optimizer.step()
        loss.item()

    return samples(update, recipe, task, course)


def samples(
    update: Callable[[Batch, float], None], recipe: Recipe, task: Task, course: Course, updates: int = UPDATES
) -> Callable[[], float]:
    """Processor seconds of one update, on and on through the data and the rates."""
    rates = place(course.plan, total=course.total, base=recipe.main.lr).values().tolist()
    batches = (batch for epoch in range(10**9) for batch in task.data.batches(recipe.seed, epoch, course.batch_size))
    t = 0

    def sample() -> float:
        nonlocal t
        begin = time.process_time()
        for _ in range(updates):
            update(next(batches), rates[t])
            t += 1
        return (time.process_time() - begin) / updates

    return sample


def ours(recipe: Recipe, task: Task, folder: Path, updates: int = UPDATES) -> Callable[[], float]:
    course = settle(recipe, task, "val")
    # Left open: the engine must live as long as the samples are taken.
    engine = find_engine(recipe.engine)(recipe, task, Alone()).__enter__()
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

    def sample() -> float:
        begin = time.process_time()
        for _ in range(updates):
            loop._update(next(feed))
        return (time.process_time() - begin) / updates

    return sample


def almost_nothing() -> Task:
    x = np.random.default_rng(0).normal(size=(6400, 4)).astype(np.float32)
    data = ArrayData(x[100:], x[100:, 0], val=(x[:50], x[:50, 0]), tune=(x[50:100], x[50:100, 0]))

    def square(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.mse_loss(outputs.squeeze(1), targets)

    def square_in_paddle(outputs: Any, targets: Any) -> Any:
        return paddle.nn.functional.mse_loss(outputs.squeeze(1), targets)

    losses = {"torch": square, "paddle": square_in_paddle}
    models = {"torch": lambda: torch.nn.Linear(4, 1), "paddle": lambda: paddle.nn.Linear(4, 1)}
    return Task(
        "almost nothing", data, models=models, losses=losses, metrics=losses, metric_name="square", metric_better="min"
    )


def benchmarks(folder: Path) -> list[Benchmark]:
    found: list[Benchmark] = []
    engines = {"torch": hand_written_torch} | ({} if paddle is None else {"paddle": hand_written_paddle})
    for engine, hand_written in engines.items():
        for name in ("almost nothing", *builtin_tasks()):
            known = name in builtin_tasks()
            source = builtin_recipes(name if known else "digits")
            recipe = next(r for r in source if r.name == "adamw-cosine").changed(total=100_000, engine=engine)
            task = resolve_task(name) if known else almost_nothing()
            cases = [
                Case("hand-written loop", hand_written(recipe, task)),
                Case("cadence.train", ours(recipe, task, folder / engine / name)),
            ]
            limit = Limit("cadence.train", "hand-written loop", seconds=150e-6)
            found.append(Benchmark(f"one update on {name} in {engine}", cases, [limit]))
    return [*found, *of_gpt(folder)]


def of_gpt(folder: Path) -> list[Benchmark]:
    """A model of two million parameters: the loop beside it, and what bfloat16 is worth."""
    task = dataclasses.replace(resolve_task("bytes"), models={"torch": lambda: ByteModel(204, 4, 6, 816)})
    recipe = next(r for r in builtin_recipes("bytes") if r.name == "adamw-cosine").changed(total=100_000, device="cpu")
    cases = [
        Case("hand-written loop", hand_written_torch(recipe, task, 2)),
        Case("cadence.train", ours(recipe, task, folder / "gpt", 2)),
    ]
    half = [
        Case("float32", ours(recipe, task, folder / "gpt-fp32", 2)),
        Case("bfloat16", ours(recipe.changed(precision="bf16"), task, folder / "gpt-bf16", 2)),
    ]
    return [
        Benchmark(
            "one update of a GPT of 2 million parameters", cases, [Limit("cadence.train", cases[0].name, ratio=1.01)]
        ),
        Benchmark("bfloat16 on a processor, the same GPT", half, [Limit("bfloat16", "float32", ratio=1.0)]),
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place_for_records:
        main(benchmarks(Path(place_for_records)), rounds=100)
