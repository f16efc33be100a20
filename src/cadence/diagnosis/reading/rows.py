"""Logs that are tables: one row at a time, some columns empty in some rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from cadence._errors import RecordError, neighbours
from cadence.diagnosis.log import Clock, Facts, Floats, Ints, Kind, Mask, Note
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.bins import WHOLE, Kept, Shorter, shorter_for
from cadence.diagnosis.reading.clock import clocked, epoch_length
from cadence.diagnosis.reading.numbers import MISSING
from cadence.diagnosis.reading.order import SCRAMBLED
from cadence.diagnosis.reading.raw import Raw, RawLog
from cadence.diagnosis.reading.roles import role_of


@final
@dataclass(frozen=True, eq=False)
class Chunk:
    """Some rows.

    Attributes:
        count: how many.
        columns: numbers by name, float64 of that length, `MISSING` where there is none. A name may appear late.
    """

    count: int
    columns: Mapping[str, Floats]


class Rows(ABC):
    """A table in a file, read from its beginning to its end."""

    @property
    @abstractmethod
    def path(self) -> Path:
        """Of the file."""

    @property
    @abstractmethod
    def expected(self) -> float:
        """About how many rows there are, told from the size of the file."""

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Of the columns, as far as they are known at the beginning."""

    @property
    @abstractmethod
    def notes(self) -> list[Note]:
        """What was odd; complete when all chunks have been taken."""

    @abstractmethod
    def chunks(self) -> Iterator[Chunk]:
        """All rows."""


Roles = Mapping[str, str]
"""Role -> name of the column that a user says has it."""


def role_in(name: str, roles: Roles) -> str:
    """The role of a column, the user's word first; empty: none that diagnosis looks at."""
    for role, column in roles.items():
        if column == name:
            return {"val_loss": "metric"}.get(role, role)
    found = role_of(name).name
    return "" if found in roles and found not in {"metric", "lr"} else found


def time_column(names: list[str], role: str, roles: Roles) -> str | None:
    """The column that counts updates (or epochs); of several the one whose name says least besides."""
    if role in roles:
        return roles[role]
    fits = [name for name in names if role_of(name).name == role]
    # `batch` restarts with each epoch where there is also a global step.
    return min(fits, key=lambda n: ("global" not in n.lower(), "batch" in n.lower(), role_of(n).extra), default=None)


def read_rows(rows: Rows, kind: Kind, roles: Roles, *, done: bool = False) -> RawLog:
    """The columns of a table.

    Args:
        rows: of the file.
        kind: which program's.
        roles: what a user says of the columns.
        done: see `RawLog`.
    """
    return _Reading(rows, kind, roles, done).read()


@final
class _Reading:
    """One table on its way to columns."""

    def __init__(self, rows: Rows, kind: Kind, roles: Roles, done: bool) -> None:
        self._rows = rows
        self._kind: Kind = kind
        self._roles = roles
        self._done = done
        self._long = rows.expected > WHOLE
        # Rows in no order cannot be binned before they are sorted.
        self._scrambled = False
        self._columns: dict[str, Shorter] = {}
        self._named = set(rows.names)
        self._count = 0
        self._steps: list[Floats] = []
        self._epochs: list[Floats] = []
        self._last = -np.inf
        self._lost = 0

    def read(self) -> RawLog:
        names = self._rows.names
        step, epoch = (time_column(names, role, self._roles) for role in ("step", "epoch"))
        for number, chunk in enumerate(self._rows.chunks()):
            if step is None and epoch is None:
                step, epoch = (time_column(list(chunk.columns), role, self._roles) for role in ("step", "epoch"))
            if number == 0 and self._long and step is not None:
                self._scrambled = _scrambled(chunk.columns.get(step))
            self._take(chunk, step, epoch)
            self._named.update(chunk.columns)
        self._check_roles()
        columns = [held.whole(name) for name, held in self._columns.items()]
        notes = list(self._rows.notes)
        if self._long:
            clock: Clock = "updates" if step is not None else "rows"
            facts = Facts(clock=clock, steps_per_epoch=epoch_length(_epochs_of(columns, epoch)))
        else:
            t, facts, more = clocked(_joined(self._steps, self._count), _joined(self._epochs, self._count), self._count)
            notes += more
            columns = [_retimed(column, t) for column in columns if column.name != epoch]
            self._lost += int((t < 0).sum())
        if self._lost:
            notes.append(noted.unreadable(self._lost, "row without a step", "rows without a step", "没有步数的行"))
        if facts.clock == "rows":
            notes.append(noted.no_clock(self._count))
        columns = [column for column in columns if len(column.t) and column.name != epoch]
        return RawLog(str(self._rows.path), self._kind, columns, facts, notes=tuple(notes), done=self._done)

    def _check_roles(self) -> None:
        for role, name in self._roles.items():
            if name not in self._named:
                raise RecordError(
                    f"{self._rows.path} has no column {name!r:.60} to be the {role}; {neighbours(name, self._named)}"
                )

    def _take(self, chunk: Chunk, step: str | None, epoch: str | None) -> None:
        numbers = np.arange(self._count, self._count + chunk.count)
        none = np.full(0, MISSING)
        steps = chunk.columns.get(step, none) if step is not None else none
        epochs = chunk.columns.get(epoch, none) if epoch is not None else none
        if not self._long:
            for held, column in ((self._steps, steps), (self._epochs, epochs)):
                held.append(column if len(column) else np.full(chunk.count, MISSING))
            t = numbers
            usable = np.ones(chunk.count, dtype=np.bool_)
        elif step is None:
            t, usable = numbers, np.ones(chunk.count, dtype=np.bool_)
        else:
            steps = steps if len(steps) else np.full(chunk.count, MISSING)
            usable = (steps != MISSING) & np.isfinite(steps)
            self._lost += int((~usable).sum())
            t = np.where(usable, steps, 0).astype(np.int64)
        self._count += chunk.count
        for part in self._stretches(t):
            for name, values in chunk.columns.items():
                role = role_in(name, self._roles)
                if (role and role != "step") or name == epoch:
                    self._add(name, t[part], values[part], usable[part], role, epoch)
        if len(t):
            self._last = t[-1]

    def _stretches(self, t: Ints) -> Iterator[slice]:
        """Rows between the places where a long log goes back: no bin reaches over them."""
        if not self._long or self._scrambled:
            yield slice(None)
            return
        falls = np.flatnonzero(np.diff(np.concatenate([[self._last], t])) < 0)
        start = 0
        for fall in [*falls[:1000].tolist(), len(t)]:
            if fall == start == 0 and len(falls):
                self._flush()
                continue
            if start:
                self._flush()
            yield slice(start, fall)
            start = fall

    def _flush(self) -> None:
        for held in self._columns.values():
            held.flush()

    def _add(self, name: str, t: Ints, values: Floats, usable: Mask, role: str, epoch: str | None) -> None:
        there = usable & (values != MISSING)
        if not there.any():
            return
        whole = bool(there.all())
        if name not in self._columns:
            share = float(there.mean())
            rate = role in {"lr", "momentum", "weight_decay"} or name == epoch
            binned = self._long and not self._scrambled
            self._columns[name] = shorter_for(self._rows.expected * share, rate=rate) if binned else Kept()
        self._columns[name].add(t if whole else t[there], values if whole else values[there])


def _scrambled(steps: Floats | None) -> bool:
    if steps is None or len(steps) < 2:
        return False
    return float((np.diff(steps) < 0).mean()) > SCRAMBLED


def _joined(parts: list[Floats], count: int) -> Floats | None:
    whole = np.concatenate(parts) if parts else np.full(count, MISSING)
    return whole if (whole != MISSING).any() else None


def _retimed(column: Raw, t: Ints) -> Raw:
    """A column whose times are numbers of rows, with what those rows count; rows without one are left out."""
    times = t[column.t]
    there = times >= 0
    return Raw(column.name, times[there], column.values[there])


def _epochs_of(columns: list[Raw], epoch: str | None) -> Raw | None:
    return next((column for column in columns if column.name == epoch), None)
