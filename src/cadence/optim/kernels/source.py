"""A rule as C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Literal, final

from cadence.optim.kernels.symbols import Operand, Symbol
from cadence.optim.kernels.trace import trace
from cadence.optim.kernels.writer import Given, Writer
from cadence.optim.rules.rule import Rule

Precision = Literal["float", "double"]

BLOCK = 2048
"""Elements that are gone through before the sums of squares so far are taken over into double precision."""


def source(rule: Rule, numbers: Sequence[str], precision: Precision) -> str:
    """C code of one rule; what it offers stands in `skeleton.c`.

    Args:
        rule: with its choice of variants.
        numbers: names of the numbers that each tensor comes with, in their order.
        precision: of parameters, gradients and state.

    Example:
        >>> from cadence.optim.rules.adabound import AdaBoundRule
        >>> from cadence.optim.rules.rule import defaults
        >>> group = {**defaults(AdaBoundRule), "initial_lr": 0.001}
        >>> rule = AdaBoundRule.of(group)
        >>> code = source(rule, list(rule.numbers(group)), "float")
        >>> "const double lr = number[0];" in code
        True
    """
    traced = trace(rule, tuple(numbers))

    def written(new: Mapping[str, Operand], measured: Sequence[Operand] = ()) -> str:
        return _pass(rule, new, measured, numbers)

    parts = {
        "TYPE": precision,
        "STATES": str(len(rule.state)),
        "NORMS": str(len(traced.measured)),
        "BLOCK": str(BLOCK),
        "ONLY": "" if rule.measures else written(traced.together),
        "FIRST": written(traced.first, traced.measured) if rule.measures else "",
        "SCALE": _scale(traced.scale, numbers) if rule.measures else "return 1.0;",
        "SECOND": written(traced.second) if rule.measures else "",
    }
    text = resources.files("cadence.optim.kernels").joinpath("skeleton.c").read_text(encoding="utf-8")
    for name, code in parts.items():
        text = text.replace(f"@{name}@", code)
    return text


def _pass(rule: Rule, new: Mapping[str, Operand], measured: Sequence[Operand], numbers: Sequence[str]) -> str:
    """Declarations before the loops, and the loops."""
    writer = Writer(_Numbers(numbers), "int")
    stored = [(name, writer.element(value)) for name, value in new.items()]
    squares = [writer.element(value) for value in measured]
    lines = list(writer.before)
    pointers = {name: f"s{i}" for i, name in enumerate(rule.state)} | {"x": "x", "g": "g"}
    loads = [f"const TYPE e_{name} = {pointers[name]}[i];" for name in writer.loaded]
    stores = [f"{pointers[name]}[i] = {value};" for name, value in stored]
    sums = [f"part{i} += {value} * {value};" for i, value in enumerate(squares)]
    body = "\n            ".join([*loads, *writer.lines, *stores, *sums])
    if not squares:
        return "\n    ".join([*lines, f"EACH for (int64_t i = from; i < to; i++) {{\n            {body}\n    }}"])
    parts = ", ".join(f"part{i}" for i in range(len(squares)))
    lines.append(
        f"for (int64_t begin = from; begin < to; begin += BLOCK) {{\n"
        f"        const int64_t end = begin + BLOCK < to ? begin + BLOCK : to;\n"
        f"        TYPE {parts.replace(',', ' = 0,')} = 0;\n"
        f"        SUM({parts}) for (int64_t i = begin; i < end; i++) {{\n            {body}\n        }}"
    )
    lines += [f"    sums[{i}] += part{i};" for i in range(len(squares))]
    return "\n    ".join([*lines, "}"])


def _scale(scale: Operand, numbers: Sequence[str]) -> str:
    writer = Writer(_Numbers(numbers), "int")
    value = writer.number(scale)
    return "\n    ".join([*writer.before, f"return {value};"])


@final
class _Numbers(Given):
    """Numbers of each tensor, in the order in which it comes with them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._places = {name: i for i, name in enumerate(names)}
        self._declared: set[str] = set()

    def text(self, x: Operand, before: list[str]) -> str | None:
        if not isinstance(x, Symbol):
            return repr(float(x))
        if x.operation != "given":
            return None
        if x.name in self._places and x.name not in self._declared:
            self._declared.add(x.name)
            before.append(f"const double {x.name} = number[{self._places[x.name]}];")
        return x.name
