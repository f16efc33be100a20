"""Conversion of torch's schedulers: reading a live one in the middle of its run, and building one from a schedule.

The floor is one call of the optimizer's step together with the scheduler's: a conversion happens once in a run.

    python benchmarks/conversion.py --rounds 15
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable
from typing import Any

import cadence as cd
from _bench import Benchmark, Limit, main, timed

try:
    import torch
    from torch.optim import lr_scheduler
except ModuleNotFoundError:
    sys.exit("this benchmark needs torch; run: pip install 'cadence[torch]'")

STEPS = 500
"""Updates that lie behind the schedulers."""


def running(make: Callable[[Any], Any], steps: int = STEPS) -> Any:
    """A scheduler in the middle of its run, of an optimizer with two groups."""
    groups = [{"params": [torch.zeros(1)], "lr": base} for base in (0.1, 0.01)]
    scheduler = make(torch.optim.SGD(groups, lr=1.0, momentum=0.9))
    scheduler.optimizer.step()
    for _ in range(steps):
        scheduler.step()
    return scheduler


def sequential(optimizer: Any) -> Any:
    parts = [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=50), lr_scheduler.CosineAnnealingLR(optimizer, 950)]
    return lr_scheduler.SequentialLR(optimizer, parts, [50])


STEP = running(lambda optimizer: lr_scheduler.StepLR(optimizer, 300))
COSINE = running(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 1000, 1e-4))
ONE_CYCLE = running(lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.1, 1000))
SEQUENTIAL = running(sequential)
FUNCTION = running(lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda t: 0.99**t))
FLOOR = running(lambda optimizer: lr_scheduler.StepLR(optimizer, 300))

WARMUP = cd.parse("warmup(50) >> cosine(to=0.01)")


def update() -> None:
    """One update, and one step of the scheduler."""
    FLOOR.optimizer.step()
    FLOOR.step()


def fresh() -> Any:
    """An optimizer without a scheduler."""
    return torch.optim.SGD([torch.zeros(1)], lr=0.1)


FIVE_MILLISECONDS = 5e-3

LIVE = Benchmark(
    "a live torch scheduler, read",
    [
        timed("optimizer.step and scheduler.step", update),
        timed("from_native(StepLR)", lambda: cd.from_native(STEP)),
        timed("from_native(CosineAnnealingLR)", lambda: cd.from_native(COSINE)),
        timed("from_native(OneCycleLR)", lambda: cd.from_native(ONE_CYCLE)),
        timed("from_native(SequentialLR)", lambda: cd.from_native(SEQUENTIAL, total=1000)),
        timed("from_native(LambdaLR), 1,000 values", lambda: cd.from_native(FUNCTION, total=1000)),
    ],
    [
        Limit(f"from_native({name}", "optimizer.step and scheduler.step", seconds=FIVE_MILLISECONDS)
        for name in ("StepLR)", "CosineAnnealingLR)", "OneCycleLR)", "SequentialLR)", "LambdaLR), 1,000 values")
    ],
)

BUILT = Benchmark(
    "a schedule, built and written for torch",
    [
        timed("an optimizer", fresh),
        timed("to_native", lambda: cd.to_native(WARMUP, "torch", fresh(), total=1000)),
        timed("to_code", lambda: cd.to_code(WARMUP, "torch", base=0.1, total=1000)),
    ],
    [
        Limit("to_native", "an optimizer", seconds=FIVE_MILLISECONDS),
        Limit("to_code", "an optimizer", seconds=FIVE_MILLISECONDS),
    ],
)

if __name__ == "__main__":
    main([LIVE, BUILT])
