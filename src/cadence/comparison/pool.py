"""What trainings are given to: workers, wherever they are."""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

MOST_TRIES = 2
"""A job whose worker dies is given to a new worker once; then the job itself is taken to be the reason."""


@dataclass(frozen=True)
class Job:
    """Something for a worker to do.

    Attributes:
        number: different for each job of a pool.
        call: which of `cadence.comparison.worker.JOBS`.
        arguments: of it, as plain data.
        folder: of the run that the job trains; None where it trains none. What lies there is what the job goes on
            from, wherever it is done. The run's files come into it while it goes on, and are all there when its end is
            told. Commands that are left in it (`cadence.record.commands`) reach the run.
    """

    number: int
    call: str
    arguments: Mapping[str, Any]
    folder: str | None = None

    def given(self, folder: str | None) -> dict[str, Any]:
        """What the call is given where the run's folder is this one."""
        return {**self.arguments, **({} if folder is None else {"out": folder})}


@dataclass(frozen=True)
class Happening:
    """What a worker has to say.

    Attributes:
        kind: ``"news"`` of a job that goes on, ``"done"``, ``"failed"``, or ``"again"`` where its worker has died and
            another one takes it up.
        job: the job's number.
        content: the news or the result; empty otherwise.
        error: name of the class of `cadence._errors` that was raised; None for anything else.
        sentence: what went wrong.
    """

    kind: Literal["news", "done", "failed", "again"]
    job: int
    content: Mapping[str, Any]
    error: str | None = None
    sentence: str = ""


class Pool(abc.ABC):
    """Workers that do jobs side by side; a context manager that leaves none behind.

    Every job that is given ends with exactly one ``"done"`` or ``"failed"``. A worker may die, in whatever way: another
    one goes on with its job, from the newest checkpoint in the job's folder.
    """

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many jobs are done side by side at present."""

    @property
    @abc.abstractmethod
    def free(self) -> int:
        """How many jobs could be given now."""

    @abc.abstractmethod
    def mind(self, devices: Collection[str]) -> None:
        """Take into account what the jobs to come compute on.

        Args:
            devices: their types, ``"cpu"``, ``"cuda"``, ..., as workers have found them.
        """

    @abc.abstractmethod
    def give(self, job: Job) -> None:
        """Let a free worker begin a job.

        Raises:
            RecordError: no worker is free, or none can be started.
        """

    @abc.abstractmethod
    def wait(self, seconds: float | None = None) -> Happening | None:
        """The next thing that a worker has to say; None if there is none within these seconds."""

    @abc.abstractmethod
    def close(self) -> None:
        """End all workers at once, whatever they are doing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def worker_environment(threads: int) -> dict[str, str]:
    """Variables that a worker process needs before it loads anything.

    Args:
        threads: numerical threads of it.

    Example:
        >>> worker_environment(2)["OMP_NUM_THREADS"]
        '2'
    """
    libraries = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")
    return {
        **{f"{library}_NUM_THREADS": str(threads) for library in libraries},
        "MPLBACKEND": "Agg",
        "PYTHONFAULTHANDLER": "1",
    }
