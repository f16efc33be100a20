"""Checkpoints of a run: `<t>.safetensors` and `<t>.json`, where t is the number of updates done.

The JSON file is written last and holds a checksum of both, so a checkpoint is whole or it does not count. Nothing here
runs code from a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from cadence._errors import RecordError, StateError
from cadence.record.files import make_folder, read_json, replacing, trouble, write_json
from cadence.record.names import CHECKPOINTS
from cadence.run.background import Background
from cadence.run.engine import Engine

VERSION = 2


@final
class Checkpoints:
    """The checkpoints of one run folder.

    Args:
        folder: of the run.
        keep: how many of the newest are kept, at least 1.
        best: metric and ``"min"`` or ``"max"``: the best by it is kept as well. None: none is.
    """

    def __init__(self, folder: Path, *, keep: int, best: tuple[str, str] | None) -> None:
        self._folder = folder / CHECKPOINTS
        self._keep = keep
        self._best = best
        self._background = Background()

    def save(self, t: int, engine: Engine, state: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Take a checkpoint, and write it while the training goes on; then remove those that need not be kept.

        It waits only for the checkpoint before, where that is still being written.

        Args:
            t: updates done.
            engine: gives weights, optimizer, random numbers.
            state: everything else, as plain data that nobody changes.
            metrics: of the evaluation at `t`; empty where there was none.

        Raises:
            RecordError: the disk would not take the checkpoint before; those before that are untouched.
            StateError: see `Engine.save`.
        """
        # The copy of the engine's state stands in memory that the checkpoint before may still be written from.
        self.wait()
        _make(self._folder)
        saved = engine.save()
        assert saved is not None, "the process that keeps the checkpoints gets them"
        content = {
            "version": VERSION,
            "t": t,
            "metrics": dict(metrics),
            "state": dict(state),
            "engine": saved.rest,
        }
        self._background.start(lambda: self._write(t, content, saved.file))

    def amend(self, t: int, content: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Write another state to the arrays of a checkpoint, in one step.

        Args:
            t: of the checkpoint.
            content: of it.
            state: instead of what it holds.

        Raises:
            RecordError: the disk will not take it; the checkpoint is as it was.
        """
        self.wait()
        self._write_json(t, {**content, "state": dict(state)})

    def wait(self) -> None:
        """Wait until what was saved is on the disk.

        Raises:
            RecordError: the disk will not take it; the checkpoints before are untouched.
        """
        self._background.wait()

    def end(self) -> None:
        """Wait likewise, where another error is on its way already."""
        self._background.end()

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """The newest checkpoint that is whole: its t and content. None where there is none."""
        self.wait()
        for t in reversed(self.numbers()):
            content = self._read(t)
            if content is not None:
                return t, content
        return None

    def read(self, t: int) -> dict[str, Any] | None:
        """The content of a checkpoint; None where there is no whole one."""
        return self._read(t)

    def adopt(self, t: int, content: Mapping[str, Any], others: Checkpoints) -> None:
        """Take over a checkpoint of another run, with other content beside its tensors.

        Raises:
            RecordError: it cannot be read, or the disk will not take it.
        """
        make_folder(self._folder)
        there, here = others._path(t, "safetensors"), self._path(t, "safetensors")
        try:
            shutil.copyfile(there, here)
        except OSError as fault:
            raise trouble(fault, here, "written") from fault
        if _file_sum(here) != content["tensors"]["sha256"]:
            raise RecordError(f"{there} was replaced while it was copied; choose a checkpoint that is kept")
        write_json(self._path(t, "json"), {**content, "sha256": _sum(content)})

    def load(self, t: int, content: Mapping[str, Any], engine: Engine) -> None:
        """Put a checkpoint's weights, optimizer and random numbers into an engine.

        Raises:
            StateError: it belongs to another model or optimizer.
        """
        engine.load(self._path(t, "safetensors"), content["engine"])

    def numbers(self) -> list[int]:
        """The t of every checkpoint, rising, whole or not."""
        names = [p.stem for p in self._folder.glob("*.json")] if self._folder.is_dir() else []
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal())

    def drop_after(self, t: int) -> None:
        """Remove what is newer than checkpoint `t`, and what a killed writer has left."""
        if not self._folder.is_dir():
            return
        try:
            # Tensors without a description belong to a checkpoint that was being written or removed.
            described = {number for number in self.numbers() if number <= t}
            for path in self._folder.iterdir():
                number = int(path.stem) if path.stem.isascii() and path.stem.isdecimal() else None
                if (number is not None and number not in described) or path.suffix == ".tmp":
                    path.unlink()
        except OSError as fault:
            raise trouble(fault, self._folder, "written") from fault

    # ---- inside --------------------------------------------------------------------------------------------------

    def _write(self, t: int, content: Mapping[str, Any], file: Sequence[bytes | memoryview]) -> None:
        tensors = self._path(t, "safetensors")
        total = _write_pieces(tensors, file)
        self._write_json(t, {**content, "tensors": {"name": tensors.name, "sha256": total}})
        self._remove_old()

    def _write_json(self, t: int, content: Mapping[str, Any]) -> None:
        write_json(self._path(t, "json"), {**content, "sha256": _sum(content)})

    def _path(self, t: int, suffix: str) -> Path:
        return self._folder / f"{t}.{suffix}"

    def _read(self, t: int) -> dict[str, Any] | None:
        """A checkpoint's content; None where a file is missing, cut short or changed."""
        try:
            content = read_json(self._path(t, "json"))
            if not isinstance(content, dict):
                return None
            told = content.pop("sha256", None)
            whole = told == _sum(content) and content["tensors"]["sha256"] == _file_sum(self._path(t, "safetensors"))
        except (RecordError, KeyError, TypeError):
            return None
        if whole and content["version"] != VERSION:
            raise StateError(
                f"checkpoint {t} in {self._folder} has version {content['version']}, and this cadence reads {VERSION}; "
                f"go on with the cadence that wrote it, or train anew with fresh=True"
            )
        return content if whole else None

    def _remove_old(self) -> None:
        numbers = self.numbers()
        kept = {*numbers[-self._keep :], *self._best_of(numbers)}
        for t in set(numbers) - kept:
            # The JSON file first: without it the tensors do not count, and a crash in between leaves nothing half.
            for suffix in ("json", "safetensors"):
                with contextlib.suppress(OSError):
                    self._path(t, suffix).unlink()

    def _best_of(self, numbers: list[int]) -> list[int]:
        if self._best is None:
            return []
        metric, better = self._best
        scores: dict[int, float] = {}
        for t in numbers:
            with contextlib.suppress(RecordError):
                value = read_json(self._path(t, "json"))["metrics"].get(metric)
                if value is not None and value == value:
                    scores[t] = value
        # Of equals the first, as a rule that watches for an improvement sees it.
        return [min(scores, key=lambda t: (scores[t] if better == "min" else -scores[t], t))] if scores else []


def _make(folder: Path) -> None:
    """The folder of the checkpoints, in that of the run, which must be there: its record is being written."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as fault:
        raise trouble(fault, folder, "written") from fault


def _write_pieces(path: Path, pieces: Sequence[bytes | memoryview]) -> str:
    """Write a file atomically; returns its checksum, which is computed meanwhile."""
    total = hashlib.sha256()

    def add_up() -> None:
        for piece in pieces:
            total.update(piece)

    # Both leave the interpreter to others while they are at work.
    adding = Background()
    adding.start(add_up)
    try:
        with replacing(path) as file:
            for piece in pieces:
                file.write(piece)
    finally:
        adding.wait()
    return total.hexdigest()


def _sum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _file_sum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as fault:
        raise trouble(fault, path, "read") from fault
