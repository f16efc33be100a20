"""Schedulers and the optimizer they were made for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from cadence.findings.chained import CLOSED
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import View
from cadence.script.model import is_number


@rule(
    "CD203",
    "the scheduler belongs to another optimizer",
    "warning",
    about="script",
    why="A scheduler changes the optimizer that it was given. If another one is stepped, the rate of that one never "
    "changes. It happens where the optimizer is made again after the scheduler.",
    fix="make the scheduler last, for the optimizer that is stepped",
    source="torch.optim.lr_scheduler.LRScheduler.__init__",
    example="optimizer = SGD(...); scheduler = StepLR(optimizer, 30)\noptimizer = AdamW(...)  # scheduler still "
    "has SGD",
    zh=(
        "调度器绑定的是另一个优化器",
        "调度器只改变构造时给它的优化器。若训练用的是另一个，那一个的学习率永远不变。常见于在调度器之后又重建优化器。",
        "最后才构造调度器，并给它真正在用的优化器",
    ),
)
def other_optimizer(view: View) -> Iterator[Found]:
    """A scheduler that is stepped for an optimizer that is not, while another is."""
    stepped = [o for o in view.script.optimizers if o.steps]
    if not stepped or any(problem.kind == "binding" for problem in view.script.problems):
        return
    for scheduler in view.outermost:
        own = scheduler.optimizer
        if scheduler.framework != "torch" or own is None or not scheduler.steps or own.steps:
            continue
        same = [o for o in stepped if o.variable == own.variable and o.function == own.function]
        if not same or same[0].line < scheduler.line:
            continue
        other = same[0]
        rate = f"{other.lr:g}" if is_number(other.lr) else "its first rate"
        rate_zh = f"{other.lr:g}" if is_number(other.lr) else "初值"
        yield Found(
            view.spot(scheduler.node),
            Both(
                f"it changes the {own.name} of {view.script.at(own.line)}, but the {other.name} of "
                f"{view.script.at(other.line)} is stepped",
                f"它改变的是第 {own.line} 行的 {own.name}，而训练用的是第 {other.line} 行的 {other.name}",
            ),
            Both(f"{other.name} trains at {rate} from beginning to end", f"{other.name} 自始至终用 {rate_zh} 训练"),
        )


@rule(
    "CD209",
    "a parameter group is added after the scheduler was made",
    "error",
    about="script",
    why="A scheduler of torch counts the groups when it is made. LambdaLR and CosineAnnealingWarmRestarts then "
    "raise at "
    "the next step, OneCycleLR misses its initial_lr, and the recursive ones treat the new group as if it had "
    "been there.",
    fix="add all groups before the scheduler is made; set the rate of frozen ones to what they should get later",
    source="torch.optim.Optimizer.add_param_group; torch.optim.lr_scheduler",
    example='scheduler = LambdaLR(optimizer, f)\noptimizer.add_param_group({"params": head.parameters()})',
    zh=(
        "构造调度器之后又添加参数组",
        "torch 的调度器在构造时数参数组。之后 LambdaLR 与 CosineAnnealingWarmRestarts 在下一步报错，OneCycleLR 缺 "
        "initial_lr，递归式的则把新组当作一直都在。",
        "在构造调度器之前加好所有参数组",
    ),
)
def group_added_late(view: View) -> Iterator[Found]:
    """add_param_group on the optimizer of a scheduler that is made before."""
    for scheduler in view.outermost:
        own = scheduler.optimizer
        if scheduler.framework != "torch" or own is None or scheduler.name not in CLOSED:
            continue
        for call in view.calls("add_param_group"):
            after = call.line > scheduler.line and call.function == scheduler.function
            if after and any(made is own.node for made in view.script.made_by(call.node.func.value)):  # type: ignore[attr-defined]
                kind = "KeyError: 'initial_lr'" if scheduler.name == "OneCycleLR" else "ValueError"
                yield Found(
                    view.spot(call.node),
                    Both(
                        f"the {scheduler.name} of {view.script.at(scheduler.line)} does not know this group",
                        f"第 {scheduler.line} 行的 {scheduler.name} 不知道这个参数组",
                    ),
                    f"{kind} at the next step",
                )


@rule(
    "CD210",
    "a list that is not as long as the groups",
    "error",
    about="script",
    why="A list of functions or rates has one entry for each parameter group of the one optimizer; it is no list "
    "for several "
    "optimizers.",
    fix="write one entry for each group",
    source="torch.optim.lr_scheduler.LambdaLR, OneCycleLR, CyclicLR, ReduceLROnPlateau",
    example="optimizer = SGD(model.parameters(), lr=0.1)\nscheduler = LambdaLR(optimizer, [f, g])",
    zh=(
        "列表长度与参数组数不同",
        "函数或学习率的列表，每个参数组一项；它不是给几个优化器用的。",
        "每个参数组写一项",
    ),
)
def list_of_groups(view: View) -> Iterator[Found]:
    """lr_lambda, max_lr, base_lr or min_lr as a list of another length."""
    for scheduler in view.script.schedulers:
        own = scheduler.optimizer
        if scheduler.framework != "torch" or scheduler.native is None or own is None:
            continue
        groups = len(own.groups) if own.groups else 1 if own.grouped is False else None
        for name in ("lr_lambda", "max_lr", "base_lr", "min_lr"):
            given = cast("list[Any]", scheduler.native.arguments.get(name))
            if groups is not None and isinstance(given, (list, tuple)) and len(given) != groups:
                yield Found(
                    view.argument(scheduler, name),
                    Both(
                        f"{name} has {len(given)} entries, and the optimizer {groups} group{'s' * (groups != 1)}",
                        f"{name} 有 {len(given)} 项，而优化器有 {groups} 个参数组",
                    ),
                    f"ValueError: expected {groups} values for {name}",
                )
