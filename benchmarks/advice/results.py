"""What is kept of a measurement: a compact file in the project, and lines that are added as runs end."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

KEPT = Path(__file__).with_name("results.json.gz")


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        task, level, seed: which.
        losses: on held-out rows, evenly over the run, the last one at its end; none where it diverged.
        pilot: updates taken before.
        machine: where and when, with versions.
        rise: of the training loss around the last weights, see `training.rise`; None where nobody asked.
    """

    task: str
    level: str
    seed: int
    losses: tuple[float, ...]
    pilot: int
    machine: str
    rise: float | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """What a run is known by."""
        return self.task, self.level, self.seed


def read_lines(file: Path) -> list[Row]:
    """Rows of a measurement that may still be going on; none if it has not begun."""
    if not file.exists():
        return []
    return [_row(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def add_line(file: Path, row: Row) -> None:
    """One more."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(row)) + "\n")


@dataclass(frozen=True)
class Facts:
    """What a page says of a task.

    Attributes:
        about: one sentence.
        kind, updates, batch_size, rows, blind: as in `Task`.
        parameters: of its model.
        chosen_on: whether the rules were chosen on it.
    """

    about: str
    kind: str
    updates: int
    batch_size: int
    rows: int
    blind: float
    parameters: int
    chosen_on: bool


@dataclass(frozen=True)
class Kept:
    """All that the project keeps."""

    tasks: dict[str, Facts]
    rows: tuple[Row, ...]


def read_kept(file: Path = KEPT) -> Kept:
    """What was kept; nothing if there is no file."""
    if not file.exists():
        return Kept({}, ())
    found = json.loads(gzip.decompress(file.read_bytes()))
    machines = found["machines"]
    rows = tuple(_row({"rise": None, **row, "machine": machines[row["machine"]]}) for row in found["runs"])
    return Kept({name: Facts(**facts) for name, facts in found["tasks"].items()}, rows)


def keep(kept: Kept, file: Path = KEPT) -> None:
    """Write rows in a fixed order; the same rows are the same bytes. Of two with one key the last one stays."""
    last = {row.key: row for row in kept.rows}
    ordered = [last[key] for key in sorted(last)]
    machines = sorted({row.machine for row in ordered})
    runs = [{**asdict(row), "machine": machines.index(row.machine)} for row in ordered]
    for run in runs:
        if run["rise"] is None:
            del run["rise"]
    tasks = {name: asdict(facts) for name, facts in kept.tasks.items()}
    text = json.dumps({"machines": machines, "tasks": tasks, "runs": runs}, separators=(",", ":"))
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


def _row(found: dict[str, Any]) -> Row:
    return Row(**{**found, "losses": tuple(found["losses"])})
