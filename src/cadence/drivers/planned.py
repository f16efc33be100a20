"""What a run was to do, from its record alone: the curve with its journal, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cadence.curve.curve import Curve
from cadence.curve.edits import Entry
from cadence.curve.horizon import Horizon
from cadence.curve.place import as_plan, lay_out
from cadence.drivers.state import OF_OLD_LENGTH, OF_OLD_SCHEDULE, moving
from cadence.spec.parse import parse


@dataclass(frozen=True)
class Part:
    """A part of a run under one schedule and one length.

    Attributes:
        begin: the first update of it.
        curve: with all that was decided and changed; None where the record does not tell the bases of its values.
    """

    begin: int
    curve: Curve | None


def planned(run: Mapping[str, Any], journal: Sequence[Entry]) -> list[Part]:
    """The curves that a run was to follow, one after the other; one where its schedule was never changed.

    Args:
        run: content of ``run.json``.
        journal: of the run.

    Raises:
        CadenceError: the schedule cannot be read or placed.
    """
    journal = _once(journal)
    changes = [i for i, entry in enumerate(journal) if entry["kind"] == "change"]
    parts: list[Part] = []
    spec, horizon, entries = run["spec"], run["horizon"], list(journal)
    for i in reversed(changes):
        was: Mapping[str, Any] = journal[i]["was"]
        # What belongs to the schedule or the length before moves nothing any more.
        outdated = OF_OLD_LENGTH if was["spec"] == spec else OF_OLD_SCHEDULE
        history = [{**e, "kind": f"earlier {e['kind']}"} if e["kind"] in outdated else e for e in entries[:i]]
        parts.append(Part(int(journal[i]["t"]), _curve(spec, horizon, run, [*history, *entries[i:]])))
        spec, horizon, entries = was["spec"], was["horizon"], entries[:i]
    parts.append(Part(0, _curve(spec, horizon, run, entries)))
    return parts[::-1]


def _once(journal: Sequence[Entry]) -> list[Entry]:
    """The journal without changes of size that were made again: a run that was killed before its next checkpoint knows
    nothing of them, and begins at the same update, with the same length.
    """
    last = {(e["t"], e["was"]): i for i, e in enumerate(journal) if e["kind"] == "resize"}
    return [e for i, e in enumerate(journal) if e["kind"] != "resize" or last[e["t"], e["was"]] == i]


def _curve(spec: str, horizon: Mapping[str, Any], run: Mapping[str, Any], entries: Sequence[Entry]) -> Curve | None:
    plan = as_plan(parse(spec))
    groups = tuple(str(group) for group in run["groups"])
    given: Mapping[str, Sequence[float | None]] = run["bases"]
    if any(value not in given for value in plan.values()):
        return None
    bases = {value: tuple(given[value]) for value in plan.values()}
    return lay_out(plan, Horizon(**horizon), groups, bases, moving(entries))
