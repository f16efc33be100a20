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
    """A part of a run under one schedule, one length and the same bases.

    Attributes:
        begin: the first update of it.
        curve: with all that was decided and changed; None where the record does not tell the bases of its values.
    """

    begin: int
    curve: Curve | None


@dataclass(frozen=True)
class Way:
    """What a run went by for a while.

    Attributes:
        begin: the first update of it.
        groups: names of the groups.
        bases: value -> one number per group.
        spec, horizon: at its end.
        journal: of this while alone.
    """

    begin: int
    groups: tuple[str, ...]
    bases: Mapping[str, Sequence[float | None]]
    spec: str
    horizon: Mapping[str, Any]
    journal: Sequence[Entry]


def planned(run: Mapping[str, Any], journal: Sequence[Entry]) -> list[Part]:
    """The curves that a run was to follow, one after the other; one where its schedule was never changed.

    Args:
        run: content of ``run.json``.
        journal: of the run.

    Raises:
        CadenceError: the schedule cannot be read or placed.
    """
    return [part for way in ways(run, journal) for part in _parts(way)]


def ways(run: Mapping[str, Any], journal: Sequence[Entry]) -> list[Way]:
    """What a run went by: one thing, unless another recipe was forced upon it. Each begins without what was before.

    Args:
        run: content of ``run.json``.
        journal: of the run.
    """
    found: list[Way] = []
    now, end = run, len(journal)
    for i in range(len(journal) - 1, -1, -1):
        if journal[i]["kind"] == "force":
            found.append(_way(int(journal[i]["t"]), run, now, journal[i + 1 : end]))
            now, end = journal[i]["was"], i
    return [_way(0, run, now, journal[:end]), *reversed(found)]


def _way(begin: int, run: Mapping[str, Any], now: Mapping[str, Any], journal: Sequence[Entry]) -> Way:
    groups = tuple(str(group) for group in run["groups"])
    return Way(begin, groups, now["bases"], now["spec"], now["horizon"], journal)


def _parts(way: Way) -> list[Part]:
    """The curves of one way: another one from each change of schedule or length on."""
    parts: list[Part] = []
    journal, spec, horizon = way.journal, way.spec, way.horizon
    entries = list(journal)
    for i in [i for i, entry in enumerate(journal) if entry["kind"] == "change"][::-1]:
        was: Mapping[str, Any] = journal[i]["was"]
        # What belongs to the schedule or the length before moves nothing any more.
        outdated = OF_OLD_LENGTH if was["spec"] == spec else OF_OLD_SCHEDULE
        history = [{**e, "kind": f"earlier {e['kind']}"} if e["kind"] in outdated else e for e in entries[:i]]
        parts.append(Part(int(journal[i]["t"]), _curve(way, spec, horizon, [*history, *entries[i:]])))
        spec, horizon, entries = was["spec"], was["horizon"], entries[:i]
    parts.append(Part(way.begin, _curve(way, spec, horizon, entries)))
    return parts[::-1]


def _curve(way: Way, spec: str, horizon: Mapping[str, Any], entries: Sequence[Entry]) -> Curve | None:
    plan = as_plan(parse(spec))
    if any(value not in way.bases for value in plan.values()):
        return None
    bases = {value: tuple(way.bases[value]) for value in plan.values()}
    return lay_out(plan, Horizon(**horizon), way.groups, bases, moving(entries))
