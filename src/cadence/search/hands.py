"""The runs of a search given to workers, wherever they are. All that this package asks of a pool is asked here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from cadence import _errors
from cadence._errors import CadenceError, RecipeError, RecordError, SearchError
from cadence.comparison.places import open_pool
from cadence.comparison.pool import Happening, Job
from cadence.recipe.recipe import Recipe
from cadence.record.commands import send
from cadence.record.lock import holder
from cadence.tasks import Split


@dataclass(frozen=True)
class Run:
    """One training of a search.

    Attributes:
        job: what it belongs to, as `cadence.search.claims` calls it.
        recipe: with its seed.
        split: that judges.
        folder: of the run.
    """

    job: str
    recipe: Recipe
    split: Split
    folder: Path


@final
class Hands:
    """Workers that runs are given to; a context manager that leaves none behind.

    Args:
        recipe: whose threads and device count.
        workers: how many at most; None: as many as there is room for.
        on: where; see `cadence.comparison.places.open_pool`.
    """

    def __init__(self, recipe: Recipe, workers: int | None, on: str | None) -> None:
        self._pool = open_pool(on, workers, threads=recipe.threads, devices={recipe.device})
        self._runs: dict[int, Run] = {}
        self._number = 0

    @property
    def free(self) -> int:
        """How many runs could be given now."""
        return self._pool.free

    @property
    def runs(self) -> list[Run]:
        """Those that are at work."""
        return list(self._runs.values())

    def look(self, recipes: Sequence[tuple[str, Recipe]]) -> list[Mapping[str, Any]]:
        """What is known of recipes before they are trained.

        Args:
            recipes: what is special about each, for messages, and the recipe.

        Raises:
            CadenceError: the first thing that is wrong with one of them.
        """
        waiting, found = list(enumerate(recipes)), dict[int, Mapping[str, Any]]()
        while len(found) < len(recipes):
            while waiting and self._pool.free:
                i, (_, recipe) = waiting.pop(0)
                self._pool.give(Job(i, "look", {"recipe": recipe.model_dump(), "splits": ["tune", "val"]}))
            told = self._pool.wait()
            if told is None or told.kind in ("news", "again"):
                continue
            if told.kind == "failed":
                raise _refusal(told, recipes[told.job][0])
            found[told.job] = told.content
        self._number = len(recipes)
        self.mind({str(one["device"]) for one in found.values()})
        return [found[i] for i in range(len(recipes))]

    def mind(self, devices: set[str]) -> None:
        """Take into account what runs compute on, as a look has found it."""
        self._pool.mind(devices)

    def give(self, run: Run) -> bool:
        """Let a worker begin a run, or go on with it; False where somebody is still writing in its folder."""
        if holder(run.folder) is not None:
            return False
        arguments = {"recipe": run.recipe.model_dump(), "split": run.split}
        self._pool.give(Job(self._number, "train", arguments, str(run.folder)))
        self._runs[self._number] = run
        self._number += 1
        return True

    def stop(self, run: Run) -> None:
        """Ask a run to end after the update that it is at."""
        with contextlib.suppress(RecordError):
            send(run.folder, "stop", {})

    def wait(self, seconds: float) -> tuple[Run, Happening] | None:
        """The next thing that is heard of a run; None if there is none within these seconds."""
        told = self._pool.wait(seconds)
        run = None if told is None else self._runs.get(told.job)
        if told is None or run is None:
            return None
        if told.kind in ("done", "failed"):
            del self._runs[told.job]
        return run, told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.close()


def _refusal(told: Happening, what: str) -> CadenceError:
    """What a worker found wrong with a recipe, as the error it was there."""
    where = f"with {what} " if what else ""
    found = getattr(_errors, told.error or "", None)
    if isinstance(found, type) and issubclass(found, CadenceError):
        return found(f"{where}the recipe cannot be trained: {told.sentence}")
    error = SearchError if what else RecipeError
    return error(f"{where}the recipe cannot be begun: {told.sentence}; correct it there")
