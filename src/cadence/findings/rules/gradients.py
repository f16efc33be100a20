"""Gradients that are never cleared, and models that are not where the data is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.finding import Both, Edit
from cadence.findings.rule import Found, rule
from cadence.findings.training import CLEARS, alone, before, optimizer_of, statement, steps_in
from cadence.findings.view import View
from cadence.script.model import Call, Loop


def updates(view: View) -> Iterator[tuple[Call, Loop]]:
    """Calls of backward() in a loop over batches, and that loop."""
    for call in view.calls("backward"):
        if call.loops and call.loops[-1].kind in ("batch", "epoch", "other"):
            yield call, call.loops[-1]


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
            node = statement(view, call.node)
            edits: tuple[Edit, ...] = ()
            optimizer = optimizer_of(stepped[0])
            if optimizer and node is not None and alone(view, node):
                edits = (before(view, node, f"{optimizer}.zero_grad()"),)
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
    """The one call that makes a model of a name: of a class of the script that is an nn.Module, or of torchvision."""
    bound = view.assigned.get(name, [])
    if len(bound) != 1 or not isinstance(bound[0], ast.Call):
        return None
    if any(isinstance(part, ast.Call) for part in ast.walk(bound[0].func)):
        # resnet18().to(device): what is bound has been through other hands.
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


@rule(
    "CD408",
    "the labels are never used",
    "error",
    about="script",
    why="model(images).loss is computed by the model only where it is given the labels. Without them there is no "
    "loss, or "
    "one that has nothing to do with them.",
    fix="give the model its labels, model(images, labels=labels).loss, or compute criterion(model(images), labels)",
    source="transformers: a model returns a loss where labels are given",
    example="for images, labels in loader:\n    loss = model(images).loss / 4\n    loss.backward()",
    zh=(
        "标签从未使用",
        "只有把标签交给模型，model(images).loss 才有意义。没有标签就没有损失，或损失与标签无关。",
        "把标签交给模型：model(images, labels=labels).loss，或用 criterion(model(images), labels)",
    ),
)
def labels_unused(view: View) -> Iterator[Found]:
    """`model(x).loss` in a loop over (x, y) whose y is never read."""
    for node in view.of(ast.Attribute):
        if node.attr != "loss" or not isinstance(node.value, ast.Call) or not isinstance(node.value.func, ast.Name):
            continue
        loops = [loop.node for loop in view.script.loops_around(node) if isinstance(loop.node, ast.For)]
        if not loops or len(node.value.args) != 1 or node.value.keywords:
            continue
        target = loops[-1].target
        while isinstance(target, ast.Tuple) and len(target.elts) == 2 and isinstance(target.elts[1], ast.Tuple):
            target = target.elts[1]
        if not isinstance(target, ast.Tuple) or len(target.elts) != 2:
            continue
        names = [each.id for each in target.elts if isinstance(each, ast.Name)]
        given = node.value.args[0]
        if len(names) != 2 or view.names_in(given) != {names[0]} or names[1].startswith("_"):
            continue
        read = {n.id for part in loops[-1].body for n in ast.walk(part) if isinstance(n, ast.Name)}
        if names[1] not in read:
            yield Found(
                view.spot(node),
                Both(f"{names[1]} of every batch is never read", f"每批的 {names[1]} 从未被读取"),
                Both(f"the loss does not depend on {names[1]}", f"损失与 {names[1]} 无关"),
            )
