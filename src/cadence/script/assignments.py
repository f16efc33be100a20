"""Assignments of a script that is followed, to names, fields, items, and rates of parameter groups."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, cast

from cadence._errors import ScriptError
from cadence.script.index import plain
from cadence.script.instance import Instance
from cadence.script.model import Unknown, is_number
from cadence.script.sims import MovingOptimizer
from cadence.script.slice import RATES

if TYPE_CHECKING:
    from cadence.script.follow import Follower
    from cadence.script.instance import Names


class Assignments:
    """Assignments of one script."""

    def __init__(self, run: Follower) -> None:
        self._run = run
        self._of = run.resolver

    def assign(self, target: ast.expr, value: Any, env: Names, node: ast.AST) -> None:
        """Give a target a value; `node` is the statement."""
        match target:
            case ast.Name(id=name):
                scope = self._of.index.scope(target)
                (self._run.globals if name in scope.shared else env)[name] = value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                known = isinstance(value, (list, tuple)) and len(cast("Any", value)) == len(parts)
                for i, part in enumerate(parts):
                    inner = part.value if isinstance(part, ast.Starred) else part
                    self.assign(inner, cast("Any", value)[i] if known else Unknown(self._of.source(part)), env, node)
            case ast.Attribute(value=owner, attr=attr):
                held = self._run.compute(owner, env)
                if isinstance(held, Instance):
                    held.fields[attr] = value
                elif isinstance(held, MovingOptimizer) and attr in ("learning_rate", "lr"):
                    self.write(held.groups[0], "lr", value, node)
                elif isinstance(held, dict):
                    held[attr] = value
                elif plain(target):
                    env[plain(target)] = value
            case ast.Subscript(value=owner, slice=index):
                held, key = self._run.compute(owner, env), self._run.compute(index, env)
                if isinstance(held, dict):
                    self.write(cast("dict[Any, Any]", held), key, value, node)
                elif (
                    isinstance(held, list)
                    and isinstance(key, int)
                    and -len(cast("Any", held)) <= key < len(cast("Any", held))
                ):
                    held[key] = value
                elif isinstance(index, ast.Constant) and index.value in RATES and isinstance(held, Unknown):
                    self._write_by_name(target, value, node)
            case _:
                pass

    def _write_by_name(self, target: ast.Subscript, value: Any, node: ast.AST) -> None:
        """A write into the rate of a group whose optimizer cannot be seen: the only one there is."""
        if "group" in self._of.source(target.value) and len(self._run.optimizers) == 1:
            for group in self._run.optimizers[0].groups:
                self.write(group, "lr", value, node)

    def write(self, group: dict[Any, Any], key: Any, value: Any, node: ast.AST) -> None:
        """Write an item of a dictionary, which may be a parameter group.

        Raises:
            ScriptError: it is a rate, and cannot be told.
        """
        owner = next((o for o in self._run.optimizers if any(g is group for g in o.groups)), None)
        if owner is not None and key in ("lr", "initial_lr"):
            if not is_number(value):
                raise ScriptError(
                    f"{self._run.at(node)} writes a rate that cannot be told without running the script: "
                    f"{self._of.source(getattr(node, 'value', node))}; write it as a formula of the epoch or the step"
                )
            owner.written = getattr(node, "lineno", 0)
            self._run.log.note(None)
        if isinstance(key, (str, int)):
            group[key] = value
