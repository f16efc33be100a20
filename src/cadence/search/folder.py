"""A search's folder: whose it is, where its runs lie, what `--fresh` removes."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from cadence._errors import RecordError
from cadence.record.files import make_folder, read_json, trouble, write_json
from cadence.record.lock import NAME as LOCK
from cadence.record.lock import FolderLock, holder

FILE = "sweep.json"
PROCESSES = "processes"
TRIALS = "trials"
OURS = (FILE, TRIALS, "confirm", "study.db", "trials.csv", "summary.json", "report.html", "recipe.yaml", PROCESSES)
"""What a search writes into its folder, and all that is ever removed from it."""

BEFORE = (FILE, "study.db", PROCESSES)
"""Of that, what is there before anything has been trained."""

PATIENCE = 600.0
"""Seconds to wait while another process of the same search looks at its recipes."""


def claim(folder: Path, fingerprint: str) -> FolderLock:
    """Take a folder for a search; the lock is for the beginning alone, many processes may work in the folder.

    Raises:
        RecordError: the folder holds something else, or another search.
    """
    if folder.is_dir() and not (folder / FILE).exists() and holder(folder) is None:
        _check(folder, fingerprint)  # first, so that a folder of somebody else's does not even get a lock
    make_folder(folder)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            lock = FolderLock(folder)
            break
        except RecordError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    try:
        _check(folder, fingerprint)
    except BaseException:
        lock.release()
        raise
    return lock


def clear(folder: Path) -> None:
    """Remove what an earlier search has left.

    Raises:
        RecordError: a process is at work in it.
    """
    if _at_work(folder):
        raise RecordError(f"a process is at work in {folder}; stop it first, or name another folder")
    try:
        # The file that says whose it is goes last: a folder that was half removed is still known as a search's.
        for name in reversed(OURS):
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise trouble(error, folder, "written") from error


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Write `sweep.json`. One of the same search is left as it is: it is of the first start."""
    path = folder / FILE
    there = _mapping(path) if path.exists() else {}
    if any(there.get(key) != about[key] for key in ("fingerprint", "study", "database")):
        write_json(path, {"version": 1, **about, "command": list(sys.argv)})


def run_folder(folder: Path, number: int, seed: int) -> Path:
    """Of one run of a trial."""
    return folder / TRIALS / f"{number:04d}" / f"seed-{seed}"


def confirm_folder(folder: Path, what: str, seed: int) -> Path:
    """Of one run of the winner (``"trial-7"``) or of the given recipe (``"given"``)."""
    return folder / "confirm" / what / f"seed-{seed}"


def drop_checkpoints(folder: Path) -> None:
    """Free the disk of what a run that has ended could have gone on from; its record stays."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _at_work(folder: Path) -> bool:
    """Whether a process of a search holds its claims in a folder."""
    return any(path.is_dir() and holder(path) is not None for path in (folder / PROCESSES).glob("*"))


def _mapping(path: Path) -> dict[str, Any]:
    content = read_json(path)
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _check(folder: Path, fingerprint: str) -> None:
    path = folder / FILE
    if path.exists():
        # One that was refused before its first trial leaves a folder that the corrected one may have.
        begun = any((folder / name).exists() for name in OURS if name not in BEFORE) or _at_work(folder)
        if fingerprint and begun and _mapping(path).get("fingerprint") != fingerprint:
            raise RecordError(
                f"{folder} holds a search of another recipe, space or settings; name another folder, or add --fresh "
                f"(fresh=True), which removes it"
            )
        return
    # What a process that was killed has left of its first file is no one else's either.
    left = (entry.name for entry in folder.iterdir() if not entry.name.startswith(f".{FILE}."))
    others = sorted(name for name in left if name not in (LOCK, PROCESSES))
    if others:
        some = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise RecordError(f"{folder} is no folder of a search and holds {some}; name a new or empty folder")
