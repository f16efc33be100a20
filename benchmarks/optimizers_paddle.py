"""What an update of an optimizer for paddle costs beside moving the bytes that it must move.

One thread on one core, float32, processor time. The floor is what must be read and written (parameter, gradient, two
moments: 7 words per value) at the best bandwidth that an in-place addition over as much memory reached in the same
process.

    python benchmarks/optimizers_paddle.py --rounds 9
    python benchmarks/optimizers_paddle.py --only ResNet-50
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import paddle

from _bench import Benchmark, Case, Limit, main
from cadence.optim.for_paddle.adabound import AdaBound
from cadence.optim.for_paddle.lamb import Lamb
from optimizers import Shape, gpt2, resnet50, small

Make = Callable[[list[Any]], Any]

METHODS: dict[str, Make] = {
    "LAMB": lambda x: Lamb(1e-3, x),
    "AdaBound": lambda x: AdaBound(1e-3, x),
    "LAMB, no compiler": lambda x: Lamb(1e-3, x, compiled=False),
    "AdaBound, no compiler": lambda x: AdaBound(1e-3, x, compiled=False),
    "paddle Lamb": lambda x: paddle.optimizer.Lamb(1e-3, parameters=x),
    "paddle AdamW": lambda x: paddle.optimizer.AdamW(1e-3, parameters=x),
}

FLOOR = "floor: 7 words per value"


def parameters(shapes: Sequence[Shape]) -> list[Any]:
    paddle.seed(0)
    made = [paddle.create_parameter(list(shape), "float32") for shape in shapes]
    for x in made:
        x.grad = paddle.randn(x.shape)
    return made


def floor(shapes: Sequence[Shape]) -> Case:
    values = sum(math.prod(shape) for shape in shapes)
    memory: np.ndarray | None = None
    best = float("inf")

    def sample() -> float:
        nonlocal best, memory
        if memory is None:
            memory = np.ones(4 * values, np.float32)
        for _ in range(3):
            begin = time.process_time()
            np.add(memory, np.float32(1.0), out=memory)
            best = min(best, time.process_time() - begin)
        return best / (2 * memory.size) * 7 * values

    return Case(FLOOR, sample)


def updates(name: str, shared: Callable[[], list[Any]], make: Make) -> Case:
    """Updates of parameters that all cases of a table share, with a state of their own."""
    optimizer: Any = None

    def sample() -> float:
        nonlocal optimizer
        if optimizer is None:
            optimizer = make(shared())
            optimizer.step()
        begin = time.process_time()
        optimizer.step()
        return time.process_time() - begin

    return Case(name, sample)


def benchmarks() -> Iterator[Benchmark]:
    """One after another, because each needs gigabytes."""
    for title, shapes, ratio in (
        ("ResNet-50", resnet50(), 0.5),
        ("2,000 small tensors", small(), 1),
        ("GPT-2", gpt2(), 0.5),
    ):
        shared = functools.cache(functools.partial(parameters, shapes))
        cases = [floor(shapes), *(updates(name, shared, make) for name, make in METHODS.items())]
        limits = [Limit(name, "paddle Lamb", ratio=ratio) for name in ("LAMB", "AdaBound")]
        yield Benchmark(f"paddle, {title}", cases, limits)


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main(benchmarks(), rounds=9)
