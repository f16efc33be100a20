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
    status: Annotated[
        str | None,
        typer.Option(
            help="Only runs that are finished, stopped, diverged, failed, interrupted or unfinished.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List run folders and how they ended."""
    from cadence.cli.show import print_json
    from cadence.record.reader import records

    rows = [_row(record) for record in records(folder)]
    wanted = _status(status)
    rows = [r for r in rows if set(tag or []) <= set(r["tags"]) and wanted in (None, r["status"])]
    if as_json:
        print_json(rows)
    elif not rows:
        print(f"no {f'{wanted} ' if wanted else ''}runs{' with these tags' if tag else ''} in {folder}")
    else:
        _print(rows, folder)


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
        horizon: Mapping[str, Any] = record.run.get("horizon") or {}
        return {
            "folder": str(record.folder),
            "name": record.run.get("name"),
            "task": recipe.get("task"),
            "status": record.status if record.result is not None else "unfinished",
            "updates": result.get("updates", record.t),
            "total": record.run.get("total", horizon.get("total")),
            "spec": record.run.get("spec"),
            "seed": recipe.get("seed"),
            "tags": list(recipe.get("tags") or ()),
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
    empty = dict.fromkeys(("name", "task", "total", "spec", "seed", "seconds"))
    return {
        "folder": str(record.folder), **empty, "status": "unreadable", "updates": 0, "tags": [], "final": {},
        "branched_from": None, "branches": [],
        "sentence": str(error),
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
