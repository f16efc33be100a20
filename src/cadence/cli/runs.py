"""`cadence runs`: run folders with how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cadence._errors import CadenceError, RecordError
from cadence.cli.options import AsJson

if TYPE_CHECKING:
    from cadence.record.reader import Record


def add_to(app: typer.Typer) -> None:
    """Enter the command."""
    app.command("runs")(runs)


def runs(
    folder: Annotated[Path, typer.Argument(help="Where to look, folders below included.")] = Path("runs"),
    tag: Annotated[
        list[str] | None,
        typer.Option(help="Only runs whose recipe has this tag; several: all of them.", show_default=False),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only runs of this task.", show_default=False)] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="Only runs that are finished, stopped, diverged, failed, interrupted or unfinished.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only runs that began on this day (2026-11-26) or later.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only runs that began on this day or before.", show_default=False)
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(help="Only runs with this text in name, folder, notes, tags or schedule.", show_default=False),
    ] = None,
    sort: Annotated[
        str, typer.Option(help="Order: folder, name, task, status, started, updates, seconds, or a metric.")
    ] = "folder",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    export: Annotated[
        list[str] | None,
        typer.Option(
            help="Write each of these runs as csv, parquet, tensorboard, visualdl or mlflow.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for a folder of exports per run; default: exports in each run.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List runs and how they ended; find some, and export them."""
    from cadence.cli.show import print_json
    from cadence.record.reader import records

    wanted, first, last = _status(status), _day(since, "since"), _day(until, "until")
    rows = [_row(record) for record in records(folder)]
    rows = [
        row
        for row in rows
        if set(tag or []) <= set(row["tags"])
        and wanted in (None, row["status"])
        and task in (None, row["task"])
        and (first is None or (row["started"] or "")[:10] >= first)
        and (last is None or "" < (row["started"] or "")[:10] <= last)
        and (text is None or text.casefold() in _words(row))
    ]
    rows = _sorted(rows, sort, reverse)
    files = _export(rows, folder, export or [], out)
    if as_json:
        print_json([{**row, "exports": files.get(row["folder"], [])} for row in rows] if export else rows)
    elif not rows:
        limits = "" if tag is None else " with these tags"
        limits = limits if (task, since, until, text) == (None,) * 4 else f"{limits} that are asked for"
        print(f"no {f'{wanted} ' if wanted else ''}runs{limits} in {folder}")
    else:
        _print(rows, folder)
        for path in (path for paths in files.values() for path in paths):
            print(path)


def _day(text: str | None, option: str) -> str | None:
    """A day as the record spells it."""
    import datetime

    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise RecordError(f"--{option} is {text!r:.40}, which is no day; write e.g. 2026-11-26") from None


def _words(row: dict[str, Any]) -> str:
    told = [row["name"], row["folder"], row["spec"], row["notes"], row["task"], row["sentence"], *row["tags"]]
    return "\n".join(str(x) for x in told if x).casefold()


ORDERS = ("folder", "name", "task", "status", "started", "updates", "seconds")


def _sorted(rows: list[dict[str, Any]], by: str, reverse: bool) -> list[dict[str, Any]]:
    """In an order; runs without the number or text come last either way."""
    from cadence._errors import UnknownNameError, neighbours

    metrics = {name for row in rows for name in row["final"]}
    if by not in ORDERS and by not in metrics and rows:
        raise UnknownNameError(f"no run can be sorted by {by!r:.60}; {neighbours(by, [*ORDERS, *sorted(metrics)])}")
    if by == "folder":
        return rows[::-1] if reverse else rows

    def key(row: dict[str, Any]) -> Any:
        return row[by] if by in ORDERS else row["final"].get(by)

    known = [row for row in rows if key(row) is not None and key(row) == key(row)]
    rest = [row for row in rows if not any(row is one for one in known)]
    return sorted(known, key=key, reverse=reverse) + rest


def _export(rows: list[dict[str, Any]], top: Path, forms: list[str], out: Path | None) -> dict[str, list[str]]:
    """Write the runs that can be read in other formats: folder of a run -> files."""
    if not forms:
        return {}
    from cadence.record.exports import export
    from cadence.record.reader import load_record

    files: dict[str, list[str]] = {}
    for row in rows:
        path = Path(row["folder"])
        if row["status"] != "unreadable":
            where = path / "exports" if out is None else out / path.relative_to(top)
            record = load_record(path)
            files[row["folder"]] = [str(file) for form in forms for file in export(record, form, where)]
    return files


STATUSES = ("finished", "stopped", "diverged", "failed", "interrupted", "unfinished", "unreadable")


def _status(status: str | None) -> str | None:
    from cadence._errors import UnknownNameError, neighbours

    if status is not None and status not in STATUSES:
        raise UnknownNameError(f"no run is ever {status!r}; {neighbours(status, STATUSES)}")
    return status


def _row(record: Record) -> dict[str, Any]:
    """One run as plain data. A record that cannot be read is a row too: it must not hide the others."""
    try:
        recipe = _mapping(record.recipe)
        result: Mapping[str, Any] = record.result or {}
        return {
            "folder": str(record.folder),
            "name": record.run.get("name"),
            "task": recipe.get("task"),
            "status": record.status if record.result is not None else "unfinished",
            "updates": result.get("updates", record.t),
            "total": record.total,
            "spec": record.run.get("spec"),
            "seed": recipe.get("seed"),
            "tags": list(recipe.get("tags") or ()),
            "notes": str(recipe.get("notes") or ""),
            "started": record.environment.get("started"),
            "seconds": result.get("seconds"),
            "final": dict(result.get("final") or {}),
            "sentence": result.get("sentence", ""),
            "branched_from": record.run.get("branched_from"),
            "branches": list(record.run.get("branches") or ()),
        }
    except RecordError as error:
        return _unreadable(record, error)


def _mapping(x: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", x) if isinstance(x, dict) else {}


def _unreadable(record: Record, error: CadenceError) -> dict[str, Any]:
    empty = dict.fromkeys(("name", "task", "total", "spec", "seed", "started", "seconds"))
    return {
        "folder": str(record.folder), **empty, "status": "unreadable", "updates": 0, "tags": [], "notes": "",
        "final": {}, "sentence": str(error), "branched_from": None, "branches": [],
    }  # fmt: skip


def _print(rows: list[dict[str, Any]], folder: Path) -> None:
    from cadence.cli.show import print_table

    def cells(row: dict[str, Any]) -> tuple[str, ...]:
        total = "" if row["total"] in (None, row["updates"]) else f" of {row['total']}"
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in row["final"].items() if value is not None)
        path = Path(row["folder"])
        where = str(path.relative_to(folder)) if path != folder else str(path)
        parent = row["branched_from"]
        if parent is not None:
            where += f" (branch of {Path(parent['folder']).name} at {parent['t']})"
        return where, row["status"], f"{row['updates']}{total}", metrics or row["sentence"]

    print_table(("run", "status", "updates", "at the end"), [cells(row) for row in rows])
    counts = {s: n for s in STATUSES if (n := sum(r["status"] == s for r in rows))}
    print(f"{len(rows)} runs in {folder}: " + ", ".join(f"{n} {s}" for s, n in counts.items()))
