"""A run folder of cadence: what it measured, its journal, and the rates that its schedule says.

It is read row by row rather than as a `Record`, which refuses a file with a broken line: a diagnosis says what the rest
of it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from cadence._errors import CadenceError
from cadence.diagnosis.log import Event, Facts, Floats, Log, Note, Series
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.assemble import assemble
from cadence.diagnosis.reading.json_lines import JsonRows
from cadence.diagnosis.reading.raw import Raw, RawLog
from cadence.diagnosis.reading.rows import Roles, read_rows
from cadence.drivers.planned import planned
from cadence.record.reader import Record, load_record

_LISTS = ("lr", "momentum", "weight_decay", "update_ratio")
_MADE = frozenset({"t", "kind", "sentence"})


def read_run(folder: Path, roles: Roles) -> Log:
    """The log in a run folder.

    Args:
        folder: that holds ``run.json``.
        roles: what a user says of the columns.

    Raises:
        RecordError: ``run.json`` cannot be read.
    """
    record = load_record(folder)
    groups = [str(name) for name in record.run.get("groups", ())]
    notes: list[Note] = []
    columns: list[Raw] = []
    for name in ("updates.jsonl", "evaluations.jsonl"):
        path = folder / name
        if path.is_file() and path.stat().st_size:
            try:
                found = read_rows(JsonRows(path, {}), "cadence", {})
            except CadenceError as error:
                notes.append(noted.broken(name, f"cannot be read ({error})", "无法读取"))
                continue
            notes += [note for note in found.notes if note.kind != "no_clock"]
            columns += [_named(column, groups) for column in found.columns if _wanted(column.name, name)]
    journal = _journal(record, notes)
    raw = RawLog(str(folder), "cadence", columns, _facts(record, journal), tuple(_events(journal)), tuple(notes))
    log = assemble(raw, roles)
    return replace(log, planned=_planned(record, journal, log, groups))


def _wanted(column: str, file: str) -> bool:
    """Evaluations repeat the clocks of the updates; what they measured is what is wanted of them."""
    return file == "updates.jsonl" or column not in {"seconds", "memory", "gpu_use"}


def _named(column: Raw, groups: list[str]) -> Raw:
    """A column of lists with its group's name."""
    name, slash, index = column.name.rpartition("/")
    if slash and index.isdecimal() and name in _LISTS and int(index) < len(groups):
        return replace(column, name=name, group=groups[int(index)])
    return column


def _journal(record: Record, notes: list[Note]) -> list[dict[str, Any]]:
    try:
        return record.journal
    except CadenceError as error:
        notes.append(noted.broken("journal.jsonl", f"cannot be read ({error})", "无法读取"))
        return []


def _events(journal: list[dict[str, Any]]) -> Iterator[Event]:
    for entry in journal:
        if isinstance(entry.get("t"), int) and isinstance(entry.get("kind"), str) and entry["kind"] != "keep":
            details = {key: value for key, value in entry.items() if key not in _MADE}
            yield Event(entry["t"], entry["kind"], str(entry.get("sentence", "")), details)


def _facts(record: Record, journal: list[dict[str, Any]]) -> Facts:
    run: Mapping[str, Any] = record.run
    horizon: Mapping[str, Any] = run.get("horizon") or {}
    recipe: Any = record.recipe
    optimizer: dict[str, Any] = dict(run.get("optimizer") or {})
    bases: dict[str, Any] = run.get("bases") or {}
    if isinstance(recipe, Mapping):
        said: Any = recipe.get("optimizer")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        optimizer = {**optimizer, **(cast("dict[str, Any]", said) if isinstance(said, dict) else {})}
    return Facts(
        name=str(run.get("name", "")),
        status=_quietly(lambda: record.status),
        total=_quietly(lambda: record.total) or horizon.get("total"),
        steps_per_epoch=horizon.get("steps_per_epoch"),
        batch_size=horizon.get("batch_size"),
        schedule=run.get("spec"),
        bases={value: tuple(numbers) for value, numbers in bases.items()},
        optimizer=optimizer,
    )


def _quietly(ask: Any) -> Any:
    try:
        return ask()
    except CadenceError:
        return None


def _planned(record: Record, journal: list[dict[str, Any]], log: Log, groups: list[str]) -> dict[str, Series]:
    """What the schedule says at the updates whose rates were logged; nothing where it cannot be placed."""
    try:
        parts = planned(record.run, journal)
    except (CadenceError, KeyError, TypeError, ValueError):
        return {}
    begins = np.array([part.begin for part in parts], dtype=np.int64)
    found: dict[str, Series] = {}
    for group, series in log.lr.items():
        meant: Floats = np.full(len(series), np.nan)
        owner = np.asarray(np.searchsorted(begins, series.t, side="right")) - 1
        g = groups.index(group) if group in groups else 0
        for i, part in enumerate(parts):
            if part.curve is not None and (g, "lr") in part.curve.pairs and (owner == i).any():
                meant[owner == i] = part.curve.at(series.t[owner == i], group=g, value="lr")
        if np.isfinite(meant).any():
            found[group] = Series(series.t, meant)
    return found
