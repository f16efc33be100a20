"""The checkpoints of a run of several processes: rank 0 writes and looks, and all go by what it has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from cadence.run.checkpoint import Checkpoints
from cadence.run.engine import Engine
from cadence.run.ranks import Ranks, first


@final
class SharedCheckpoints:
    """Every call but `load` and `end` is collective; see `Checkpoints` for what each does and raises.

    Args:
        checkpoints: of the run folder.
        ranks: that train together.
    """

    def __init__(self, checkpoints: Checkpoints, ranks: Ranks) -> None:
        self._own = checkpoints
        self._ranks = ranks

    def save(self, t: int, engine: Engine, state: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Take a checkpoint."""
        if self._ranks.rank == 0:
            self._own.save(t, engine, state, metrics)
        else:
            engine.save()

    def amend(self, t: int, content: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Write another state to the arrays of a checkpoint."""
        first(self._ranks, lambda: self._own.amend(t, content, state))

    def wait(self) -> None:
        """Wait until what was saved is on the disk."""
        first(self._ranks, self._own.wait)

    def end(self) -> None:
        """Wait likewise, where another error is on its way already."""
        self._own.end()

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """The newest checkpoint that is whole, as rank 0 sees it."""
        found = first(self._ranks, self._own.newest)
        return None if found is None else (found[0], found[1])

    def load(self, t: int, content: Mapping[str, Any], engine: Engine) -> None:
        """Put a checkpoint into an engine."""
        self._own.load(t, content, engine)

    def numbers(self) -> list[int]:
        """The t of every checkpoint."""
        return first(self._ranks, self._own.numbers)

    def drop_after(self, t: int) -> None:
        """Remove what is newer than checkpoint `t`."""
        first(self._ranks, lambda: self._own.drop_after(t))
