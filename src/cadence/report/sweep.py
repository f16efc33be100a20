"""`cadence.sweep`: a search over the keys of a recipe, trained, confirmed and reported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cadence.recipe.recipe import Recipe
from cadence.record.files import write_atomically, write_json
from cadence.search.results import Results
from cadence.search.settings import RecipeLike
from cadence.search.sweep import run_sweep
from cadence.search.work import Tell


@dataclass(frozen=True)
class Sweep:
    """A search that has been made; it prints itself as a table and sentences.

    Attributes:
        folder: with everything that was written.
        results: trials, the best of them, what new seeds say, and what mattered.
    """

    folder: Path
    results: Results

    @property
    def recipe(self) -> Recipe | None:
        """The recipe to go on with; None where no trial came to its end."""
        return self.results.recipe

    @property
    def files(self) -> dict[str, Path]:
        """What was written beside the run folders, by what it is."""
        names = {"page": "report.html", "table": "trials.csv", "data": "summary.json"}
        if self.recipe is not None:
            names = {"recipe": "recipe.yaml", **names}
        return {what: self.folder / name for what, name in names.items()}

    @property
    def failed(self) -> bool:
        """Whether a trial failed, or none came to its end."""
        return self.results.best is None or bool(self.results.counts.get("failed"))

    def __str__(self) -> str:
        from cadence.report.sweep_table import sweep_table_text

        return sweep_table_text(self.results)


def sweep(
    recipe: RecipeLike,
    space: Mapping[str, Any] | None = None,
    *,
    trials: int | None = None,
    budget: int | None = None,
    seeds: int | Sequence[int] | None = None,
    sampler: Literal["tpe", "random", "grid"] | None = None,
    objective: str | None = None,
    prune: bool | Mapping[str, Any] | None = None,
    confirm: int | None = None,
    updates: int | None = None,
    db: str | None = None,
    study: str | None = None,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    on: str | None = None,
    fresh: bool = False,
    lang: str = "en",
    progress: Tell | None = None,
) -> Sweep:
    """Search over the keys of a recipe for the values that train best.

    Every trial is the recipe with other values, trained in a worker process and judged on the data that are set apart
    for choosing. Trials that look hopeless on the way are given up. In the end the best recipe and the given one are
    trained with new seeds and judged on the validation data, so that what is reported is not the luck of the best of
    many. The same call goes on where it was stopped; processes that call with the same database share the work, and
    what one leaves behind when it is killed another one goes on with. Needs the extra ``[sweep]``.

    Args:
        recipe: file, `Recipe` or mapping, with or without a section ``search`` (see `docs/formats.md`).
        space: field -> ``"log(1e-4, 1e-1)"``, ``"uniform(0, 0.3)"``, ``"int(1, 10)"`` or a list of choices; or text
            with places in braces, which have ranges of their own: ``{"schedule": "warmup({w}) >> cosine()",
            "w": "int(1, 9)"}``. Wins over the section's, as the following do.
        trials: how many; by default 20, of a grid all, with a budget as many as it pays. Asking for more goes on.
        budget: updates of all trials together at most; those of the confirmation come on top.
        seeds: how many seeds each trial has, or which; the objective is their mean. By default 1.
        sampler: ``"tpe"`` (the default) learns from the trials; ``"random"``; ``"grid"``: every combination.
        objective: ``"final"`` or ``"best"`` and a metric: ``"final val_loss"`` is the default.
        prune: whether hopeless trials are given up, or ``{"first": 0.25, "factor": 3, "spare": 5}``.
        confirm: new seeds for the best and the given recipe, 0 or more; by default 3.
        updates: length of every run in updates, instead of the recipe's.
        db: URL of a database that several machines share; by default a file in the folder.
        study: its name in the database; by default made of the recipe's name and of what is searched.
        out: folder; by default ``runs/sweep-<hash>``, the hash being over recipe, space and settings.
        workers: processes that train side by side; by default as many as there are cores for (on an accelerator: one).
        on: None: this machine; ``"ray"`` or ``"ray=<address>"``: a Ray cluster.
        fresh: remove what an earlier call has left, the study included.
        lang: language of the report, ``"en"`` or ``"zh"``.
        progress: called with a `cadence.search.work.Standing` whenever there is something to say.

    Returns:
        The search. ``sweep.recipe`` is the recipe to go on with.

    Raises:
        RecipeError: the recipe or the section cannot be used. This and the following before anything is trained.
        SearchError: the space, the database or the study cannot be used.
        HorizonError: a schedule that does not fit its run.
        RecordError: the folder holds something else, or cannot be written.
        MissingExtraError: a library is not installed.

    Example:
        >>> found = sweep("recipe.yaml", {"lr": "log(1e-4, 1e-1)"}, trials=20)  # doctest: +SKIP
        >>> print(found.recipe.optimizer.lr)  # doctest: +SKIP
        0.0123
    """
    from cadence.report.sweep_words import SweepPhrases

    SweepPhrases(lang)  # a language that there is not is said before the training
    options = {
        "trials": trials, "budget": budget, "sampler": sampler, "objective": objective, "confirm": confirm,
        "seeds": list(seeds) if isinstance(seeds, Sequence) else seeds,
        "prune": dict(prune) if isinstance(prune, Mapping) else prune,
    }  # fmt: skip
    results = run_sweep(
        recipe, space, updates=updates, out=out, db=db, study=study, workers=workers, on=on, fresh=fresh,
        progress=progress, **options,
    )  # fmt: skip
    return write_sweep(results, lang=lang)


def write_sweep(results: Results, *, lang: str = "en") -> Sweep:
    """Write the recipe, the tables and the page of a search into its folder.

    Args:
        results: of the search.
        lang: ``"en"`` or ``"zh"``.

    Raises:
        RecordError: a file cannot be written.
    """
    from cadence.report.sweep_page import sweep_page

    made = Sweep(results.folder, results)
    if made.recipe is not None:
        write_atomically(made.files["recipe"], made.recipe.to_yaml())
    write_atomically(made.files["table"], results.to_csv())
    write_json(made.files["data"], results.to_json())
    version = str(sys.modules["cadence"].__version__)
    write_atomically(made.files["page"], sweep_page(results, lang=lang, version=version))
    return made
