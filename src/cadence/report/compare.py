"""`cadence.compare`: recipes x seeds, trained, tested and reported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cadence.comparison.compare import Tell, run_comparison
from cadence.comparison.results import RunRow, Summary
from cadence.comparison.summary import summarise
from cadence.record.files import write_atomically

if TYPE_CHECKING:
    from cadence.recipe.recipe import Recipe

PAGE, PICTURE = "report.html", "curves.png"


@dataclass(frozen=True)
class Comparison:
    """A comparison that has been made; it prints itself as tables and sentences.

    Attributes:
        folder: with everything that was written.
        summary: the tables as data: estimates, intervals and tests for each task and recipe.
    """

    folder: Path
    summary: Summary

    @property
    def files(self) -> dict[str, Path]:
        """What was written beside the run folders, by what it is."""
        names = {"page": PAGE, "picture": PICTURE, "table": "results.csv", "data": "summary.json"}
        return {what: self.folder / name for what, name in names.items()}

    @property
    def incomplete(self) -> list[RunRow]:
        """Reported runs that diverged or failed."""
        return [run for run in self.summary.runs if not run.complete]

    def __str__(self) -> str:
        from cadence.report.table import table_text

        return table_text(self.summary)


def compare(
    recipes: Sequence[str | os.PathLike[str] | Recipe | Mapping[str, Any]] | None = None,
    *,
    seeds: int | Sequence[int] | None = None,
    out: str | os.PathLike[str] | None = None,
    tasks: Sequence[str] | None = None,
    updates: int | None = None,
    workers: int | None = None,
    on: str | None = None,
    fresh: bool = False,
    tune: bool = True,
    engines: str | Sequence[str] | None = None,
    lang: str = "en",
    progress: Tell | None = None,
) -> Comparison:
    """Train recipes with several seeds each, and say which are really better than the first.

    The recipes of one task form one table, whose first is the baseline. Rates are tuned first where a recipe says so,
    on a split of the data that is not the reported one. Every training runs in a worker process of its own; one that
    fails or diverges is shown as such and does not stop the others. The same call continues where it was stopped, and
    gives the result again where it is finished.

    Args:
        recipes: files, recipes, or mappings with the keys of a recipe; None: four built-in ones on two data sets.
        seeds: how many, or which; by default 3, for the built-in recipes 3 on ``digits`` and 5 on ``bytes``.
        out: folder; by default ``runs/compare-<hash>``, the hash being over recipes, seeds and settings.
        tasks: only these; by default all that the recipes have.
        updates: length of every run in updates, instead of the recipes' own.
        workers: processes that train side by side; by default as many as there are cores for (on an accelerator: one).
        on: None: this machine; ``"ray"``: the Ray cluster that it belongs to; ``"ray=<address>"``: that one. Each
            training is a task there, with a CPU for each of its threads and a GPU where its recipe asks for one; its
            record comes here while it goes on, and if its machine is lost another one goes on from there.
        fresh: remove what an earlier call has left in the folder.
        tune: whether rates are tuned; if not, each recipe runs at its own.
        engines: frameworks to train each recipe in, instead of its own: ``"paddle"``, ``["torch", "paddle"]``. With
            several, rates are tuned in the first, the others begin with the weights that it draws, and the report says
            whether learning rates are the same and how close the losses are.
        lang: language of the report, ``"en"`` or ``"zh"``.
        progress: called with a `cadence.comparison.compare.Standing` whenever there is something to say.

    Returns:
        The comparison.

    Raises:
        RecipeError: a recipe or an argument that cannot be used. This and the following before anything is trained.
        TaskError: a task that does not exist, or that no recipe has.
        HorizonError: a schedule that does not fit its run.
        RecordError: the folder holds something else, or cannot be written.
        MissingExtraError: a library is not installed.
        ClusterError: the cluster does not answer, has no room for a training, or is lost.

    Example:
        >>> print(compare(["a.yaml", "b.yaml"], seeds=5))  # doctest: +SKIP
    """
    from cadence.report.messages import Phrases

    Phrases(lang)  # a language that there is not is said before the training
    folder = run_comparison(
        recipes, seeds=seeds, out=out, tasks=tasks, updates=updates, workers=workers, on=on, fresh=fresh,
        tune=tune, engines=engines, progress=progress,
    )  # fmt: skip
    return write_report(folder, lang=lang)


def write_report(folder: str | os.PathLike[str], *, lang: str = "en") -> Comparison:
    """Read a comparison folder, and write its tables, its page and its picture.

    Args:
        folder: of a comparison.
        lang: ``"en"`` or ``"zh"``.

    Raises:
        RecordError: the folder is no comparison's, or a file cannot be written.
    """
    from cadence.report.page import page
    from cadence.report.picture import write_picture

    summary, version = summarise(folder), str(sys.modules["cadence"].__version__)
    made = Comparison(Path(folder), summary)
    write_atomically(made.files["page"], page(summary, lang=lang, version=version))
    write_picture(summary, made.files["picture"], lang=lang)
    return made
