"""The winner of a search, and the recipe as it was given, trained with seeds that no trial had."""

from __future__ import annotations

from pathlib import Path
from typing import final

from cadence.search.claims import Claims
from cadence.search.ends import best_of
from cadence.search.folder import confirm_folder
from cadence.search.hands import Run
from cadence.search.settings import Settings
from cadence.search.study import Study

GIVEN = "given"
"""What is trained beside the winner, which is ``"trial-<number>"``."""

PREFIX = "confirm"
"""Of the jobs: ``"confirm trial-7 1000"``."""


@final
class Confirmation:
    """Which runs there are to be, as far as the trials have come.

    Args:
        settings: of the search.
        study: opened.
        claims: of this process.
        folder: of the search.
    """

    def __init__(self, settings: Settings, study: Study, claims: Claims, folder: Path) -> None:
        self._settings = settings
        self._study = study
        self._claims = claims
        self._folder = folder

    def left(self) -> list[str]:
        """Jobs that nobody has begun."""
        best = best_of(self._study.trials(), higher=self._study.higher)
        if best is None or not self._settings.confirm:
            return []
        whats = [f"trial-{best.number}"]
        if self._settings.space.recipe_at(best.params).content_hash != self._settings.recipe.content_hash:
            whats.append(GIVEN)
        taken = self._claims.jobs()
        jobs = [f"{PREFIX} {what} {seed}" for seed in self._settings.confirm for what in whats]
        return [job for job in jobs if job not in taken]

    def run(self, job: str) -> Run | None:
        """The run of a job; None where it is of a winner that was overtaken since."""
        _, what, seed = job.split(" ")
        recipe = self._settings.recipe
        if what != GIVEN:
            best = best_of(self._study.trials(), higher=self._study.higher)
            if best is None or what != f"trial-{best.number}":
                return None
            recipe = self._settings.space.recipe_at(best.params)
        return Run(job, recipe.changed(seed=int(seed)), "val", confirm_folder(self._folder, what, int(seed)))
