"""The rate that a script will really run, as a schedule on the script's own loops."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from cadence._errors import ScriptError
from cadence.curve.curve import Curve
from cadence.curve.place import place
from cadence.script.follow import Follower, followed
from cadence.script.forms import Seen, form
from cadence.script.model import Script
from cadence.script.resolve import Resolver
from cadence.script.sims import MovingOptimizer
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan, plan


@dataclass(frozen=True)
class Beside:
    """Another value that a scheduler moves beside the rate.

    Attributes:
        name: ``"momentum"``, or ``"beta1"`` where the optimizer has betas.
        schedule: of it; a plan where groups differ.
        bases: what it is before any scheduler, for each group.
    """

    name: str
    schedule: Schedule | Plan
    bases: tuple[float, ...]


@dataclass(frozen=True)
class Rate:
    """What one optimizer of a script runs with.

    Attributes:
        variable: what the script calls the optimizer.
        line: where it is made.
        schedule: the rate's, or a plan where groups differ; multiples are of `bases`.
        bases: base learning rate of each group.
        groups: names of the groups.
        total: updates that the script does; None where they are not counted.
        steps_per_epoch: updates in one epoch; None where that is not known or varies.
        per: what one update of the schedule stands for: ``"update"``, or ``"epoch"`` where the length of an epoch is
            not known and does not matter.
        followed: whether it is what the script was seen to do, update by update; otherwise it is what its scheduler
            means by itself.
        assumed: sentences on what was taken for granted.
        beside: what its schedulers move besides.
    """

    variable: str
    line: int
    schedule: Schedule | Plan
    bases: tuple[float, ...]
    groups: tuple[str, ...]
    total: int | None
    steps_per_epoch: int | None
    per: str
    followed: bool
    assumed: tuple[str, ...]
    beside: tuple[Beside, ...] = ()

    def by_group(self) -> list[tuple[str, Curve]]:
        """A label and a curve for each group that does what no group before it does."""
        whole = self.curve()
        found: list[tuple[str, Curve]] = []
        seen: set[tuple[tuple[str, Schedule, float], ...]] = set()
        for g, group in enumerate(self.groups):
            does = [
                (value, whole.plan.entries[entry][1], whole.bases[value][g] or 0.0)
                for value in whole.plan.values()
                if (entry := whole.plan.governing(group, value)) is not None
            ]
            if not does or tuple(does) in seen:
                continue
            seen.add(tuple(does))
            entries, bases = {value: part for value, part, _ in does}, {value: base for value, _, base in does}
            curve = place(plan(entries), total=self.total, steps_per_epoch=self.steps_per_epoch, base=bases)
            found.append((f"group {g} of {self.variable}" if len(self.bases) > 1 else self.variable, curve))
        return found if len(found) > 1 else [(self.variable, curve) for _, curve in found]

    def curve(self) -> Curve:
        """The schedules on their run."""
        entries = _keyed("lr", "lr", self.schedule)
        for each in self.beside:
            entries |= _keyed("momentum", each.name, each.schedule)
        return place(
            plan(entries), total=self.total, steps_per_epoch=self.steps_per_epoch,
            base={"lr": list(self.bases)} | {each.name: list(each.bases) for each in self.beside}, groups=self.groups,
        )  # fmt: skip


def _keyed(of: str, name: str, schedule: Schedule | Plan) -> dict[str, Schedule]:
    """The entries of a plan for one value, under another name."""
    if isinstance(schedule, Schedule):
        return {name: schedule}
    return {f"{key.removesuffix(of)}{name}": part for key, part in schedule.entries}


def rates(script: Script, *, total: int | None = None, base: float | None = None) -> list[Rate]:
    """What each optimizer of a script runs with.

    The script is followed from its first line to its last, as far as rates go (`cadence.script.follow`); schedulers
    that fight over one optimizer, writes by hand and the order in which things are made come out as they would. Where
    schedules say the same in few words (`cosine(90)`), those words are given instead of a table, after a comparison at
    every update.

    Args:
        script: what was read, with ``steps_per_epoch`` where a rate depends on the length of an epoch.
        total: updates to look at; None: to the script's end.
        base: learning rate instead of the script's own.

    Returns:
        One for each optimizer that is stepped (or that a scheduler is made for), in the order in which they are made.

    Raises:
        ScriptError: there is no optimizer, or a rate depends on something that only a run would show; the sentence says
            on what, in which line, and what to give instead.
    """
    for problem in script.problems:
        if problem.kind == "flattened":
            raise ScriptError(problem.text)
    resolver = script._resolver  # pyright: ignore[reportPrivateUsage]
    seen = followed(script, resolver, total=total, base=base)
    if not any(o.updates for o in seen.optimizers) and seen.optimizers:
        seen = followed(script, resolver, total=total, base=base, implied=True)
        seen.assumed["the optimizer's own steps are not in the script: one is taken for each round of its loop"] = None
    if not seen.optimizers and not script.optimizers:
        raise ScriptError(f"{script.name} makes no optimizer that can be seen; there is no rate to tell")
    moving = [o for o in seen.optimizers if o.updates]
    if not moving:
        raise ScriptError(_nothing(script, seen))
    return [_of_moving(resolver, o, seen) for o in moving]


def _nothing(script: Script, seen: Follower) -> str:
    if not seen.optimizers:
        made = script.optimizers[0]
        return f"{script.name} makes its {made.name} of {script.at(made.line)} where nothing at its top leads to"
    made = seen.optimizers[0].optimizer
    return (
        f"nothing in {script.name} steps the {made.name} of {script.at(made.line)}, nor a scheduler of it; its rate is "
        f"{', '.join(f'{b:g}' for b in seen.optimizers[0].bases)} until a loop does"
    )


def _of_moving(resolver: Resolver, optimizer: MovingOptimizer, seen: Follower) -> Rate:
    per_epoch = None if seen.by_epoch else _epoch(optimizer)
    by_epoch = seen.by_epoch or (seen.implied and per_epoch == 1)
    per_epoch = None if by_epoch else per_epoch
    rate = Seen("lr", optimizer.rows, optimizer.bases, per_epoch)
    assumed = list(seen.assumed)
    if seen.by_epoch:
        assumed.append("how many batches an epoch has is not known and does not matter: one update stands for an epoch")
    return Rate(
        optimizer.optimizer.variable or optimizer.optimizer.name,
        optimizer.optimizer.line,
        form(rate, optimizer),
        optimizer.bases,
        tuple(str(g) for g in range(len(optimizer.groups))),
        optimizer.updates,
        per_epoch,
        "epoch" if by_epoch else "update",
        True,
        (*resolver.assumed, *assumed),
        _beside(optimizer, per_epoch),
    )


def _beside(optimizer: MovingOptimizer, per_epoch: int | None) -> tuple[Beside, ...]:
    """The momentum, where it moves."""
    rows = [(n, tuple(m for m in row if m is not None)) for n, row in optimizer.momenta]
    if len(rows) < 2 or any(len(row) < len(optimizer.groups) for _, row in rows):
        return ()
    seen = Seen("momentum", rows, rows[0][1], per_epoch)
    return (Beside(optimizer.momentum, form(seen, optimizer), seen.bases),)


def _epoch(optimizer: MovingOptimizer) -> int | None:
    """Updates in an epoch, where all epochs have as many."""
    marks = [*dict.fromkeys(optimizer.marks), optimizer.updates]
    lengths = {b - a for a, b in pairwise(marks) if b > a}
    return lengths.pop() if len(lengths) == 1 else None
