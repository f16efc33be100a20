"""From ticks to updates, where a tick is an epoch: what a scheduler that is stepped once an epoch means."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, overload

from cadence.spec.nodes import Constant, Phase, Product, Schedule, Sequence, Sum
from cadence.spec.plan import Plan
from cadence.spec.span import Span


@overload
def per_epoch(schedule: Schedule) -> Schedule: ...
@overload
def per_epoch(schedule: Schedule | Plan) -> Schedule | Plan: ...
def per_epoch(schedule: Schedule | Plan) -> Schedule | Plan:
    """The schedule that has in each epoch the value of its tick.

    Example:
        >>> from cadence import linear
        >>> per_epoch(linear("5 epochs", ends="closed"))
        (linear('4 epochs') >> constant('1 epoch', start=0)).staircase('1 epoch')
    """
    if isinstance(schedule, Plan):
        return Plan(tuple((key, _opened(part).staircase("1 epoch")) for key, part in schedule.entries))
    return _opened(schedule).staircase("1 epoch")


def _opened(node: Schedule) -> Schedule:
    """Phases that are closed reach their end at their last epoch; by itself closed means the last update."""
    if isinstance(node, Phase) and node.ends == "closed" and node.to is not None and node.length is not None:
        assert node.length.unit == "epochs", "a tick is an epoch"
        last = Constant(Span(node.length.amount * 0 + 1, "epochs"), node.to)
        if node.length.amount <= 1:
            return replace(last, length=node.length)
        return replace(node, length=Span(node.length.amount - 1, "epochs"), ends="open") >> last
    match node:
        case Sequence(parts) | Product(parts) | Sum(parts):
            opened = [_opened(part) for part in parts]
            if all(a is b for a, b in zip(opened, parts, strict=True)):
                return node
            if isinstance(node, Sequence):
                # A phase that has become two stands in the sequence itself.
                flat = [piece for part in opened for piece in (part.parts if isinstance(part, Sequence) else (part,))]
                return Sequence(tuple(flat))
            return replace(node, parts=tuple(opened))
        case _:
            changed: dict[str, Any] = {}
            for field in fields(node):  # type: ignore[arg-type]
                inner = getattr(node, field.name)
                if isinstance(inner, Schedule) and (other := _opened(inner)) is not inner:
                    changed[field.name] = other
            return replace(node, **changed) if changed else node  # type: ignore[type-var]
