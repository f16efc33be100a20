"""Good to know: what is not watched."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.finding import Both, Spot
from cadence.findings.rule import Found, rule
from cadence.findings.view import View
from cadence.script.model import is_number


@rule(
    "CD805",
    "the training is not validated",
    "information",
    about="script",
    why="Whether a schedule helps shows in the validation loss only: every drop of the rate lowers the training loss.",
    fix="evaluate on held-out data after each epoch, under model.eval() and torch.no_grad()",
    source="usual practice",
    example="for epoch in range(90):\n    train_one_epoch(); scheduler.step()  # and nothing else",
    zh=(
        "训练没有验证",
        "调度是否有用只能从验证损失看出：每次降学习率都会降低训练损失。",
        "每轮之后在留出数据上评估，用 model.eval() 与 torch.no_grad()",
    ),
)
def no_validation(view: View) -> Iterator[Found]:
    """A training with a scheduler over at least ten epochs and not a word of evaluation."""
    if not _long_training(view):
        return
    words = (
        "eval",
        "valid",
        "val_",
        "_val",
        "test",
        "dev_",
        "holdout",
        "held_out",
        "no_grad",
        "inference_mode",
        "score",
    )
    if view.mentions(*words):
        return
    yield Found(
        _loop_spot(view),
        Both("the script trains and never evaluates", "脚本只训练，从不评估"),
        Both(_epochs(view), f"{view.epochs} 轮没有一次验证"),
    )


def _epochs(view: View) -> str:
    return f"{view.epochs} epochs without one evaluation"


@rule(
    "CD806",
    "the rate is not logged",
    "information",
    about="script",
    why="A schedule that is not logged cannot be checked: most of the mistakes in this list would be seen in one "
    "look at "
    "the rate over time.",
    fix='log scheduler.get_last_lr(), or every group["lr"], with the number of updates as the axis',
    source="usual practice",
    example="for epoch in range(90):\n    train(); print(epoch, loss.item()); scheduler.step()",
    zh=(
        "没有记录学习率",
        "不记录就无法检查：本清单里的多数错误，看一眼学习率曲线就能发现。",
        '记录 scheduler.get_last_lr() 或每个 group["lr"]，横轴用更新次数',
    ),
)
def no_rate_log(view: View) -> Iterator[Found]:
    """Something is logged or printed, and the rate is not."""
    if not _long_training(view) or not any(s.steps for s in view.outermost):
        return
    if view.mentions(
        "get_last_lr", "get_lr", "LearningRateMonitor", "_last_lr", "last_lr", "current_lr", "learning rate"
    ):
        return
    if any(c.node.args == [] and c.method in {s.variable for s in view.outermost} for c in view.script.calls):
        return
    for node in view.of(ast.Subscript):
        if isinstance(node.slice, ast.Constant) and node.slice.value == "lr" and isinstance(node.ctx, ast.Load):
            return
    yield Found(
        _loop_spot(view),
        Both("the rate appears in no log or print", "没有任何日志或打印包含学习率"),
        Both(f"{view.epochs} epochs whose rate nobody has seen", f"{view.epochs} 轮的学习率没人看见"),
    )


def _long_training(view: View) -> bool:
    trains = any(step.loops for o in view.script.optimizers for step in o.steps)
    return trains and bool(view.outermost) and view.epochs is not None and view.epochs >= 10


def _loop_spot(view: View) -> Spot | None:
    loops = [loop.node for loop in view.script.loops if loop.kind == "epoch" and loop.node is not None]
    return view.head(loops[0]) if loops else None


@rule(
    "CD807",
    "only the first group's rate is logged",
    "information",
    about="script",
    why="param_groups[0] is one group of several: what the others do is not seen.",
    fix='log every group: for i, g in enumerate(optimizer.param_groups): log(f"lr/{i}", g["lr"], step)',
    source="torch.optim.Optimizer.param_groups",
    example='writer.add_scalar("Learning Rate", optimizer.param_groups[0]["lr"], epoch)  # and there are two groups',
    zh=(
        "只记录了第一组的学习率",
        "param_groups[0] 只是几组中的一组，其余看不到。",
        '记录每一组：for i, g in enumerate(optimizer.param_groups): log(f"lr/{i}", g["lr"], step)',
    ),
)
def first_group_only(view: View) -> Iterator[Found]:
    """A log of param_groups[0]["lr"] where the groups differ."""
    for call in view.calls("add_scalar", "log", "log_metric", "info", "print"):
        for node in ast.walk(call.node):
            if not (
                isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == "lr"
            ):
                continue
            first = node.value
            if not (
                isinstance(first, ast.Subscript) and isinstance(first.slice, ast.Constant) and first.slice.value == 0
            ):
                continue
            for optimizer in view.script.optimizers:
                rates = [r for r in view.rates_of(optimizer) if is_number(r)]
                if len(set(rates)) > 1:
                    yield Found(
                        view.spot(node),
                        Both(f"there are {len(optimizer.groups)} groups", f"共有 {len(optimizer.groups)} 个参数组"),
                        Both(
                            f"rates of {', '.join(f'{r:g}' for r in rates[1:])} are not logged",
                            f"{'、'.join(f'{r:g}' for r in rates[1:])} 没有记录",
                        ),
                    )
                    return
