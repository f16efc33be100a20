"""What a range test costs beside the training that it does: the same updates in a bare loop, with the finder around it,
and, where it is installed, with torch-lr-finder.

First the control alone, around a step that has nothing to do (no gradients), so that nothing hides it; then around
real updates of a small layer, in torch and in paddle. These samples have everything in them: the copies of the state,
and putting it back before each of 4 repeats and at the end. Processor time is taken, not that of the clock.

Then one turn alone, by the clock, as the median over all turns of a test: what a turn costs while its code is out of
the processor's caches, without what is done once in a test. What the losses say has a table of its own.

    python benchmarks/find_lr.py --rounds 15
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import importlib.util
import io
import statistics
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
import torch

import cadence as cd
from _bench import Benchmark, Case, Limit, main, timed
from cadence.finder.suggest import suggest

try:
    import paddle
except ImportError:
    paddle = None

UPDATES = 400
START, END = 1e-6, 1e-3
ALONE, SET = "the updates alone, each loss read", "and a rate set before each"
AROUND, ONE = "cadence.find_lr, 4 repeats", "cadence.find_lr"

torch.set_num_threads(1)
BATCHES = [(torch.randn(32, 64), torch.randint(0, 10, (32,))) for _ in range(16)]
NOISY = (2.0 + 0.1 * np.random.default_rng(0).standard_normal(997)).tolist()

clock = time.process_time


class Training:
    """A linear layer on batches that lie ready."""

    def __init__(self) -> None:
        self.model: Any = torch.nn.Linear(64, 10)
        self.optimizer: Any = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        self.loss: Any = torch.nn.CrossEntropyLoss()
        self.batches = cycle(BATCHES)

    def number(self, loss: Any) -> float:
        """Whoever looks for a rate reads the loss, too."""
        return loss.item()

    def set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def update(self) -> Any:
        inputs, targets = next(self.batches)
        self.optimizer.zero_grad()
        loss = self.loss(self.model(inputs), targets)
        loss.backward()
        self.optimizer.step()
        return loss


class PaddleTraining(Training):
    """The same in paddle."""

    def __init__(self) -> None:
        self.model = paddle.nn.Linear(64, 10)
        self.optimizer = paddle.optimizer.Momentum(1e-3, parameters=self.model.parameters())
        self.loss = paddle.nn.CrossEntropyLoss()
        self.batches = cycle([(paddle.to_tensor(x.numpy()), paddle.to_tensor(y.numpy())) for x, y in BATCHES])

    def set_rate(self, rate: float) -> None:
        self.optimizer.set_lr(rate)

    def update(self) -> Any:
        inputs, targets = next(self.batches)
        self.optimizer.clear_grad(set_to_zero=False)
        loss = self.loss(self.model(inputs), targets)
        loss.backward()
        self.optimizer.step()
        return loss


class Idle(Training):
    """A step without gradients, and losses that differ as those of batches do."""

    def __init__(self) -> None:
        super().__init__()
        self.losses = cycle(NOISY)

    def number(self, loss: Any) -> float:
        return loss

    def update(self) -> Any:
        self.optimizer.step()
        return next(self.losses)


def bare(name: str, training: Training) -> Case:
    def sample() -> float:
        begin = clock()
        for _ in range(UPDATES):
            training.number(training.update())
        return (clock() - begin) / UPDATES

    return Case(name, sample)


def finder_of(training: Training, repeats: int) -> Any:
    return cd.find_lr(training.optimizer, model=training.model, updates=UPDATES, start=START, end=END, repeats=repeats)


def finding(name: str, training: Training) -> Case:
    def sample() -> float:
        begin = clock()
        finder = finder_of(training, 4)
        turns = 0
        for _ in finder:
            turns += 1
            finder.observe(training.update())
        return (clock() - begin) / turns

    return Case(name, sample)


def turn(name: str, training: Training, *, find: bool = False, rates: bool = False) -> Case:
    """One turn, the usual one of `UPDATES`, by the clock; without a finder with or without a rate that is set."""

    def sample() -> float:
        finder = finder_of(training, 1) if find else None
        tell = training.number if finder is None else finder.observe
        times: list[float] = []
        begin = time.perf_counter()
        for _ in range(UPDATES) if finder is None else finder:
            if rates:
                training.set_rate(START)
            tell(training.update())
            end = time.perf_counter()
            times.append(end - begin)
            begin = end
        return statistics.median(times)

    return Case(name, sample)


def other(name: str, training: Training) -> list[Case]:
    """The range test of torch-lr-finder, which goes through the range once and is put back once."""
    if importlib.util.find_spec("torch_lr_finder") is None:
        return []
    import torch_lr_finder

    class Ready(torch_lr_finder.TrainDataLoaderIter):
        def inputs_labels_from_batch(self, batch_data: Any) -> Any:
            return batch_data

    class Rows:
        """Batches that lie ready, as a loader."""

        dataset = BATCHES

        def __iter__(self) -> Any:
            return cycle(BATCHES)

    loader: Any = torch.utils.data.DataLoader([0])
    ready = Ready(loader)
    ready._iterator = iter(Rows())

    def sample() -> float:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            begin = clock()
            finder = torch_lr_finder.LRFinder(training.model, training.optimizer, training.loss)
            finder.range_test(ready, start_lr=START, end_lr=END, num_iter=UPDATES, diverge_th=1e9)
            finder.reset()
            return (clock() - begin) / UPDATES

    return [Case(name, sample)]


def estimating() -> Callable[[], object]:
    rates = np.geomspace(1e-4, 1.0, 21)
    x = np.log10(rates)
    curve = 2.0 - 1.0 / (1.0 + np.exp(-4.0 * (x + 2.0))) + np.maximum(0.0, x + 0.7) * 5.0
    losses = curve + 0.05 * np.random.default_rng(0).standard_normal((4, len(rates)))
    return lambda: suggest(rates, losses)


def around(kind: type[Training], engine: str) -> list[Benchmark]:
    """Real updates; every case has the same model, in the same memory."""
    training = kind()
    beside = other("torch-lr-finder, 1 repeat", training) if engine == "torch" else []
    return [
        Benchmark(
            f"an update of a small layer in a range test, {engine}",
            [bare(ALONE, training), finding(AROUND, training), *beside],
            [Limit(AROUND, ALONE, seconds=5e-6)],
        ),
        Benchmark(
            f"the usual turn, {engine}",
            [turn(ALONE, training), turn(SET, training, rates=True), turn(ONE, training, find=True)],
            [Limit(ONE, ALONE, seconds=5e-6)],
        ),
    ]


if __name__ == "__main__":
    idle = Idle()
    main(
        [
            Benchmark(
                "the control around a step that does nothing",
                [bare(ALONE, idle), finding(AROUND, idle)],
                [Limit(AROUND, ALONE, seconds=5e-6)],
            ),
            *around(Training, "torch"),
            *([] if paddle is None else around(PaddleTraining, "paddle")),
            Benchmark("what the losses say, once in a test", [timed("4 repeats of 21", estimating(), clock=clock)]),
        ]
    )
