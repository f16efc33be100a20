"""What was never there, or is no longer made."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import View


@rule(
    "CD306",
    "torch has no such optimizer",
    "error",
    about="script",
    why="LAMB, LARS and AdaBound are often named together with torch's optimizers, which they do not belong to.",
    fix="cadence.optimizer has lamb; timm.optim and pytorch_optimizer have all three",
    source="torch.optim of torch 2.13",
    example="optimizer = torch.optim.LAMB(model.parameters(), lr=1e-3)",
    zh=(
        "torch 没有这个优化器",
        "LAMB、LARS、AdaBound 常与 torch 的优化器并提，但 torch 里没有它们。",
        "cadence.optimizer 有 lamb；timm.optim 与 pytorch_optimizer 三者都有",
    ),
)
def no_such_optimizer(view: View) -> Iterator[Found]:
    """Optimizers that torch does not have."""
    absent = {"lamb", "lars", "adabound", "adabelief", "lion", "ranger", "novograd", "sophia"}
    for call in view.script.calls:
        module, _, name = call.path.rpartition(".")
        if module == "torch.optim" and name.lower() in absent:
            yield Found(
                view.spot(call.node.func),
                Both(f"torch.optim has no {name}", f"torch.optim 没有 {name}"),
                f"AttributeError: module 'torch.optim' has no attribute {name!r}",
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
