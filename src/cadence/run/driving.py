"""The driver of a run by recipe."""

from __future__ import annotations

from cadence.curve.horizon import Horizon
from cadence.drivers.doors import drive
from cadence.drivers.driver import Driver
from cadence.drivers.recording import Recorder
from cadence.run.course import Course
from cadence.run.engine import Engine


def driven(engine: Engine, course: Course, record: Recorder | None, begun: Horizon | None = None) -> Driver:
    """Make an engine's optimizers obey the plan of a course.

    Args:
        engine: of the run.
        course: of the run.
        record: where rows, evaluations and events go; None: nowhere.
        begun: what the schedule was placed on when the run began; None: it begins now.

    Raises:
        CadenceError: see `cadence.drive`.
    """
    horizon = course.horizon if begun is None else begun
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
