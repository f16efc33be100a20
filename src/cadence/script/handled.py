"""Ignite's schedulers as they move: an engine calls them, and each call sets the value and goes on to the next."""

from __future__ import annotations

from cadence.conversion.native import Native
from cadence.script.model import Scheduler
from cadence.script.sims import MovingOptimizer, MovingScheduler, Values


class Handled(MovingScheduler):
    """One of Ignite's. Until its first call the optimizer has its own rate."""

    def __init__(self, scheduler: Scheduler, native: Native, optimizer: MovingOptimizer, ticks: int | None) -> None:
        super().__init__(scheduler, native, optimizer)
        bases = tuple(float(group.get("initial_lr", group["lr"])) for group in optimizer.groups)
        self.values = Values(native, bases, ticks)

    def step(self, epoch: float | None = None) -> None:
        del epoch
        assert self.optimizer is not None
        for group, value in self.values.pairs:
            self.optimizer.groups[group][value] = self.values.at(self.steps, group, value)
        self.steps += 1
