"""A run that begins at a checkpoint of another one."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cadence._errors import RecordError, SpecError
from cadence.curve.curve import Curve
from cadence.curve.horizon import Horizon, horizon
from cadence.curve.place import as_plan, lay_out
from cadence.drivers.changes import tail_of
from cadence.drivers.state import changed, own_control, saved
from cadence.feedback.control import Control
from cadence.recipe.load import load_recipe
from cadence.recipe.recipe import Recipe
from cadence.record.files import make_folder, read_json, trouble, write_json
from cadence.record.names import ENVIRONMENT, EVALUATIONS, JOURNAL, LINEAGE, RECIPE, RUN, UPDATES
from cadence.record.writer import RunWriter
from cadence.run.checkpoint import Checkpoints
from cadence.run.course import governing, settle
from cadence.run.standing import by_recipe
from cadence.spec.span import SpanLike
from cadence.tasks import resolve_task


@dataclass(frozen=True)
class Branch:
    """A run that begins in another one.

    Attributes:
        folder: of the new run.
        origin: folder of the run that it begins in.
        t: update at which it begins.
        before: what the old run was going to do then.
        after: what the new one is going to do.
    """

    folder: Path
    origin: Path
    t: int
    before: Curve
    after: Curve


def branch(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    at: int | None = None,
    recipe: str | os.PathLike[str] | None = None,
    tail: str | Mapping[str, Any] | None = None,
    total: SpanLike | None = None,
    dry_run: bool = False,
) -> Branch:
    """Make a run that begins at a checkpoint of another one. `cadence.train` with its recipe goes on from there.

    Args:
        folder: of the run to begin in, by recipe; it may be going on.
        out: folder of the new run, which must not exist.
        at: update of the checkpoint; the newest by default.
        recipe: of the new run; that of the old one by default. Weights and optimizer must fit.
        tail: schedule of what is left, instead of the recipe's; scaled so that nothing jumps.
        total: length of the whole new run; by default as long as the old one is now, or as its own recipe says.
        dry_run: only show.

    Returns:
        The branch, with both curves.

    Raises:
        RecordError: no run, no such checkpoint, or a folder that there is already.
        SpecError, HorizonError, StateError: a schedule that cannot go on from there.
    """
    origin, new = Path(folder), Path(out)
    if new.exists():
        raise RecordError(f"{new} exists already; a branch begins in a folder of its own, so choose another")
    there = by_recipe(origin)
    checkpoints = Checkpoints(origin, keep=1, best=None)
    t, content = _chosen(origin, checkpoints, at)
    control, _ = own_control(content["state"]["driver"])
    before = control.curve
    parent = load_recipe(origin / RECIPE)
    wanted, run = _wanted(parent, recipe, tail, total, t, before)
    sentence = f"Branched from {origin} at update {t}."
    control = control.noted({"t": t, "kind": "branch", "from": str(origin), "sentence": sentence})
    known = len(control.journal) - 1
    control = _turned(control, wanted, run, t)
    if not dry_run:
        judged = there.run.get("split", "val")
        _write(new, origin, t, wanted, control, control.journal[known:], content, checkpoints, {"split": judged})
    return Branch(new, origin, t, before, control.curve)


# ---- what it is to be ------------------------------------------------------------------------------------------------


def _chosen(origin: Path, checkpoints: Checkpoints, at: int | None) -> tuple[int, dict[str, Any]]:
    if at is None:
        found = checkpoints.newest()
        if found is None:
            raise RecordError(f"{origin} has no checkpoint to branch from yet")
        return found
    content = checkpoints.read(at) if at in checkpoints.numbers() else None
    if content is None:
        told = ", ".join(map(str, checkpoints.numbers())) or "none"
        raise RecordError(f"{origin} has no whole checkpoint at update {at}; there are: {told}")
    return at, content


def _wanted(
    parent: Recipe, recipe: str | os.PathLike[str] | None, tail: Any, total: SpanLike | None, t: int, before: Curve
) -> tuple[Recipe, Horizon]:
    """The recipe of the branch, and its run in numbers."""
    wanted = parent if recipe is None else load_recipe(recipe)
    changes: dict[str, Any] = {}
    if tail is not None:
        plan = tail_of(as_plan(wanted.spec), as_plan(tail), t)
        changes["schedule"] = {key: repr(schedule) for key, schedule in plan.entries}
    if total is not None:
        changes["total"] = total
    units = before.units
    if recipe is None:
        asked = wanted.total if total is None else total
        run = horizon(asked, units.steps_per_epoch, units.batch_size, units.tokens_per_step)
        if total is None and tail is not None and run.total != before.total:
            # The old run was made longer or shorter by hand, and the branch is as long as it is now.
            changes["total"], run = before.total, replace(run, total=before.total)
        return (wanted.changed(**changes) if changes else wanted), run
    wanted = wanted.changed(**changes) if changes else wanted
    return wanted, settle(wanted, resolve_task(wanted.task, **wanted.task_args), "val").horizon


def _turned(control: Control, wanted: Recipe, run: Horizon, t: int) -> Control:
    """The control on its new way; as it is where the way is not new."""
    curve, plan = control.curve, governing(wanted)
    former = curve
    while True:
        if plan == former.plan and run == former.horizon:
            return control
        if former.former is None:
            break
        former = former.former[1]
    if run.total is not None and run.total <= t:
        raise SpecError(f"a branch of {run.total} updates would end before update {t}, where it begins")
    missing = [value for value in plan.values() if value not in curve.bases]
    if missing:
        raise SpecError(
            f"the run does not govern {missing[0]!r}, so nothing can go on from where it stands; it governs "
            f"{', '.join(curve.plan.values())}"
        )
    bases = {value: curve.bases[value] for value in plan.values()}
    plain = Control.over(lay_out(plan, run, curve.groups, bases))
    return changed(control, plain, t, "extend" if plan == curve.plan else "new")


# ---- the folder ------------------------------------------------------------------------------------------------------


def _state(state: Mapping[str, Any], driver: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """The state of the new run; what the old one was told by name is of its own folder."""
    return {**state, "driver": driver, "recipe": recipe.model_dump()}


def _write(
    new: Path, origin: Path, t: int, wanted: Recipe, control: Control, events: Any, content: Mapping[str, Any],
    checkpoints: Checkpoints, about: Mapping[str, Any],
) -> None:  # fmt: skip
    """The folder of the new run, in one step, and a word of it in that of the old one."""
    beside = new.with_name(f".{new.name}.{secrets.token_hex(4)}.tmp")
    try:
        make_folder(beside)
        for name in (UPDATES, EVALUATIONS, JOURNAL, ENVIRONMENT):
            if (origin / name).exists():
                shutil.copyfile(origin / name, beside / name)
        curve = control.curve
        lineage = {"folder": str(origin), "name": read_json(origin / RUN).get("name"), "t": t}
        run = {
            "name": wanted.name,
            "spec": curve.spec,
            "horizon": curve.horizon.to_json(),
            "groups": list(curve.groups),
            "values": curve.plan.values(),
            "bases": {value: list(bases) for value, bases in curve.bases.items()},
            **about,
            LINEAGE[0]: lineage,
        }
        with RunWriter(beside) as writer:
            writer.truncate(t, events=content["state"]["driver"]["events"])
            writer.start(run, recipe=wanted.to_yaml())
            for entry in events:
                writer.event(entry)
            state = _state(content["state"], {**saved(control, t), "events": writer.events}, wanted)
        Checkpoints(beside, keep=1, best=None).adopt(t, {**content, "state": state}, checkpoints)
        os.rename(beside, new)
    except OSError as fault:
        raise trouble(fault, new, "written") from fault
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    told = read_json(origin / RUN)
    write_json(origin / RUN, {**told, LINEAGE[1]: [*told.get(LINEAGE[1], ()), {"folder": str(new), "t": t}]})
