"""What one step of a driver costs beside the least that a Python function can do, and beside torch's own schedulers.

The floor is a function that advances a counter and writes one precomputed float into each group. The driver is
measured as it stands in a training: the optimizer's `load_state_dict` was called after `drive`, and the optimizer has
counted the update (its hooks cost the same for any schedule, and have a table of their own).

A paddle optimizer holds its rate in a tensor that its own `set_lr` fills; that is the floor there. Paddle's schedulers
write nothing: they are asked for the rate at every update, so that their cost is seen in the whole update only.

    python benchmarks/driver.py --rounds 15
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
import warnings
from collections.abc import Callable
from itertools import repeat
from typing import Any

import torch
from torch.optim import lr_scheduler

import cadence as cd
from _bench import Benchmark, Case, Limit, main, timed

TOTAL = 10**9
"""So long that no sample comes to the end."""

SINGLE = "cosine(to=0.01)"
COMPOSED = "warmup('1%') >> constant('50%') >> cosine(to=0.1) * linear(to=0.5)"

CASES = {1: 60_000, 200: 2_000}
"""Number of groups -> steps in one sample."""


def optimizer_of(groups: int) -> Any:
    parameters = [torch.zeros(1, requires_grad=True) for _ in range(groups)]
    return torch.optim.SGD([{"params": [p]} for p in parameters], lr=0.1, momentum=0.9)


def floor(groups: int) -> Callable[[], None]:
    optimizer, table, t = optimizer_of(groups), [0.1] * 4096, 0

    def step() -> None:
        nonlocal t
        t += 1
        rate = table[t & 4095]
        for group in optimizer.param_groups:
            group["lr"] = rate

    return step


def driving(name: str, groups: int, schedule: Any) -> Case:
    optimizer = optimizer_of(groups)
    driver = cd.drive(optimizer, schedule, total=TOTAL)
    optimizer.load_state_dict(optimizer.state_dict())
    # What the optimizer's hook does at every update.
    step, clock = driver.step, driver._clock

    def sample() -> float:
        n = CASES[groups]
        begin = time.perf_counter()
        for _ in repeat(None, n):
            clock.done += 1
            step()
        return (time.perf_counter() - begin) / n

    return Case(name, sample)


def scheduling(name: str, groups: int, make: Callable[[Any], Any]) -> Case:
    optimizer = optimizer_of(groups)
    scheduler = make(optimizer)
    optimizer.step()
    return timed(name, scheduler.step)


def benchmark(groups: int, ratio: float) -> Benchmark:
    cases = [
        timed("a counter and one float into each group", floor(groups)),
        driving("driver.step, cosine", groups, SINGLE),
        driving("driver.step, three phases and a product", groups, COMPOSED),
        driving("driver.step, rate and momentum", groups, {"lr": SINGLE, "momentum": "linear(to=0.5)"}),
        scheduling("torch_scheduler, cosine", groups, lambda o: cd.torch_scheduler(o, SINGLE, total=TOTAL)),
        scheduling("torch StepLR", groups, lambda o: lr_scheduler.StepLR(o, 10**9)),
        scheduling("torch CosineAnnealingLR", groups, lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL)),
        scheduling("torch LambdaLR", groups, lambda o: lr_scheduler.LambdaLR(o, lambda t: 1.0 - t / TOTAL)),
        scheduling("torch SequentialLR of two", groups, sequence),
        scheduling("torch ChainedScheduler of two", groups, chain),
    ]
    return Benchmark(
        f"one step, {groups} parameter group{'s' if groups > 1 else ''}",
        cases,
        [
            Limit("driver.step, cosine", cases[0].name, ratio=ratio),
            Limit("driver.step, three phases and a product", cases[0].name, ratio=ratio),
            Limit("driver.step, three phases and a product", "driver.step, cosine", ratio=1.2),
        ],
    )


def sequence(optimizer: Any) -> Any:
    parts = [lr_scheduler.LinearLR(optimizer), lr_scheduler.CosineAnnealingLR(optimizer, TOTAL)]
    return lr_scheduler.SequentialLR(optimizer, parts, [10])


def chain(optimizer: Any) -> Any:
    return lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(optimizer), lr_scheduler.CosineAnnealingLR(optimizer, TOTAL)]
    )


def updating(name: str, follow: Callable[[Any], Callable[[], object]]) -> Case:
    optimizer = optimizer_of(1)
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.zeros(1)
    after = follow(optimizer)

    def update() -> None:
        optimizer.step()
        after()

    return timed(name, update)


WHOLE_UPDATE = Benchmark(
    "an update of one parameter with everything around it",
    [
        updating("optimizer.step alone", lambda optimizer: lambda: None),
        updating("with driver.step, hooks included", lambda o: cd.drive(o, SINGLE, total=TOTAL).step),
        updating("with torch CosineAnnealingLR", lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL).step),
        updating("with torch SequentialLR of two", lambda o: sequence(o).step),
    ],
)

# ---- paddle ----------------------------------------------------------------------------------------------------------


def paddle_benchmarks() -> list[Benchmark]:
    """The same for paddle, where it is installed."""
    try:
        import paddle
    except ModuleNotFoundError:
        return []
    paddle.set_device("cpu")

    def optimizer_of(groups: int, rate: Any = 0.1) -> Any:
        parameters = [paddle.create_parameter([1], "float32") for _ in range(groups)]
        listed = [{"params": [p]} for p in parameters] if groups > 1 else parameters
        optimizer = paddle.optimizer.Momentum(rate, parameters=listed)
        sum(p.sum() for p in parameters).backward()
        # The tensor of the rate is made by the first update.
        optimizer.step()
        return optimizer

    def floor(groups: int) -> Callable[[], None]:
        optimizer, table, t = optimizer_of(groups), [0.1] * 4096, 0

        def step() -> None:
            nonlocal t
            t += 1
            optimizer.set_lr(table[t & 4095])

        return step

    def driving(name: str, groups: int, schedule: Any) -> Case:
        driver = cd.drive(optimizer_of(groups), schedule, total=TOTAL)
        step, clock = driver.step, driver._clock

        def update() -> None:
            clock.done += 1
            step()

        return timed(name, update)

    def updating(name: str, rate: Any, follow: Callable[[Any], Callable[[], object]], groups: int = 1) -> Case:
        optimizer = optimizer_of(groups, rate)
        after = follow(optimizer)

        def update() -> None:
            optimizer.step()
            after()

        return timed(name, update)

    decays = paddle.optimizer.lr

    def steps(groups: int, ratio: float) -> Benchmark:
        cases = [
            timed("a counter and paddle's set_lr", floor(groups)),
            driving("driver.step, cosine", groups, SINGLE),
            driving("driver.step, three phases and a product", groups, COMPOSED),
            driving("driver.step, rate and momentum", groups, {"lr": SINGLE, "momentum": "linear(to=0.5)"}),
        ]
        if groups == 1:
            cases += [
                timed("paddle_scheduler, cosine", cd.paddle_scheduler(SINGLE, base=0.1, total=TOTAL).step),
                timed("paddle StepDecay", decays.StepDecay(0.1, TOTAL).step),
                timed("paddle CosineAnnealingDecay", decays.CosineAnnealingDecay(0.1, TOTAL).step),
                timed("paddle LambdaDecay", decays.LambdaDecay(0.1, lambda t: 1.0 - t / TOTAL).step),
                timed("paddle LinearWarmup of a cosine", warm().step),
            ]
        names = ["driver.step, cosine", "driver.step, three phases and a product"]
        limits = [Limit(name, cases[0].name, ratio=ratio) for name in names]
        return Benchmark(f"paddle: one step, {groups} parameter group{'s' if groups > 1 else ''}", cases, limits)

    def warm() -> Any:
        return decays.LinearWarmup(decays.CosineAnnealingDecay(0.1, TOTAL), 10, 0.0, 0.1)

    def scheduled(name: str, scheduler: Any) -> Case:
        return updating(name, scheduler, lambda optimizer: scheduler.step)

    def asked() -> tuple[Any, Callable[[Any], Callable[[], object]]]:
        scheduler = decays.CosineAnnealingDecay(0.1, TOTAL)
        return scheduler, lambda optimizer: scheduler.step

    whole = Benchmark(
        "paddle: an update of one parameter with everything around it",
        [
            updating("optimizer.step alone", 0.1, lambda optimizer: lambda: None),
            updating("with driver.step, hooks included", 0.1, lambda o: cd.drive(o, SINGLE, total=TOTAL).step),
            scheduled("with paddle_scheduler", cd.paddle_scheduler(SINGLE, base=0.1, total=TOTAL)),
            scheduled("with paddle CosineAnnealingDecay", decays.CosineAnnealingDecay(0.1, TOTAL)),
            scheduled("with paddle LinearWarmup of a cosine", warm()),
        ],
    )
    grouped = Benchmark(
        "paddle: an update of 200 groups with everything around it",
        [
            updating("optimizer.step alone", 0.1, lambda optimizer: lambda: None, 200),
            updating("with driver.step, hooks included", 0.1, lambda o: cd.drive(o, SINGLE, total=TOTAL).step, 200),
            updating("with paddle CosineAnnealingDecay", *asked(), 200),
        ],
    )
    return [steps(1, 3.0), steps(200, 2.0), whole, grouped]


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    main([benchmark(1, 3.0), benchmark(200, 2.0), WHOLE_UPDATE, *paddle_benchmarks()])
