"""One training of a task, and the short ones before it that a pilot may make."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from benchmarks.advice.rates import Rate
from benchmarks.advice.task import Batch, Task
from torch import nn

LOOKS = 25
"""Evaluations of a run, the last one at its end."""

REFRESHED = 8
"""Batches from which running statistics are taken for weights that were not trained on any."""

Mover: TypeAlias = Callable[[int], None]
"""Called with the number of an update before it."""


class Pilot:
    """Trains copies of the initial model on training batches, and counts what it takes."""

    def __init__(self, task: Task, model: nn.Module, seed: int) -> None:
        self._task, self._model = task, copy.deepcopy(model)
        self._batches = task.stream(770_000 + seed)
        self.used = 0

    @property
    def updates(self) -> int:
        """Of the whole run."""
        return self._task.updates

    def copy(self) -> nn.Module:
        """The initial model."""
        return copy.deepcopy(self._model).train()

    def update(self, model: nn.Module, optimizer: Any) -> float:
        """One update on the next batch; the loss before it."""
        self.used += 1
        return update(self._task, model, optimizer, self._batches, self._task.clip_norm)

    def train(self, make_optimizer: Callable[[nn.Module], Any], updates: int, rate: Rate | None) -> list[float]:
        """The losses of so many updates of a copy; none after one that is no number."""
        model, losses = self.copy(), list[float]()
        optimizer = make_optimizer(model)
        for t in range(updates):
            if rate is not None:
                put(optimizer, rate(t))
            losses.append(self.update(model, optimizer))
            if not math.isfinite(losses[-1]):
                break
        return losses


@dataclass(frozen=True)
class Subject:
    """What a level is given.

    Attributes:
        task: without its held-out rows in sight.
        model: to train.
        pilot: to try things with.
    """

    task: Task
    model: nn.Module
    pilot: Pilot


@dataclass(frozen=True)
class Plan:
    """What a level makes of it.

    Attributes:
        optimizer: of the model.
        before: sets the rate of an update; None: the optimizer does.
        after: called after each update; None: nothing.
        clip_norm: at which is clipped.
    """

    optimizer: Any
    before: Mover | None = None
    after: Callable[[], object] | None = None
    clip_norm: float | None = None


Level: TypeAlias = Callable[[Subject], Plan]


@dataclass(frozen=True)
class Outcome:
    """One run.

    Attributes:
        losses: on held-out rows, evenly over the run, the last one at its end; shorter where it diverged.
        pilot: updates taken before.
        model: with its last weights.
    """

    losses: tuple[float, ...]
    pilot: int
    model: nn.Module


def run(task: Task, level: Level, seed: int) -> Outcome:
    """Train once. Seeds decide the weights, the batches and whatever is drawn meanwhile."""
    torch.manual_seed(seed)
    model = task.model().train()
    pilot = Pilot(task, model, seed)
    initial = copy.deepcopy(model.state_dict())
    plan = level(Subject(task, model, pilot))
    model.load_state_dict(initial)
    torch.manual_seed(10_000 + seed)
    batches = task.stream(1_000 + seed)
    looks = {round(task.updates * (i + 1) / LOOKS) for i in range(LOOKS)}
    losses: list[float] = []
    _switch(plan.optimizer, "train")
    for t in range(task.updates):
        if plan.before is not None:
            plan.before(t)
        loss = update(task, model, plan.optimizer, batches, plan.clip_norm)
        if plan.after is not None:
            plan.after()
        if not math.isfinite(loss) or loss > 1e6:
            break
        if t + 1 in looks:
            losses.append(_held_out(task, model, plan.optimizer, seed))
    return Outcome(tuple(losses), pilot.used, model)


def rise(task: Task, model: nn.Module, size: float = 0.05, draws: int = 8) -> float:
    """How steep it is around weights: the mean rise of the loss on training batches when they are moved at random.

    Every weight tensor is moved by a normal draw that is `size` times as long as it, so that nets whose weights are
    large at no gain in what they compute do not look flat.

    Args:
        task: whose training batches are taken, four of them, always the same.
        model: in evaluation mode meanwhile.
        size: length of the move, as a share of that of the weights.
        draws: moves.

    Source:
        Li et al. 2018, "Visualizing the loss landscape of neural nets", arXiv:1712.09913, section 4, for whole tensors.
    """
    generator = torch.Generator().manual_seed(4)
    batches = [batch for batch, _ in zip(task.stream(550_000), range(4), strict=False)]
    kept = [weights.detach().clone() for weights in model.parameters()]
    model.eval()
    with torch.no_grad():
        here, rises = _mean_loss(task, model, batches), list[float]()
        for _ in range(draws):
            for weights, own in zip(model.parameters(), kept, strict=True):
                move = torch.randn(own.shape, generator=generator)
                weights.copy_(own + move * (size * own.norm() / move.norm()))
            rises.append(_mean_loss(task, model, batches) - here)
        for weights, own in zip(model.parameters(), kept, strict=True):
            weights.copy_(own)
    return sum(rises) / draws


def _mean_loss(task: Task, model: nn.Module, batches: list[Batch]) -> float:
    return sum(float(task.loss(model(x), y)) for x, y in batches) / len(batches)


def update(task: Task, model: nn.Module, optimizer: Any, batches: Iterator[Batch], clip_norm: float | None) -> float:
    """One update; the loss before it."""
    x, y = next(batches)
    optimizer.zero_grad()
    loss = task.loss(model(x), y)
    loss.backward()
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
    return float(loss.detach())


def put(optimizer: Any, rate: float) -> None:
    """One rate for all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _held_out(task: Task, model: nn.Module, optimizer: Any, seed: int) -> float:
    averaged = _switch(optimizer, "eval")
    model.eval()
    with torch.no_grad():
        if averaged:
            _refresh(task, model, seed)
        outputs = torch.cat([model(x) for x, _ in task.held_out])
        loss = float(task.loss(outputs, torch.cat([y for _, y in task.held_out])))
    model.train()
    _switch(optimizer, "train")
    return loss


def _switch(optimizer: Any, mode: str) -> bool:
    """Optimizers that average weights are told; whether this is one."""
    told = getattr(optimizer, mode, None)
    if told is None:
        return False
    told()
    return True


def _refresh(task: Task, model: nn.Module, seed: int) -> None:
    """Running statistics of averaged weights, from a few training batches."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        for _, (x, _) in zip(range(REFRESHED), task.stream(660_000 + seed), strict=False):
            model(x)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
        norm.eval()
