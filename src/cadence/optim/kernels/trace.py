"""The stages of a rule, written down by executing it with symbols."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import final

from cadence.optim.kernels.symbols import Operand, Symbol, SymbolicNumbers, given
from cadence.optim.rules.rule import Point, Rule

SCALE = "scale"
"""Name of the number that the whole tensor's step is multiplied by."""


@final
class Trace:
    """One rule as symbols. Tensors are given as ``x``, ``g`` and the names of the states; numbers by their names.

    Args:
        rule: with its choice of variants.
        numbers: names of the numbers.

    Attributes:
        together: what one pass writes, by name: of a rule that does not measure.
        first: what the first of two passes writes.
        measured: the vectors whose norms the first pass takes.
        scale: the number that follows from ``norm0``, ``norm1``, ...
        second: what the second pass writes, from what the first has left in memory.
        kept: those measured vectors that are no tensors that are there anyway, by a name for each.
        finish: what the second pass writes where those have been kept.
    """

    def __init__(self, rule: Rule, numbers: Sequence[str]) -> None:
        tensors = {name: given(name, elementwise=True) for name in ("x", "g", *rule.state)}
        k = SimpleNamespace(**{name: given(name, elementwise=False) for name in (*numbers, "t")})
        xp, start = SymbolicNumbers(), Point(tensors)
        self.first = rule.advance(start, k, xp)
        after = start.then(self.first)
        vectors = rule.vectors(after, k, xp)
        self.measured: tuple[Operand, ...] = vectors if rule.measures else ()
        norms = tuple(given(f"norm{i}", elementwise=False) for i in range(len(vectors)))
        self.scale: Operand = rule.scale(norms, k, xp) if rule.measures else 1.0
        factor: Operand = given(SCALE, elementwise=False) if rule.measures else 1.0
        self.together = {**self.first, **rule.step(after, vectors, factor, k, xp)}
        self.second = rule.step(start, rule.vectors(start, k, xp), factor, k, xp)
        self.kept = {f"vector{i}": v for i, v in enumerate(self.measured) if not _is_given(v)}
        again = tuple(v if _is_given(v) else given(f"vector{i}", elementwise=True) for i, v in enumerate(vectors))
        self.finish = rule.step(start, again, factor, k, xp)


def _is_given(x: Operand) -> bool:
    return isinstance(x, Symbol) and x.operation == "given"


@cache
def trace(rule: Rule, numbers: tuple[str, ...]) -> Trace:
    """The trace of a rule, made once."""
    return Trace(rule, numbers)
