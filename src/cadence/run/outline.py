"""What a training is going to be, before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cadence.curve.curve import Curve
from cadence.drivers.driver import Driver
from cadence.optim.groups.groups import Groups
from cadence.recipe.recipe import Recipe
from cadence.run.asked import asked_for
from cadence.run.course import Course, settle
from cadence.run.driving import driven
from cadence.run.engine import Engine, find_engine
from cadence.run.scaling import Scalings, at_batch, to_json
from cadence.tasks import resolve_task


@dataclass(frozen=True)
class Outline:
    """A training before it begins.

    Attributes:
        name: of the recipe.
        total: updates of the whole run.
        steps_per_epoch: updates in one epoch.
        batch_size: examples of one update.
        device: where it computes, in plain data.
        groups: what the model's parameters were divided into.
        curve: what governs them.
        scalings: of base rates that are stated for another batch, by the name of the optimizer.
        course: the run in numbers.
    """

    name: str
    total: int
    steps_per_epoch: int
    batch_size: int
    device: Mapping[str, Any]
    groups: Groups
    curve: Curve
    scalings: Scalings
    course: Course

    @property
    def divided(self) -> bool:
        """Whether there is anything to see in the table of groups."""
        return len(self.groups) > 1 or any(part.frozen is not None for part in self.groups.parts)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "name": self.name,
            "total": self.total,
            "steps_per_epoch": self.steps_per_epoch,
            "batch_size": self.batch_size,
            "device": dict(self.device),
            "spec": self.curve.spec,
            "groups": self.groups.rows(),
            **to_json(self.scalings),
        }


def outline(
    recipe: str | os.PathLike[str] | Recipe | Mapping[str, Any],
    *,
    seed: int | None = None,
    updates: int | None = None,
) -> Outline:
    """What a training would be: model and optimizers are made, the plan is placed on them, and nothing is written.

    Args:
        recipe, seed, updates: as for `cadence.train`.

    Raises:
        CadenceError: whatever `cadence.train` would refuse before the first update.
    """
    wanted = asked_for(recipe, seed, updates)
    task = resolve_task(wanted.task, **wanted.task_args)
    course = settle(wanted, task, "val")
    with find_engine(wanted.engine)(at_batch(wanted, course.scalings), task) as engine:
        return outline_of(wanted, course, engine, driven(engine, course, None))


def outline_of(recipe: Recipe, course: Course, engine: Engine, driver: Driver) -> Outline:
    """The outline of a training whose parts are there."""
    return Outline(
        recipe.name,
        course.total,
        course.horizon.steps_per_epoch or 1,
        course.epoch.samples,
        engine.device,
        engine.groups,
        driver.curve,
        course.scalings,
        course,
    )
