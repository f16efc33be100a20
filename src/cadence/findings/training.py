"""What rules about the training loop have in common: who steps what, and where a line can be put."""

from __future__ import annotations

import ast

from cadence.findings.finding import Edit, Spot
from cadence.findings.view import View
from cadence.script.model import Call, Loop

CLEARS = ("zero_grad", "clear_grad", "clear_gradients")
"""Methods that clear gradients, in torch and in paddle."""


def steps_in(view: View, loop: Loop) -> list[Call]:
    """Calls that update parameters somewhere in a loop."""
    return [
        call
        for call in view.calls("step", "minimize")
        if loop in call.loops and (by_scaler(call) or by_optimizer(view, call))
    ]


def by_scaler(call: Call) -> bool:
    """Whether a step goes through a loss scaler (or paddle's minimize)."""
    return ("scaler" in call.receiver.lower() and bool(call.args)) or call.method == "minimize"


def by_optimizer(view: View, call: Call) -> bool:
    """Whether a step is that of an optimizer of the script."""
    return any(step.node is call.node for o in view.script.optimizers for step in o.steps)


def optimizer_of(call: Call) -> str:
    """The optimizer that a step updates with, as it is written."""
    if by_scaler(call):
        return ast.unparse(call.node.args[0]) if call.node.args else ""
    return call.receiver


def statement(view: View, node: ast.AST) -> ast.stmt | None:
    """The statement that a node stands in."""
    while not isinstance(node, ast.stmt):
        around = view.script.parent(node)
        if around is None:
            return None
        node = around
    return node


def alone(view: View, node: ast.stmt) -> bool:
    """Whether a statement begins its line."""
    spot = view.spot(node)
    return not view.lines[spot.line - 1][: spot.column - 1].strip()


def before(view: View, node: ast.stmt, line: str) -> Edit:
    """The edit that puts a line before a statement, at its depth."""
    spot = view.spot(node)
    indent = view.lines[spot.line - 1][: spot.column - 1]
    return Edit(Spot(spot.line, 1, spot.line, 1), f"{indent}{line}\n")
