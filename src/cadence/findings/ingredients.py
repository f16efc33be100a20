"""What an expression of a script is made of, through the names that were assigned before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.view import View


def ingredients(view: View, node: ast.expr) -> Iterator[ast.AST]:
    """Every node of an expression, and of what its bare names are assigned before it, each assignment once.

    Args:
        view: of the script.
        node: the expression.
    """
    waiting, seen = [node], {node}
    while waiting:
        here = waiting.pop()
        for part in ast.walk(here):
            yield part
            if isinstance(part, ast.Name):
                for value in view.assigned.get(part.id, ()):
                    if value not in seen and (value.lineno, value.col_offset) < (here.lineno, here.col_offset):
                        seen.add(value)
                        waiting.append(value)
