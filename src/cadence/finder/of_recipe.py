"""A range test of a recipe, in one process or in several, in any engine."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np

from cadence._errors import DriverError
from cadence.curve.horizon import round_half_up
from cadence.drivers.doors import writer_of
from cadence.finder.found import Found
from cadence.finder.rates import rates_of
from cadence.finder.subject import plain_numbers
from cadence.finder.suggest import suggest
from cadence.finder.sweeps import Asked, Swept, check, sweeps
from cadence.finder.watch import Watch
from cadence.recipe.recipe import Recipe
from cadence.run.asked import asked_for
from cadence.run.course import Course, settle
from cadence.run.driving import driven
from cadence.run.engine import Engine, Update, find_engine
from cadence.run.feed import groups
from cadence.run.ranks import Ranks, together
from cadence.run.scaling import at_batch
from cadence.spec.span import SpanLike, span
from cadence.tasks import Batch, Task, resolve_task

MOST_SKIPPED = 100
"""Updates in a row that may be left out, as in a training."""


@dataclass(frozen=True)
class Progress:
    """How far a test is.

    Attributes:
        done: updates.
        budget: of them.
        rate: of the last one.
        loss: of the last one.
    """

    done: int
    budget: int
    rate: float
    loss: float


Tell: TypeAlias = Callable[[Progress], object]


def find_in_recipe(
    recipe: str | os.PathLike[str] | Recipe | Mapping[str, Any],
    *,
    updates: SpanLike,
    low: float | None,
    high: float | None,
    repeats: int | None,
    seed: int | None,
    progress: Tell | None,
) -> Found:
    """The test of a recipe; see `cadence.find_lr`.

    Each repeat builds the training anew, as the recipe's seed has it: that is its state before the first update. Its
    own schedule is left aside; other values than the rate stand where their plan begins.
    """
    wanted = asked_for(recipe, seed, None)
    # Engines put back what they draw themselves; what is loaded on the way may draw too.
    back = plain_numbers()
    try:
        with together(wanted.engine, wanted.device) as ranks:
            return _found(wanted, ranks, updates, low, high, repeats, progress)
    finally:
        back()


def _found(
    wanted: Recipe,
    ranks: Ranks,
    updates: SpanLike,
    low: float | None,
    high: float | None,
    repeats: int | None,
    progress: Tell | None,
) -> Found:
    """What comes of the test in each of these processes."""
    task = resolve_task(wanted.task, **wanted.task_args)
    course = settle(wanted, task, "val", ranks.world)
    with _stands(wanted, task, course, ranks) as stand:
        before = stand.rates
    budget = round_half_up(course.horizon.updates(span(updates)))
    asked = Asked(budget, low, high, repeats, before.own[before.reference])
    check(asked)
    swept, skipped = _Test(wanted, task, course, ranks, asked, progress).run()
    said = suggest(swept.rates, swept.losses)
    about = {"name": wanted.name, "seed": wanted.seed, "total": course.total}
    return Found(said, swept, before.own, before.names, before.reference, skipped, about)


@final
class _Stand:
    """A training before its first update.

    Attributes:
        rates: of its groups.
    """

    def __init__(self, engine: Engine, course: Course) -> None:
        self._engine = engine
        # Freezes what is frozen, and puts all other values where the plan has them first.
        self._driver = driven(engine, course, None)
        self._writer = writer_of(engine.optimizers, ["lr"])
        self.rates = rates_of(self._writer)
        self._shares, self._clock = self.rates.shares, self._writer.clock
        self._writer.attach(self._regrouped)

    def update(self, rate: float, batches: list[Any]) -> tuple[Update, bool]:
        """One update with this rate; says whether it was really done."""
        before = self._clock.done
        self.rates.write([rate * share for share in self._shares])
        update = self._engine.update(batches, None)
        return update, self._clock.done > before

    def _regrouped(self, was: Any) -> None:
        """The groups of a recipe stay as they are."""


@contextmanager
def _stands(wanted: Recipe, task: Task, course: Course, ranks: Ranks) -> Generator[_Stand]:
    with find_engine(wanted.engine)(at_batch(wanted, course.scalings), task, ranks) as engine:
        yield _Stand(engine, course)


@final
class _Test:
    """The test, turn by turn."""

    def __init__(
        self, wanted: Recipe, task: Task, course: Course, ranks: Ranks, asked: Asked, progress: Tell | None
    ) -> None:
        self._wanted, self._task, self._course, self._ranks = wanted, task, course, ranks
        self._asked, self._progress = asked, progress if ranks.rank == 0 else None
        self._done = self._skipped = 0

    def run(self) -> tuple[Swept, int]:
        """What was measured, and how many updates were left out."""
        course, repeat = sweeps(self._asked), 0
        rates = next(course)
        try:
            while True:
                with _stands(self._wanted, self._task, self._course, self._ranks) as stand:
                    losses = self._sweep(rates, stand, repeat)
                repeat += 1
                rates = course.send(losses)
        except StopIteration as over:
            return over.value, self._skipped

    def _sweep(self, rates: list[float], stand: _Stand, repeat: int) -> list[float]:
        """One sweep, on batches that no other has; ends early where the loss has gone."""
        seed = int(np.random.SeedSequence([self._wanted.seed, repeat, len(self._wanted.name)]).generate_state(1)[0])
        feed = groups(self._task.data, self._course, seed, 0, self._ranks)
        watch = Watch()
        for rate in rates:
            loss = self._update(rate, stand, feed)
            if watch.gone(loss):
                break
        return watch.losses

    def _update(self, rate: float, stand: _Stand, feed: Iterator[list[Batch]]) -> float:
        """The loss of an update with this rate, which is tried again where the loss scaler leaves it out."""
        for _ in range(MOST_SKIPPED):
            update, done = stand.update(rate, next(feed))
            if done or not math.isfinite(update.loss):
                self._done += 1
                if self._progress is not None:
                    self._progress(Progress(self._done, self._asked.updates, rate, update.loss))
                return update.loss
            self._skipped += 1
        raise DriverError(
            f"{MOST_SKIPPED} updates in a row were left out at rate {rate:.3g}, because gradients were not finite; "
            f"look at data and model, or write precision: fp32"
        )
