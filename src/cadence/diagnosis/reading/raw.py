"""What a reader hands on: columns as they stand in the file, before anything is put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from cadence.diagnosis.log import Event, Facts, Floats, Ints, Kind, Note


@final
@dataclass(frozen=True, eq=False)
class Raw:
    """One column, in the order of the file.

    Attributes:
        name: as the log has it.
        t: what the log counts by, one number for each value; may fall, stand still, or jump.
        values: as many.
        low, high, rows, bad: as in `Series`, where each value stands for a bin.
        group: of parameters, where the log says so apart from the name.
    """

    name: str
    t: Ints
    values: Floats
    low: Floats | None = None
    high: Floats | None = None
    rows: Ints | None = None
    bad: Ints | None = None
    group: str | None = None


@final
@dataclass(frozen=True, eq=False)
class RawLog:
    """A log as its reader found it.

    Attributes:
        source: path.
        kind: which program's.
        columns: all that hold numbers.
        facts: what the log says of its training besides.
        events: what it says happened.
        notes: what its reader noticed.
        rates_after: the rate of a row is that of the next update (True), or of the row's own (False).
        done: rows of training at `t` were written after `t` updates, so that their loss is that of update `t` - 1.
    """

    source: str
    kind: Kind
    columns: Sequence[Raw]
    facts: Facts = field(default_factory=Facts)
    events: tuple[Event, ...] = ()
    notes: tuple[Note, ...] = ()
    rates_after: bool = False
    done: bool = False


def raw(name: str, t: Sequence[int] | Ints, values: Sequence[float] | Floats) -> Raw:
    """A column of lists or arrays."""
    return Raw(name, np.asarray(t, dtype=np.int64), np.asarray(values, dtype=np.float64))
