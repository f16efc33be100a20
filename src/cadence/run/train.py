"""One recipe trained to its end, or a run that was killed taken up again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cadence._errors import CadenceError, RecordError, StateError
from cadence.curve.horizon import UNITS, Horizon
from cadence.recipe.load import load_recipe
from cadence.recipe.recipe import NOT_CONTENT, Recipe
from cadence.record.environment import environment
from cadence.record.files import read_json
from cadence.record.lock import reopen
from cadence.record.names import ENDED, RECIPE, RESULT, RUN, UPDATES
from cadence.record.reader import Record, load_record
from cadence.run.asked import asked_for
from cadence.run.checkpoint import Checkpoints
from cadence.run.course import Course, going_on, resizes, settle
from cadence.run.driving import driven
from cadence.run.engine import Engine, find_engine
from cadence.run.leaving import Leaving
from cadence.run.loop import Loop, Parts, Tell
from cadence.run.meter import Meter
from cadence.run.outline import Outline, outline_of
from cadence.run.recording import Recording
from cadence.run.scaling import at_batch, to_json
from cadence.run.steering import Steering, changes_waiting
from cadence.run.timing import Stopwatch
from cadence.tasks import Split, Task, resolve_task

RUNS = Path("runs")
"""Where runs go that are not told where to go."""

SIZES = ("batch_size", "accumulate", "drop_last")
"""Keys that say how much data an update is: a run may go on with others."""

Saved = tuple[int, dict[str, Any]]


def train(
    recipe: str | os.PathLike[str] | Recipe | Mapping[str, Any],
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    resume: bool = True,
    fresh: bool = False,
    split: Split = "val",
    updates: int | None = None,
    before: Callable[[Outline], object] | None = None,
    progress: Tell | None = None,
) -> Record:
    """Train a recipe.

    Args:
        recipe: a file, a `Recipe`, or a mapping with its keys.
        out: folder of the run; by default ``runs/<name>-<hash>``, so that the same recipe finds its folder again. A
            folder whose run is finished is loaded and returned as it is; one that is not is taken up at its newest
            checkpoint.
        seed: instead of the recipe's.
        resume: whether an unfinished run in the folder may be taken up; if not, it is an error.
        fresh: remove what is in the folder, and train anew.
        split: the held-out part that judges: ``"val"``, or ``"tune"`` for runs that choose settings.
        updates: length of the run in updates, instead of the recipe's `total`.
        before: called once before the first update, with a `cadence.run.outline.Outline`: what is going to happen.
        progress: called with a `cadence.run.loop.Progress` about ten times a second and after every evaluation.

    Returns:
        The record of the run. ``record.result["status"]`` is ``"finished"``, ``"stopped"`` (by a rule),
        ``"diverged"``, or ``"interrupted"`` where somebody outside has stopped it (see `cadence.run.steer`): the next
        call goes on. Ctrl-C and SIGTERM save a checkpoint first, and then do what they always do.

    Raises:
        RecipeError: the recipe, or something in it, cannot be used. This and the following before anything is trained.
        TaskError: see `cadence.tasks.resolve_task`.
        HorizonError: the schedule does not fit the run.
        RecordError: the folder belongs to another recipe, or to another process, or cannot be written.
        StateError: the checkpoints in the folder do not fit.

    Example:
        >>> record = train("recipe.yaml")  # doctest: +SKIP
        >>> record.result["final"]["val_loss"]  # doctest: +SKIP
        0.0612
    """
    wanted = asked_for(recipe, seed, updates)
    folder = Path(out) if out is not None else RUNS / (wanted.folder_name + ("" if split == "val" else f"-{split}"))
    if not fresh and _belongs(folder, wanted, split):
        if _ended(folder):
            if not changes_waiting(folder):
                return load_record(folder)
            # It was asked to go on after its end.
            reopen(folder)
        _check_may_resume(folder, resume)
    task = resolve_task(wanted.task, **wanted.task_args)
    course = settle(wanted, task, split)
    with find_engine(wanted.engine)(at_batch(wanted, course.scalings), task) as engine, Leaving() as leaving:
        checkpoints = Checkpoints(folder, keep=wanted.checkpoint.keep, best=course.best)
        saved = None if fresh else checkpoints.newest()
        if saved is not None:
            course = going_on(course, wanted, saved[1]["state"]["driver"])
        parts = _assemble(wanted, task, course, engine, checkpoints, folder, saved, leaving, fresh=fresh, tell=progress)
        try:
            loop = Loop(parts)
            checkpoints.drop_after(-1 if saved is None else saved[0])
            if saved is not None:
                _take_up(saved, loop, parts)
            if before is not None:
                before(outline_of(wanted, course, engine, parts.driver))
            _run(loop, parts)
        finally:
            parts.recording.close()
        leaving.take_course()
    return load_record(folder)


# ---- what is in the folder -----------------------------------------------------------------------------------------


def _belongs(folder: Path, wanted: Recipe, split: str) -> bool:
    """Whether the folder holds a run of this recipe; False where it holds none.

    Raises:
        RecordError: it holds a run of another one.
    """
    other = "choose another folder, or train anew with fresh=True, which removes that run"
    if not (folder / RECIPE).exists():
        if (folder / RUN).exists() or (folder / UPDATES).exists():
            raise RecordError(f"{folder} holds the record of a loop without a recipe; {other}")
        return False
    there = load_recipe(folder / RECIPE)
    if not _same(there, wanted, ended=_ended(folder)):
        a, b = there.model_dump(), wanted.model_dump()
        differing = [key for key in a if key not in NOT_CONTENT and a[key] != b[key]]
        # Of several, one that no run may change.
        key = next((key for key in differing if key not in SIZES), next(iter(differing), None))
        if key is None:
            raise RecordError(f"{folder} holds a run whose groups or optimizers stand in another order; {other}")
        raise RecordError(
            f"{folder} holds a run with {key} {a[key]!r:.80}, and this recipe has {b[key]!r:.80}; {other}"
        )
    judged = read_json(folder / RUN).get("split", "val") if (folder / RUN).exists() else split
    if judged != split:
        raise RecordError(f"{folder} holds a run that was judged on {judged!r}, and this one is on {split!r}; {other}")
    return True


def _same(there: Recipe, wanted: Recipe, *, ended: bool) -> bool:
    """Whether two recipes are one training, as far as the run in a folder has come.

    The rest of a run that has not ended may be counted in updates of another size, unless its rates are stated for one.
    """
    scaled = any(one.scale_lr is not None for one in wanted.optimizers.values())
    sizes = {} if ended or scaled else {key: getattr(there, key) for key in SIZES}
    return there.content_hash == wanted.changed(**sizes).content_hash


def _ended(folder: Path) -> bool:
    path = folder / RESULT
    return path.exists() and read_json(path).get("status") in ENDED


def _check_may_resume(folder: Path, resume: bool) -> None:
    if not resume:
        raise RecordError(f"{folder} holds a run that is not finished; go on with resume=True, or anew with fresh=True")


# ---- the run -------------------------------------------------------------------------------------------------------


def _assemble(
    wanted: Recipe,
    task: Task,
    course: Course,
    engine: Engine,
    checkpoints: Checkpoints,
    folder: Path,
    saved: Saved | None,
    leaving: Leaving,
    *,
    fresh: bool,
    tell: Tell | None,
) -> Parts:
    """Driver and record around an engine. From here on the folder is held."""
    fingerprint = task.data.fingerprint()
    watch = Stopwatch(Meter(engine.device), task.data.tokens_per_example)
    if saved is not None and saved[1]["state"]["data"] != fingerprint:
        raise StateError(
            f"the data of the task {task.name!r} are not those that the run in {folder} began with; put them back, or "
            f"train anew with fresh=True"
        )
    here = environment(data={task.name: fingerprint})
    recording = Recording(
        folder,
        watch,
        about={"name": wanted.name, "split": course.split, **to_json(course.scalings)},
        recipe=wanted.to_yaml(),
        environment={**here, "device": {**here["device"], **engine.device}},
        fresh=fresh,
        t=0 if saved is None else saved[0],
        loggers=wanted.loggers,
    )
    # A run that goes on keeps the horizon it began with; what has changed since stands in its journal.
    begun = None if saved is None else Horizon(**saved[1]["state"]["driver"]["horizon"])
    driver = driven(engine, course, recording, begun)
    steering = Steering(folder, driver)
    return Parts(
        course, task.data, fingerprint, wanted.seed, engine, driver, recording, checkpoints, watch, steering, leaving,
        tell,
    )  # fmt: skip


def _take_up(saved: Saved, loop: Loop, parts: Parts) -> None:
    """Put everything back as it was at a checkpoint."""
    t, content = saved
    parts.checkpoints.load(t, content, parts.engine)
    parts.driver.load_state_dict(content["state"]["driver"])
    was, now = parts.driver.curve.units, parts.course.horizon
    loop.resume(content["state"]["loop"], was)
    if resizes(was, now) and t < (was.total or 0):
        parts.driver.resize(**{unit: getattr(now, unit) for unit in UNITS})


def _run(loop: Loop, parts: Parts) -> None:
    """Train, and write how it ended. What was refused or interrupted has no result, and can be taken up again."""
    try:
        result = loop.run()
    except CadenceError:
        raise
    except Exception as fault:
        t = parts.driver.t
        sentence = f"Failed in update {t}: {type(fault).__name__}: {fault}"
        seconds = parts.watch.seconds
        parts.recording.close(
            {
                "status": "failed",
                "updates": t,
                "seconds": seconds,
                "train_seconds": seconds - parts.watch.beside,
                "spent": dict(parts.watch.spent),
                "final": {},
                "best": {},
                "sentence": sentence,
            }
        )
        raise
    parts.recording.close(result)
