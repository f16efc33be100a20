"""A schedule for optax: a function of the update count that jax can trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cadence.curve.curve import Curve
from cadence.curve.place import Bases
from cadence.drivers.jax_numbers import value_at
from cadence.drivers.pulled import Pulled, pulled
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.span import SpanLike


def optax_schedule(
    schedule: Schedule | Plan | str | Mapping[str, Any],
    *,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    tokens_per_step: int | None = None,
    base: Bases = 1.0,
    value: str | None = None,
    groups: Sequence[str] | None = None,
    group: str | None = None,
) -> OptaxSchedule:
    """A function from the update count to a value, for whatever in optax takes a schedule.

    It works under `jit`, `vmap` and `scan`, and is accurate to the last digit of float32 at every count that an int32
    holds. The optimizer's state counts, so a training that goes on from a saved state goes on with the right values.

    Args:
        schedule: a schedule, a plan, or the text form of either; without feedback.
        total, steps_per_epoch, batch_size, tokens_per_step: the run, as for `place`.
        base: what relative values are multiples of, as for `place`; 1: they are the values themselves.
        value: which of a plan's values, e.g. ``"weight_decay"``; ``"lr"`` where it is left out.
        groups: names of the groups, where the plan has patterns: the labels of `optax.multi_transform`.
        group: which of them.

    Returns:
        A callable: count (an int or an integer array of any shape) -> float array of that shape.

    Raises:
        DriverError: a schedule with feedback, or one that raises past its end: neither is a function of the count.
        UnknownNameError: a value or group that the plan does not govern.
        HorizonError, SpecError: as for `place`.

    Example:
        >>> import optax
        >>> rate = optax_schedule("warmup(2) >> cosine()", total=10, base=0.1)
        >>> float(rate(2)), float(rate(6))
        (0.10000000149011612, 0.05000000074505806)
        >>> optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=rate, weight_decay=0.01)
    """
    return OptaxSchedule(
        pulled(
            schedule, asker="optax", instead="optax.contrib.reduce_on_plateau follows one", total=total,
            steps_per_epoch=steps_per_epoch, batch_size=batch_size, tokens_per_step=tokens_per_step, base=base,
            value=value, groups=groups, group=group,
        )
    )  # fmt: skip


class OptaxSchedule:
    """A value as a function of the update count. Made by `optax_schedule`; it has no state."""

    def __init__(self, of: Pulled) -> None:
        self._of = of

    @property
    def curve(self) -> Curve:
        """The same in float64 for numpy, to look at and to describe."""
        return self._of.curve

    def __call__(self, count: Any) -> Any:
        """The value in force at update `count`; a float array of its shape."""
        return value_at(self._of, count)

    def __repr__(self) -> str:
        return f"optax_schedule({self.curve.spec!r}, value={self._of.value!r})"
