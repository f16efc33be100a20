"""Schedules for frameworks that count the updates themselves and ask for the value of one: optax, Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cadence._errors import DriverError, UnknownNameError, neighbours
from cadence.curve.curve import Curve
from cadence.curve.place import Bases, as_plan, place
from cadence.spec.nodes import EarlyStop, PastEnd, Plateau, Schedule, walk
from cadence.spec.plan import Plan
from cadence.spec.span import SpanLike


@dataclass(frozen=True, eq=False)
class Pulled:
    """One value of one group of a curve.

    Attributes:
        curve: the placed plan.
        value: ``"lr"``, ``"weight_decay"``, ...
        group: name of the group.
    """

    curve: Curve
    value: str
    group: str

    def at(self, t: Any) -> Any:
        """The value at known updates, in numpy; before the first it has its first value."""
        return self.curve.at(t, group=self.group, value=self.value)

    def traced(self, t: Any, xp: Any) -> Any:
        """The same where `t` is traced; see `Curve.traced`."""
        return self.curve.traced(t, xp, group=self.group, value=self.value)


def pulled(
    schedule: Schedule | Plan | str | Mapping[str, Any],
    *,
    asker: str,
    instead: str,
    total: SpanLike | None,
    steps_per_epoch: int | None,
    batch_size: int | None,
    tokens_per_step: int | None,
    base: Bases,
    value: str | None,
    groups: Sequence[str] | None,
    group: str | None,
) -> Pulled:
    """A checked schedule for a framework that asks.

    Args:
        asker: who asks, for messages.
        instead: what to use where a metric has to govern the value.
        schedule, total, steps_per_epoch, batch_size, tokens_per_step, base, groups: as for `place`.
        value: which of the plan's values; ``"lr"`` or its only one where it is left out.
        group: which of the groups; the first that the plan governs where it is left out.

    Raises:
        DriverError: a rule, or an error past the end: neither can happen inside a function of the update number.
        UnknownNameError: a value or group that the plan does not govern.
        HorizonError, SpecError: as for `place`.
    """
    plan = as_plan(schedule)
    for node in (node for _, part in plan.entries for node in walk(part)):
        if isinstance(node, (Plateau, EarlyStop)):
            raise DriverError(
                f"{asker} asks for the value of an update and never tells a metric, so {node} would hear nothing; "
                f"{instead}"
            )
        if isinstance(node, PastEnd) and node.then == "raise":
            raise DriverError(
                f"compiled code cannot raise, so {node} has no meaning for {asker}; write past_end('hold')"
            )
    values = plan.values()
    if value is None and "lr" not in values and len(values) > 1:
        raise DriverError(f"the plan governs {', '.join(values)}, and {asker} asks for one of them; write value=")
    chosen = value if value is not None else ("lr" if "lr" in values else values[0])
    if chosen not in values:
        raise UnknownNameError(f"the plan does not govern {chosen!r}; {neighbours(str(chosen), values)}")
    curve = place(
        plan, total=total, steps_per_epoch=steps_per_epoch, batch_size=batch_size, tokens_per_step=tokens_per_step,
        base=base, groups=groups,
    )  # fmt: skip
    governed = [curve.groups[g] for g, v in curve.pairs if v == chosen]
    if group is not None and group not in governed:
        raise UnknownNameError(
            f"the plan does not govern {chosen} of a group {group!r:.60}; {neighbours(str(group), governed)}"
        )
    return Pulled(curve, chosen, group if group is not None else governed[0])
