"""What an update of an optimizer costs beside moving the bytes that it must move.

One thread on one core, float32, processor time. The floor is what must be read and written (parameter, gradient, state)
at the best bandwidth that an in-place addition over as much memory reached in the same process: 7 words per value for a
method with two moments, 5 for one with one. LAMB needs the norm of its whole step before it can take it: 10 words, 1.43
times the floor, for tensors larger than the cache.

    python benchmarks/optimizers.py --rounds 9
    python benchmarks/optimizers.py --only ResNet-50
    python benchmarks/optimizers.py --first        # time to the first update, with and without what is kept on disk
    python benchmarks/optimizers.py --memory       # what an update needs beside parameters, gradients and state
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import ctypes
import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

import torch

from _bench import Benchmark, Case, Limit, machine, main
from cadence.optim.for_torch.adabound import AdaBound
from cadence.optim.for_torch.adagrad import Adagrad
from cadence.optim.for_torch.lamb import Lamb
from cadence.optim.for_torch.lars import Lars
from cadence.optim.for_torch.rmsprop import RMSprop

Shape = tuple[int, ...]
Make = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]


def resnet50() -> list[Shape]:
    """The 161 tensors of ResNet-50: 25.6 million values."""
    shapes: list[Shape] = [(64, 3, 7, 7), (64,), (64,)]
    width_in = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            shapes += [(width, width_in, 1, 1), (width,), (width,), (width, width, 3, 3), (width,), (width,)]
            shapes += [(4 * width, width, 1, 1), (4 * width,), (4 * width,)]
            if block == 0:
                shapes += [(4 * width, width_in, 1, 1), (4 * width,), (4 * width,)]
            width_in = 4 * width
    return [*shapes, (1000, 2048), (1000,)]


def gpt2() -> list[Shape]:
    """The 148 tensors of GPT-2 small: 124 million values."""
    shapes: list[Shape] = [(50257, 768), (1024, 768)]
    for _ in range(12):
        shapes += [(768,), (768,), (2304, 768), (2304,), (768, 768), (768,)]
        shapes += [(768,), (768,), (3072, 768), (3072,), (768, 3072), (768,)]
    return [*shapes, (768,), (768,)]


def small() -> list[Shape]:
    """2,000 tensors of 64 values: nothing but overhead."""
    return [(64,)] * 2000


def parameters(shapes: Sequence[Shape]) -> list[torch.nn.Parameter]:
    return parameters_on(shapes, "cpu")


def parameters_on(shapes: Sequence[Shape], device: str) -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    made = [torch.nn.Parameter(torch.randn(shape, device=device)) for shape in shapes]
    for x in made:
        x.grad = torch.randn_like(x)
    return made


def floor(shapes: Sequence[Shape], words: int) -> Case:
    values = sum(torch.Size(shape).numel() for shape in shapes)
    # As much memory as the update goes through, so that what does not fit into a cache there does not fit here.
    memory: torch.Tensor | None = None
    best = float("inf")

    def sample() -> float:
        nonlocal best, memory
        if memory is None:
            memory = torch.ones((words + 1) // 2 * values)
        for _ in range(3):
            begin = time.process_time()
            memory.add_(1.0)
            best = min(best, time.process_time() - begin)
        return best / (2 * memory.numel()) * words * values

    return Case(f"floor: {words} words per value", sample)


def updates(name: str, shared: Callable[[], list[torch.nn.Parameter]], make: Make) -> Case:
    """Updates of parameters that all cases of a table share, with a state of their own."""
    optimizer: torch.optim.Optimizer | None = None

    def sample() -> float:
        nonlocal optimizer
        if optimizer is None:
            optimizer = make(shared())
            optimizer.step()
        begin = time.process_time()
        optimizer.step()
        return time.process_time() - begin

    return Case(name, sample)


def peers() -> dict[str, Make]:
    import pytorch_optimizer

    return {
        "pytorch_optimizer Lamb": lambda x: pytorch_optimizer.Lamb(x),
        "pytorch_optimizer Lamb, foreach": lambda x: pytorch_optimizer.Lamb(x, foreach=True),
        "pytorch_optimizer AdaBound": lambda x: pytorch_optimizer.AdaBound(x),
    }


TWO = {
    "AdaBound": lambda x: AdaBound(x),
    "LAMB": lambda x: Lamb(x),
    "AdaBound, no compiler": lambda x: AdaBound(x, compiled=False),
    "LAMB, no compiler": lambda x: Lamb(x, compiled=False),
    "torch AdamW, fused": lambda x: torch.optim.AdamW(x, fused=True),
    "torch AdamW, loop": lambda x: torch.optim.AdamW(x, foreach=False),
}
"""Methods with two moments."""

ONE = {
    "RMSprop": lambda x: RMSprop(x),
    "Adagrad": lambda x: Adagrad(x),
    "LARS": lambda x: Lars(x),
    "torch RMSprop, loop": lambda x: torch.optim.RMSprop(x, foreach=False),
    "torch Adagrad, fused": lambda x: torch.optim.Adagrad(x, fused=True),
    "torch SGD with momentum, fused": lambda x: torch.optim.SGD(x, lr=0.1, momentum=0.9, fused=True),
}
"""Methods with one."""


def compared(title: str, shapes: list[Shape], words: int, methods: dict[str, Make], *limits: Limit) -> Benchmark:
    shared = functools.cache(lambda: parameters(shapes))
    cases = [floor(shapes, words), *(updates(name, shared, make) for name, make in methods.items())]
    return Benchmark(title, cases, limits)


def benchmarks() -> Iterator[Benchmark]:
    """One after another, because each needs gigabytes."""
    two, one = "floor: 7 words per value", "floor: 5 words per value"
    for title, shapes in (("ResNet-50", resnet50()), ("GPT-2", gpt2())):
        yield compared(
            f"{title}, two moments",
            shapes,
            7,
            {**TWO, **peers()},
            Limit("AdaBound", two, ratio=1.3),
            Limit("LAMB", two, ratio=1.8),
            Limit("LAMB, no compiler", two, ratio=4),
            Limit("LAMB, no compiler", "pytorch_optimizer Lamb", ratio=1),
            Limit("AdaBound, no compiler", "pytorch_optimizer AdaBound", ratio=1),
        )
        yield compared(
            f"{title}, one moment", shapes, 5, ONE, Limit("RMSprop", one, ratio=1.3), Limit("Adagrad", one, ratio=1.3)
        )
    yield compared("2,000 small tensors", small(), 7, {**TWO, **peers()})


# ---- the first update, and memory ----------------------------------------------------------------------------------

_FIRST = """
import time, torch
from {module} import {name}
x = [torch.nn.Parameter(torch.randn(1000, 1000)) for _ in range(4)]
for p in x: p.grad = torch.randn_like(p)
begin = time.perf_counter()
optimizer = {name}(x)
optimizer.step()
print(time.perf_counter() - begin)
"""


def first_updates() -> None:
    """Seconds from the constructor to the end of the first update, in fresh processes."""
    print(f"{machine()}\n\n| method | compiled now | from disk |\n|---|---|---|")
    for module, name in (("lamb", "Lamb"), ("adabound", "AdaBound")):
        code = _FIRST.format(module=f"cadence.optim.for_torch.{module}", name=name)
        with tempfile.TemporaryDirectory() as cache:
            here = {**os.environ, "XDG_CACHE_HOME": cache}
            times = [
                float(subprocess.run([sys.executable, "-c", code], env=here, check=True, capture_output=True).stdout)
                for _ in range(3)
            ]
        print(f"| {name} | {times[0]:.2f} s | {min(times[1:]) * 1e3:.0f} ms |")


def _memory(field: str) -> int:
    with open("/proc/self/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def memory() -> None:
    """The highest resident memory during an update above that before it, as a share of the parameters. Linux, glibc."""
    # Nothing larger than 64 KiB is kept for later by the allocator, or it would seem to be there anyway.
    ctypes.CDLL(None).mallopt(-3, 1 << 16)
    print(f"{machine()}\n\n| set | method | beside, as a share of the parameters |\n|---|---|---|")
    for title, shapes in (("ResNet-50", resnet50()), ("GPT-2 small", gpt2())):
        for name, make in {**TWO, **peers()}.items():
            x = parameters(shapes)
            optimizer = make(x)
            optimizer.step()
            before = _memory("VmRSS")
            with open("/proc/self/clear_refs", "w", encoding="utf-8") as reset:
                reset.write("5")
            optimizer.step()
            share = (_memory("VmHWM") - before) / sum(4 * p.numel() for p in x)
            print(f"| {title} | {name} | {share:.1%} |", flush=True)
            del optimizer, x


if __name__ == "__main__":
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if "--first" in sys.argv:
        first_updates()
    elif "--memory" in sys.argv:
        memory()
    else:
        main(benchmarks(), rounds=9)
