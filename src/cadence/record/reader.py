"""Reads a run folder, finished or not."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from cadence._errors import RecordError, neighbours
from cadence.record.files import make_folder, read_json, trouble
from cadence.record.lines import blocks, last_row
from cadence.record.names import (
    CHECKPOINTS,
    ENVIRONMENT,
    EVALUATIONS,
    JOURNAL,
    RECIPE,
    RESULT,
    RUN,
    STATUSES,
    UPDATES,
    VERSION,
)
from cadence.record.spelling import read

if TYPE_CHECKING:
    from cadence.record.effective import GroupEffect
    from cadence.record.table import Floats, Ints, Table

UNFINISHED = "running or killed"
"""Status of a folder without a result."""


@final
class Record:
    """What happened in a run. Made by `load_record` and `records`.

    Each file is read when it is first asked for, and then kept: load the record again to see how a run goes on.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    @cached_property
    def run(self) -> Mapping[str, Any]:
        """Name, spec, horizon, groups, values and bases: the content of ``run.json``."""
        run = self._mapping(RUN)
        if run.get("version") != VERSION:
            raise RecordError(
                f"{self.folder / RUN} has version {run.get('version')!r:.60}, this cadence reads version {VERSION}; "
                "read it with the cadence that wrote it"
            )
        return run

    @cached_property
    def recipe(self) -> Any:
        """The recipe as it was run: its content where pyyaml is installed, else its text; None where there was none."""
        path = self.folder / RECIPE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise trouble(error, path, "read") from error
        except UnicodeDecodeError as error:
            raise RecordError(f"{path} is no UTF-8: {error}; save it as UTF-8") from error
        try:
            import yaml
        except ModuleNotFoundError:
            return text
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            said = " ".join(str(error).split())
            raise RecordError(f"{path} is no YAML: {said}; correct it, or put the file back as it was") from error

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """Versions, machine, code and data: the content of ``environment.json``; empty where there is none."""
        return self._mapping(ENVIRONMENT) if (self.folder / ENVIRONMENT).exists() else {}

    @cached_property
    def result(self) -> Mapping[str, Any] | None:
        """How the run ended, the content of ``result.json``; None where it has not."""
        path = self.folder / RESULT
        if not path.exists():
            return None
        result = self._mapping(RESULT)
        if result.get("status") not in STATUSES:
            known = ", ".join(STATUSES)
            raise RecordError(f"{path} has the status {result.get('status')!r:.60}; known are: {known}")
        return result

    @property
    def status(self) -> str:
        """``"finished"``, ``"stopped"``, ``"diverged"``, ``"failed"``, ``"interrupted"`` or ``"running or killed"``."""
        return UNFINISHED if self.result is None else self.result["status"]

    @cached_property
    def journal(self) -> list[dict[str, Any]]:
        """Decisions, changes by hand and other events, in the order in which they were made."""
        return [read(row) for _, block in blocks(self.folder / JOURNAL) for row in block]

    @cached_property
    def updates(self) -> Table:
        """One row per update."""
        from cadence.record.table import read_table

        return read_table(self.folder / UPDATES, step=1)

    @cached_property
    def evaluations(self) -> Table:
        """One row per evaluation; ``t`` is the number of updates done before it."""
        from cadence.record.table import read_table

        return read_table(self.folder / EVALUATIONS, step=0)

    @cached_property
    def effective_rates(self) -> list[GroupEffect]:
        """What the updates really did to each parameter group; empty where that was not recorded."""
        from cadence.record.effective import effects_of

        return effects_of(self)

    @cached_property
    def t(self) -> int:
        """Updates done, as far as the record goes; found at the end of the file, however long it is."""
        row = last_row(self.folder / UPDATES)
        t = None if row is None else row.get("t")
        return t + 1 if type(t) is int else 0

    @property
    def total(self) -> int | None:
        """Length of the run in updates, after all that has changed it; None where it is not known."""
        from cadence.curve.horizon import Horizon, units_of

        horizon: Mapping[str, Any] = self.run.get("horizon") or {}
        units = ("total", "steps_per_epoch", "batch_size", "tokens_per_step")
        return units_of(Horizon(*(horizon.get(unit) for unit in units)), self.journal).total

    def series(self, metric: str, *, group: int | str | None = None) -> tuple[Ints, Floats]:
        """One metric over time, without the rows that do not have it.

        Args:
            metric: name of a column of the updates, or else of the evaluations.
            group: index or name of a parameter group, for what has one number per group.

        Returns:
            Update numbers (int64), and values (float64, of the same length; with a second axis over groups where the
            metric has one and `group` is not given). NaN is what was computed, or a group that does not have the value.
            Both are empty where the run has not come so far.

        Raises:
            RecordError: there is no such metric or group; the message has its neighbours.
        """
        table = self.updates if metric in self.updates else self.evaluations
        if metric not in table:
            if not (len(self.updates) and len(self.evaluations)):
                return self.updates["t"][:0], self.updates["t"][:0].astype(float)
            known = {*self.updates, *self.evaluations} - {"t"}
            raise RecordError(f"{self.folder} has no metric {metric!r}; {neighbours(metric, known)}")
        present = table.present(metric)
        values = table[metric][present]
        if group is not None:
            values = values[:, self._group(group, metric, values)]
        return table["t"][present], values

    def to_csv(self, folder: str | os.PathLike[str]) -> tuple[Path, Path]:
        """Write the updates and the evaluations as CSV, for spreadsheets and other programs.

        Args:
            folder: for ``updates.csv`` and ``evaluations.csv``; made where it is missing.

        Returns:
            The two paths.

        Raises:
            RecordError: they cannot be written, or the record cannot be read.
        """
        folder = Path(folder)
        make_folder(folder)
        paths = folder / "updates.csv", folder / "evaluations.csv"
        groups = [str(name) for name in self.run.get("groups", ())]
        for table, path in zip((self.updates, self.evaluations), paths, strict=True):
            table.to_csv(path, groups=groups)
        return paths

    def describe(self) -> str:
        """The run in a few sentences, for people who cannot or will not look at a picture."""
        from cadence.record.describe import describe

        return describe(self)

    def __repr__(self) -> str:
        return f"<Record {self.folder}: {self.status}, {self.t} update{'' if self.t == 1 else 's'}>"

    def _mapping(self, name: str) -> Mapping[str, Any]:
        content = read_json(self.folder / name)
        if not isinstance(content, dict):
            raise RecordError(f"{self.folder / name} holds no object in braces; put the file back as it was")
        return content  # pyright: ignore[reportUnknownVariableType]

    def _group(self, group: int | str, metric: str, values: Any) -> int:
        """Index of a parameter group in a column of lists."""
        count = values.shape[1] if values.ndim == 2 else 0
        if count == 0:
            raise RecordError(f"{metric!r} is one number for all parameter groups; leave group= out")
        names = [str(name) for name in self.run.get("groups", ())]
        if isinstance(group, str):
            if group not in names:
                raise RecordError(f"{self.folder} has no parameter group {group!r}; {neighbours(group, names)}")
            group = names.index(group)
        if not 0 <= group < count:
            raise RecordError(f"group {group} of {metric!r} does not exist; there are {count}, counted from 0")
        return group


def load_record(folder: str | os.PathLike[str]) -> Record:
    """The record of a run, finished or still going on.

    Args:
        folder: of the run, the one that holds ``run.json``.

    Returns:
        The record; its tables are read when they are asked for.

    Raises:
        RecordError: this is no run folder, or was written by a later version; the message names run folders below it.
    """
    record = Record(folder)
    path = record.folder
    if not (path / RUN).is_file():
        if not path.exists():
            raise RecordError(f"{path} does not exist; check the spelling of the path")
        if not path.is_dir():
            raise RecordError(f"{path} is a file; give the run folder, e.g. {str(path.parent)!r}")
        below = [str(other.folder) for other in records(path)]
        some = ", ".join(below[:3]) + (f" and {len(below) - 3} more" if len(below) > 3 else "")
        remedy = f"there are run folders below it: {some}" if below else "give the folder of a run"
        raise RecordError(f"{path} is no run folder, it has no {RUN}; {remedy}")
    record.run  # noqa: B018 - a version that cannot be read is said now
    return record


def records(folder: str | os.PathLike[str]) -> list[Record]:
    """All runs in a folder and below it.

    Args:
        folder: where to look. Hidden folders and checkpoints are passed over, and links to folders are not followed.

    Returns:
        One record per run folder, by path, ``seed-2`` before ``seed-10``. Nothing of them has been read yet.

    Raises:
        RecordError: there is no such folder.
    """
    top = Path(folder)
    if not top.is_dir():
        raise RecordError(f"{top} is no folder; give the folder that holds the runs")
    found: list[Path] = []
    for here, below, files in os.walk(top):
        below[:] = [name for name in below if name != CHECKPOINTS and not name.startswith(".")]
        if RUN in files:
            found.append(Path(here))
    return [Record(path) for path in sorted(found, key=_in_natural_order)]


def _in_natural_order(path: Path) -> list[list[str | int]]:
    """Runs of digits count as numbers. Text and numbers take turns, so that only like is compared with like."""
    return [[int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", part)] for part in path.parts]
