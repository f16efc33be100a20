"""From a schedule to a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from cadence._errors import SpecError
from cadence.curve.curve import Curve, check_values, named_groups
from cadence.curve.edits import Entry
from cadence.curve.horizon import Horizon, horizon
from cadence.curve.layout import Layout
from cadence.spec.nodes import Schedule
from cadence.spec.parse import parse
from cadence.spec.plan import Plan, means, split_key
from cadence.spec.shown import shown
from cadence.spec.span import SpanLike
from cadence.spec.value import number_of

Bases: TypeAlias = "float | Sequence[float] | Mapping[str, float | Sequence[float]]"


def place(
    schedule: Schedule | Plan | str | Mapping[str, Any],
    *,
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    tokens_per_step: int | None = None,
    base: Bases = 1.0,
    groups: Sequence[str] | None = None,
) -> Curve:
    """Place a schedule on a run.

    Args:
        schedule: a schedule, a plan, or the text form of either.
        total: length of the run in updates, or text with a unit; may be left out where nothing needs it.
        steps_per_epoch: updates in one epoch.
        batch_size: samples in one update.
        tokens_per_step: tokens in one update.
        base: what relative values are multiples of: one number, one for each parameter group, or a mapping from value
            (``"lr"``, ``"weight_decay"``) to either.
        groups: names of the parameter groups, for plans with patterns.

    Returns:
        The curve.

    Raises:
        HorizonError: the schedule does not fit the run, or a unit that the run cannot resolve.
        SpecError: a base that is no number, or values that no optimizer can use.

    Example:
        >>> import cadence as cd
        >>> curve = cd.place("warmup('5%') >> cosine(to=0.01)", total="10 epochs", steps_per_epoch=100, base=0.1)
        >>> curve.at(0), curve.at(50), curve.at(1000)
        (0.001, 0.1, 0.001)
        >>> [e.kind for e in curve.events]
        ['phase', 'phase', 'warmup ends', 'end']
    """
    run = horizon(total, steps_per_epoch, batch_size, tokens_per_step)
    plan = as_plan(schedule)
    values = plan.values()
    table = _bases(base, values, None if groups is None else len(groups))
    names = named_groups(groups) if groups is not None else tuple(str(i) for i in range(len(table[values[0]])))
    return lay_out(plan, run, names, table)


def as_plan(schedule: Schedule | Plan | str | Mapping[str, Any]) -> Plan:
    """A schedule as the plan that governs ``"lr"``; text is read."""
    if isinstance(schedule, (str, Mapping)):
        schedule = parse(schedule)
    if isinstance(schedule, Plan):
        return schedule
    if not isinstance(schedule, Schedule):
        raise SpecError(f"a schedule is made with cadence's constructors or written as text, not {shown(schedule)}")
    return Plan((("lr", schedule),))


def lay_out(
    plan: Plan,
    run: Horizon,
    groups: tuple[str, ...],
    bases: Mapping[str, tuple[float | None, ...]],
    journal: Sequence[Entry] = (),
) -> Curve:
    """The curve of a plan whose every number is known. What `place` and a driver both end in.

    Raises:
        HorizonError: see `place`.
        SpecError: a pattern that no group's name matches; values that no optimizer can use.
    """
    for key, _ in plan.entries:
        pattern, _ = split_key(key)
        if pattern is not None and not any(means(pattern, group) for group in groups):
            raise SpecError(f"the pattern {key!r} matches no parameter group; there are {', '.join(map(repr, groups))}")
    layout = Layout(run)
    placed = tuple(layout.place(schedule) for _, schedule in plan.entries)
    curve = Curve(plan, run, groups, dict(bases), tuple(journal), placed, tuple(layout.rules))
    check_values(curve)
    return curve


def _bases(base: Bases, values: list[str], count: int | None) -> dict[str, tuple[float | None, ...]]:
    given: Mapping[str, Any] = base if isinstance(base, Mapping) else dict.fromkeys(values, base)
    for value in values:
        if value not in given:
            raise SpecError(f"the plan governs {value!r} and base says nothing about it; write base={{{value!r}: ...}}")
    lists = {v: [given[v]] if not isinstance(given[v], Sequence) else list(given[v]) for v in values}
    longest = max([len(x) for x in lists.values()] + ([] if count is None else [count]))
    table: dict[str, tuple[float | None, ...]] = {}
    for value, numbers in lists.items():
        if len(numbers) == 1:
            numbers = numbers * longest
        if len(numbers) != longest or not numbers:
            raise SpecError(
                f"base has {len(numbers)} numbers for {value!r} where there are {longest} parameter groups; "
                f"write one for each"
            )
        table[value] = tuple(number_of(x, f"the base of {value}") for x in numbers)
    return table
