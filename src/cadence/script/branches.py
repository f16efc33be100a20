"""Branches of a script that is followed, of which only a run would show whether they are taken."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from cadence._errors import ScriptError
from cadence.script.find import STEPS
from cadence.script.model import Unknown
from cadence.script.operations import truth_of
from cadence.script.sims import MovingOptimizer, MovingScheduler

if TYPE_CHECKING:
    from cadence.script.follow import Follower
    from cadence.script.instance import Names


class Branches:
    """Branches of one script."""

    def __init__(self, run: Follower) -> None:
        self._run = run
        self._of = run.resolver

    def follow(self, node: ast.If, env: Names) -> None:
        """The arm that is taken, where that can be told or makes no difference.

        Raises:
            ScriptError: it cannot be told, and the rate depends on it.
        """
        body, orelse, truth = node.body, node.orelse, truth_of(self._run.compute(node.test, env))
        if truth is not None:
            self._run.block(body if truth else orelse, env)
            return
        first, second = self._effects(body), self._effects(orelse)
        if first == second:
            # Whichever it is, it comes to the same: `scaler.step(optimizer)` or `optimizer.step()`.
            self._run.block(body if first else orelse, env)
            self._forget(body if not first else orelse, env)
            return
        test = self._of.source(node.test)
        if all(kind == "end" for kind, _ in first) and not second:
            self._run.assumed[f"`{test}` in {self._run.at(node)} never holds"] = None
            return
        if all(kind == "end" for kind, _ in second) and not first:
            self._run.assumed[f"`{test}` in {self._run.at(node)} always holds"] = None
            return
        if self._run.turns.unsized and self._asks_for_length(node.test, env):
            raise ScriptError(
                f"whether `{test}` in {self._run.at(node)} holds depends on how many batches there are, and so does "
                f"the rate; say it: --steps-per-epoch 500"
            )
        raise ScriptError(
            f"whether `{test}` in {self._run.at(node)} holds cannot be told without running the script, and the rate "
            f"depends on it; write what decides it into the script, or give a total that ends before"
        )

    def _asks_for_length(self, test: ast.expr, env: Names) -> bool:
        """Whether an expression depends on how many batches there are."""
        for node in ast.walk(test):
            value = self._run.compute(node, env) if isinstance(node, (ast.Name, ast.Call)) else None
            if isinstance(value, Unknown) and "len(" in value.text:
                return True
        return False

    def _effects(self, body: list[ast.stmt]) -> list[tuple[str, Any]]:
        """What a branch does to rates, in order: (kind, what)."""
        found: list[tuple[str, Any]] = []
        for statement in body:
            for node in ast.walk(statement):
                match node:
                    case ast.Break() | ast.Continue() | ast.Return():
                        found.append(("end", None))
                    case ast.Call() if node in self._run.movers.stepping:
                        found.append(("step", self._run.movers.stepping[node]))
                    case ast.Call() if node in self._run.movers.records:
                        found.append(("made", node))
                    case ast.Call(func=ast.Attribute(attr=attr)) if attr in STEPS:
                        found.append(("step", self._of.source(node)))
                    case ast.Call():
                        called = self._of.callee(node)
                        if called is not None and called in self._run.slice.live:
                            found.append(("call", called))
                    case ast.Assign() | ast.AugAssign() if node in self._run.slice.live:
                        found.append(("write", self._of.source(node)))
                    case _:
                        pass
        return found

    def _forget(self, body: list[ast.stmt], env: Names) -> None:
        """Names that a branch which was not followed may have bound."""
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                    for name in self._run.slice.bound(node):
                        if name in env and not isinstance(env[name], (MovingOptimizer, MovingScheduler)):
                            env[name] = Unknown(name)
