"""What is particular to PaddlePaddle."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import PLATEAUS, View, whole_numbers
from cadence.script.model import Scheduler, is_number


@rule(
    "CD501",
    "no optimizer has the scheduler as its learning rate",
    "error",
    about="script",
    why="In paddle a scheduler governs the optimizer that was made with learning_rate=scheduler, and no other. "
    "Made beside "
    "it, its step() moves a number that nobody reads.",
    fix="write learning_rate=scheduler where the optimizer is made",
    source="paddle.optimizer.Optimizer",
    example="scheduler = paddle.optimizer.lr.StepDecay(0.1, 30)\n"
    "optimizer = paddle.optimizer.Momentum(learning_rate=0.1, parameters=model.parameters())",
    zh=(
        "没有优化器以该调度器为学习率",
        "paddle 的调度器只作用于以 learning_rate=scheduler 构造的优化器。放在一边，它的 step() 改的是一个没人读的数。",
        "构造优化器时写 learning_rate=scheduler",
    ),
)
def not_bound(view: View) -> Iterator[Found]:
    """A paddle scheduler that is stepped, and optimizers that all have a number."""
    optimizers = [o for o in view.script.optimizers if o.framework == "paddle"]
    if not optimizers or not all(is_number(o.lr) for o in optimizers):
        return
    for scheduler in view.outermost:
        if (
            scheduler.framework == "paddle"
            and scheduler.steps
            and scheduler.optimizer is None
            and not _given(view, scheduler)
        ):
            rate = optimizers[0].lr
            yield Found(
                view.spot(scheduler.node),
                Both(
                    f"{scheduler.variable or scheduler.name} is stepped, and the {optimizers[0].name} of "
                    f"{view.script.at(optimizers[0].line)} has learning_rate={rate}",
                    f"{scheduler.variable or scheduler.name} 在走步，而第 {optimizers[0].line} 行的 "
                    f"{optimizers[0].name} 用的是 "
                    f"learning_rate={rate}",
                ),
                Both(f"every update is made with {rate}", f"每次更新的学习率都是 {rate}"),
                Both(
                    f"write learning_rate={scheduler.variable or 'scheduler'}",
                    f"写 learning_rate={scheduler.variable or 'scheduler'}",
                ),
            )


def _given(view: View, scheduler: Scheduler) -> bool:
    """Whether the scheduler's variable is an argument of any call but its own."""
    last = scheduler.variable.rpartition(".")[2]
    for call in view.script.calls:
        for given in [*call.node.args, *(k.value for k in call.node.keywords)]:
            name = given.id if isinstance(given, ast.Name) else given.attr if isinstance(given, ast.Attribute) else None
            if last and name == last:
                return True
    return False


@rule(
    "CD502",
    "set_lr is refused while a scheduler is attached",
    "error",
    about="script",
    why="paddle's optimizer.set_lr() raises where the learning rate is a scheduler.",
    fix="change the schedule, or replace it with optimizer.set_lr_scheduler(...)",
    source="paddle.optimizer.Optimizer.set_lr",
    example="optimizer = SGD(learning_rate=scheduler, ...)\noptimizer.set_lr(0.01)",
    zh=(
        "有调度器时不能 set_lr",
        "学习率是调度器时，paddle 的 optimizer.set_lr() 会报错。",
        "改调度器，或用 optimizer.set_lr_scheduler(...) 替换",
    ),
)
def set_lr(view: View) -> Iterator[Found]:
    """set_lr on an optimizer whose rate is a scheduler."""
    for call in view.calls("set_lr"):
        if not isinstance(call.node.func, ast.Attribute):
            continue
        makers = view.script.made_by(call.node.func.value)
        for optimizer in view.script.optimizers:
            if (
                optimizer.framework == "paddle"
                and isinstance(optimizer.lr, Scheduler)
                and any(m is optimizer.node for m in makers)
            ):
                yield Found(
                    view.spot(call.node),
                    Both(
                        f"the learning rate of {call.receiver} is a {optimizer.lr.name}",
                        f"{call.receiver} 的学习率是 {optimizer.lr.name}",
                    ),
                    "RuntimeError: optimizer's learning rate can't be LRScheduler when invoke this API",
                )


@rule(
    "CD503",
    "a group's learning_rate is a multiple, not a rate",
    "warning",
    about="script",
    why="In a parameter group of paddle, learning_rate multiplies the optimizer's rate (in torch, lr is the rate "
    "itself). A "
    "rate written there makes the group's real one thousands of times too small.",
    fix="write the ratio: learning_rate=0.5 for half the optimizer's rate",
    source="paddle.optimizer.Optimizer: parameters as a list of dict",
    example='AdamW(learning_rate=1e-3, parameters=[{"params": backbone, "learning_rate": 5e-4}, {"params": head}])',
    zh=(
        "参数组的 learning_rate 是倍数而不是学习率",
        "paddle 参数组里的 learning_rate 是优化器学习率的倍数（torch 的 lr 是学习率本身）。在那里写学习率，实际值"
        "会小几千倍。",
        "写比例：要一半就写 learning_rate=0.5",
    ),
)
def group_rate(view: View) -> Iterator[Found]:
    """A multiplier that looks like a rate."""
    for optimizer in view.script.optimizers:
        base = optimizer.lr
        if isinstance(base, Scheduler):
            base = view.base_of(base)
        if optimizer.framework != "paddle" or not is_number(base) or base <= 0:
            continue
        for group in optimizer.groups:
            factor = group.get("learning_rate")
            # Of the size of the rate itself: no one wants a ten-thousandth of it.
            if is_number(factor) and 0 < factor <= 0.005 and 0.01 * base <= factor <= 100 * base:
                yield Found(
                    view.spot(optimizer.node),
                    Both(
                        f"learning_rate={factor:g} in a group multiplies the optimizer's {base:g}",
                        f"参数组里的 learning_rate={factor:g} 会乘以优化器的 {base:g}",
                    ),
                    Both(f"the group trains at {factor * base:.3g}", f"该组的学习率是 {factor * base:.3g}"),
                    Both(
                        f"write learning_rate={factor / base:g} if {factor:g} is meant",
                        f"若想要 {factor:g}，写 learning_rate={factor / base:g}",
                    ),
                )


@rule(
    "CD504",
    "CosineAnnealingWarmRestarts of paddle forgets where it was",
    "warning",
    about="script",
    why="Its state holds the epoch but not the place in the cycle: after a resume the cycle begins anew. Inside "
    "LinearWarmup the resume is right.",
    fix="call scheduler.step(epoch) with the epoch once after loading, which computes the place",
    source="measured on paddle 3.3.1: T_0=5, resumed at 4: 0.0095, then 0.0905 where the restart to 0.1 was due",
    example="scheduler = CosineAnnealingWarmRestarts(0.1, T_0=5)\nscheduler.set_state_dict(saved)",
    zh=(
        "paddle 的 CosineAnnealingWarmRestarts 不记得位置",
        "它的状态里有轮次，却没有周期内的位置：恢复后周期从头开始。放在 LinearWarmup 里则恢复正确。",
        "加载后用轮次调用一次 scheduler.step(epoch)，位置会重新计算",
    ),
)
def restarts_resumed(view: View) -> Iterator[Found]:
    """The state of a paddle optimizer or scheduler is loaded, and it has warm restarts on its own."""
    loads = view.calls("set_state_dict", "set_dict")
    for scheduler in view.outermost:
        if scheduler.framework != "paddle" or scheduler.name != "CosineAnnealingWarmRestarts":
            continue
        names = {scheduler.variable, scheduler.optimizer.variable if scheduler.optimizer else ""} - {""}
        if any(call.receiver in names for call in loads) and not any(step.arguments for step in scheduler.steps):
            period = scheduler.native.arguments.get("T_0") if scheduler.native is not None else None
            told = Both(
                f"a run resumed inside a cycle of {period} starts the cycle again, at the peak's side",
                f"在长度 {period} 的周期中恢复，周期从头再来",
            )
            yield Found(
                view.spot(scheduler.node), Both("its state is loaded in this script", "脚本加载了它的状态"), told
            )


@rule(
    "CD505",
    "paddle.Model steps the scheduler after every batch",
    "warning",
    about="script",
    why="paddle.Model.fit steps the scheduler of its optimizer once per batch, unless the callback LRScheduler says "
    "otherwise. Numbers of epochs are then numbers of batches.",
    fix="pass callbacks=[paddle.callbacks.LRScheduler(by_step=False, by_epoch=True)] to fit",
    source="paddle.callbacks.LRScheduler(by_step=True, by_epoch=False)",
    example="scheduler = MultiStepDecay(0.05, milestones=[80, 120])\nmodel.fit(data, epochs=160)",
    zh=(
        "paddle.Model 每批都走步",
        "除非回调 LRScheduler 另有说明，paddle.Model.fit 每批走一步。按轮写的数就成了批数。",
        "给 fit 传 callbacks=[paddle.callbacks.LRScheduler(by_step=False, by_epoch=True)]",
    ),
)
def high_level(view: View) -> Iterator[Found]:
    """fit() with epoch-sized numbers in the scheduler, and no callback for it."""
    if not view.calls_of("paddle.Model") or view.mentions("by_epoch") or view.calls_of("paddle.callbacks.LRScheduler"):
        return
    for fit in view.calls("fit"):
        epochs = view.number(fit.kwargs.get("epochs"))
        if epochs is None or epochs < 5:
            continue
        for scheduler in view.script.schedulers:
            if (
                scheduler.framework != "paddle"
                or scheduler.native is None
                or scheduler.name in PLATEAUS
                or scheduler.steps
            ):
                continue
            for name in ("milestones", "step_size", "T_max"):
                given = scheduler.native.arguments.get(name)
                marks = whole_numbers(given)
                if marks and 2 <= max(marks) <= epochs:
                    yield Found(
                        view.argument(scheduler, name),
                        Both(
                            f"{name}={given} counts batches, and fit runs {epochs:g} epochs",
                            f"{name}={given} 按批计数，而 fit 训练 {epochs:g} 轮",
                        ),
                        Both(
                            f"the schedule is through {max(marks)} after {max(marks)} batches",
                            f"{max(marks)} 批之后曲线就走到 {max(marks)}",
                        ),
                    )
