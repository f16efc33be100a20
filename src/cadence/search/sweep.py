"""A search from its settings to its end: folder, database, study, and one process's part of the work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cadence._errors import RecipeError, SearchError, neighbours
from cadence._lazy import need
from cadence.run.ranks import refuse_many
from cadence.search import folder as places
from cadence.search.claims import Claims
from cadence.search.database import answering, checked, default_url, open_database
from cadence.search.hands import Hands
from cadence.search.results import Results, results_of
from cadence.search.settings import RecipeLike, Settings, read_settings
from cadence.search.study import Study
from cadence.search.work import Tell, Work

RUNS = Path("runs")
"""Where searches go that are not told where to go."""

MOST_LOOKS = 16
"""Recipes of the space that are looked at before the first trial."""


@dataclass(frozen=True)
class Place:
    """Where a search is kept.

    Attributes:
        folder: of its runs and its report.
        url: of its database.
        study: name of the study; None: made of the recipe's and of what is searched.
    """

    folder: Path
    url: str
    study: str | None


def run_sweep(
    recipe: RecipeLike,
    space: Mapping[str, Any] | None = None,
    *,
    updates: int | None = None,
    out: str | os.PathLike[str] | None = None,
    db: str | None = None,
    study: str | None = None,
    workers: int | None = None,
    on: str | None = None,
    fresh: bool = False,
    progress: Tell | None = None,
    **options: Any,
) -> Results:
    """Train everything that a search consists of, as far as it is not done already.

    Args:
        recipe, space, updates, out, db, study, workers, on, fresh, progress: see `cadence.sweep`.
        options: keys of the section `search`: see `cadence.sweep`.

    Returns:
        What was found.

    Raises:
        CadenceError: something cannot be used; nothing has been trained then.
    """
    if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
        raise RecipeError(f"workers={workers!r} trains nothing; write how many processes may work, at least 1")
    refuse_many("sweep")
    settings = read_settings(recipe, space, updates, options)
    need("optuna", extra="sweep")
    if settings.confirm or len(settings.seeds) > 1:
        need("scipy", extra="torch")
    folder = Path(out) if out is not None else RUNS / f"sweep-{settings.fingerprint[:8]}"
    url = default_url(folder) if db is None else db
    checked(url)
    lock = places.claim(folder, "" if fresh else settings.fingerprint)
    try:
        with ExitStack() as closing, answering(url):
            opened, claims = _opened(settings, Place(folder, url, study), closing, fresh=fresh)
            with Hands(settings.recipe, workers, on) as hands:
                if opened.id < 0:
                    opened.create(_looked(settings, hands))
                else:
                    hands.mind({str(opened.about.get("device", "cpu"))})
                made = claims()
                # From here on others may work in the folder too.
                lock.release()
                try:
                    Work(settings, opened, made, hands, folder, progress).do()
                finally:
                    made.leave()
            return results_of(settings, opened, folder, url)
    finally:
        lock.release()


def _opened(settings: Settings, place: Place, closing: ExitStack, *, fresh: bool) -> tuple[Study, Any]:
    """The study, opened where there is one, and what makes this process's claims on it."""
    folder, url = place.folder, place.url
    if fresh:
        places.clear(folder)
    name = place.study or settings.study_name
    about = {"fingerprint": settings.fingerprint, "study": name, "database": checked(url)}
    # Before anything else lies in the folder: another process may look at it at any moment.
    places.write_about(folder, about | {"content": settings.content})
    storage, engine = open_database(url)
    closing.callback(engine.dispose)
    study = Study(storage, name, settings, url)

    def claims() -> Claims:
        return Claims(engine, study.id, folder / places.PROCESSES)

    if study.exists() and fresh:
        made = claims()
        try:
            others = [claim for claim in made.open() if not made.abandoned(claim)]
            if others:
                raise SearchError(
                    f"other processes are at work on the study {study.name!r}; stop them first, or leave --fresh out"
                )
            made.forget()
        finally:
            made.leave()
        study.remove()
        study = Study(storage, study.name, settings, url)
    return study, claims


def _looked(settings: Settings, hands: Hands) -> dict[str, Any]:
    """What is known of the runs before the first; recipes from all ends of the space are looked at.

    Raises:
        CadenceError: the space has recipes that cannot be trained, or the objective is no metric of theirs.
    """
    recipes = [("", settings.recipe)]
    for what, params in settings.space.examples():
        recipe = settings.space.recipe_at(params)
        if all(recipe.content_hash != other.content_hash for _, other in recipes):
            recipes.append((what, recipe))
    found = hands.look(recipes[:MOST_LOOKS])[0]
    wanted, metric = settings.objective.metric, f"val_{found['metric']}"
    if wanted not in ("val_loss", metric):
        raise SearchError(
            f"the objective is {wanted}, which no evaluation has; {neighbours(wanted, ['val_loss', metric])}"
        )
    higher = wanted != "val_loss" and bool(found["higher_is_better"])
    return {"metric": wanted, "higher_is_better": higher, "total": int(found["total"]), "device": found["device"]}
