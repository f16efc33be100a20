"""What a record needs of another program's format."""

from __future__ import annotations

import abc
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cadence._errors import UnknownNameError, neighbours
from cadence.record.names import LOGGERS


class Logger(abc.ABC):
    """Writes into one program's format what a record takes. Decides nothing, and is told nothing twice."""

    @abc.abstractmethod
    def go_on(self, t: int) -> int:
        """Open what is there, and take back all that belongs to update `t` or a later one.

        Args:
            t: updates done; nothing of what is told from now on lies before it, but what is asked for.

        Returns:
            The update from which on everything must be told again: `t` where all before is still there, 0 where
            nothing is.
        """

    @abc.abstractmethod
    def describe(self, run: Mapping[str, Any]) -> None:
        """Take what the run is: the content of ``run.json``. Told where everything is told from the beginning."""

    @abc.abstractmethod
    def numbers(self, t: int, numbers: Mapping[str, float]) -> None:
        """Take some numbers by name, at update `t`."""

    @abc.abstractmethod
    def text(self, t: int, kind: str, sentence: str) -> None:
        """Take an event: what happened when `t` updates were done."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Hand what waits to the operating system, or the program's store."""

    @abc.abstractmethod
    def close(self, status: str | None) -> None:
        """Write what waits and how the run ended; None: it was interrupted, and may go on."""


def told(run: Mapping[str, Any]) -> str:
    """What a run is, in a line."""
    horizon: Mapping[str, Any] = run.get("horizon") or {}
    total = horizon.get("total")
    return f"{run.get('spec')}{'' if total is None else f', over {total} updates'}."


def open_logger(name: str, folder: Path) -> Logger:
    """A logger of a run; nothing is written before `Logger.go_on`.

    Args:
        name: one of `cadence.record.names.LOGGERS`.
        folder: of the run.

    Raises:
        UnknownNameError: there is none of that name.
        MissingExtraError: the program's library is not installed.
    """
    if name not in LOGGERS:
        raise UnknownNameError(f"there is no logger {name!r:.60}; {neighbours(str(name), LOGGERS)}")
    make: Any = importlib.import_module(f"cadence.record.loggers.{name}_logger").open_here
    return make(folder / name)
