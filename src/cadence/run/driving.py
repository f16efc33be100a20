"""The driver of a run by recipe."""

from __future__ import annotations

from cadence.drivers.doors import drive
from cadence.drivers.driver import Driver
from cadence.drivers.recording import Recorder
from cadence.run.course import Course
from cadence.run.engine import Engine


def driven(engine: Engine, course: Course, record: Recorder | None) -> Driver:
    """Make an engine's optimizers obey the plan of a course.

    Raises:
        CadenceError: see `cadence.drive`.
    """
    horizon = course.horizon
    return drive(
        engine.optimizers,
        course.plan,
        total=horizon.total,
        steps_per_epoch=horizon.steps_per_epoch,
        batch_size=horizon.batch_size,
        tokens_per_step=horizon.tokens_per_step,
        scaler=engine.scaler,
        record=record,
        effective_rates=None if record is None else course.effective_rates,
    )
