"""What a GPU makes of a training: arithmetic, optimizers, and whether data keep it waiting.

`precision`: updates of a ResNet-50 and of a small GPT in float32 (as torch computes it where nothing is said, where
convolutions take TF32; and with IEEE's arithmetic throughout), bfloat16, and float16 with loss scaling; by the clock,
through the engine that trains recipes. `optimizers`: one step over ResNet-50's tensors, GPT-2's, and 2,000 small ones,
by the clock (ten in a row, then the GPU is waited for) and as time of the processor's alone. `images`: a folder of
JPEGs through worker processes into a ResNet-50, with the share of the time that the training waits for data.

Each part is given so many seconds, and what goes wrong in one does not lose the others.

    python benchmarks/gpu.py --only optimizers --seconds 30 --json gpu.json
    python benchmarks/gpu.py --dry           # next to nothing of each, on a processor: whether it runs
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import statistics
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _bench import Benchmark, Case, Limit, human, machine, measure, table
from cadence.optim.make import optimizer as make_optimizer
from cadence.recipe.recipe import Recipe, make_recipe
from cadence.run.course import settle
from cadence.run.engine import find_engine
from cadence.run.feed import groups
from cadence.run.ranks import Alone
from cadence.run.train import train
from cadence.tasks import ArrayData, Task
from cadence.tasks.bytes_torch import ByteModel
from cadence.tasks.embedded.bytes import CONTEXT, VOCABULARY
from cadence.tasks.images.resnet_torch import resnet50
from cadence.tasks.losses_torch import accuracy, cross_entropy
from images import write_images
from optimizers import Shape, gpt2, parameters_on, small
from optimizers import resnet50 as resnet50_shapes


@dataclass(frozen=True)
class Sizes:
    """How much is computed."""

    images: int = 256
    side: int = 224
    width: int = 64
    rows: int = 256
    layers: int = 12
    embedding: int = 768
    files: int = 2000
    updates: int = 4
    steps: int = 10
    few: int | None = None


DRY = Sizes(images=2, side=32, width=8, rows=2, layers=1, embedding=48, files=48, updates=1, steps=2, few=6)


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


# ---- precision -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def rounded(tf32: bool | None) -> Iterator[None]:
    """Whether products may round their operands to TF32; None: as torch has it where nothing is said."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    if tf32 is not None:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@dataclass(frozen=True)
class Way:
    """How a model is trained."""

    name: str
    precision: str
    tf32: bool | None = None
    channels_last: bool = False


RESNET = (
    Way("float32, as torch has it", "fp32"),
    Way("float32, IEEE throughout", "fp32", tf32=False),
    Way("bfloat16", "bf16"),
    Way("float16, scaled", "fp16"),
    Way("float32, channels last", "fp32", channels_last=True),
    Way("bfloat16, channels last", "bf16", channels_last=True),
    Way("float16, scaled, channels last", "fp16", channels_last=True),
)

GPT = (
    Way("float32, as torch has it", "fp32"),
    Way("float32, TF32", "fp32", tf32=True),
    Way("bfloat16", "bf16"),
    Way("float16, scaled", "fp16"),
)


def updates(recipe: Recipe, task: Task, way: Way, device: str, count: int) -> Callable[[], float]:
    """Seconds of one update, by the clock, on and on through the data."""
    course = settle(recipe, task, "val")
    # Left open: the engine must live as long as the samples are taken.
    engine = find_engine(recipe.engine)(recipe, task, Alone()).__enter__()
    feed = groups(task.data, course, recipe.seed, 0, Alone())

    def sample() -> float:
        batches = [next(feed) for _ in range(count)]
        wait(device)
        with rounded(way.tf32):
            begin = time.perf_counter()
            for group in batches:
                engine.update(group, None)
            wait(device)
        return (time.perf_counter() - begin) / count

    return sample


def compared(
    title: str, ways: Sequence[Way], recipe: dict[str, Any], task: Callable[[Way], Task], device: str, sizes: Sizes
) -> Iterator[Benchmark]:
    """Cases that train one model each, and the memory that each took at most, in the title."""
    cases: list[Case] = []
    for way in ways:
        wait(device)
        before = torch.cuda.memory_allocated() if device != "cpu" else 0
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        made = make_recipe({**recipe, "task": "digits", "precision": way.precision, "device": device, "total": 100_000})
        sample = updates(made, task(way), way, device, sizes.updates)
        sample()
        peak = (torch.cuda.max_memory_allocated() if device != "cpu" else 0) - before
        cases.append(Case(f"{way.name} ({peak / 1e9:.1f} GB)", sample))
    yield Benchmark(title, cases)


def rows(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], batch: int) -> ArrayData:
    """Rows in memory, of which a few are held out."""
    a, b, c = (slice(0, 4), slice(4, 8), slice(8, None)) if batch > 8 else (slice(0, 1), slice(1, 2), slice(2, None))
    return ArrayData(x[c], y[c], val=(x[a], y[a]), tune=(x[b], y[b]), default_batch_size=batch)


def precision(device: str, sizes: Sizes) -> Iterator[Benchmark]:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3 * sizes.images, 3, sizes.side, sizes.side), dtype=np.uint8)
    data = rows(pictures, rng.integers(0, 1000, len(pictures)), sizes.images)

    def images(way: Way) -> Task:
        def model() -> torch.nn.Module:
            return resnet50(width=sizes.width, channels_last=way.channels_last)

        return Task(
            "images in memory", data, models={"torch": model}, losses={"torch": cross_entropy},
            metrics={"torch": accuracy}, metric_name="accuracy", metric_better="max",
        )  # fmt: skip

    sgd = {"optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9}}
    yield from compared(f"ResNet-50, an update of {sizes.images} images", RESNET, sgd, images, device, sizes)
    free()
    tokens = rng.integers(0, VOCABULARY, (3 * sizes.rows, CONTEXT + 1))
    text = rows(tokens[:, :-1], tokens[:, 1:], sizes.rows)

    def gpt() -> torch.nn.Module:
        return ByteModel(sizes.embedding, sizes.layers, max(1, sizes.embedding // 64), 4 * sizes.embedding)

    def bytes_of(way: Way) -> Task:
        return Task(
            "bytes in memory", text, models={"torch": gpt}, losses={"torch": cross_entropy},
            metrics={"torch": accuracy}, metric_name="accuracy", metric_better="max",
        )  # fmt: skip

    adamw = {"optimizer": {"name": "adamw", "lr": 0.0003}}
    title = f"GPT of {sizes.layers} layers, width {sizes.embedding}, an update of {sizes.rows * CONTEXT:,} tokens"
    yield from compared(title, GPT, adamw, bytes_of, device, sizes)


# ---- optimizers ------------------------------------------------------------------------------------------------------

METHODS: dict[str, dict[str, Any]] = {
    "torch AdamW, fused": {"name": "torch:adamw", "fused": True},
    "torch AdamW, foreach": {"name": "torch:adamw", "foreach": True},
    "torch AdamW, loop": {"name": "torch:adamw", "foreach": False},
    "LAMB": {"name": "lamb"},
    "AdaBound": {"name": "adabound"},
    "AdamW, independent decay": {"name": "cadence:adamw"},
    "LAMB, no compiler": {"name": "lamb", "compiled": False},
    "AdaBound, no compiler": {"name": "adabound", "compiled": False},
}
"""With two moments."""

ONE: dict[str, dict[str, Any]] = {
    "torch SGD with momentum, fused": {"name": "torch:sgd", "momentum": 0.9, "fused": True},
    "torch SGD with momentum, foreach": {"name": "torch:sgd", "momentum": 0.9, "foreach": True},
    "torch Adagrad, foreach": {"name": "torch:adagrad", "foreach": True},
    "torch RMSprop, foreach": {"name": "torch:rmsprop", "foreach": True},
    "RMSprop": {"name": "rmsprop"},
    "Adagrad": {"name": "cadence:adagrad"},
    "LARS": {"name": "lars"},
}
"""With one."""


def floor(shapes: Sequence[Shape], words: int, device: str, steps: int) -> Case:
    values = sum(torch.Size(shape).numel() for shape in shapes)
    memory: torch.Tensor | None = None

    def sample() -> float:
        nonlocal memory
        if memory is None:
            memory = torch.ones((words + 1) // 2 * values, device=device)
        wait(device)
        begin = time.perf_counter()
        for _ in range(steps):
            memory.add_(1.0)
        wait(device)
        return (time.perf_counter() - begin) / steps / (2 * memory.numel()) * words * values

    return Case(f"floor: {words} words per value", sample)


def step(optimizer: Any, device: str, steps: int, *, waiting: bool) -> Callable[[], float]:
    def sample() -> float:
        wait(device)
        begin = time.perf_counter()
        for _ in range(steps):
            optimizer.step()
        if waiting:
            wait(device)
        seconds = (time.perf_counter() - begin) / steps
        wait(device)
        return seconds

    return sample


def made(method: dict[str, Any], weights: list[torch.nn.Parameter]) -> Any:
    arguments = {key: value for key, value in method.items() if key != "name"}
    return make_optimizer(method["name"], weights, lr=1e-3, **arguments)


def optimizers(device: str, sizes: Sizes) -> Iterator[Benchmark]:
    for title, shapes in (("ResNet-50", resnet50_shapes()), ("GPT-2", gpt2()), ("2,000 small tensors", small())):
        some = shapes[: sizes.few]
        for words, methods in ((7, METHODS), (5, ONE)):
            if words == 5 and title != "ResNet-50":
                continue
            weights = parameters_on(some, device)
            slow = {"torch AdamW, loop", "LAMB, no compiler", "AdaBound, no compiler"}
            chosen = {n: made(m, weights) for n, m in methods.items() if title != "GPT-2" or n not in slow}
            cases = [floor(some, words, device, sizes.steps)]
            cases += [Case(n, step(o, device, sizes.steps, waiting=True)) for n, o in chosen.items()]
            limits = [Limit("LAMB", "torch AdamW, fused", ratio=1.3)] if words == 7 else []
            yield Benchmark(f"{title}, a step of the optimizer, {words} words", cases, limits)
            if words == 7 and title != "GPT-2":
                alone = [Case(n, step(o, device, 2, waiting=False)) for n, o in chosen.items()]
                yield Benchmark(f"{title}, a step of the optimizer, the processor's time", alone)
            del weights, chosen, cases
            free()


# ---- images ----------------------------------------------------------------------------------------------------------


def images(device: str, sizes: Sizes) -> Iterator[str]:
    """Lines of a table, from runs of a recipe."""
    yield "| workers | images/s | data wait | update | evaluation | GPU |\n|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_images(root / "images", sizes.files)
        folder = {"folder": str(root / "images"), "pixels": "uint8", "size": sizes.side}
        there = os.cpu_count() or 1
        for workers in sorted({0, max(1, there // 4), max(1, there // 2), there - 1, there}):
            epochs = 1 if workers < 2 else 3
            record = train(
                {
                    "task": "cadence.tasks.images:folder", "name": f"workers{workers}",
                    "task_args": {**folder, "workers": workers},
                    "model": "cadence.tasks.images.resnet_torch:resnet50",
                    "model_args": {"classes": 2, "width": sizes.width, "channels_last": True},
                    "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9}, "precision": "bf16", "device": device,
                    "batch_size": min(128, sizes.files // 4), "total": f"{epochs} epochs", "drop_last": True,
                    "checkpoint": {"every": f"{epochs} epochs"},
                },
                out=root / f"run{workers}",
            )  # fmt: skip
            rows = record.updates
            # The first updates start processes and choose kernels.
            begin = len(rows["t"]) // 3
            data, update = rows["data_seconds"][begin:], rows["update_seconds"][begin:]
            speed = rows["samples"][begin:].sum() / (data.sum() + update.sum())
            use = record.evaluations["gpu_use"] if "gpu_use" in record.evaluations else [float("nan")]
            spent = record.result["spent"]  # type: ignore[index]
            yield (
                f"| {workers} | {speed:.0f} | {data.sum() / (data.sum() + update.sum()):.1%} | "
                f"{human(float(statistics.median(update)))} | {spent['evaluation']:.2f} s | {max(use):.0%} |"
            )


def free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# ---- all -------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="samples of each case (15)")
    parser.add_argument("--seconds", type=float, default=60.0, help="that the samples of one part take at most (60)")
    parser.add_argument("--only", metavar="TEXT", default="", help="only parts with this in their name")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    parser.add_argument("--dry", action="store_true", help="next to nothing of each, on a processor")
    given = parser.parse_args()
    device, sizes = ("cpu", DRY) if given.dry else ("cuda", Sizes())
    if device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here that torch can use; --dry tries the parts on a processor")
    line = f"{machine()}{'' if device == 'cpu' else f', {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}'}"
    print(line, flush=True)
    results: dict[str, Any] = {}
    for part in (optimizers, precision, images):
        if given.only not in part.__name__:
            continue
        begin = time.perf_counter()
        try:
            for one in part(device, sizes):
                if isinstance(one, str):
                    print(one, flush=True)
                    results.setdefault(part.__name__, []).append(one)
                    continue
                left = max(1.0, given.seconds - (time.perf_counter() - begin))
                results[one.title] = measure(one.cases, given.rounds, left / 2)
                print(table(one, results[one.title]), flush=True)
                del one
        except Exception:
            print(f"{part.__name__} failed:\n{traceback.format_exc()}", flush=True)
        free()
        print(f"({part.__name__}: {time.perf_counter() - begin:.0f} s)\n", flush=True)
        if given.json:
            Path(given.json).write_text(json.dumps({"machine": line, "results": results}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
