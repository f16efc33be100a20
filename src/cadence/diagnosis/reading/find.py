"""Which program wrote a log, and its reader."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cadence._errors import RecordError, neighbours
from cadence.diagnosis.log import Log
from cadence.diagnosis.reading.assemble import assemble
from cadence.diagnosis.reading.raw import RawLog

ROLES = ("step", "epoch", "loss", "lr", "val_loss", "grad_norm")
"""What a user may say of a column."""

JSON = frozenset({".json", ".jsonl", ".ndjson"})


def read_log(path: str | os.PathLike[str], *, columns: Mapping[str, str] | None = None) -> Log:
    """The log of one training.

    Args:
        path: a run folder of cadence, a folder of TensorBoard or VisualDL files (or one such file), a CSV file, a file
            of JSON Lines (as wandb exports its history), a ``trainer_state.json`` of Hugging Face or a folder that
            holds one.
        columns: role (`ROLES`) -> name of a column, where names do not say it.

    Returns:
        The log, in order; what was odd about it is in its notes. Nothing in it is ever executed.

    Raises:
        RecordError: there is no log, or none that can be read.
    """
    roles = dict(columns or {})
    for role in roles:
        if role not in ROLES:
            raise RecordError(f"{role!r} is nothing that a column can be; {neighbours(role, ROLES)}")
    found = _raw(Path(path), roles)
    log = found if isinstance(found, Log) else assemble(found, roles)
    if log.loss is None and not log.lr and not log.metrics:
        raise RecordError(
            f"{log.source} tells nothing of a training: it has no number of a loss, a learning rate or a metric; say "
            f"which columns they are, e.g. --column loss=NAME (columns={{'loss': 'NAME'}}), or give another log"
        )
    return log


def _raw(path: Path, roles: Mapping[str, str]) -> RawLog | Log:
    if not path.exists():
        raise RecordError(f"{path} does not exist; check the spelling of the path")
    return _of_folder(path, roles) if path.is_dir() else _of_file(path, roles)


def _of_folder(path: Path, roles: Mapping[str, str]) -> Any:
    if (path / "run.json").is_file():
        from cadence.diagnosis.reading.run_folder import read_run

        return read_run(path, roles)
    for name in ("trainer_state.json", "wandb-history.jsonl", "metrics.csv", "updates.jsonl"):
        if (path / name).is_file():
            return _of_file(path / name, roles)
    states = sorted(path.glob("checkpoint-*/trainer_state.json"), key=lambda p: (len(p.parent.name), p.parent.name))
    if states:
        return _of_file(states[-1], roles)
    from cadence.diagnosis.reading.tensorboard import read_tensorboard
    from cadence.diagnosis.reading.visualdl import read_visualdl

    found = read_tensorboard(path) or read_visualdl(path)
    if found is None:
        from cadence.record.reader import records

        runs = [str(record.folder) for record in records(path)]
        if runs:
            some = ", ".join(runs[:3]) + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")
            raise RecordError(f"{path} is no run folder, it holds {len(runs)}: {some}; give one of them, or each")
        tables = sorted(p for p in path.iterdir() if p.suffix in {".csv", ".tsv", *JSON} and p.is_file())
        if len(tables) == 1:
            return _of_file(tables[0], roles)
        there = f"it holds {', '.join(p.name for p in tables[:4])}; name one of them" if tables else (
            "give a run folder, a TensorBoard or VisualDL folder, a CSV or JSON Lines file, or a trainer_state.json"
        )  # fmt: skip
        raise RecordError(f"{path} holds no log that can be read; {there}")
    return found


def _of_file(path: Path, roles: Mapping[str, str]) -> Any:
    if path.stat().st_size == 0:
        raise RecordError(f"{path} is empty; give a log with rows")
    if "tfevents" in path.name:
        from cadence.diagnosis.reading.tensorboard import read_files

        return read_files(path, [path])
    if "vdlrecords" in path.name:
        from cadence.diagnosis.reading.visualdl import read_records

        return read_records(path, [path])
    if path.suffix == ".wandb":
        raise RecordError(
            f"{path} is wandb's own file; export its history, run.history(pandas=True).to_csv('history.csv') or "
            "run.scan_history() as JSON Lines, and give that"
        )
    if path.suffix in JSON or _begins_as_json(path):
        return _of_json(path, roles)
    from cadence.diagnosis.reading.csv_file import read_csv

    return read_csv(path, roles)


def _begins_as_json(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{"


def _of_json(path: Path, roles: Mapping[str, str]) -> RawLog:
    from cadence.diagnosis.reading.json_lines import read_json_lines
    from cadence.diagnosis.reading.rows import read_rows
    from cadence.diagnosis.reading.trainer_state import MemoryRows, load_json, read_trainer_state

    if path.suffix == ".json":
        content = load_json(path) if not _is_lines(path) else None
        if isinstance(content, dict) and "log_history" in content:
            return read_trainer_state(path, roles)
        rows = _rows_of(content)
        if rows is not None:
            return read_rows(MemoryRows(path, rows), "jsonl", roles)
        if content is not None:
            raise RecordError(f"{path} holds no table; give a list of rows, JSON Lines, or a trainer_state.json")
    return read_json_lines(path, roles)


def _is_lines(path: Path) -> bool:
    """Whether the first line alone is an object, and another follows."""
    import json

    with open(path, "rb") as file:
        line = file.readline(1 << 20)
        more = file.readline(1 << 20).strip()
    try:
        return isinstance(json.loads(line), dict) and bool(more)
    except (ValueError, RecursionError):
        return False


def _rows_of(content: Any) -> list[Any] | None:
    """The rows of a list of objects, or of an object of lists, as Keras' history is."""
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):  # pyright: ignore[reportUnknownVariableType]
        return content  # pyright: ignore[reportUnknownVariableType]
    if isinstance(content, dict) and content:
        lists: dict[str, list[Any]] = {k: v for k, v in content.items() if isinstance(v, list)}  # pyright: ignore[reportUnknownVariableType]
        if len(lists) == len(content):  # pyright: ignore[reportUnknownArgumentType]
            longest = max(map(len, lists.values()))
            rows = [{k: v[i] for k, v in lists.items() if i < len(v)} for i in range(longest)]
            return rows if "epoch" in content else [{"epoch": i, **row} for i, row in enumerate(rows)]
    return None
