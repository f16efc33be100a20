"""Reads a run folder, finished or not."""

from __future__ import annotations

import os
import re
from collections import Counter
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
    from cadence.record.table import Floats, Ints, Table

UNFINISHED = "running or killed"
"""Status of a folder without a result."""

_CLOCKS = frozenset({"t", "epoch", "seconds"})


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
                f"{self.folder / RUN} has version {run.get('version')!r:.60}, this cadence reads version {VERSION}; read it "
                "with the cadence that wrote it"
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
        """``"finished"``, ``"stopped"``, ``"diverged"``, ``"failed"``, or ``"running or killed"``."""
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
    def t(self) -> int:
        """Updates done, as far as the record goes; found at the end of the file, however long it is."""
        row = last_row(self.folder / UPDATES)
        t = None if row is None else row.get("t")
        return t + 1 if type(t) is int else 0

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
