"""What a whole curve costs: a million values of warmup and cosine, in time and in memory.

The floor is the closed form written out in numpy, as one would by hand. Torch's SequentialLR is simulated, as programs
do that draw a schedule: it is stepped through 20,000 updates, and its time for one is compared with ours for one.

    python benchmarks/curve.py --rounds 15
"""

from __future__ import annotations

import importlib.util
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
import tracemalloc
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

import cadence as cd
from _bench import Benchmark, Case, Limit, main, timed
from cadence.curve.curve import BLOCK

Floats = npt.NDArray[np.float64]

POINTS = 1_000_000
SIMULATED = 20_000
SPEC = "warmup('5%') >> cosine(to=0.01)"
CURVE = cd.place(SPEC, total=POINTS, base=0.1)


def closed_form(n: int) -> Floats:
    t, w = np.arange(n), n // 20
    warmup = 0.1 * (0.01 + 0.99 * t / w)
    cosine = 0.1 * (0.01 + 0.99 * 0.5 * (1.0 + np.cos(np.pi * (t - w) / (n - w))))
    return np.where(t < w, warmup, cosine)


def closed_form_in_parts(n: int) -> Floats:
    """The same without computing either part where the other is meant."""
    w = n // 20
    values = np.empty(n)
    values[:w] = 0.1 * (0.01 + 0.99 * np.arange(w) / w)
    values[w:] = 0.1 * (0.01 + 0.99 * 0.5 * (1.0 + np.cos(np.pi * np.arange(n - w) / (n - w))))
    return values


def simulated(n: int) -> Callable[[], float]:
    """Seconds that torch's SequentialLR takes for one update."""
    import torch
    from torch.optim import lr_scheduler

    def sample() -> float:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        w = n // 20
        parts = [
            lr_scheduler.LinearLR(optimizer, 0.01, total_iters=w),
            lr_scheduler.CosineAnnealingLR(optimizer, n - w, eta_min=0.001),
        ]
        scheduler = lr_scheduler.SequentialLR(optimizer, parts, [w])
        optimizer.step()
        rates: list[float] = []
        begin = time.perf_counter()
        for _ in range(n):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
        return (time.perf_counter() - begin) / n * POINTS

    return sample


def memory() -> str:
    """The most that is held while all values are computed, beside the result."""
    tracemalloc.start()
    values = CURVE.values()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    beside = peak - values.nbytes
    block = BLOCK * values.itemsize
    return (
        f"memory: {values.nbytes / 1e6:.1f} MB of result and {beside / 1e6:.2f} MB beside it, "
        f"{beside / block:.1f} arrays of one block of {BLOCK} updates"
    )


WHOLE = Benchmark(
    "a million values of warmup and cosine",
    [
        timed("numpy, both parts and where", lambda: closed_form(POINTS)),
        timed("numpy, each part by itself", lambda: closed_form_in_parts(POINTS)),
        timed("curve.values", CURVE.values),
        timed("place and curve.values", lambda: cd.place(SPEC, total=POINTS, base=0.1).values()),
        timed("curve.at, all updates", lambda: CURVE.at(np.arange(POINTS))),
    ],
    [
        Limit("curve.values", "numpy, both parts and where", ratio=1.5),
        Limit("curve.values", "numpy, each part by itself", ratio=1.5),
    ],
)

SIMULATION = Benchmark(
    "a million values, beside torch",
    [
        timed("curve.values", CURVE.values),
        Case("torch SequentialLR, simulated", simulated(SIMULATED)),
    ],
    [Limit("curve.values", "torch SequentialLR, simulated", ratio=1 / 200)],
)

ONE = Benchmark(
    "one value",
    [
        timed("curve.at(1)", lambda: CURVE.at(1)),
        timed("curve.at(999_999)", lambda: CURVE.at(999_999)),
        timed("curve.at(10 ** 12)", lambda: CURVE.at(10**12)),
    ],
)

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main([WHOLE, ONE, *([SIMULATION] if importlib.util.find_spec("torch") else [])])
    print(memory())
