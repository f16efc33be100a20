"""Epochs taken for iterations, and the other way round."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from cadence.conversion.native import Native
from cadence.findings.course import course_of_native, natives_in
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import View, whole_numbers
from cadence.script.model import Scheduler

LENGTHS = {
    "MultiStepLR": ("milestones",), "MultiStepDecay": ("milestones",), "PiecewiseDecay": ("boundaries",),
    "StepLR": ("step_size",), "StepDecay": ("step_size",),
    "CosineAnnealingLR": ("T_max",), "CosineAnnealingDecay": ("T_max",),
}  # fmt: skip
"""Arguments that count calls of step()."""


@rule(
    "CD102",
    "epochs and iterations are mixed up",
    "warning",
    about="script",
    why="A scheduler counts calls of its step(), nothing else. Numbers of epochs in a scheduler that is stepped after "
    "every batch make it run through its whole course in the first moments of the training; numbers of iterations "
    "in one "
    "that is stepped once per epoch are never reached.",
    fix="multiply the epochs by the batches per epoch, or step the scheduler once per epoch",
    source="torch.optim.lr_scheduler.LRScheduler.step; paddle.optimizer.lr.LRScheduler.step",
    example="scheduler = MultiStepLR(optimizer, milestones=[12, 16])\n"
    "for epoch in range(24):\n    for batch in loader: ...; scheduler.step()",
    zh=(
        "轮与步混用",
        "调度器只数 step() 的调用次数。每批都调用而参数按轮写，整个曲线在训练开头的片刻就走完；每轮调用一次而参数"
        "按步写，则永远走不到。",
        "把轮数乘以每轮批数，或每轮只调用一次 step()",
    ),
)
def mixed_units(view: View) -> Iterator[Found]:
    """Epoch numbers stepped per batch; iteration numbers stepped per epoch."""
    for scheduler in view.outermost:
        if scheduler.native is None or not scheduler.steps:
            continue
        if all(step.per == "step" for step in scheduler.steps) and scheduler.per == "step":
            yield from _epochs_per_batch(view, scheduler)
        elif all(step.per == "epoch" for step in scheduler.steps) and scheduler.per == "epoch":
            yield from _batches_per_epoch(view, scheduler)


@rule(
    "CD108",
    "the scheduler is stepped past its end",
    "error",
    about="script",
    why="OneCycleLR refuses to be stepped more often than its total: the training stops with an error near its end.",
    fix="give it the number of calls of step(): epochs times batches per epoch, if it is stepped after each batch",
    source="torch.optim.lr_scheduler.OneCycleLR; paddle.optimizer.lr.OneCycleLR",
    example="scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=50)\nfor epoch in range(60): ...; "
    "scheduler.step()",
    zh=(
        "调度器走过了终点",
        "OneCycleLR 不允许 step() 的次数超过总步数：训练会在快结束时报错中断。",
        "让总步数等于 step() 的调用次数：每批都调用时是轮数乘以每轮批数",
    ),
)
def past_one_cycle(view: View) -> Iterator[Found]:
    """More steps than a one-cycle has."""
    for scheduler in view.outermost:
        if scheduler.native is None or scheduler.name != "OneCycleLR":
            continue
        given, ticks = scheduler.native.arguments, view.ticks(scheduler)
        own, epochs, each = given.get("total_steps"), given.get("epochs"), given.get("steps_per_epoch")
        if own is None and isinstance(epochs, int) and isinstance(each, int):
            own = epochs * each
        if isinstance(own, int) and ticks is not None and ticks > own:
            yield Found(
                view.argument(scheduler, "total_steps", "epochs"),
                Both(f"it has {own} steps, and is stepped {ticks} times", f"共 {own} 步，却走 {ticks} 步"),
                Both(
                    f"ValueError: Tried to step {own + 1} times; {ticks - own} of {ticks} calls are never reached",
                    f"ValueError：第 {own + 1} 次 step() 报错，{ticks} 次中有 {ticks - own} 次到不了",
                ),
                Both(f"write total_steps={ticks}", f"写 total_steps={ticks}"),
            )


def _epochs_per_batch(view: View, scheduler: Scheduler) -> Iterator[Found]:
    """Every length of it lies within the number of epochs, and it is stepped in the loop over batches."""
    loops = scheduler.steps[0].loops
    epochs = next((loop.count for loop in loops if loop.kind == "epoch"), None)
    batches = next((loop.count for loop in loops if loop.kind == "batch"), None)
    if not isinstance(epochs, int) or epochs < 5 or scheduler.native is None:
        return
    if isinstance(batches, int) and batches * 5 <= epochs:
        return
    for native in natives_in(scheduler.native):
        for name in LENGTHS.get(native.name, ()):
            marks = whole_numbers(native.arguments.get(name))
            if not marks or max(marks) > epochs or max(marks) < 2:
                continue
            at = _argument(view, scheduler, native.name, name)
            if native.name in ("CosineAnnealingLR", "CosineAnnealingDecay"):
                told = Both(
                    f"the rate falls to its minimum in the first {marks[0]} batches and is back at its peak after "
                    f"{2 * marks[0]}, and so on through {epochs} epochs",
                    f"学习率在前 {marks[0]} 批就降到最低，{2 * marks[0]} 批后又回到峰值，如此反复 {epochs} 轮",
                )
            else:
                told = _drops(view, scheduler, native, marks)
            yield Found(
                at,
                Both(
                    f"{name}={_shown(native.arguments[name])} counts batches here, because step() is called after each "
                    f"batch; the run has {epochs} epochs",
                    f"{name}={_shown(native.arguments[name])} 在这里按批计数，因为每批都调用 step()；训练共 "
                    f"{epochs} 轮",
                ),
                told,
            )


def _drops(view: View, scheduler: Scheduler, native: Native, marks: list[int]) -> Both:
    """Where the rate falls, from the course of the whole scheduler over its first updates."""
    assert scheduler.native is not None
    several = 10 if native.name in ("StepLR", "StepDecay") else 1
    ticks = _begins(scheduler.native) + several * max(marks) + 1
    course = course_of_native(scheduler.native, ticks=ticks, unit="update", base=view.base_of(scheduler))
    if course is None:
        return Both(f"the first drop comes after {marks[0]} batches", f"{marks[0]} 批之后就第一次下降")
    falls = [
        int(t) for t, before, now in zip(course.t[1:], course.lr, course.lr[1:], strict=False) if now < 0.999 * before
    ]
    last = float(course.lr[-1])
    if several > 1:
        return Both(
            f"the rate drops every {marks[0]} batches: after {ticks - 1} of them it is {course.rate(last)}",
            f"每 {marks[0]} 批下降一次：{ticks - 1} 批后为 {course.rate_zh(last)}",
        )
    return Both(
        f"the rate drops at updates {' and '.join(map(str, falls))}, and is {course.rate(last)} for the rest of "
        "the run",
        f"学习率在第 {'、'.join(map(str, falls))} 次更新就下降，此后一直是 {course.rate_zh(last)}",
    )


def _begins(native: Native) -> int:
    """Updates before the last part of a sequence begins."""
    marks = native.arguments.get("milestones") if native.name == "SequentialLR" else None
    first = marks[-1] if marks else native.arguments.get("warmup_steps", 0) if native.name == "LinearWarmup" else 0
    return first if isinstance(first, int) else 0


def _batches_per_epoch(view: View, scheduler: Scheduler) -> Iterator[Found]:
    """A length of it is written with the number of batches, and it is stepped in the loop over epochs only."""
    loops = scheduler.steps[0].loops
    if not loops or loops[-1].kind != "epoch":
        return
    names = {
        "total_steps", "steps_per_epoch", "num_training_steps", "T_max", "total_iters", "num_warmup_steps", "step_size",
        "decay_steps", "warmup_steps", "max_iters",
    }  # fmt: skip
    for part in (scheduler, *scheduler.inner):
        bound = list(part.native.arguments) if part.native is not None else []
        given = [*zip(bound, part.node.args[1:], strict=False), *((k.arg or "", k.value) for k in part.node.keywords)]
        for name, value in given:
            if name in names and _counts_batches(view, value):
                epochs = loops[-1].count
                many = f"{epochs} times" if isinstance(epochs, int) else "once per epoch"
                yield Found(
                    view.spot(value),
                    Both(
                        f"{name}={view.script.source(value)} counts batches, but the scheduler is stepped once "
                        "per epoch",
                        f"{name}={view.script.source(value)} 按批计数，而调度器每轮只走一步",
                    ),
                    _barely(view, part, many),
                    Both("call step() after each batch, or count epochs", "每批之后调用 step()，或按轮计数"),
                )
                return


def _barely(view: View, part: Scheduler, many: str) -> Both:
    return Both(
        f"it is stepped {many}, one step for each whole pass over the data, so that it covers only the beginning "
        "of its "
        f"course",
        "它每过一遍数据才走一步，只走完曲线的开头（"
        f"{many.replace(' times', ' 步').replace('once per epoch', '每轮一步')}）",
    )


def _counts_batches(view: View, node: ast.expr, depth: int = 0) -> bool:
    """Whether an expression holds `len(some_loader)`, also behind names bound once."""
    if depth > 4:
        return False
    for n in ast.walk(node):
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "len" and n.args:
            text = view.script.source(n.args[0]).lower()
            if "loader" in text or "dataloader" in text:
                return True
        if isinstance(n, ast.Name):
            bound = view.assigned.get(n.id, [])
            if len(bound) == 1 and _counts_batches(view, bound[0], depth + 1):
                return True
    return False


def _argument(view: View, scheduler: Scheduler, name: str, argument: str) -> Any:
    part = next((s for s in (scheduler, *scheduler.inner) if s.name == name), scheduler)
    return view.argument(part, argument)


def _shown(x: Any) -> str:
    return str(whole_numbers(x) if isinstance(x, tuple) else x)
