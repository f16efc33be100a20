"""One recipe trained to its end, or a run that was killed taken up again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cadence._errors import CadenceError, RanksError, RecordError, StateError
from cadence.curve.horizon import UNITS, Horizon, units_of
from cadence.drivers.steering import Steering, changes_waiting
from cadence.recipe.load import load_recipe
from cadence.recipe.recipe import Recipe, make_recipe
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
from cadence.run.forcing import Differences, check_fits, differences, entry, forced, told
from cadence.run.leaving import Leaving
from cadence.run.loop import Loop, Parts, Tell
from cadence.run.meter import Meter
from cadence.run.outline import Outline, outline_of
from cadence.run.ranks import Ranks, attempted, first, together
from cadence.run.recording import NoRecording, Recording
from cadence.run.scaling import at_batch, rescaled, to_json
from cadence.run.timing import Stopwatch
from cadence.tasks import Split, Task, resolve_task

RUNS = Path("runs")
"""Where runs go that are not told where to go."""

SIZES = ("batch_size", "accumulate", "update_size", "drop_last")
"""Keys that say how much data an update is: a run may go on with others."""

Saved = tuple[int, dict[str, Any]]


def train(
    recipe: str | os.PathLike[str] | Recipe | Mapping[str, Any],
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    resume: bool = True,
    fresh: bool = False,
    force: bool = False,
    split: Split = "val",
    updates: int | None = None,
    before: Callable[[Outline], object] | None = None,
    progress: Tell | None = None,
) -> Record:
    """Train a recipe, in this process or, where a launcher has started several, together with the others.

    Args:
        recipe: a file, a `Recipe`, or a mapping with its keys.
        out: folder of the run; by default ``runs/<name>-<hash>``, so that the same recipe finds its folder again. A
            folder whose run is finished is loaded and returned as it is; one that is not is taken up at its newest
            checkpoint.
        seed: instead of the recipe's.
        resume: whether an unfinished run in the folder may be taken up; if not, it is an error.
        fresh: remove what is in the folder, and train anew.
        force: go on from the checkpoints of another recipe, where it differs in nothing that they depend on: this one
            holds from there on, as if it had from the beginning. The journal says so.
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
        RanksError: processes do not find each other; later on, one is gone, or they no longer train one model.

    Example:
        >>> record = train("recipe.yaml")  # doctest: +SKIP
        >>> record.result["final"]["val_loss"]  # doctest: +SKIP
        0.0612
    """
    wanted = asked_for(recipe, seed, updates)
    with together(wanted.engine, wanted.device) as ranks:
        if ranks.rank:
            before = progress = None
        return _train(
            wanted, ranks, out=out, resume=resume, fresh=fresh, force=force, split=split, before=before,
            progress=progress,
        )  # fmt: skip


def _train(
    wanted: Recipe,
    ranks: Ranks,
    *,
    out: str | os.PathLike[str] | None,
    resume: bool,
    fresh: bool,
    force: bool,
    split: Split,
    before: Callable[[Outline], object] | None,
    progress: Tell | None,
) -> Record:
    """Train a recipe in each of these processes."""
    folder = Path(out) if out is not None else RUNS / (wanted.folder_name + ("" if split == "val" else f"-{split}"))
    if first(ranks, lambda: _done(folder, wanted, split, resume=resume, fresh=fresh, force=force)):
        return load_record(folder)
    other: Differences = {}
    task = resolve_task(wanted.task, **wanted.task_args)
    course = settle(wanted, task, split, ranks.world)
    with find_engine(wanted.engine)(at_batch(wanted, course.scalings), task, ranks) as engine, Leaving() as leaving:
        checkpoints = Checkpoints(folder, keep=wanted.checkpoint.keep, best=course.best)
        # The disk is asked once: another process might see it a moment later.
        saved = first(ranks, lambda: None if fresh else checkpoints.newest())
        if saved is not None:
            other = first(ranks, lambda: _other_than(saved, folder, wanted, course, force))
        if saved is not None and not other:
            course = going_on(course, wanted, saved[1]["state"]["driver"])
        parts = attempted(
            ranks,
            lambda: _assemble(
                wanted, task, course, ranks, engine, checkpoints, folder, saved, other, leaving, fresh=fresh,
                tell=progress,
            ),
        )  # fmt: skip
        try:
            loop = Loop(parts)
            if ranks.rank == 0:
                checkpoints.drop_after(-1 if saved is None else saved[0])
            if saved is not None:
                attempted(ranks, lambda: _take_up(saved, loop, parts, other))
            if before is not None:
                before(outline_of(wanted, course, engine, parts.driver))
            _run(loop, parts)
        finally:
            checkpoints.end()
            parts.recording.close()
        # Nobody reads the record before it is closed.
        first(ranks, lambda: None)
        leaving.take_course()
    return load_record(folder)


# ---- what is in the folder -----------------------------------------------------------------------------------------


OTHER = "choose another folder, or train anew with fresh=True, which removes that run"


def _done(folder: Path, wanted: Recipe, split: str, *, resume: bool, fresh: bool, force: bool) -> bool:
    """Whether there is nothing left to train."""
    if fresh or not _holds_run(folder, split):
        return False
    other = _others(folder, load_recipe(folder / RECIPE), wanted)
    if other:
        _check_may_differ(folder, other, force)
    elif _ended(folder):
        if not changes_waiting(folder):
            return True
        # It was asked to go on after its end.
        reopen(folder)
    _check_may_resume(folder, resume)
    return False


def _holds_run(folder: Path, split: str) -> bool:
    """Whether the folder holds a run of a recipe; False where it holds none.

    Raises:
        RecordError: it holds one without a recipe, or one that another part judged.
    """
    if not (folder / RECIPE).exists():
        # A start that was killed before it had written its recipe leaves files without a line.
        rows = folder / UPDATES
        if (folder / RUN).exists() or (rows.exists() and rows.stat().st_size):
            raise RecordError(f"{folder} holds the record of a loop without a recipe; {OTHER}")
        return False
    judged = read_json(folder / RUN).get("split", "val") if (folder / RUN).exists() else split
    if judged != split:
        raise RecordError(f"{folder} holds a run that was judged on {judged!r}, and this one is on {split!r}; {OTHER}")
    return True


def _check_may_differ(folder: Path, found: Differences, force: bool) -> None:
    if not force:
        raise RecordError(
            f"{folder} holds a run of another recipe ({told(found)}); {OTHER}, or go on from its checkpoint all the "
            f"same with force=True"
        )
    check_fits(found, folder)
    if _ended(folder):
        raise RecordError(f"the run in {folder} has ended, and goes on with no other recipe; {OTHER}")


def _others(folder: Path, there: Recipe, wanted: Recipe) -> Differences:
    """In what the recipe of a run differs.

    The rest of a run that has not ended may be counted in updates of another size.
    """
    free = () if _ended(folder) else SIZES
    return {key: x for key, x in differences(there, wanted).items() if key not in free}


def _other_than(saved: Saved, folder: Path, wanted: Recipe, course: Course, force: bool) -> Differences:
    """In what a checkpoint is of something else.

    The folder's recipe may have been forced upon it by a start that came to no checkpoint of its own.
    """
    other = _others(folder, make_recipe(saved[1]["state"]["recipe"]), wanted)
    return other | _other_rates(folder, course, saved, force or bool(other))


def _other_rates(folder: Path, course: Course, saved: Saved, force: bool) -> Differences:
    """That updates have another size than rates were stated for, which somebody must want."""
    found = rescaled(course.scalings, saved[1]["state"]["driver"])
    if found and not force:
        [[was, now]] = found.values()
        raise RecordError(
            f"{folder} holds a run with updates of {was} examples, now they have {now}, and its rates are stated for a "
            f"batch (scale_lr); put back batch_size, accumulate and the number of processes, or write update_size: "
            f"{was}, or let it go on at the rates of the new size with force=True"
        )
    return found


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
    ranks: Ranks,
    engine: Engine,
    checkpoints: Checkpoints,
    folder: Path,
    saved: Saved | None,
    other: Differences,
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
    if ranks.rank:
        recording = NoRecording()
    else:
        here = environment(data={task.name: fingerprint})
        recording = Recording(
            folder,
            watch,
            about={"name": wanted.name, "split": course.split, **_together(ranks), **to_json(course.scalings)},
            recipe=wanted.to_yaml(),
            environment={**here, "device": {**here["device"], **engine.device}},
            fresh=fresh,
            goes_on=saved is not None,
            loggers=wanted.loggers,
        )
    # A run that goes on keeps the horizon it began with; what has changed since stands in its journal.
    begun = None if saved is None or other else Horizon(**saved[1]["state"]["driver"]["horizon"])
    driver = driven(engine, course, recording, begun)
    recipe = wanted.model_dump()
    return Parts(
        course, task.data, fingerprint, recipe, wanted.seed, ranks, engine, driver, recording, checkpoints, watch,
        Steering(folder, driver), leaving, tell,
    )  # fmt: skip


def _together(ranks: Ranks) -> dict[str, int]:
    """What ``run.json`` says of the processes, where there are several."""
    return {"processes": ranks.world} if ranks.world > 1 else {}


def _take_up(saved: Saved, loop: Loop, parts: Parts, other: Differences) -> None:
    """Put everything back as it was at a checkpoint, except what is forced to be otherwise."""
    t, content = saved
    then = content["state"]["driver"]
    state = forced(parts.driver, then) if other else then
    parts.checkpoints.load(t, content, parts.engine)
    parts.driver.load_state_dict(state)
    if other:
        parts.recording.event(entry(other, t, then))
    was, now = parts.driver.curve.units, parts.course.horizon
    loop.resume(content["state"]["loop"], units_of(Horizon(**then["horizon"]), then["journal"]))
    resized = resizes(was, now) and t < (was.total or 0)
    if resized:
        parts.driver.resize(**{unit: getattr(now, unit) for unit in UNITS})
    if other or resized:
        # From now on the checkpoint is of this recipe: a rollback may come back to it.
        parts.recording.flush(sync=True)
        if parts.ranks.rank == 0:
            parts.checkpoints.amend(t, content, loop.saved())


def _run(loop: Loop, parts: Parts) -> None:
    """Train, and write how it ended. What was refused or interrupted has no result, and can be taken up again."""
    try:
        result = loop.run()
    except CadenceError as fault:
        if isinstance(fault, RanksError):
            _fail(parts, str(fault))
        raise
    except Exception as fault:
        lost = parts.ranks.explained(fault)
        if lost is not None:
            _fail(parts, str(lost))
            raise lost from fault
        _fail(parts, f"Failed in update {parts.driver.t}: {type(fault).__name__}: {fault}")
        raise
    parts.recording.close(result)


def _fail(parts: Parts, sentence: str) -> None:
    """Write that the run has failed, and why."""
    parts.checkpoints.end()
    seconds = parts.watch.seconds
    parts.recording.close(
        {
            "status": "failed",
            "updates": parts.driver.t,
            "seconds": seconds,
            "train_seconds": seconds - parts.watch.beside,
            "spent": dict(parts.watch.spent),
            "final": {},
            "best": {},
            "sentence": sentence,
        }
    )
