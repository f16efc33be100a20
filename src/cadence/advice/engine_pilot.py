"""A pilot by recipe: short trainings with the recipe's own engine, on its own data, from its own initial weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, final

from cadence._errors import TaskError
from cadence.advice.advice import Advice
from cadence.advice.outcome import Outcome, Rate
from cadence.advice.recipes import listed, recipe_keys
from cadence.advice.setting import Making
from cadence.optim.trained import kind_of
from cadence.recipe.recipe import Recipe, make_recipe
from cadence.run.course import Course, settle
from cadence.run.engine import Engine, find_engine
from cadence.run.feed import groups
from cadence.run.ranks import Alone
from cadence.tasks import Batch, Task

if TYPE_CHECKING:
    from cadence.advice.of_recipe import Partial

HELD_BACK = 0.2
"""Share of an epoch's batches that judge where the task has no part for tuning."""

MOST_JUDGES = 16
"""Batches that judge."""


@final
class EnginePilot:
    """What `cadence.recommend` calls as `pilot`.

    Every training begins with the same weights and sees the same batches in the same order. It is judged on the part of
    the data that is there for tuning (``"tune"``); where a task has none, on batches of the first epoch that are kept
    out of training.

    Args:
        partial: the recipe.
        advice: for it by rules alone; precision, clipping and groups are its.
    """

    def __init__(self, partial: Partial, advice: Advice) -> None:
        rate = advice["learning_rate"].value
        known = advice if rate is not None else advice.having(learning_rate=1e-3)
        keys = recipe_keys(known, task=None, model=None)
        # A training of its own length without schedule: the race says the rate of each update.
        for key in ("average", "stop", "tune", "checkpoint", "loggers"):
            keys.pop(key, None)
        self._keys: dict[str, Any] = {**keys, "schedule": "constant()", "evaluate": 1}
        self._task: Task = partial.task

    def __call__(self, make_optimizer: Callable[[Any], Any], updates: int, rate: Rate | None) -> Outcome:
        """One training."""
        recipe = self._recipe(make_optimizer, updates)
        course = settle(recipe, self._task, "val")
        with find_engine(recipe.engine)(recipe, self._task, Alone()) as engine:
            batches, judges = self._data(course, recipe.seed)
            write = _Rates(engine)
            losses: list[float] = []
            for t in range(updates):
                if rate is not None:
                    write(rate(t))
                losses.append(engine.update(next(batches), None).loss)
                if not math.isfinite(losses[-1]):
                    return Outcome(tuple(losses), None)
            judged = engine.evaluate(judges)
        return Outcome(tuple(losses), judged.sums["loss"] / judged.targets if judged.targets else None)

    def _recipe(self, make_optimizer: Callable[[Any], Any], updates: int) -> Recipe:
        keys = {**self._keys, "total": updates}
        if isinstance(make_optimizer, Making):
            own = make_optimizer.setting
            decay = {} if own.weight_decay is None else {"weight_decay": own.weight_decay}
            keys["optimizer"] = {"name": own.name, "lr": own.lr, **decay, **listed(own.arguments)}
            keys |= {"no_decay": own.no_decay, "layer_decay": own.layer_decay}
            if own.groups:
                theirs: dict[str, Any] = self._keys.get("groups") or {}
                keys["groups"] = {**{name: dict(values) for name, values in own.groups.items()}, **theirs}
        return make_recipe(keys)

    def _data(self, course: Course, seed: int) -> tuple[Iterator[list[Batch]], list[Batch]]:
        """What is trained on, update by update, and what judges."""
        data = self._task.data
        try:
            judges = list(data.held_out("tune"))
        except TaskError:
            judges = []
        if judges:
            return groups(data, course, seed, 0, Alone()), judges[:MOST_JUDGES]
        return _kept_apart(self._task, course, seed)


def _kept_apart(task: Task, course: Course, seed: int) -> tuple[Iterator[list[Batch]], list[Batch]]:
    """Without a part for tuning: the first epoch again and again, but for its last batches."""
    size = course.accumulate
    first = list(task.data.batches(seed, 0, course.batch_size))
    back = min(MOST_JUDGES, max(1, round(HELD_BACK * len(first))))
    if len(first) - back < size:
        return groups(task.data, course, seed, 0, Alone()), []

    def trained() -> Iterator[list[Batch]]:
        own = first[:-back]
        while True:
            for i in range(0, len(own) - size + 1, size):
                yield own[i : i + size]

    return trained(), first[-back:]


class _Rates:
    """Writes a rate into the optimizers of an engine; groups keep their ratio to it."""

    def __init__(self, engine: Engine) -> None:
        self._torch: list[tuple[dict[str, Any], float]] = []
        self._paddle: list[Any] = []
        for optimizer in engine.optimizers:
            if kind_of(optimizer) == "paddle":
                self._paddle.append(optimizer)
            else:
                base = float(optimizer.defaults["lr"])
                self._torch += [(group, float(group["lr"]) / base) for group in optimizer.param_groups]

    def __call__(self, rate: float) -> None:
        for group, ratio in self._torch:
            group["lr"] = rate * ratio
        for optimizer in self._paddle:
            optimizer.set_lr(rate)
