"""What was never there, or is no longer made."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import View

OPTIMIZERS = {
    "torch.optim": frozenset(
        {"ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam", "Optimizer"}
        | {"RAdam", "RMSprop", "Rprop", "SGD", "SparseAdam"}
    ),
    "paddle.optimizer": frozenset(
        {"ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Lamb", "Momentum", "NAdam", "Optimizer"}
        | {"RAdam", "RMSProp", "Rprop", "SGD"}
    ),
}
"""The optimizers of two frameworks."""

ABSENT = frozenset({"lamb", "lars", "adabound", "adabelief", "lion", "ranger", "novograd", "sophia"})
"""Methods that are named together with theirs, and in neither."""


@rule(
    "CD306",
    "there is no such optimizer",
    "error",
    about="script",
    why="LAMB, LARS and AdaBound are often named together with torch's optimizers, which they do not belong to; "
    "paddle has "
    "Lamb, and no AdaBound. A name in other letters (RMSProp for RMSprop) is another name.",
    fix="write the name that the framework has; cadence.optimizer has lamb, pytorch_optimizer and timm.optim all three",
    source="torch.optim of torch 2.13; paddle.optimizer of paddle 3.3",
    example="optimizer = torch.optim.LAMB(model.parameters(), lr=1e-3)",
    zh=(
        "没有这个优化器",
        "LAMB、LARS、AdaBound 常与 torch 的优化器并提，但 torch 里没有；paddle 有 Lamb，没有 AdaBound。大小写不同"
        "（RMSProp 与 RMSprop）就是另一个名字。",
        "写框架里真实的名字；cadence.optimizer 有 lamb，pytorch_optimizer 与 timm.optim 三者都有",
    ),
)
def no_such_optimizer(view: View) -> Iterator[Found]:
    """Optimizers that a framework does not have, or writes otherwise."""
    for call in view.script.calls:
        module, _, name = call.path.rpartition(".")
        have = OPTIMIZERS.get(module)
        if have is None or name in have:
            continue
        other = next((each for each in have if each.lower() == name.lower()), None)
        # A class of the module that is none of these may be of another version; these are of none.
        if other is not None or name.lower() in ABSENT:
            meant = f"; did you mean {other!r}?" if other else ""
            yield Found(
                view.spot(call.node.func),
                Both(f"{module} has no {name}{meant}", f"{module} 没有 {name}{meant}"),
                f"AttributeError: module {module!r} has no attribute {name!r}",
            )


@rule(
    "CD307",
    "LAMB does not take these arguments",
    "error",
    about="script",
    why="No library's LAMB has adam_like or trust_ratio_clip: timm calls the clip trust_clip, and "
    "pytorch_optimizer has "
    "adam=, which sets the trust ratio to 1, so that what remains is Adam and no LAMB.",
    fix="write trust_clip=True (timm), and leave adam_like out",
    source="timm.optim.Lamb; pytorch_optimizer.Lamb",
    example="optimizer = Lamb(model.parameters(), lr=1e-3, adam_like=True, trust_ratio_clip=True)",
    zh=(
        "LAMB 没有这些参数",
        "没有哪个库的 LAMB 接受 adam_like 或 trust_ratio_clip：timm 的叫 trust_clip；pytorch_optimizer 有 adam=，"
        "它把信任比设为 1，剩下的就是 Adam 而不是 LAMB。",
        "写 trust_clip=True（timm），并去掉 adam_like",
    ),
)
def lamb_arguments(view: View) -> Iterator[Found]:
    """Arguments that no LAMB has."""
    for call in view.script.calls:
        if call.method.lower() not in ("lamb", "fusedlamb"):
            continue
        for keyword in call.node.keywords:
            if keyword.arg in ("adam_like", "trust_ratio_clip"):
                yield Found(
                    view.spot(keyword),
                    Both(f"{call.method} has no argument {keyword.arg}", f"{call.method} 没有参数 {keyword.arg}"),
                    f"TypeError: {call.method}.__init__() got an unexpected keyword argument {keyword.arg!r}",
                )


@rule(
    "CD308",
    "torchtext is no longer developed",
    "information",
    about="script",
    why="The last release of torchtext is 0.18, of April 2024; it is not built for later versions of torch.",
    fix="use datasets or plain Python for the text, and a tokenizer library",
    source="pytorch/text: archived",
    example="import torchtext",
    zh=(
        "torchtext 已停止开发",
        "torchtext 的最后版本是 2024 年 4 月的 0.18，不为之后的 torch 构建。",
        "文本处理改用 datasets 或纯 Python",
    ),
)
def torchtext(view: View) -> Iterator[Found]:
    """An import of torchtext."""
    for node in view.of(ast.Import, ast.ImportFrom):
        named = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if any(name.partition(".")[0] == "torchtext" for name in named):
            yield Found(view.spot(node), Both("the script imports torchtext", "脚本导入了 torchtext"))
            return
