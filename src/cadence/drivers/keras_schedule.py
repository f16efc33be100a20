"""A schedule for Keras: a `LearningRateSchedule` that is saved with the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import keras

from cadence._errors import DriverError
from cadence.curve.curve import Curve
from cadence.curve.place import as_plan
from cadence.drivers.keras_numbers import value_at
from cadence.drivers.pulled import pulled
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown
from cadence.spec.span import SpanLike
from cadence.spec.value import number_of

_Base: Any = cast("Any", keras).optimizers.schedules.LearningRateSchedule


def keras_schedule(
    schedule: Schedule | Plan | str | Mapping[str, Any],
    *,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    tokens_per_step: int | None = None,
    base: float = 1.0,
    steps_per_update: int = 1,
) -> CadenceSchedule:
    """A learning rate for a Keras optimizer: ``keras.optimizers.Adam(learning_rate=keras_schedule(...))``.

    The optimizer counts (`optimizer.iterations`, saved with it), so a loaded model goes on where it stood. A program
    that loads one says ``from cadence import keras_schedule`` first, which registers the class; custom objects are not
    needed.

    Args:
        schedule: of the learning rate: a schedule, or its text form; without feedback.
        total, steps_per_epoch, batch_size, tokens_per_step: the run, as for `place`.
        base: what relative values are multiples of; 1: they are the rates themselves.
        steps_per_update: batches in one update: the optimizer's ``gradient_accumulation_steps``, because Keras hands
            a schedule the number of batches.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.

    Raises:
        DriverError: a schedule with feedback, or one that raises past its end: neither is a function of the step; or
            a plan for anything but the learning rate, which Keras asks of no schedule.
        HorizonError, SpecError: as for `place`.

    Example:
        >>> rate = keras_schedule("warmup(2) >> cosine()", total=10, base=0.1)
        >>> float(rate(2)), round(float(rate(6)), 6)
        (0.10000000149011612, 0.05)
        >>> rate.get_config()["schedule"]
        'warmup(2) >> cosine()'
    """
    plan = as_plan(schedule)
    (key, of), *others = plan.entries
    if key != "lr" or others:
        raise DriverError(
            f"Keras asks a schedule for the learning rate and for nothing else, and the plan governs "
            f"{', '.join(k for k, _ in plan.entries)}; give it the schedule of 'lr' alone"
        )
    return CadenceSchedule(
        repr(of), total=total if total is None or isinstance(total, (int, str)) else str(total),
        steps_per_epoch=steps_per_epoch, batch_size=batch_size, tokens_per_step=tokens_per_step, base=base,
        steps_per_update=steps_per_update,
    )  # fmt: skip


@keras.saving.register_keras_serializable(package="cadence")
class CadenceSchedule(_Base):
    """A schedule as Keras's own kind. Made by `keras_schedule`; its configuration is its text form and the run."""

    def __init__(
        self,
        schedule: str,
        total: int | str | None = None,
        steps_per_epoch: int | None = None,
        batch_size: int | None = None,
        tokens_per_step: int | None = None,
        base: float = 1.0,
        steps_per_update: int = 1,
        name: str = "CadenceSchedule",
    ) -> None:
        """See `keras_schedule`."""
        self.name = name
        self._base = number_of(base, "base")
        self._steps_per_update = _count(steps_per_update)
        self._of = pulled(
            schedule, asker="Keras", instead="keras.callbacks.ReduceLROnPlateau follows one", total=total,
            steps_per_epoch=steps_per_epoch, batch_size=batch_size, tokens_per_step=tokens_per_step, base=self._base,
            value=None, groups=None, group=None,
        )  # fmt: skip

    @property
    def curve(self) -> Curve:
        """The same in float64 for numpy, to look at and to describe."""
        return self._of.curve

    def __call__(self, step: Any) -> Any:
        """The rate in force at a step, as a tensor: float32, or float64 where Keras computes in that."""
        return value_at(self._of, step, self._steps_per_update)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` makes an equal of."""
        return {
            "schedule": self.curve.spec,
            **self.curve.horizon.to_json(),
            "base": self._base,
            "steps_per_update": self._steps_per_update,
            "name": self.name,
        }

    def __repr__(self) -> str:
        return f"keras_schedule({self.curve.spec!r}, base={self._base:g})"


def _count(n: object) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise DriverError(f"steps_per_update is a whole number of at least 1, not {shown(n)}")
    return n
