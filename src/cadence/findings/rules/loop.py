"""The training loop: gradients, accumulation, mixed precision, devices."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from cadence.findings.finding import Both, Edit, Spot
from cadence.findings.rule import Found, rule
from cadence.findings.view import View
from cadence.script.model import Call, Loop

CLEARS = ("zero_grad", "clear_grad", "clear_gradients")
CLIPS = ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm")


def updates(view: View) -> Iterator[tuple[Call, Loop]]:
    """Calls of backward() in a loop over batches, and that loop."""
    for call in view.calls("backward"):
        if call.loops and call.loops[-1].kind in ("batch", "epoch", "other"):
            yield call, call.loops[-1]


def steps_in(view: View, loop: Loop) -> list[Call]:
    """Calls that update parameters somewhere in a loop."""
    return [
        call
        for call in view.calls("step", "minimize")
        if loop in call.loops and (_is_scaler(call) or _is_optimizer(view, call))
    ]


def _is_scaler(call: Call) -> bool:
    return ("scaler" in call.receiver.lower() and bool(call.args)) or call.method == "minimize"


def _is_optimizer(view: View, call: Call) -> bool:
    return any(step.node is call.node for o in view.script.optimizers for step in o.steps)


@rule(
    "CD401",
    "gradients are never cleared",
    "error",
    about="script",
    why="backward() adds to the gradients that are there. Without zero_grad() every update is made with the sum of all "
    "gradients since the beginning.",
    fix="call optimizer.zero_grad() before loss.backward()",
    source="torch.Tensor.backward; paddle.Tensor.backward",
    example="for x, y in loader:\n    loss = criterion(model(x), y)\n    loss.backward(); optimizer.step()",
    zh=(
        "梯度从未清零",
        "backward() 把梯度累加到已有的梯度上。没有 zero_grad()，每次更新用的都是从头到现在所有梯度之和。",
        "在 loss.backward() 之前调用 optimizer.zero_grad()",
    ),
)
def no_zero_grad(view: View) -> Iterator[Found]:
    """backward() and step() in one loop, and no clearing anywhere."""
    if view.mentions(*CLEARS) or _sets_grad_none(view) or view.imports("lightning", "pytorch_lightning", "deepspeed"):
        return
    for call, loop in updates(view):
        stepped = [step for step in steps_in(view, loop) if not _made_in(view, step, loop)]
        if stepped and call.function == stepped[0].function:
            node = _statement(view, call.node)
            edits: tuple[Edit, ...] = ()
            optimizer = _optimizer_name(stepped[0])
            if optimizer and node is not None and _alone(view, node):
                edits = (_before(view, node, f"{optimizer}.zero_grad()"),)
            n = loop.count if isinstance(loop.count, int) else None
            last = f"update {n}" if n else "the 100th update"
            yield Found(
                view.spot(call.node),
                Both("no zero_grad() anywhere in the script", "整个脚本没有 zero_grad()"),
                Both(
                    f"{last} is made with the sum of {n or 100} gradients",
                    f"第 {n or 100} 次更新用的是 {n or 100} 个梯度之和",
                ),
                edits=edits,
            )
            return


def _made_in(view: View, step: Call, loop: Loop) -> bool:
    """Whether the optimizer of a step is made anew in every turn of a loop."""
    return any(
        any(own.node is step.node for own in optimizer.steps) and loop in view.script.loops_around(optimizer.node)
        for optimizer in view.script.optimizers
    )


def _sets_grad_none(view: View) -> bool:
    return any(
        isinstance(target, ast.Attribute) and target.attr in ("grad", "main_grad")
        for node in view.of(ast.Assign)
        for target in node.targets
    ) or any(call.path in ("torch.autograd.grad", "paddle.grad") for call in view.script.calls)


def _optimizer_name(call: Call) -> str:
    if _is_scaler(call):
        return ast.unparse(call.node.args[0]) if call.node.args else ""
    return call.receiver


def _statement(view: View, node: ast.AST) -> ast.stmt | None:
    while not isinstance(node, ast.stmt):
        around = view.script.parent(node)
        if around is None:
            return None
        node = around
    return node


def _alone(view: View, node: ast.stmt) -> bool:
    """Whether a statement begins its line."""
    spot = view.spot(node)
    return not view.lines[spot.line - 1][: spot.column - 1].strip()


def _before(view: View, node: ast.stmt, line: str) -> Edit:
    """The edit that puts a line before a statement, at its depth."""
    spot = view.spot(node)
    indent = view.lines[spot.line - 1][: spot.column - 1]
    return Edit(Spot(spot.line, 1, spot.line, 1), f"{indent}{line}\n")


@rule(
    "CD402",
    "gradients are clipped before they are unscaled",
    "error",
    about="script",
    why="Under a GradScaler the gradients are multiplied by the loss scale (65536 at first). Clipping them to a "
    "norm of 1 "
    "before unscale_() clips every one of them, so that after unscaling nearly nothing is left of an update.",
    fix="call scaler.unscale_(optimizer) before clipping",
    source="torch.amp: Working with unscaled gradients",
    example="scaler.scale(loss).backward()\nclip_grad_norm_(model.parameters(), 1.0)\nscaler.step(optimizer)",
    zh=(
        "裁剪梯度之前没有反缩放",
        "使用 GradScaler 时梯度乘了损失缩放因子（最初 65536）。在 unscale_() 之前裁剪到范数 1，所有梯度都会被裁，"
        "反缩放后更新几乎为零。",
        "裁剪前调用 scaler.unscale_(optimizer)",
    ),
)
def clip_before_unscale(view: View) -> Iterator[Found]:
    """Clipping between scaler.scale().backward() and scaler.step(), without unscale_."""
    scaled = [c for c in view.calls("step") if _is_scaler(c)]
    for step in scaled:
        where = {step.function}
        for clip in view.calls(*CLIPS):
            if clip.function not in where or clip.loops != step.loops or clip.line > step.line:
                continue
            if any(
                c.function in where and c.line <= clip.line and c.loops == clip.loops for c in view.calls("unscale_")
            ):
                continue
            norm = view.number(clip.args[1]) if len(clip.args) > 1 else view.number(clip.kwargs.get("max_norm"))
            node = _statement(view, clip.node)
            edits: tuple[Edit, ...] = ()
            if node is not None and _alone(view, node) and step.node.args:
                edits = (_before(view, node, f"{step.receiver}.unscale_({ast.unparse(step.node.args[0])})"),)
            real = "" if norm is None else f"{norm / 65536:.2g}"
            yield Found(
                view.spot(clip.node),
                Both(
                    f"{clip.method} clips gradients that {step.receiver} has not unscaled",
                    f"{clip.method} 裁剪的是 {step.receiver} 尚未反缩放的梯度",
                ),
                Both(
                    f"at the first scale of 65536 a norm of {norm:g} leaves {real} of real gradient",
                    f"缩放因子为 65536 时，范数 {norm:g} 实际只剩 {real}",
                )
                if norm is not None
                else "",
                edits=edits,
            )


@rule(
    "CD403",
    "the scheduler advances where the update was skipped",
    "warning",
    about="script",
    why="When gradients overflow, scaler.step() leaves the optimizer out. A scheduler that is stepped after every "
    "batch "
    "goes on all the same: the warmup ends too early, and torch warns that the scheduler came before the optimizer.",
    fix="step the scheduler only if the scale did not fall: scale = scaler.get_scale(); scaler.update(); "
    "scheduler.step() if scaler.get_scale() >= scale",
    source="torch.amp.GradScaler.step; measured: 3 overflows in 10 batches, 7 updates, scheduler at 10",
    example="for x, y in loader:\n    ...; scaler.step(optimizer); scaler.update(); scheduler.step()",
    zh=(
        "更新被跳过时调度器仍在前进",
        "梯度溢出时 scaler.step() 不执行优化器。每批都走步的调度器照样前进：预热过早结束，torch 还会警告调度器先于"
        "优化器。",
        "仅当缩放因子没有下降时才走步：scale = scaler.get_scale(); scaler.update(); scheduler.step() if "
        "scaler.get_scale() >= scale",
    ),
)
def advances_on_skipped(view: View) -> Iterator[Found]:
    """A scheduler stepped after each batch in a loop whose optimizer a GradScaler steps."""
    if view.mentions("get_scale", "step_was_skipped", "optimizer_step_was_skipped", "found_inf", "grad_scale"):
        return
    for scheduler in view.outermost:
        if scheduler.framework not in ("torch", "transformers"):
            continue
        for step in scheduler.steps:
            if step.per != "step" or not step.loops:
                continue
            scaled = [
                c
                for c in view.calls("step")
                if _is_scaler(c) and c.loops and c.loops[-1] is step.loops[-1] and c.function == step.function
            ]
            if scaled and not _enabled_false(view):
                yield Found(
                    view.spot(step.node),
                    Both(
                        f"{step.receiver}.step() follows {scaled[0].receiver}.step() whether that made an update "
                        "or not",
                        f"无论 {scaled[0].receiver}.step() 是否真的更新，{step.receiver}.step() 都会执行",
                    ),
                    Both(
                        "each overflow takes one step off the schedule: with the first scale of 65536 often "
                        "several in the "
                        "first updates",
                        "每次溢出都少一步：初始缩放因子 65536 时开头往往连续几次",
                    ),
                )


def _enabled_false(view: View) -> bool:
    """Whether every scaler is switched off in the script."""
    made = view.calls("GradScaler")
    return bool(made) and all(view.value(c.kwargs.get("enabled")) is False for c in made)


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
        if not call.loops or call.loops[-1].node is None or not (_is_scaler(call) or _is_optimizer(view, call)):
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
            for step in scheduler.steps:
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
        if not call.loops or not (_is_scaler(call) or _is_optimizer(view, call)):
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
                and clear.receiver == _optimizer_name(found.step)
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


@rule(
    "CD407",
    "the data is on the GPU, the model is not",
    "error",
    about="script",
    why="A model stays on the CPU until it is moved. Data on another device is an error at the first forward pass.",
    fix="move the model before the optimizer is made: model.to(device)",
    source="torch.nn.Module.to",
    example="model = resnet50()\nfor images, labels in loader:\n    images = images.cuda(); loss = "
    "criterion(model(images), ...)",
    zh=(
        "数据在 GPU 上，模型不在",
        "模型不移动就留在 CPU 上。数据在另一设备上，第一次前向就报错。",
        "构造优化器之前移动模型：model.to(device)",
    ),
)
def model_on_cpu(view: View) -> Iterator[Found]:
    """Batches are moved to CUDA for certain, and a model made in the script never is."""
    if view.mentions(
        "set_default_device", "set_default_tensor_type", "accelerator", "fabric", "deepspeed", "device_map"
    ):
        return
    for call in view.script.calls:
        if call.receiver or not call.path or not call.loops or not call.args:
            continue
        name = call.node.func.id if isinstance(call.node.func, ast.Name) else ""
        made = _maker(view, name)
        if made is None or not _on_cuda(view, call.args[0], call):
            continue
        if _moved(view, name, made):
            continue
        yield Found(
            view.spot(call.node),
            Both(f"{name} is never moved to the GPU, and its input is", f"{name} 从未移到 GPU，而它的输入在 GPU 上"),
            "RuntimeError: Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should be the same",
        )
        return


def _maker(view: View, name: str) -> ast.Call | None:
    """The one call that makes a model of a name: a class of the script that is an nn.Module, or one of "
    "torchvision's."""
    bound = view.assigned.get(name, [])
    if len(bound) != 1 or not isinstance(bound[0], ast.Call):
        return None
    path = view.script.path(bound[0].func)
    if path.startswith("torchvision.models.") or path in (
        "torch.nn.Sequential",
        "torch.nn.Linear",
        "timm.create_model",
    ):
        return bound[0]
    owner = view.script.classes.get(path)
    if owner is not None and any(view.script.path(b) in ("torch.nn.Module",) for b in owner.bases):
        return bound[0]
    return None


def _on_cuda(view: View, node: ast.expr, call: Call) -> bool:
    """Whether an expression was moved to CUDA for certain, in itself or in an assignment of the same loop."""
    if _cuda_call(view, node):
        return True
    if not isinstance(node, ast.Name):
        return False
    for assign in view.of(ast.Assign):
        if assign.lineno > call.line or call.loops[-1].node is None or not view.inside(assign, call.loops[-1].node):
            continue
        for target in assign.targets:
            pairs = (
                zip(target.elts, assign.value.elts, strict=False)
                if isinstance(target, ast.Tuple) and isinstance(assign.value, ast.Tuple)
                else [(target, assign.value)]
            )
            if any(isinstance(t, ast.Name) and t.id == node.id and _cuda_call(view, v) for t, v in pairs):
                return True
    return False


def _cuda_call(view: View, node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr == "cuda":
        return True
    where = view.value(node.args[0]) if node.func.attr == "to" and node.args else None
    return isinstance(where, str) and where.startswith("cuda")


def _moved(view: View, name: str, made: ast.Call) -> bool:
    """Whether the model is moved, wrapped or given away anywhere."""
    for call in view.script.calls:
        if call.receiver == name and call.method in ("to", "cuda", "half", "to_empty", "apply"):
            return True
        given = [*call.node.args, *(k.value for k in call.node.keywords)]
        if any(isinstance(a, ast.Name) and a.id == name for a in given):
            return True
    return view.inside(made, made) and isinstance(view.script.parent(made), ast.Attribute)
