"""A schedule that is to become longer, and a loaded state that makes it as it was."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeGuard

from cadence.conversion.native import Native
from cadence.findings.course import course_of_native, rises
from cadence.findings.finding import Both
from cadence.findings.ingredients import ingredients
from cadence.findings.rule import Found, rule
from cadence.findings.view import View
from cadence.script.model import Call, Scheduler, is_number

WHOLE = {"CosineAnnealingLR": ("T_max",), "OneCycleLR": ("total_steps",), "PolynomialLR": ("total_iters",)}
"""Schedulers that are made for a whole run, with the argument that says how long it is."""

PARTS = {
    "LinearLR": ("total_iters",), "StepLR": ("step_size",), "MultiStepLR": ("milestones",),
    "CosineAnnealingWarmRestarts": ("T_0",), "CyclicLR": ("step_size_up", "step_size_down"),
    "OneCycleLR": ("total_steps", "epochs", "steps_per_epoch"),
}  # fmt: skip
"""Further lengths that a state has in it."""


@rule(
    "CD703",
    "the loaded state brings the old length back",
    "warning",
    about="script",
    why="A scheduler of torch keeps its arguments in its state (all but functions), and load_state_dict puts them "
    "back. A T_max, total_steps or step_size that was made longer for the rest of the run is silently the former one "
    "again: a cosine that had arrived at 0 climbs. (Schedules of transformers are functions, which no state holds: "
    "there the new num_training_steps counts, and the rate jumps to the longer curve.)",
    fix="let the run be extended without a jump: driver.load_state_dict(state, change='extend') of cadence.drive; in "
    "plain torch leave the scheduler's state alone and make a new schedule for the rest of the run",
    source="torch.optim.lr_scheduler.LRScheduler.load_state_dict: self.__dict__.update(state_dict); measured on torch "
    "2.13",
    example="scheduler = CosineAnnealingLR(optimizer, T_max=200)\n"
    'scheduler.load_state_dict(saved["scheduler"])  # of a run with T_max=100\n'
    "for epoch in range(100, 200): ...; scheduler.step()",
    zh=(
        "加载的状态恢复了旧的长度",
        "torch 的调度器把参数存在状态里（函数除外），load_state_dict 会把它们放回去。为余下的训练加长的 T_max、"
        "total_steps 或 step_size 会悄悄变回原值：已降到 0 的余弦又升上去。（transformers 的调度是函数，状态里没有：那"
        "里新的 num_training_steps 生效，学习率跳到更长的曲线上。）",
        "用 cadence.drive 的 driver.load_state_dict(state, change='extend') 无跳变地延长；纯 torch 中不要加载调度器的"
        "状态，为余下的训练另建一个调度",
    ),
)
def old_length(view: View) -> Iterator[Found]:
    """A new length, and after it a state of the old one."""
    for scheduler in view.outermost:
        loads = view.loads(scheduler)
        if scheduler.framework != "torch" or not loads:
            continue
        for part in (scheduler, *scheduler.inner):
            names = dict.fromkeys((*WHOLE.get(part.name, ()), *PARTS.get(part.name, ())))
            for name in names:
                if name in part.expressions:
                    yield from _overwritten(view, scheduler, part, name, loads)


def _overwritten(view: View, scheduler: Scheduler, part: Scheduler, name: str, loads: list[Call]) -> Iterator[Found]:
    node = part.expressions[name]
    new, spot = view.value(node), view.argument(part, name)
    text = view.script.source(node)
    saved = list(_saved_lengths(view, scheduler, part, name, loads))
    for old in saved:
        if old != new:
            yield Found(
                spot,
                Both(
                    f"{name}={text} is replaced by the {old} of the state that is loaded",
                    f"{name}={text} 被所加载状态中的 {old} 取代",
                ),
                _told(view, part, name, old, new),
            )
    if saved:
        return
    if _adds_to_loaded(view, node):
        yield Found(
            spot,
            Both(
                f"{name}={text} is longer than the run that was saved, whose own {name} is loaded after it",
                f"{name}={text} 比已保存的训练长，而其后又加载了旧的 {name}",
            ),
            Both(
                "the schedule goes on with the old length, and is past its end from there on",
                "调度按旧长度继续，此后一直处在终点之后",
            ),
        )
        return
    start = _continues_at(view, scheduler, loads, new)
    if start is not None and part is scheduler and name in WHOLE.get(part.name, ()):
        yield Found(
            spot,
            Both(
                f"the training goes on at {start}, and {name}={text} is replaced by that of the state which is loaded",
                f"训练从 {start} 继续，而 {name}={text} 会被所加载状态中的值取代",
            ),
            Both(
                f"if that is {start}, the length of the run before: {_told(view, part, name, start, new).en}",
                f"如果那是 {start}，即此前训练的长度：{_told(view, part, name, start, new).zh}",
            ),
            severity="information",
        )


def _saved_lengths(view: View, scheduler: Scheduler, part: Scheduler, name: str, loads: list[Call]) -> Iterator[int]:
    """The lengths of schedulers of the same kind whose state was taken in this script and is loaded into this one."""
    for other in view.outermost:
        if other.node is scheduler.node or other.name != scheduler.name or other.line > scheduler.line:
            continue
        for twin in (other, *other.inner):
            old = view.value(twin.expressions.get(name))
            known = isinstance(old, int) and is_number(view.value(part.expressions[name]))
            if twin.name == part.name and known and any(_holds_state_of(view, load, other) for load in loads):
                yield old


def _holds_state_of(view: View, load: Call, other: Scheduler) -> bool:
    """Whether the state that is loaded is that of another scheduler of the script, by way of a file or not."""
    taken = {
        call.node
        for call in view.calls("state_dict")
        if other.line < call.line and isinstance(call.node.func, ast.Attribute)
        if other.node in view.script.made_by(call.node.func.value)
    }
    parts = [part for argument in load.args for part in ingredients(view, argument)]
    files = [view.script.source(part.args[0]) for part in parts if _is_load(part, view) and part.args]
    for save in view.calls_of("torch.save"):
        if len(save.args) > 1 and view.script.source(save.args[1]) in files:
            parts += ingredients(view, save.args[0])
    return any(part in taken for part in parts)


def _adds_to_loaded(view: View, node: ast.expr) -> bool:
    """Whether a length is what was loaded and more."""
    while isinstance(node, ast.Name) and len(values := view.assigned.get(node.id, [])) == 1:
        node = values[0]
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
        return False
    loaded = [_is_loaded(view, side) for side in (node.left, node.right)]
    if loaded.count(True) != 1:
        return False
    # The epoch after the last one that was saved is no new length.
    return view.value(node.right if loaded[0] else node.left) != 1


def _is_loaded(view: View, node: ast.expr) -> bool:
    return any(_is_load(part, view) for part in ingredients(view, node))


def _is_load(node: ast.AST, view: View) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and view.script.path(node.func) == "torch.load"


def _continues_at(view: View, scheduler: Scheduler, loads: list[Call], new: object) -> int | None:
    """The epoch at which a script that is only for going on begins; None where it can begin anew, too."""
    if any(load.conditions for load in loads) or view.ticks(scheduler) != new or len(scheduler.steps) != 1:
        return None
    start = scheduler.steps[0].loops[0].start
    return start if isinstance(start, int) and start > 0 else None


def _told(view: View, part: Scheduler, name: str, old: int, new: object) -> Both:
    """What the rate is at the end of the longer run, with the old length and with the new one."""
    unit = "epoch" if part.per == "epoch" else "update"
    native = part.native
    if native is None or part.unknown or not isinstance(new, int) or name not in WHOLE.get(part.name, ()):
        return Both(f"the schedule goes on with {name}={old}", f"调度按 {name}={old} 继续")
    if part.name == "OneCycleLR":
        raised = f"ValueError: Tried to step {old + 1} times. The specified number of total steps is {old}"
        return Both(raised, raised)
    base = view.base_of(part)
    was = course_of_native(_with(native, name, old), ticks=new, unit=unit, base=base)
    meant = course_of_native(native, ticks=new, unit=unit, base=base)
    if was is None or meant is None:
        return Both(f"the schedule goes on with {name}={old}", f"调度按 {name}={old} 继续")
    up = rises(was) if new > old else None
    told = f"the rate ends at {was.rate(was.at_tick(new - 1))} instead of {meant.rate(meant.at_tick(new - 1))}"
    zh = f"最后的学习率是 {was.rate_zh(was.at_tick(new - 1))} 而不是 {meant.rate_zh(meant.at_tick(new - 1))}"
    if up is not None:
        told = f"from {unit} {up[0]} on the rate rises again, up to {was.rate(up[2])}; {told}"
        zh = f"学习率从第 {up[0]} {was.unit_zh}起回升，最高 {was.rate_zh(up[2])}；{zh}"
    return Both(told, zh)


def _with(native: Native, name: str, value: int) -> Native:
    return replace(native, arguments={**native.arguments, name: value})
