"""What is done to a run by hand: each a pure function from what a run is to what it becomes, ready for a preview.

All of them leave what was in force before update `now` alone. All but `set` and `rewarm`, which are asked to move the
values, leave them where they stand at update `now` too, but for rounding (a relative 1e-15).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cadence._errors import DriverError, SpecError, UnknownNameError, neighbours
from cadence.curve.cooling import SHAPE, cooling, leading
from cadence.curve.curve import Curve
from cadence.curve.horizon import Horizon, horizon, round_half_up
from cadence.curve.place import lay_out
from cadence.drivers.state import changed, stretched
from cadence.feedback.control import Control
from cadence.spec.constructors.phases import constant
from cadence.spec.plan import Plan, split_key
from cadence.spec.shape import shape as shapes
from cadence.spec.span import Span, SpanLike, span
from cadence.spec.value import number_of

Change = Callable[..., Control]


def change(control: Control, now: int, kind: str, arguments: Mapping[str, Any]) -> Control:
    """A run after one change.

    Args:
        control: the run.
        now: updates done: the first update that the change governs.
        kind: a name in `CHANGES`.
        arguments: of it, plain JSON data.

    Returns:
        The run afterwards; the last entry of its journal is the change.

    Raises:
        UnknownNameError: a kind or an argument that there is not.
        SpecError, DriverError, HorizonError, StateError: a change that cannot be made.
    """
    if kind not in CHANGES:
        raise UnknownNameError(f"a run cannot be changed by {kind!r}; {neighbours(kind, CHANGES)}")
    make = CHANGES[kind]
    known = make.__code__.co_varnames[2 : make.__code__.co_argcount + make.__code__.co_kwonlyargcount]
    for name in arguments:
        if name not in known:
            raise UnknownNameError(f"{kind} has no argument {name!r}; {neighbours(name, known)}")
    return make(control, now, **arguments)


def set_values(control: Control, now: int, values: Mapping[str, float], group: str | int | None = None) -> Control:
    """See `Driver.set`."""
    if not values:
        raise SpecError("set changes nothing; write e.g. driver.set(lr=0.01)")
    factors = dict[str, list[float | None]]()
    numbers = {value: number_of(x, value) for value, x in values.items()}
    for value, number in numbers.items():
        if number == 0:
            raise SpecError(
                f"set({value}=0) would end it for good, because the rest of the curve is multiplied; write a small "
                f"number, e.g. {value}=1e-12"
            )
        factors[value] = _factors(control.curve, value, number, group, now)
    told = ", ".join(f"{value} = {number:g}" for value, number in numbers.items())
    where = "" if group is None else f" of group {group!r}"
    sentence = f"Set by hand: {told}{where}."
    return control.noted({"t": now, "kind": "set", "group": group, "factors": factors, "sentence": sentence})


def hold(control: Control, now: int, length: SpanLike | None = None) -> Control:
    """See `Driver.hold`."""
    curve = control.curve
    if _held(control):
        raise DriverError("the values are held already, until they are released; write driver.release() first")
    until = None if length is None else now + updates_of(curve, length, "the length of hold")
    held: dict[str, list[float | None]] = {v: [None] * len(curve.groups) for v in curve.plan.values()}
    for g, value in curve.pairs:
        held[value][g] = _holdable(curve, g, value, now, now + 1 if until is None else until)
    told = "until released" if until is None else f"until update {until}"
    return control.noted(
        {"t": now, "kind": "hold", "values": held, "until": until, "sentence": f"Held by hand {told}."}
    )


def release(control: Control, now: int) -> Control:
    """See `Driver.release`."""
    if not _held(control):
        raise DriverError("nothing is held, so there is nothing to release; write driver.hold() first")
    return control.noted({"t": now, "kind": "release", "sentence": "Released by hand."})


def rewarm(control: Control, now: int, length: SpanLike, start: float = 0.01) -> Control:
    """See `Driver.rewarm`."""
    n = updates_of(control.curve, length, "the length of rewarm")
    low = number_of(start, "start of rewarm")
    if low > 1:
        raise SpecError(f"start of rewarm is {low:g}; it is a share of the plan's value, at most 1")
    told = f"Warmed up again by hand over {n} updates, from {low:g} of the plan."
    values = leading(control.curve)
    return control.noted({"t": now, "kind": "rewarm", "updates": n, "start": low, "values": values, "sentence": told})


def cooldown(control: Control, now: int, length: SpanLike, to: float = 0.0, shape: str = SHAPE) -> Control:
    """See `Driver.cooldown`."""
    curve, n = control.curve, updates_of(control.curve, length, "the length of cooldown")
    left = None if curve.total is None else curve.total - now
    if left is not None and n > left:
        raise SpecError(
            f"a cooldown of {n} updates does not fit into the {max(left, 0)} that are left at update {now} of "
            f"{curve.total}; write a shorter one, or extend the run first"
        )
    _check_falls_along(shape)
    end, values = number_of(to, "to of cooldown"), leading(curve)
    for g, value in curve.pairs:
        if value in values:
            _check_falls(curve, g, value, now, end)
    told = (
        f"Cooled down by hand over {n} updates along {shape}, to {end:g} of the base; the run ends at update {now + n}."
    )
    entry = cooling(curve, now, n, end, shape)
    return control.noted({"t": now, "kind": "cooldown", **entry, "sentence": told})


def extend(control: Control, now: int, length: SpanLike) -> Control:
    """See `Driver.extend`."""
    total = _known_total(control.curve)
    _check_goes_on(control.curve, now)
    return _over(control, now, total + updates_of(control.curve, length, "the length of extend"))


def shorten(control: Control, now: int, length: SpanLike) -> Control:
    """See `Driver.shorten`."""
    curve = control.curve
    total = _known_total(curve)
    n = updates_of(curve, length, "the length of shorten")
    if total - n <= now:
        raise SpecError(
            f"the run is at update {now} of {total}, and {n} updates less would end it at {total - n}, which is past; "
            f"shorten it by less than {max(total - now, 0)}, or stop it"
        )
    if any(e["kind"] == "cooldown" for e in curve.acting):
        raise SpecError(
            f"the run is cooling down and ends at update {total}; to end it sooner, cool it down again over less than "
            f"the {total - now} updates that are left"
        )
    return _over(control, now, total - n)


def stretch(control: Control, now: int, length: SpanLike) -> Control:
    """See `Driver.stretch`."""
    total = _known_total(control.curve)
    return stretched(control, total + updates_of(control.curve, length, "the length of stretch"), now)


def branched(control: Control, now: int, tail: Plan, total: SpanLike | None) -> Control:
    """See `Driver.branch`."""
    curve = control.curve
    run = curve.units if total is None else _run_of(curve, total)
    if run.total is not None and run.total <= now:
        raise SpecError(f"a branch of {run.total} updates would end before update {now}, where it begins")
    plan = tail_of(curve.plan, tail, now)
    bases = {value: curve.bases.get(value, ()) for value in plan.values()}
    for value, numbers in bases.items():
        if not numbers:
            raise UnknownNameError(
                f"the run does not govern {value!r}, so it cannot go on from anywhere; "
                f"{neighbours(value, curve.plan.values())}"
            )
    return changed(control, Control.over(lay_out(plan, run, curve.groups, bases)), now, "new")


def tail_of(plan: Plan, tail: Plan, now: int) -> Plan:
    """A plan of which what governs the values of `tail` is replaced by it, from update `now` on."""
    values = tail.values()
    kept = [(key, schedule) for key, schedule in plan.entries if split_key(key)[1] not in values]
    return Plan((*((key, constant(now) >> schedule if now else schedule) for key, schedule in tail.entries), *kept))


CHANGES: Mapping[str, Change] = {
    "set": set_values,
    "hold": hold,
    "release": release,
    "rewarm": rewarm,
    "cooldown": cooldown,
    "extend": extend,
    "shorten": shorten,
    "stretch": stretch,
}
"""What can be done to a run, by name."""


def updates_of(curve: Curve, length: SpanLike, what: str) -> int:
    """A length in whole updates; shares are of the run as long as it is now.

    Raises:
        SpecError: less than one update.
        HorizonError: a unit that the run cannot resolve.
    """
    read: Span = span(length, what)
    updates = round_half_up(curve.units.updates(read))
    if updates < 1:
        raise SpecError(f"{what} is {read}, less than one update; write a longer one")
    return updates


# ---- inside ----------------------------------------------------------------------------------------------------------


def _over(control: Control, now: int, total: int) -> Control:
    """The same schedule over another length."""
    curve = control.curve
    run = replace(curve.units, total=total)
    plain = lay_out(curve.plan, run, curve.groups, curve.bases)
    return changed(control, Control.over(plain), now, "extend")


def _run_of(curve: Curve, total: SpanLike) -> Horizon:
    units = curve.units
    return horizon(total, units.steps_per_epoch, units.batch_size, units.tokens_per_step)


def _known_total(curve: Curve) -> int:
    if curve.total is None:
        raise SpecError("the length of this run is not known, so it cannot be changed; give drive(..., total=...)")
    return curve.total


def _check_goes_on(curve: Curve, now: int) -> None:
    """A curve that has arrived at 0 has nothing that could go on."""
    lost = [value for g, value in curve.pairs if curve.bases[value][g] and curve.at(now, group=g, value=value) == 0]
    if lost:
        raise SpecError(
            f"{lost[0]} has arrived at 0 at update {now}, and nothing can go on from there without a jump; branch from "
            f"a checkpoint before the end, or let the schedule end above 0, e.g. cosine(to=0.01)"
        )


def _check_falls_along(name: str) -> None:
    if shapes[name].mixes != "linear":
        raise SpecError(f"a cooldown cannot follow {name!r}, which never arrives at 0; write '1-sqrt' or 'linear'")


def _check_falls(curve: Curve, g: int, value: str, now: int, to: float) -> None:
    start, end = curve.at(now, group=g, value=value), to * (curve.bases[value][g] or 0.0)
    if start == 0 and curve.bases[value][g]:
        raise SpecError(f"{value} is 0 at update {now} already, so there is nothing to cool down")
    if end > start:
        raise SpecError(
            f"{value} stands at {start:g} at update {now}, and to={to:g} of its base is {end:g}, above it; a cooldown "
            f"falls, so write a smaller to"
        )


def _held(control: Control) -> bool:
    kinds = [
        e["kind"]
        for e in control.curve.acting
        if e["kind"] == "release" or (e["kind"] == "hold" and e["until"] is None)
    ]
    return bool(kinds) and kinds[-1] == "hold"


def _factors(curve: Curve, value: str, number: float, group: str | int | None, now: int) -> list[float | None]:
    governed = [g for g, v in curve.pairs if v == value]
    if not governed:
        raise UnknownNameError(f"the plan does not govern {value!r}; {neighbours(value, curve.plan.values())}")
    touched = governed if group is None else _chosen(curve, group, governed, value)
    chosen = touched[0]
    current = curve.at(now, group=chosen, value=value)
    if current == 0:
        raise SpecError(
            f"{value} is 0 at update {now} of {curve.spec}, and no factor makes {number:g} of it; drive the optimizer "
            f"with a schedule that does not end at 0, e.g. cosine(to=0.01)"
        )
    factor = number / current
    if not math.isfinite(factor):
        raise SpecError(f"{value} is {current:g} at update {now}, too small to be scaled to {number:g}")
    return [factor if g in touched else None for g in range(len(curve.groups))]


def _holdable(curve: Curve, g: int, value: str, now: int, then: int) -> float:
    held, later = (curve.at(t, group=g, value=value) for t in (now, then))
    if held == 0 != later:
        raise SpecError(
            f"{value} is 0 at update {now}, and the curve could not go on from a value held at 0; hold it later, "
            f"or let the schedule begin above 0"
        )
    return held


def _chosen(curve: Curve, group: str | int, governed: list[int], value: str) -> list[int]:
    """The group of that name or index, or the parts of the one of that name."""
    names = {curve.groups[g]: g for g in governed}
    if group in names:
        return [names[str(group)]]
    found = [g for name, g in names.items() if g == group or name.partition(":")[0] == group]
    if not found:
        raise UnknownNameError(f"no group {group!r} has a governed {value!r}; {neighbours(str(group), names)}")
    return found
