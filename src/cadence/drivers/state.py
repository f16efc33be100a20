"""The saved state of a driver: plain JSON data, enough by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cadence._errors import StateError, UnknownNameError, neighbours
from cadence.curve.curve import Curve
from cadence.curve.edits import MOVING
from cadence.curve.horizon import Horizon
from cadence.curve.place import as_plan, lay_out
from cadence.feedback.control import Control
from cadence.spec.parse import parse

VERSION = 1
KEYS = ("version", "t", "spec", "horizon", "groups", "bases", "rules", "begun", "journal")
CHANGES = ("extend", "stretch", "new")


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
        "rules": [dict(s) for s in control.states],
        "begun": control.begun,
        "journal": [dict(e) for e in curve.journal],
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
        StateError: not a state; another schedule or length and no `change`; more groups than there are now.
    """
    if change is not None and change not in CHANGES:
        raise UnknownNameError(f"change cannot be {change!r}; {neighbours(change, CHANGES)}")
    then, t = read_state(state, here.curve)
    checked_same(then.curve, here.curve, change)
    if change is None:
        return then, t
    if change == "stretch":
        return _stretched(then, here.curve.total, t), t
    return _changed(then, here, t, change), t


def read_state(state: Mapping[str, Any], now: Curve) -> tuple[Control, int]:
    """The control that was saved, over the groups there are now; the saved bases win.

    Raises:
        StateError: not a state, or one with more groups than there are now.
    """
    if not isinstance(state, Mapping) or any(k not in state for k in KEYS):  # pyright: ignore[reportUnnecessaryIsInstance]
        missing = [k for k in KEYS if not isinstance(state, Mapping) or k not in state]  # pyright: ignore[reportUnnecessaryIsInstance]
        raise StateError(f"this is no state of a driver ({', '.join(missing)} missing); load what driver.state_dict() returned")
    if state["version"] != VERSION:
        raise StateError(f"the state has version {state['version']!r}, and this cadence reads version {VERSION}; load it with the cadence that wrote it")
    saved_groups = [str(g) for g in state["groups"]]
    if len(saved_groups) > len(now.groups):
        raise StateError(f"the state knows {len(saved_groups)} parameter groups, and the optimizer has {len(now.groups)}; add the missing groups first")
    plan = as_plan(_parsed(state["spec"]))
    horizon = Horizon(**{k: state["horizon"].get(k) for k in ("total", "steps_per_epoch", "batch_size", "tokens_per_step")})
    bases: dict[str, tuple[float | None, ...]] = {}
    for value in plan.values():
        loaded = [None if x is None else float(x) for x in state["bases"].get(value, [])]
        bases[value] = (*loaded, *now.bases.get(value, (None,) * len(now.groups))[len(loaded) :])
    curve = lay_out(plan, horizon, now.groups, bases, tuple(state["journal"]))
    if len(state["rules"]) != len(curve.rules):
        raise StateError(f"the state remembers {len(state['rules'])} rules, and its schedule {curve.spec} has {len(curve.rules)}; it was changed by hand")
    return Control(curve, tuple(dict(s) for s in state["rules"]), bool(state["begun"])), int(state["t"])


def _parsed(spec: Any) -> Any:
    return parse(spec)


def checked_same(then: Curve, now: Curve, change: str | None) -> None:
    """Refuse a state of another schedule or another length, unless `change` says what is wanted.

    Raises:
        StateError: naming both.
    """
    if then.plan != now.plan and change != "new":
        raise StateError(
            f"the state belongs to {then.spec}, and this driver was made with {now.spec}; make it with the same schedule, or say "
            f"change='new' to go on with the new one without a jump"
        )
    if then.total != now.total and change is None:
        raise StateError(
            f"the state belongs to a run of {_run(then)}, and this driver was made for {_run(now)}; make it for the same "
            f"length, or say change='extend' to go on over the new one without a jump"
        )


def _run(curve: Curve) -> str:
    return "unknown length" if curve.total is None else f"{curve.total} updates"


def _stretched(then: Control, total: int | None, t: int) -> Control:
    """The rest of the saved curve over the rest of the wanted length: nothing jumps, every phase takes its share."""
    was = then.curve.total
    if was is None or total is None or min(was, total) <= t:
        raise StateError(
            f"what is left of a run of {_run(then.curve)} at update {t} cannot be stretched to {total or 'an unknown number of'} "
            f"updates; both must be known and lie ahead"
        )
    told = f"From update {t} on the rest of the schedule is stretched: it ends at update {total} instead of {was}."
    entry = {"t": t, "kind": "stretch", "was": was, "total": total, "sentence": told}
    return replace(then, curve=then.curve.with_entry(entry))


def _changed(then: Control, here: Control, t: int, change: str) -> Control:
    """The wanted curve from update `t` on, scaled so that nothing jumps there."""
    old = then.curve
    # The wanted curve with the loaded bases; of a new schedule the old decisions are history, not rules of its own.
    bases = {v: tuple(old.bases.get(v, here.curve.bases[v])) for v in here.curve.plan.values()}
    journal = old.journal if change == "extend" else tuple({**e, "kind": f"earlier {e['kind']}"} if e["kind"] in (*MOVING, "cut", "stop", "release") else e for e in old.journal)
    new = lay_out(here.curve.plan, here.curve.horizon, here.curve.groups, bases, journal)
    factors: dict[str, list[float | None]] = {v: [None] * len(new.groups) for v in new.plan.values()}
    for g, value in new.pairs:
        if (g, value) in old.pairs:
            was, is_now = (c.at(t, group=g, value=value) for c in (old, new))
            factors[value][g] = was / is_now if is_now else 1.0
    entry = {
        "t": t, "kind": "change", "factors": factors, "was": {"spec": old.spec, "horizon": old.horizon.to_json()},
        "sentence": f"From update {t} on: {new.spec} over {_run(new)} instead of {old.spec} over {_run(old)}, without a jump.",
    }  # fmt: skip
    states = then.states if change == "extend" else here.states
    return replace(Control(new.with_entry(entry), states, then.begun), begun=then.begun and change == "extend")


