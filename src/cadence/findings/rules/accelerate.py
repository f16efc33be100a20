"""Accelerate, which steps a scheduler that it has prepared once for every process."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

from cadence.findings.course import course_of_native
from cadence.findings.finding import Both
from cadence.findings.ingredients import ingredients
from cadence.findings.rule import Found, rule
from cadence.findings.view import PLATEAUS, View, whole_numbers
from cadence.script.model import Call, Scheduler, is_number

LENGTHS = frozenset({"T_max", "total_steps", "total_iters", "num_training_steps", "step_size", "milestones", "T_0"})
"""Arguments that are counted in a scheduler's own steps."""

SEVERAL = (
    "num_processes", "process_index", "local_process_index", "is_main_process", "is_local_main_process", "gather",
    "gather_for_metrics", "wait_for_everyone", "main_process_first", "notebook_launcher",
)  # fmt: skip
"""What a script speaks of only where it is meant for several processes."""

PROCESSES = 4
"""Processes that the consequence is computed for, where the script does not say how many there are."""


@rule(
    "CD607",
    "Accelerate steps the scheduler once per process",
    "information",
    about="script",
    why="A scheduler that went through accelerator.prepare takes num_processes steps at each step(), because each "
    "update sees as many batches (split_batches=False). Lengths in batches of the unprepared loader fit that. A "
    "length in updates, in epochs, or counted from the prepared loader does not: the schedule is over after the "
    "num_processes-th part of the run. On one process nothing is wrong.",
    fix="multiply the lengths by accelerator.num_processes, or do not prepare the scheduler; one made by "
    "cadence.torch_scheduler takes steps_per_update=accelerator.num_processes",
    source="accelerate.scheduler.AcceleratedScheduler.step (accelerate 1.15)",
    example="scheduler = CosineAnnealingLR(optimizer, T_max=90)\n"
    "model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)\n"
    "for epoch in range(90): ...; scheduler.step()",
    zh=(
        "Accelerate 按进程数走步",
        "经过 accelerator.prepare 的调度器每次 step() 走 num_processes 步，因为每次更新看到同样多的批（"
        "split_batches=False）。以未 prepare 的加载器的批数为长度是对的；以更新数、轮数或已 prepare 的加载器计的长度则"
        "不对：训练的 num_processes 分之一处调度就结束了。单进程时没有问题。",
        "把长度乘以 accelerator.num_processes，或不要 prepare 调度器；cadence.torch_scheduler 可写 "
        "steps_per_update=accelerator.num_processes",
    ),
)
def steps_per_process(view: View) -> Iterator[Found]:
    """A prepared scheduler whose length is in updates or epochs."""
    if not view.imports("accelerate") or _steps_once(view):
        return
    prepares = view.calls("prepare", "prepare_scheduler")
    severity = "warning" if view.mentions(*SEVERAL) else None
    for scheduler in view.outermost:
        if scheduler.framework not in ("torch", "transformers") or not _prepared(view, scheduler, prepares):
            continue
        for told in _told(view, scheduler, prepares):
            yield Found(view.spot(scheduler.node), *told, severity=severity)


def _steps_once(view: View) -> bool:
    """Whether the script says that a prepared scheduler takes one step, or leaves that open."""
    words = {"split_batches": False, "step_scheduler_with_optimizer": True}
    said = [
        (call.kwargs[word], usual) for call in view.script.calls for word, usual in words.items() if word in call.kwargs
    ]
    return any(view.value(node) is not usual for node, usual in said)


def _prepared(view: View, scheduler: Scheduler, prepares: list[Call]) -> bool:
    arguments = [argument for call in prepares for argument in call.args]
    return any(scheduler.node is a or scheduler.node in view.script.made_by(a) for a in arguments)


def _told(view: View, scheduler: Scheduler, prepares: list[Call]) -> Iterator[tuple[Both, Both]]:
    if scheduler.name in PLATEAUS:
        if any(step.loops for step in scheduler.steps):
            yield (
                Both(
                    f"{scheduler.name} is prepared, and hears each metric num_processes times",
                    f"{scheduler.name} 经过 prepare，每个指标会听到 num_processes 次",
                ),
                Both(
                    f"on {PROCESSES} processes one bad evaluation counts as {PROCESSES}, so that a patience of 3 is "
                    f"over "
                    "at the first",
                    f"{PROCESSES} 个进程时一次无改善计为 {PROCESSES} 次，耐心 3 在第一次就用完",
                ),
            )
        return
    lengths = [node for name, node in scheduler.expressions.items() if name in LENGTHS]
    lengths += [n for part in scheduler.inner for name, n in part.expressions.items() if name in LENGTHS]
    parts = [part for node in lengths for part in ingredients(view, node)]
    if any("num_processes" in name or "world" in name for name in _names(parts)):
        return
    sizes = [part for part in parts if isinstance(part, ast.Call) and getattr(part.func, "id", "") == "len"]
    if any(_of_prepared(view, size, prepares) for size in sizes):
        yield (
            Both(
                f"the length of {scheduler.name} counts the batches that one process sees",
                f"{scheduler.name} 的长度按单个进程看到的批数计算",
            ),
            Both(
                f"on {PROCESSES} processes the schedule is over after a {_ordinal(PROCESSES)} of the run",
                f"{PROCESSES} 个进程时，训练的 1/{PROCESSES} 处调度就结束了",
            ),
        )
    elif not sizes:
        yield from _counted(view, scheduler, lengths)


def _names(parts: list[ast.AST]) -> set[str]:
    bare = {part.id for part in parts if isinstance(part, ast.Name)}
    return bare | {part.attr for part in parts if isinstance(part, ast.Attribute)}


def _of_prepared(view: View, size: ast.Call, prepares: list[Call]) -> bool:
    """Whether `len(loader)` counts what is left of a loader for one process."""
    names = {argument.id for argument in size.args if isinstance(argument, ast.Name)}
    for call in prepares:
        around = view.script.parent(call.node)
        if isinstance(around, ast.Assign) and call.line < size.lineno:
            bound = {n.id for target in around.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
            if names & bound:
                return True
    return False


def _counted(view: View, scheduler: Scheduler, lengths: list[ast.expr]) -> Iterator[tuple[Both, Both]]:
    """A length that is a number, in a run whose steps can be counted."""
    ticks = view.ticks(scheduler)
    numbers = [n for node in lengths for n in whole_numbers(view.value(node))]
    if ticks is None or not numbers or not 0 < max(numbers) <= ticks:
        return
    unit, unit_zh = ("epoch", "轮") if scheduler.per == "epoch" else ("update", "步")
    given = [
        view.number(c.kwargs["num_processes"]) for c in view.calls("notebook_launcher") if "num_processes" in c.kwargs
    ]
    several = [int(n) for n in given if is_number(n) and n > 1]
    n, whole = (several[0] if several else PROCESSES), max(numbers)
    over = math.ceil(whole / n)
    told, zh = (
        f"on {n} processes it has done them after {over} of {ticks} {unit}s",
        f"{n} 个进程时 {over} {unit_zh}就走完",
    )
    rates = _rates(view, scheduler, n, ticks)
    if rates is not None:
        told += f"; in the last {unit} the rate is {rates[1]} instead of {rates[0]}"
        zh += f"，最后一{unit_zh}的学习率是 {rates[1]} 而不是 {rates[0]}"
    yield (
        Both(
            f"{scheduler.name} is prepared, and its {whole} steps are counted in {unit}s",
            f"{scheduler.name} 经过 prepare，而它的 {whole} 步是按{unit_zh}计的",
        ),
        Both(told, zh),
    )


def _rates(view: View, scheduler: Scheduler, n: int, ticks: int) -> tuple[str, str] | None:
    """The last rate on one process and on several."""
    if scheduler.native is None or scheduler.unknown:
        return None
    once = course_of_native(scheduler.native, ticks=ticks, unit="update", base=view.base_of(scheduler))
    often = course_of_native(scheduler.native, ticks=ticks * n, unit="update", base=view.base_of(scheduler))
    if once is None or often is None:
        return None
    return once.rate(once.at_tick(ticks - 1)), often.rate(often.at_tick((ticks - 1) * n))


def _ordinal(n: int) -> str:
    return {2: "half", 3: "third", 4: "quarter", 8: "eighth"}.get(n, f"{n}th part")
