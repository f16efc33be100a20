"""The old names of mixed precision."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.finding import Both, Edit, Spot
from cadence.findings.rule import Found, rule
from cadence.findings.view import View

AMP = {"autocast", "GradScaler"}


@rule(
    "CD303",
    "torch.cuda.amp is deprecated",
    "warning",
    about="script",
    why="autocast and GradScaler of torch.cuda.amp warn at every use; torch.amp has them for every device.",
    fix='write torch.amp.autocast("cuda") and torch.amp.GradScaler("cuda")',
    source="torch.cuda.amp of torch 2.4 and later: FutureWarning",
    example="scaler = torch.cuda.amp.GradScaler()",
    zh=(
        "torch.cuda.amp 已弃用",
        "torch.cuda.amp 的 autocast 与 GradScaler 每次使用都会警告；torch.amp 对所有设备提供它们。",
        '写 torch.amp.autocast("cuda") 与 torch.amp.GradScaler("cuda")',
    ),
)
def cuda_amp(view: View) -> Iterator[Found]:
    """Names of torch.cuda.amp, each call with its patch; the import of them is patched with the first."""
    imports = [
        node
        for node in view.of(ast.ImportFrom)
        if node.module == "torch.cuda.amp" and all(alias.name in AMP for alias in node.names)
    ]
    edits = [edit for node in imports for edit in _module(view, node)]
    for call in view.script.calls:
        module, _, name = call.path.rpartition(".")
        if module != "torch.cuda.amp" or name not in AMP or call.conditions:
            # Under a condition it may be what an older version of torch gets.
            continue
        yield Found(
            view.spot(call.node.func),
            Both(f"torch.cuda.amp.{name} is deprecated", f"torch.cuda.amp.{name} 已弃用"),
            "FutureWarning at every call",
            Both(f'write torch.amp.{name}("cuda")', f'写 torch.amp.{name}("cuda")'),
            (*edits, *_renamed(view, call.node)),
        )


def _module(view: View, node: ast.ImportFrom) -> list[Edit]:
    whole = view.spot(node)
    line = view.lines[whole.line - 1]
    start = line.find("torch.cuda.amp", whole.column - 1)
    return [Edit(Spot(whole.line, start + 1, whole.line, start + 1 + len("torch.cuda.amp")), "torch.amp")]


def _renamed(view: View, call: ast.Call) -> list[Edit]:
    func, whole = view.spot(call.func), view.spot(call)
    text = "\n".join(view.lines[func.line - 1 : func.end_line])[func.column - 1 :]
    edits: list[Edit] = []
    if func.line == func.end_line and text.startswith("torch.cuda.amp."):
        edits.append(Edit(Spot(func.line, func.column, func.line, func.column + len("torch.cuda.amp")), "torch.amp"))
    opening = view.lines[func.end_line - 1].find("(", func.end_column - 1)
    if opening < 0:
        return []
    empty = not call.args and not call.keywords
    # A value in the first place was `enabled`.
    if call.args:
        first = view.spot(call.args[0])
        edits.append(Edit(Spot(first.line, first.column, first.line, first.column), '"cuda", enabled='))
        return edits
    edits.append(Edit(Spot(func.end_line, opening + 2, func.end_line, opening + 2), '"cuda"' + ("" if empty else ", ")))
    return edits if whole else []
