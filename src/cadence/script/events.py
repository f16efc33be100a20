"""When an engine of Ignite's calls a handler: an event of its run, perhaps filtered."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from cadence._errors import ScriptError
from cadence.script.model import Function, is_number

if TYPE_CHECKING:
    from cadence.script.follow import Follower
    from cadence.script.instance import Names

EVENTS = (
    "STARTED", "EPOCH_STARTED", "GET_BATCH_STARTED", "GET_BATCH_COMPLETED", "ITERATION_STARTED", "ITERATION_COMPLETED",
    "EPOCH_COMPLETED", "COMPLETED",
)  # fmt: skip
"""Those of every run, in their order."""

NEVER = frozenset({"EXCEPTION_RAISED", "TERMINATE", "TERMINATE_SINGLE_EPOCH", "INTERRUPT", "DATALOADER_STOP_ITERATION"})
"""Events of a run that ends before its time."""


@dataclass(frozen=True)
class When:
    """One event, and which of its times are meant.

    Attributes:
        name: ``"ITERATION_STARTED"``.
        every: every so many of them.
        once: only these; None: all.
        after, before: only times between them, neither of the two included.
        only: a function of (engine, number of the time) that says which.
    """

    name: str
    every: int = 1
    once: tuple[int, ...] | None = None
    after: int = 0
    before: float = math.inf
    only: Function | None = None

    @property
    def always(self) -> bool:
        """Whether all times are meant."""
        return self == When(self.name)

    def at(self, count: int, engine: Any) -> bool:
        """Whether the time of this number, from 1, is meant.

        Raises:
            ScriptError: a function says so, and what it says cannot be told.
        """
        if self.only is not None:
            answer = self.only(engine, count)
            if not isinstance(answer, (bool, int)):
                raise ScriptError(f"what the event filter {self.only.text} says of {count} cannot be told")
            return bool(answer)
        if self.once is not None:
            return count in self.once
        bounded = self.after or self.before < math.inf
        beat = count - self.after - 1 if bounded else count
        return self.after < count < self.before and beat % self.every == 0


def whens(run: Follower, node: ast.expr, env: Names) -> list[When] | None:
    """The events that an expression stands for; None where it is none that can be seen.

    Raises:
        ScriptError: the numbers of a filter cannot be told.
    """
    match node:
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            first, second = whens(run, left, env), whens(run, right, env)
            return None if first is None or second is None else [*first, *second]
        case ast.Call(func=func):
            inner = whens(run, func, env)
            return None if inner is None or len(inner) != 1 else [_filtered(run, inner[0].name, node, env)]
        case ast.Name(id=name) if bound := run.resolver.bindings(name, node):
            values = [binding.value for binding in bound if binding.value is not None]
            return whens(run, values[0], env) if len(values) == len(bound) == 1 else None
        case ast.Attribute(attr=attr):
            home = run.resolver.path(node).rpartition(".")[0]
            return [When(attr)] if home.endswith("Events") and attr in {*EVENTS, *NEVER} else None
        case _:
            return None


def _filtered(run: Follower, name: str, node: ast.Call, env: Names) -> When:
    given = {k.arg: run.compute(k.value, env) for k in node.keywords if k.arg is not None}
    for key, value in zip(("event_filter", "every", "once", "before", "after"), node.args, strict=False):
        given[key] = run.compute(value, env)
    once, only = given.get("once"), given.get("event_filter")
    times: list[Any] = (
        list(cast("Sequence[Any]", once)) if isinstance(once, (list, tuple)) else [once] * (once is not None)
    )
    numbers: list[Any] = [given.get("every"), given.get("before"), given.get("after"), *times]
    if not all(x is None or is_number(x) for x in numbers) or not (only is None or isinstance(only, Function)):
        raise ScriptError(
            f"which times of {name} are meant in {run.at(node)} cannot be told without running the script: "
            f"{run.resolver.source(node)}; write the numbers there"
        )
    every, before, after = (int(x) if is_number(x) else None for x in numbers[:3])
    return When(
        name, every or 1, None if once is None else tuple(map(int, times)), after or 0,
        math.inf if before is None else before, only,
    )  # fmt: skip
