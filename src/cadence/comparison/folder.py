"""A comparison's folder: whose it is, what is kept, what `--fresh` removes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, cast

from cadence._errors import RecordError
from cadence.comparison.settings import FILE, Settings
from cadence.record.files import make_folder, read_json, trouble, write_json
from cadence.record.lock import NAME as LOCK
from cadence.record.lock import FolderLock

OURS = (FILE, "tuning", "runs", "results.csv", "summary.json", "report.html", "curves.png")
"""What a comparison writes into its folder, and all that is ever removed from it."""


def claim(folder: Path, fingerprint: str, *, fresh: bool) -> FolderLock:
    """Take a folder for a comparison, and be its only writer until the lock is released.

    Args:
        folder: made where it is missing.
        fingerprint: of the comparison that is to be written.
        fresh: remove what an earlier comparison has left.

    Raises:
        RecordError: the folder holds something else, another comparison, or another process is at work in it.
    """
    if folder.is_dir() and not (folder / FILE).exists():
        _check(folder, fingerprint)  # first, so that a folder of somebody else's does not even get a lock
    make_folder(folder)
    lock = FolderLock(folder)
    try:
        if fresh and (folder / FILE).exists():
            _clear(folder)
        else:
            _check(folder, fingerprint)
    except BaseException:
        lock.release()
        raise
    return lock


def write_settings(folder: Path, settings: Settings, fingerprint: str) -> None:
    """Write `comparison.json`. One that says the same already is left as it is: it is of the first start.

    Raises:
        RecordError: the file cannot be written.
    """
    data: dict[str, Any] = json.loads(json.dumps(settings.to_json() | {"fingerprint": fingerprint}))
    path = folder / FILE
    there = _mapping(path) if path.exists() else {}
    if {**there, "command": None} != {**data, "command": None}:
        write_json(path, data)


def _mapping(path: Path) -> dict[str, Any]:
    content = read_json(path)
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _check(folder: Path, fingerprint: str) -> None:
    path = folder / FILE
    if path.exists():
        if _mapping(path).get("fingerprint") != fingerprint:
            raise RecordError(
                f"{folder} holds a comparison of other recipes or settings; name another folder, or add --fresh "
                f"(fresh=True), which removes it"
            )
        return
    others = sorted(entry.name for entry in folder.iterdir() if entry.name != LOCK)
    if others:
        some = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise RecordError(f"{folder} is no comparison folder and holds {some}; name a new or empty folder")


def _clear(folder: Path) -> None:
    try:
        # The settings go last: a folder that was half removed is still known as a comparison's.
        for name in reversed(OURS):
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise trouble(error, folder, "written") from error
