"""Gradient accumulation: lost batches, and what is counted."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.training import CLEARS, by_optimizer, by_scaler, optimizer_of
from cadence.findings.view import View
from cadence.script.model import Call, Loop


@dataclass(frozen=True)
class Accumulation:
    """An update that is made once in several batches.

    Attributes:
        guard: the `if` that says when.
        every: batches in one update; None where it cannot be told.
        step: the call that makes it.
        loop: the loop over batches.
    """

    guard: ast.If
    every: int | None
    step: Call
    loop: Loop


def accumulations(view: View) -> Iterator[Accumulation]:
    """Updates under `if (i + 1) % n == 0`."""
    for call in view.calls("step"):
        if not call.loops or call.loops[-1].node is None or not (by_scaler(call) or by_optimizer(view, call)):
            continue
        loop = call.loops[-1]
        node: ast.AST | None = call.node
        while node is not None and node is not loop.node:
            if isinstance(node, ast.If) and (every := _modulo(view, node.test, loop)) is not False:
                yield Accumulation(node, every, call, loop)
                break
            node = view.script.parent(node)


def _modulo(view: View, test: ast.expr, loop: Loop) -> int | bool | None:
    """The divisor of `counter % n == k`; None where it cannot be told; False where the test is another."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    left = test.left
    if not isinstance(left, ast.BinOp) or not isinstance(left.op, ast.Mod):
        return False
    counters = {name.strip("() ") for name in loop.target.split(",")}
    if not view.names_in(left.left) & counters:
        return False
    every = view.number(left.right)
    return int(every) if every is not None else None


@rule(
    "CD404",
    "accumulation drops the last batches",
    "warning",
    about="script",
    why="Where the number of batches is no multiple of the accumulation, the last ones of an epoch make no update: "
    "their "
    "gradients are thrown away by zero_grad(), or leak into the first update of the next epoch.",
    fix="update at the end of the epoch too: if (i + 1) % n == 0 or i + 1 == len(loader)",
    source="measured: 10 batches in groups of 4 lose 2",
    example="for i, (x, y) in enumerate(loader):\n    ...\n    if (i + 1) % 4 == 0: optimizer.step(); "
    "optimizer.zero_grad()",
    zh=(
        "梯度累积丢掉最后几批",
        "批数不是累积步数的倍数时，每轮最后几批不产生更新：它们的梯度被 zero_grad() 丢弃，或漏到下一轮的第一次更新里。",
        "在一轮结束时也更新：if (i + 1) % n == 0 or i + 1 == len(loader)",
    ),
)
def drops_tail(view: View) -> Iterator[Found]:
    """An accumulation whose guard knows no end of the epoch, and no step after the loop."""
    for found in accumulations(view):
        if _endless(found.loop) or _stepped_after(view, found):
            continue
        n, batches = found.every, found.loop.count if isinstance(found.loop.count, int) else None
        if n is not None and (n <= 1 or (batches is not None and batches % n == 0)):
            continue
        if n is not None and batches is not None:
            told = Both(
                f"{batches % n} of {batches} batches in every epoch make no update of their own",
                f"每轮 {batches} 批中有 {batches % n} 批没有产生更新",
            )
        else:
            most = f"up to {n - 1}" if n else "some"
            zh = f"最多 {n - 1}" if n else "若干"
            told = Both(
                f"{most} batches at the end of every epoch make no update of their own", f"每轮末尾{zh}批没有产生更新"
            )
        yield Found(
            view.spot(found.guard.test),
            Both(
                f"{view.script.source(found.guard.test)} is false for the last batches unless they fill a group",
                f"最后几批若不满一组，{view.script.source(found.guard.test)} 就不成立",
            ),
            told,
        )


def _endless(loop: Loop) -> bool:
    """Whether a loop counts updates itself instead of passing over data."""
    return isinstance(loop.node, ast.While) or loop.over.startswith("range(") or "itertools" in loop.over


def _stepped_after(view: View, found: Accumulation) -> bool:
    """Whether the optimizer is stepped outside the guard, too: after the loop, or in another branch."""
    return any(
        other.node is not found.step.node
        and other.function == found.step.function
        and other.receiver == found.step.receiver
        and not view.inside(other.node, found.guard)
        for other in view.calls("step")
    )


@rule(
    "CD405",
    "the scheduler counts batches, the optimizer updates",
    "warning",
    about="script",
    why="With gradient accumulation the optimizer makes one update in several batches. A scheduler that is stepped "
    "after "
    "every batch runs through its course several times too fast.",
    fix="step the scheduler where the optimizer is stepped",
    source="torch.optim.lr_scheduler.LRScheduler.step",
    example="for i, batch in enumerate(loader):\n    ...\n    if (i + 1) % 4 == 0 or last: optimizer.step()\n    "
    "scheduler.step()",
    zh=(
        "调度器按批计数，优化器按更新计数",
        "梯度累积时优化器几批才更新一次。每批都走步的调度器会快上几倍走完曲线。",
        "在优化器走步的地方走步",
    ),
)
def counts_batches(view: View) -> Iterator[Found]:
    """A scheduler stepped outside the guard of an accumulation, in its loop."""
    for found in _guards(view):
        for scheduler in view.outermost:
            for step in view.sure_steps(scheduler):
                if step.loops and step.loops[-1] is found.loop and not step.conditions:
                    n = found.every
                    if n is not None and n <= 1:
                        continue
                    told = f"{n} times" if n else "several times"
                    yield Found(
                        view.spot(step.node),
                        Both(
                            f"{step.receiver}.step() is called after every batch, {found.step.receiver}.step() is not",
                            f"{step.receiver}.step() 每批都调用，{found.step.receiver}.step() 却不是",
                        ),
                        Both(
                            f"the schedule runs {told} as fast as the updates",
                            f"调度器比更新快 {n} 倍" if n else "调度器比更新快几倍",
                        ),
                    )


def _guards(view: View) -> Iterator[Accumulation]:
    """Accumulations, also those whose guard has a second condition for the end of the epoch."""
    yield from accumulations(view)
    for call in view.calls("step"):
        if not call.loops or not (by_scaler(call) or by_optimizer(view, call)):
            continue
        node: ast.AST | None = call.node
        while node is not None and node is not call.loops[-1].node:
            if isinstance(node, ast.If) and isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or):
                for part in node.test.values:
                    every = _modulo(view, part, call.loops[-1])
                    if every is not False:
                        yield Accumulation(node, every, call, call.loops[-1])
                break
            node = view.script.parent(node)


@rule(
    "CD406",
    "accumulated gradients are cleared at every batch",
    "error",
    about="script",
    why="zero_grad() at every batch throws away what the batches before it added: the update uses the last one only.",
    fix="call zero_grad() right after optimizer.step(), under the same condition",
    source="torch.optim.Optimizer.zero_grad",
    example="for i, batch in enumerate(loader):\n    optimizer.zero_grad(); loss(batch).backward()\n"
    "    if (i + 1) % 4 == 0 or last: optimizer.step()",
    zh=(
        "每批都清掉累积的梯度",
        "每批都调用 zero_grad() 会丢掉之前各批累积的梯度：更新只用到最后一批。",
        "把 zero_grad() 放在 optimizer.step() 之后、同一条件之下",
    ),
)
def cleared_too_often(view: View) -> Iterator[Found]:
    """zero_grad outside the guard of an accumulation, in its loop."""
    for found in _guards(view):
        if found.every is not None and found.every <= 1:
            continue
        for clear in view.calls(*CLEARS):
            if (
                clear.loops
                and clear.loops[-1] is found.loop
                and not clear.conditions
                and clear.receiver == optimizer_of(found.step)
            ):
                share = f"{found.every - 1} of {found.every}" if found.every else "most"
                yield Found(
                    view.spot(clear.node),
                    Both(
                        f"{clear.receiver}.{clear.method}() runs at every batch",
                        f"每批都执行 {clear.receiver}.{clear.method}()",
                    ),
                    Both(
                        f"the gradients of {share} batches are computed and thrown away",
                        f"{share.replace(' of ', '/')} 的批次的梯度算出后被丢弃",
                    ),
                )
