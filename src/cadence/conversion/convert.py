"""`convert`: another framework's equal of a schedule, with the proof that it is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cadence._errors import CadenceError, ConversionError, MissingExtraError, UnknownNameError
from cadence.conversion.definition import owners
from cadence.conversion.doors import bases_of, inspect, own_base, reading, setting
from cadence.conversion.framework import framework, known
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.conversion.text import called, found_in, read_text
from cadence.spec.constructors.shaped import named
from cadence.spec.nodes import EarlyStop, Plateau, Schedule, walk
from cadence.spec.parse import parse
from cadence.spec.plan import Plan, plan, split_key
from cadence.spec.span import SpanLike

CADENCE = "cadence"
"""Whose a schedule is that no framework made."""

UNKNOWN_LENGTH = 1000
"""Steps that are compared where neither the run nor the schedule says how many there are."""

MOST_UNKNOWN = 20_000
"""Steps at most where the run does not say it."""

Rows = Mapping[str, npt.NDArray[Any]]
"""Value -> its numbers, [groups, steps + 1]."""

ADAPTERS = {
    "torch": "scheduler = cd.torch_scheduler(optimizer, {schedule}{run})",
    "transformers": "scheduler = cd.torch_scheduler(optimizer, {schedule}{run})",
    "timm": "scheduler = cd.torch_scheduler(optimizer, {schedule}{run})",
    "pytorch_optimizer": "scheduler = cd.torch_scheduler(optimizer, {schedule}{run})",
    "ignite": "scheduler = LRScheduler(cd.torch_scheduler(optimizer, {schedule}{run}))",
    "paddle": "scheduler = cd.paddle_scheduler({schedule}{run}{base})",
    "optax": "scheduler = cd.optax_schedule({schedule}{run}{base})",
    "keras": "scheduler = cd.keras_schedule({schedule}{run}{base})",
}
"""The thin adapter of each framework, for what it cannot say itself."""


@dataclass(frozen=True)
class Conversion:
    """One schedule in another framework.

    Attributes:
        source: the framework it came from; ``"cadence"`` where none made it.
        to: the framework it was written for.
        native: the scheduler it came from; None where that is cadence.
        schedule: what it means.
        t: steps that a live scheduler had done, None where it does not know; else 0.
        bases: base learning rate of each group.
        target: the other framework's equal; None where it has none, or is not installed.
        code: source that builds `target`; where there is none, the adapter that follows `schedule` instead.
        difference: largest relative difference over all steps, between what the two frameworks compute themselves
            (between the one and cadence's curve, where only one is a framework that is installed). Relative to the
            value, or to a thousandth of the peak where that is larger. None: it could not be computed.
        at: the first step with that difference.
        steps: how many steps were compared, the state before the first among them.
        reason: why there is no `target`, or no `difference`; empty where nothing is missing.
    """

    source: str
    to: str
    native: Native | None
    schedule: Schedule | Plan
    t: int | None
    bases: tuple[float, ...]
    target: Native | None
    code: str
    difference: float | None
    at: int | None
    steps: int
    reason: str

    def __str__(self) -> str:
        return f"{self.code.rstrip()}\n\n# {self.proof}"

    @property
    def proof(self) -> str:
        """The difference in words, or why there is none."""
        if self.target is None:
            return self.reason
        if self.difference is None:
            return f"not compared: {self.reason}"
        where = "" if not self.difference else f", at step {self.at}"
        compared = f"{self.source} and {self.to}"
        told = f"largest relative difference between {compared} over {self.steps} steps: {self.difference:.2g}{where}"
        return f"{told} ({self.reason})" if self.reason else told

    def to_json(self) -> dict[str, Any]:
        """Plain data: schedulers and schedules as text."""
        return {
            "source": self.source,
            "to": self.to,
            "native": None if self.native is None else repr(self.native),
            "schedule": repr(self.schedule),
            "t": self.t,
            "bases": list(self.bases),
            "target": None if self.target is None else repr(self.target),
            "code": self.code,
            "difference": self.difference,
            "at": self.at,
            "steps": self.steps,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Source:
    """What is to be converted, read.

    Attributes:
        framework: whose it is, or ``"cadence"``.
        native: None where it is cadence's.
        schedule: what it means on the run, in updates.
        on: the run.
        t: steps done.
        factor: what a live scheduler's rates were multiplied with by hand, one for each group.
    """

    framework: str
    native: Native | None
    schedule: Schedule | Plan
    on: Setting
    t: int | None = 0
    factor: tuple[float, ...] = (1.0,)


def convert(
    source: Any,
    *,
    to: str,
    base: float | Sequence[float] | None = None,
    total: SpanLike | None = None,
    per: str = "step",
    steps_per_epoch: int | None = None,
    source_framework: str | None = None,
) -> Conversion:
    """Write a schedule for another framework, and compare the two at every step.

    Args:
        source: a scheduler object, also in the middle of its run; its construction as text; a schedule of cadence or
            its text.
        to: the framework to write it for.
        base: base learning rate, one number or one for each parameter group; where it is left out, the scheduler's own
            if it carries one, else 1.
        total: length of the run, where the schedule depends on it; as many steps are compared.
        per: ``"step"``: both schedulers are stepped after each update; ``"epoch"``: after each epoch.
        steps_per_epoch: updates in one epoch.
        source_framework: whose a text is, or ``"cadence"``; where it is left out, its dotted name says it, or the only
            one that can read it. What cadence can read is cadence's.

    Returns:
        The conversion. Where the other framework has no equal its `target` is None, `reason` says why, and `code` is
        the adapter that follows the schedule instead.

    Raises:
        UnknownNameError: no such framework, scheduler or argument.
        ConversionError: a source that cannot be read, that its own framework refuses, or that is no function of the
            step.

    Example:
        >>> made = convert("StepLR(30)", to="torch", base=0.1, total=90)
        >>> made.source, made.native, made.schedule
        ('torch', StepLR(step_size=30), steps(every=30))
    """
    known(to)
    return converted(read_source(source, base, total, per, steps_per_epoch, source_framework), to)


def read_source(
    source: Any,
    base: float | Sequence[float] | None = None,
    total: SpanLike | None = None,
    per: str = "step",
    steps_per_epoch: int | None = None,
    source_framework: str | None = None,
) -> Source:
    """What `convert` was given, read. Arguments as there."""
    if source_framework is not None and source_framework != CADENCE:
        known(source_framework)
    on = setting((1.0,) if base is None else bases_of(base), per, total, steps_per_epoch)
    if isinstance(source, str):
        source = _of_text(source, source_framework)
    if isinstance(source, (Schedule, Plan)):
        return Source(CADENCE, None, source, on)
    if isinstance(source, Native):
        return source_of(source, on if base is not None else on.with_bases(own_base(source)))
    live = inspect(source)
    on = replace(on, momentum=live.momentum, bases=live.bases if base is None else on.bases)
    return source_of(live.native, on, live.t, live.factor)


def source_of(native: Native, on: Setting, t: int | None = 0, factor: tuple[float, ...] = (1.0,)) -> Source:
    """A native scheduler on a run, as something to convert.

    Args:
        native: the scheduler.
        on: the run.
        t: steps that it has done.
        factor: what its rates were multiplied with by hand since it was made, one for each group.
    """
    factors = factor if len(factor) == len(on.bases) else factor * len(on.bases)
    return Source(native.framework, native, _multiplied(reading(native, on), factors), on, t, factors)


def _multiplied(schedule: Schedule | Plan, factors: tuple[float, ...]) -> Schedule | Plan:
    """A schedule whose rates somebody has multiplied."""
    if all(factor == 1 for factor in factors):
        return schedule
    if isinstance(schedule, Schedule) and len(set(factors)) == 1:
        return schedule * factors[0]
    entries = dict(schedule.entries) if isinstance(schedule, Plan) else {"lr": schedule}
    rates = {f"{i}/lr": entries.get(f"{i}/lr", entries.get("lr")) for i in range(len(factors))}
    others = {key: part for key, part in entries.items() if split_key(key)[1] != "lr"}
    own = {key: part * factors[i] for i, (key, part) in enumerate(rates.items()) if part is not None}
    return plan(own | others)


def converted(source: Source, to: str) -> Conversion:
    """One source in one framework."""
    try:
        made = framework(known(to))
        target = made.express(source.on.placed(source.schedule))
        code = made.code(target, source.on)
    except (ConversionError, MissingExtraError) as fault:
        return _conversion(source, to, None, adapter(source, to), None, 0, str(fault))
    return _compared(source, to, target, code)


DRIVEN = """driver = cd.drive(optimizer, {schedule}{run})
# trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: driver.step())
# evaluator.add_event_handler(Events.COMPLETED, lambda engine: driver.observe(engine.state.metrics))"""
"""In ignite, with rules that follow a metric."""


def adapter(source: Source, to: str) -> str:
    """The line that follows the schedule through cadence's own adapter; empty where none can."""
    on, run = source.on, ""
    parts = source.schedule.entries if isinstance(source.schedule, Plan) else (("lr", source.schedule),)
    follows = any(isinstance(node, (Plateau, EarlyStop)) for _, part in parts for node in walk(part))
    if follows and to in ("optax", "keras"):
        # A compiled step cannot wait for a metric.
        return ""
    if on.horizon.total is not None and on.per == "step":
        run = f", total={on.horizon.total}"
    elif on.horizon.total is not None:
        run = f", total='{on.ticks} epochs'"
    if on.per == "epoch" and on.horizon.steps_per_epoch is not None:
        run += f", steps_per_epoch={on.horizon.steps_per_epoch}"
    base = f", base={on.base!r}" if len(on.bases) == 1 else f", base={list(on.bases)!r}"
    text = repr(repr(source.schedule))
    lines = ["import cadence as cd"]
    if to == "ignite" and not follows:
        lines.append("from ignite.handlers import LRScheduler")
    call = DRIVEN if to == "ignite" and follows else ADAPTERS[to]
    return "\n".join([*lines, "", call.format(schedule=text, run=run, base=base)]) + "\n"


def difference(ours: Rows, theirs: Rows) -> tuple[float, int]:
    """Largest relative difference between two tables of values, and the first step that has it.

    Relative to the larger of the value and a thousandth of the peak of its row.

    Example:
        >>> difference({"lr": np.array([[1.0, 0.5]])}, {"lr": np.array([[1.0, 0.25]])})
        (0.5, 1)
    """
    largest, at = 0.0, 0
    for value in ours:
        if value not in theirs:
            continue
        a, b = np.asarray(ours[value], float), np.asarray(theirs[value], float)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.maximum(np.abs(a), 1e-3 * np.nanmax(np.abs(a), axis=-1, keepdims=True, initial=0.0))
            gap = np.abs(a - b)
            # A value that a group does not have is no number on either side.
            relative = np.where((gap == 0) | (np.isnan(a) & np.isnan(b)), 0.0, gap / scale)
        relative = np.where(np.isnan(relative), np.inf, relative)
        worst = relative.max(axis=0)
        if worst.max() > largest:
            largest, at = float(worst.max()), int(worst.argmax())
    return largest, at


def rows_of(source: Source, steps: int) -> Rows:
    """Cadence's own numbers, in ticks."""
    curve = source.on.placed(source.schedule)
    t = np.arange(steps + 1)
    rows: dict[str, list[Any]] = {}
    for group, value in curve.pairs:
        rows.setdefault(value, []).append(curve.at(t, group=group, value=value))
    return {value: np.array(numbers) for value, numbers in rows.items()}


def _compared(source: Source, to: str, target: Native, code: str) -> Conversion:
    steps, reason = _steps(source), ""
    try:
        if source.native is None:
            ours = rows_of(source, steps)
        else:
            try:
                ours = _run(source, source.native, steps)
            except MissingExtraError as missing:
                ours, reason = rows_of(source, steps), f"with cadence's own numbers for {source.framework}: {missing}"
        theirs = framework(to).run(target, source.on, steps)
    except CadenceError as fault:
        return _conversion(source, to, target, code, None, 0, str(fault))
    return _conversion(source, to, target, code, difference(ours, theirs), steps + 1, reason)


def _run(source: Source, native: Native, steps: int) -> Rows:
    """What the source's own framework computes, and what was done to it by hand."""
    rows = framework(source.framework).run(native, source.on, steps)
    if all(factor == 1 for factor in source.factor) or "lr" not in rows:
        return rows
    return {**rows, "lr": rows["lr"] * np.array(source.factor)[:, None]}


def _steps(source: Source) -> int:
    """Steps to the last that is compared: of the run, or else twice the schedule, to see what comes after its end."""
    if source.on.ticks is not None:
        return source.on.ticks - 1
    end = source.on.placed(source.schedule).end
    return UNKNOWN_LENGTH if end is None else min(2 * end, MOST_UNKNOWN)


def _conversion(
    source: Source,
    to: str,
    target: Native | None,
    code: str,
    found: tuple[float, int] | None,
    steps: int,
    reason: str,
) -> Conversion:
    largest, at = (None, None) if found is None else found
    return Conversion(
        source.framework, to, source.native, source.schedule, source.t, source.on.bases, target, code, largest, at,
        steps, reason,
    )  # fmt: skip


def _of_text(text: str, source_framework: str | None) -> Native | Schedule | Plan:
    """A text as a scheduler of the framework it belongs to, or as a schedule of cadence."""
    if source_framework == CADENCE:
        return parse(text)
    if source_framework is not None:
        return read_text(text, source_framework)
    name, owner = called(text)
    if owner is not None or not (name is None or name == "plan" or _constructs(name)):
        return read_text(text)
    if name is None or not any(found_in(framework_name, name) for framework_name in owners()):
        return parse(text)
    return _either(text)


def _constructs(name: str) -> bool:
    try:
        named(name)
    except UnknownNameError:
        return False
    return True


def _either(text: str) -> Native | Schedule | Plan:
    """A call that may be cadence's or a framework's: what cadence can read is its own."""
    try:
        return parse(text)
    except CadenceError as ours:
        # The names that get_scheduler takes ("cosine") are no functions of any framework.
        try:
            return read_text(text)
        except CadenceError:
            raise ours from None
