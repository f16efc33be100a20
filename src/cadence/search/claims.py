"""Who trains what: one row for each trial, in the same database, taken and handed on so that no two ever have it.

Optuna's own table says how a trial ended; it does not say who is at work on one that has not, and a process that was
killed leaves such trials behind. A row here names its owner and has a counter that the owner moves on while it lives. A
row whose owner is gone is taken over by whoever changes it first: the change names the owner and the count that were
seen, so of two that try one finds nothing to change.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from cadence.record.files import make_folder
from cadence.record.lock import FolderLock, holder
from cadence.search.database import again

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

BEAT_SECONDS = 5.0
"""Between two signs of life."""

GRACE_SECONDS = 60.0
"""After so long without one the owner of a trial on another machine counts as gone."""

NOBODY = ""
"""Owner of what was given back."""


@dataclass(frozen=True)
class Claim:
    """Somebody's work that has not come to an end.

    Attributes:
        job: what it is: ``"trial 7"``.
        owner: who has it: id, host and folder of the lock that it holds while it lives.
        beat: its counter when it was looked at.
    """

    job: str
    owner: str
    beat: int


@final
class Claims:
    """The rows of one study, as one process sees and changes them.

    Args:
        engine: of the database.
        study: Optuna's number of the study.
        folder: where this process keeps the lock that shows others on this machine that it lives.
        clock: seconds that never go back.
    """

    def __init__(self, engine: Engine, study: int, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._study = study
        self._clock = clock
        self._table = _table()
        name = secrets.token_hex(6)
        self._place = folder.resolve() / name
        self.owner = f"{name} {socket.gethostname()} {self._place}"
        self._beaten = clock()
        # Owner and count -> when they were first seen so.
        self._seen: dict[tuple[str, str, int], float] = {}
        make_folder(self._place)
        self._lock = FolderLock(self._place)
        import sqlalchemy.exc as exc

        self._busy = (exc.OperationalError, exc.InternalError)
        self._taken = exc.IntegrityError
        again(lambda: self._table.metadata.create_all(engine), (*self._busy, exc.ProgrammingError), tries=3)

    def take(self, job: str) -> bool:
        """Have a job that nobody ever had; False where somebody has or had it."""
        row = {"study": self._study, "job": job, "owner": self.owner, "beat": 0, "ended": 0}
        try:
            self._change(self._table.insert().values(**row))
        except self._taken:
            return False
        return True

    def seize(self, claim: Claim) -> bool:
        """Take over a job whose owner is gone; False where another process was first."""
        t = self._table.c
        where = (t.study == self._study, t.job == claim.job, t.owner == claim.owner, t.beat == claim.beat, t.ended == 0)
        change = self._table.update().where(*where).values(owner=self.owner, beat=claim.beat + 1)
        return self._change(change) == 1

    def end(self, job: str) -> None:
        """Say that a job of one's own has come to its end."""
        t = self._table.c
        where = (t.study == self._study, t.job == job, t.owner == self.owner)
        self._change(self._table.update().where(*where).values(ended=1))

    def beat(self) -> bool:
        """Give a sign of life, if it is time; says whether it did."""
        if self._clock() - self._beaten < BEAT_SECONDS:
            return False
        self._beaten = self._clock()
        t = self._table.c
        where = (t.study == self._study, t.owner == self.owner, t.ended == 0)
        self._change(self._table.update().where(*where).values(beat=t.beat + 1))
        return True

    def jobs(self) -> set[str]:
        """All that were ever taken, ended or not."""
        rows = self._read(self._table.select().where(self._table.c.study == self._study))
        return {str(row.job) for row in rows}

    def open(self) -> list[Claim]:
        """Those that have not come to an end, in order."""
        t = self._table.c
        rows = self._read(self._table.select().where(t.study == self._study, t.ended == 0))
        return sorted((Claim(str(r.job), str(r.owner), int(r.beat)) for r in rows), key=lambda claim: claim.job)

    def mine(self, claim: Claim) -> bool:
        """Whether it is this process that has it."""
        return claim.owner == self.owner

    def abandoned(self, claim: Claim) -> bool:
        """Whether its owner is gone: at once where that can be seen, else after a time without a sign of life."""
        if claim.owner == NOBODY:
            return True
        _, _, rest = claim.owner.partition(" ")
        host, _, place = rest.partition(" ")
        if host == socket.gethostname() and Path(place).is_dir():
            return holder(Path(place)) is None
        key = (claim.job, claim.owner, claim.beat)
        return self._clock() - self._seen.setdefault(key, self._clock()) > GRACE_SECONDS

    def leave(self) -> None:
        """Give back what has not come to an end, so that anybody may go on with it at once."""
        t = self._table.c
        where = (t.study == self._study, t.owner == self.owner, t.ended == 0)
        with contextlib.suppress(Exception):
            # The database may be what has ended this process.
            self._change(self._table.update().where(*where).values(owner=NOBODY))
        self._lock.release()
        shutil.rmtree(self._place, ignore_errors=True)

    def forget(self) -> None:
        """Remove all rows of the study."""
        self._change(self._table.delete().where(self._table.c.study == self._study))

    # ---- inside --------------------------------------------------------------------------------------------------

    def _change(self, statement: Any) -> int:
        def do() -> int:
            with self._engine.begin() as connection:
                return int(_execute(connection, statement).rowcount)

        return again(do, self._busy, tries=5)

    def _read(self, statement: Any) -> list[Any]:
        def do() -> list[Any]:
            with self._engine.connect() as connection:
                return list(_execute(connection, statement))

        return again(do, self._busy, tries=5)


def _execute(connection: Connection, statement: Any) -> Any:
    return connection.execute(statement)


def _table() -> Table:
    from sqlalchemy import Column, Integer, MetaData, String, Table

    return Table(
        "cadence_claims",
        MetaData(),
        Column("study", Integer, primary_key=True, autoincrement=False),
        Column("job", String(64), primary_key=True),
        Column("owner", String(1024), nullable=False),
        Column("beat", Integer, nullable=False),
        Column("ended", Integer, nullable=False),
    )
