"""The saved state of a driver: plain JSON data, enough by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, cast

from cadence._errors import StateError, UnknownNameError, neighbours
from cadence.curve.curve import Curve
from cadence.curve.edits import MOVING, Entry
from cadence.curve.horizon import UNITS, horizon
from cadence.curve.journal import ENDING, SLOWING
from cadence.curve.place import as_plan, lay_out
from cadence.feedback.control import Control
from cadence.spec.parse import parse
from cadence.spec.value import number_of

VERSION = 1
KEYS = ("version", "t", "spec", "horizon", "groups", "bases", "rules", "begun", "journal")
CHANGES = ("extend", "stretch", "new")

OF_OLD_LENGTH = ENDING
"""Entries that mean nothing on another length."""

OF_OLD_SCHEDULE = (*MOVING, "cut", "stop", "release")
"""Entries that mean nothing to another schedule."""


def saved(control: Control, t: int) -> dict[str, Any]:
    """The state as JSON data; see `docs/formats.md`."""
    curve = control.curve
    return {
        "version": VERSION,
        "t": t,
        "spec": curve.spec,
        "horizon": curve.horizon.to_json(),
        "groups": list(curve.groups),
        "bases": {value: list(numbers) for value, numbers in curve.bases.items()},
        "rules": [dict(s) for s in deepcopy(control.states)],
        "begun": control.begun,
        "journal": [dict(e) for e in deepcopy(control.journal)],
    }


def restored(state: Mapping[str, Any], here: Control, *, change: str | None) -> tuple[Control, int]:
    """A saved state taken over.

    Args:
        state: from `saved`.
        here: the control it is loaded into: says which groups there are now, and what is wanted if `change` is given.
        change: None, ``"extend"``, ``"stretch"`` or ``"new"``.

    Returns:
        The control to go on with, and the update number.

    Raises:
        StateError: not a state; other groups; another schedule or run and no `change`; a change that cannot go on from
            where the state stands.
    """
    if change is not None and change not in CHANGES:
        raise UnknownNameError(f"change cannot be {change!r}; {neighbours(str(change), CHANGES)}")
    then, t = read_state(state, here.curve)
    checked_same(then.curve, here.curve, change)
    if change is None:
        return then, t
    if change == "stretch":
        return stretched(then, here.curve.total, t), t
    return changed(then, here, t, change), t


def own_control(state: Mapping[str, Any]) -> tuple[Control, int]:
    """The control that was saved and its update, over the groups that the state itself names.

    Raises:
        StateError: it is no state.
    """
    try:
        told, groups = state["horizon"], tuple(str(g) for g in state["groups"])
        units = horizon(None, *(told[unit] for unit in UNITS))
        bases = {str(value): tuple(numbers) for value, numbers in state["bases"].items()}
        plain = lay_out(as_plan(parse(state["spec"])), replace(units, total=told["total"]), groups, bases)
    except (KeyError, TypeError, AttributeError) as fault:
        raise StateError(
            f"this is no state of a driver ({fault}); load what driver.state_dict() returned, unchanged"
        ) from fault
    return read_state(state, plain)


def read_state(state: Mapping[str, Any], now: Curve) -> tuple[Control, int]:
    """The control that was saved, over the groups there are now; the saved bases win.

    Raises:
        StateError: not a state, or one of other groups.
    """
    if not isinstance(state, Mapping) or any(k not in state for k in KEYS):
        missing = [k for k in KEYS if not isinstance(state, Mapping) or k not in state]
        raise StateError(
            f"this is no state of a driver ({', '.join(missing)} missing); load what driver.state_dict() returned"
        )
    if state["version"] != VERSION:
        raise StateError(
            f"the state has version {state['version']!r:.60}, and this cadence reads version {VERSION}; load it with "
            f"the cadence that wrote it"
        )
    try:
        return _read(state, now)
    except (TypeError, AttributeError, KeyError, IndexError, ValueError, OverflowError) as fault:
        if isinstance(fault, StateError):
            raise
        raise StateError(
            f"the state cannot be read ({fault}); load what driver.state_dict() returned, unchanged"
        ) from fault


def _read(state: Mapping[str, Any], now: Curve) -> tuple[Control, int]:
    t = state["t"]
    if type(t) is not int or t < 0:
        raise StateError(f"the state stands at update {t!r:.60}; load what driver.state_dict() returned, unchanged")
    plan = as_plan(parse(state["spec"]))
    units = {k: state["horizon"].get(k) or getattr(now.horizon, k) for k in UNITS}
    run = replace(horizon(**units), total=state["horizon"]["total"])
    bases = _bases(state, plan.values(), now)
    journal = tuple(cast("Sequence[Entry]", deepcopy(state["journal"])))
    known = len(state["groups"])
    was = [g if g < known else None for g in range(len(now.groups))]
    journal = _for_all(journal, was, lambda done: lay_out(plan, run, now.groups, bases, done))
    curve = lay_out(plan, run, now.groups, bases, moving(journal))
    if len(state["rules"]) != len(curve.rules):
        raise StateError(
            f"the state remembers {len(state['rules'])} rules, and its schedule {curve.spec} has {len(curve.rules)}; "
            f"load what driver.state_dict() returned, unchanged"
        )
    return Control(curve, tuple(dict(s) for s in deepcopy(state["rules"])), bool(state["begun"]), journal), t


def _bases(state: Mapping[str, Any], values: Sequence[str], now: Curve) -> dict[str, tuple[float | None, ...]]:
    """The saved bases; groups that were added since keep their own.

    Raises:
        StateError: fewer groups than in the state, or others.
    """
    then = [str(g) for g in state["groups"]]
    if len(then) > len(now.groups):
        raise StateError(
            f"the state knows {len(then)} parameter groups, and the optimizer has {len(now.groups)}; add the missing "
            f"groups first"
        )
    for i, (was, group) in enumerate(zip(then, now.groups, strict=False)):
        # A group without a name is called by its index, and may have been given one since.
        if was != group and str(i) not in (was, group):
            raise StateError(
                f"the state belongs to groups {', '.join(then)}, and the optimizer has {', '.join(now.groups)}; make "
                f"it with its groups in the same order"
            )
    bases: dict[str, tuple[float | None, ...]] = {}
    for value in values:
        loaded = [None if x is None else number_of(x, f"the base of {value}") for x in state["bases"][value]]
        if len(loaded) != len(then):
            raise StateError(
                f"the state has {len(loaded)} bases of {value} for {len(then)} groups; it was changed by hand"
            )
        own = now.bases.get(value, (None,) * len(now.groups))
        bases[value] = (*loaded, *own[len(loaded) :])
    return bases


def checked_same(then: Curve, now: Curve, change: str | None) -> None:
    """Refuse a state of another schedule or another run, unless `change` says what is wanted.

    Raises:
        StateError: naming both.
    """
    if change is None and any(_same(former, now) for former in _formers(then)):
        return
    if then.plan != now.plan and change != "new":
        raise StateError(
            f"the state belongs to {then.spec}, and this driver was made with {now.spec}; make it with the same "
            f"schedule, or say change='new' to go on with the new one without a jump"
        )
    if change is not None:
        return
    if now.total not in (then.total, then.horizon.total if _resized(then) else then.total):
        raise StateError(
            f"the state belongs to a run of {_run(then)}, and this driver was made for {_run(now)}; make it for the "
            f"same length, or say change='extend' or change='stretch' to go on over the new one without a jump"
        )
    for unit in UNITS:
        was, wanted = getattr(then.units, unit), getattr(now.horizon, unit)
        if wanted is not None and wanted not in (was, getattr(then.horizon, unit)):
            raise StateError(
                f"the state belongs to a run with {unit}={was}, and this driver was made with {unit}={wanted}; make it "
                f"with the same, and say driver.resize({unit}={wanted}, ...) once the state is loaded, or say "
                f"change='extend' to go on with the new one without a jump"
            )


def _formers(curve: Curve) -> Iterator[Curve]:
    """What the run was before each change of its schedule or length, the last one first."""
    while True:
        changes = [i for i, e in enumerate(curve.journal) if e["kind"] in (*ENDING, "change")]
        for i in reversed(changes):
            if curve.journal[i]["kind"] == "change":
                break
            yield replace(curve, journal=curve.journal[:i])
        if curve.former is None:
            return
        curve = curve.former[1]
        yield curve


def _same(then: Curve, now: Curve) -> bool:
    alike = [
        getattr(now.horizon, unit) in (None, getattr(then.horizon, unit), getattr(then.units, unit)) for unit in UNITS
    ]
    return then.plan == now.plan and then.total == now.total and all(alike)


def _resized(curve: Curve) -> bool:
    return any(entry["kind"] == "resize" for entry in curve.journal)


def since_change(journal: Sequence[Entry]) -> list[Entry]:
    """What has happened since the schedule or its length was last changed."""
    last = max((i for i, e in enumerate(journal) if e["kind"] in ("change", *SLOWING)), default=-1)
    return list(journal[last + 1 :])


def regrouped(
    control: Control, was: Sequence[int | None], names: tuple[str, ...], added: Mapping[str, Sequence[float | None]]
) -> Control:
    """The control over other parameter groups.

    Args:
        control: over the groups before.
        was: for each group now, which one it was before; None: it was added.
        names: of the groups now.
        added: value -> base for each group now that was added.
    """
    curve = control.curve
    bases = {
        value: tuple(added[value][g] if former is None else numbers[former] for g, former in enumerate(was))
        for value, numbers in curve.bases.items()
    }
    journal = _for_all(control.journal, was, lambda done: lay_out(curve.plan, curve.horizon, names, bases, done))
    return replace(control, curve=lay_out(curve.plan, curve.horizon, names, bases, moving(journal)), journal=journal)


def _for_all(
    journal: Sequence[Entry], was: Sequence[int | None], curve: Callable[[tuple[Entry, ...]], Curve]
) -> tuple[Entry, ...]:
    """A journal over other groups: what was done to all holds for those that were added since, so that ratios last.

    Args:
        journal: over the groups before.
        was: for each group now, which one it was before; None: it was added.
        curve: of the groups now, with the first entries of the new journal.
    """
    late = [g for g, former in enumerate(was) if former is None]
    done: list[Entry] = []
    for entry in journal:
        moved = _moved(entry, was)
        if late and entry["kind"] in ("set", "change", "hold"):
            moved = _joined(moved, late, curve(moving(done)))
        done.append(moved)
    return tuple(done)


def _joined(entry: Entry, late: Sequence[int], curve: Curve) -> Entry:
    """An entry that groups take part in that were added later: in a `set` for all, in every `change` and `hold`."""
    if entry["kind"] == "hold":
        held = {value: list(row) for value, row in entry["values"].items()}
        for g, value in curve.pairs:
            if g in late and value in held:
                held[value][g] = curve.at(int(entry["t"]), group=g, value=value)
        return {**entry, "values": held}
    if entry["kind"] == "set" and entry.get("group", "") is not None:
        return entry
    factors = {value: list(row) for value, row in entry["factors"].items()}
    for g, value in curve.pairs:
        if g in late and value in factors:
            factors[value][g] = _common([x for i, x in enumerate(factors[value]) if i not in late and x is not None])
    return {**entry, "factors": factors}


def _common(factors: Sequence[float]) -> float | None:
    """What all groups were multiplied by; None where they were not multiplied by the same."""
    alike = factors and all(math.isclose(x, factors[0], rel_tol=1e-9) for x in factors)
    return factors[0] if alike else None


def _moved(entry: Entry, was: Sequence[int | None]) -> Entry:
    """An entry whose tables of one number per group follow the groups."""
    tables = {
        key: {
            value: [None if former is None or former >= len(row) else row[former] for former in was]
            for value, row in cast("Mapping[str, Sequence[float | None]]", entry[key]).items()
        }
        for key in ("factors", "values")
        if isinstance(entry.get(key), Mapping)
    }
    return {**entry, **tables} if tables else entry


def moving(journal: Sequence[Entry]) -> tuple[Entry, ...]:
    """What a curve must know of a journal."""
    return tuple(e for e in journal if e["kind"] != "keep")


def _run(curve: Curve) -> str:
    return "unknown length" if curve.total is None else f"{curve.total} updates"


def stretched(then: Control, total: int | None, t: int) -> Control:
    """The rest of the saved curve over the rest of the wanted length: nothing jumps, every phase takes its share."""
    was = then.curve.total
    if was is None or total is None or min(was, total) <= t:
        raise StateError(
            f"what is left of a run of {_run(then.curve)} at update {t} cannot be stretched to "
            f"{total or 'an unknown number of'} updates; both must be known and lie ahead"
        )
    told = f"From update {t} on the rest of the schedule is stretched: it ends at update {total} instead of {was}."
    return then.noted({"t": t, "kind": "stretch", "was": was, "total": total, "sentence": told})


def changed(then: Control, here: Control, t: int, change: str) -> Control:
    """The wanted curve from update `t` on, scaled so that nothing jumps there."""
    old = then.curve
    # The wanted curve with the loaded bases; what belongs to the old schedule or length is history from here on.
    bases = {v: tuple(old.bases.get(v, here.curve.bases[v])) for v in here.curve.plan.values()}
    outdated = OF_OLD_LENGTH if change == "extend" else OF_OLD_SCHEDULE
    was = {"spec": old.spec, "horizon": old.horizon.to_json()}
    entry: dict[str, Any] = {"t": t, "kind": "change", "factors": {}, "was": was, "ends": list(outdated)}
    known = moving(then.journal)
    new = lay_out(here.curve.plan, here.curve.horizon, here.curve.groups, bases, (*known, entry))
    factors: dict[str, list[float | None]] = {v: [None] * len(new.groups) for v in new.plan.values()}
    for g, value in new.pairs:
        if (g, value) in old.pairs:
            factors[value][g] = _factor(old, new, t, g, value)
    told = f"{new.spec} over {_run(new)} instead of {old.spec} over {_run(old)}"
    entry = {**entry, "factors": factors, "sentence": f"From update {t} on: {told}, without a jump."}
    states, begun = (then.states, then.begun) if change == "extend" else (here.states, False)
    return Control(replace(new, journal=known), states, begun, then.journal).noted(entry)


def _factor(old: Curve, new: Curve, t: int, g: int, value: str) -> float:
    """What makes the new curve go on where the old one stands.

    Raises:
        StateError: one of them stands at 0 and the other does not.
    """
    was, wanted = (c.at(t, group=g, value=value) for c in (old, new))
    if was == wanted:
        return 1.0
    if was == 0 or wanted == 0 or not math.isfinite(was / wanted):
        raise StateError(
            f"{value} of group {new.groups[g]!r} stands at {was:g} at update {t}, where {new.spec} over {_run(new)} "
            f"has {wanted:g}: no factor joins them; load a state from before, or choose a schedule that is not 0 there"
        )
    return was / wanted
