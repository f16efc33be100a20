"""A rule as CUDA C++."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple, final

from cadence.optim.kernels.source import Precision
from cadence.optim.kernels.symbols import Operand, Symbol
from cadence.optim.kernels.trace import SCALE, trace
from cadence.optim.kernels.writer import Given, Writer
from cadence.optim.rules.rule import Rule

THREADS = 256
"""Of a block."""

PIECE = 8192
"""Elements that a block goes through. The borders depend on the tensor alone, and so do the sums over pieces."""


class Written(NamedTuple):
    """A rule as code.

    Attributes:
        code: complete, for a compiler.
        constants: numbers that the code is given for each tensor, in their order; they follow from the rule's numbers.
        norms: how many sums are kept for each piece; 0: the rule measures nothing, and goes through a tensor once.
    """

    code: str
    constants: tuple[Operand, ...]
    norms: int


@cache
def cuda_source(rule: Rule, numbers: tuple[str, ...], precision: Precision) -> Written:
    """CUDA code of one rule; what it offers stands in `skeleton.cu`.

    Whatever follows from the numbers alone is a constant that the host computes: a GPU computes powers in double
    precision slowly, and every thread would.

    Args:
        rule: with its choice of variants.
        numbers: names of the numbers that each tensor comes with.
        precision: of parameters, gradients and state.

    Example:
        >>> from cadence.optim.rules.adabound import AdaBoundRule
        >>> from cadence.optim.rules.rule import defaults
        >>> group = {**defaults(AdaBoundRule), "initial_lr": 0.001}
        >>> rule = AdaBoundRule.of(group)
        >>> "const TYPE c0 = (TYPE)constant[0];" in cuda_source(rule, tuple(rule.numbers(group)), "float").code
        True
    """
    traced, constants = trace(rule, numbers), _Constants()
    parts = {
        "TYPE": precision,
        "STATES": str(len(rule.state)),
        "NORMS": str(len(traced.measured)),
        "THREADS": str(THREADS),
        "PIECE": str(PIECE),
        "ONLY": "" if rule.measures else _pass(rule, traced.together, (), constants),
        "FIRST": _pass(rule, traced.first, traced.measured, constants) if rule.measures else "",
        "SCALE": _scale(traced.scale, constants) if rule.measures else "",
        "SECOND": _pass(rule, traced.second, (), constants) if rule.measures else "",
    }
    text = resources.files("cadence.optim.kernels").joinpath("skeleton.cu").read_text(encoding="utf-8")
    for name, code in parts.items():
        text = text.replace(f"@{name}@", code)
    return Written(text, tuple(constants.all), len(traced.measured))


def _pass(rule: Rule, new: Mapping[str, Operand], measured: Sequence[Operand], constants: _Constants) -> str:
    """Declarations before the loops, a loop over four elements at a time, and one over what is left or lies oddly."""
    writer = Writer(constants, "bool")
    stored = [(name, writer.element(value)) for name, value in new.items()]
    squares = [writer.element(value) for value in measured]
    pointers = {name: f"s{i}" for i, name in enumerate(rule.state)} | {"x": "x", "g": "g"}
    loaded = writer.loaded
    sums = [f"part{i} += {value} * {value};" for i, value in enumerate(squares)]
    touched = dict.fromkeys([*loaded, *(name for name, _ in stored)])
    aligned = " && ".join(f"ALIGNED({pointers[name]})" for name in touched)
    lines = [
        *writer.before,
        *(f"TYPE part{i} = 0;" for i in range(len(squares))),
        "word i = from + 4 * threadIdx.x;",
        f"if ({aligned})",
        "    for (; i + 4 <= to; i += 4 * THREADS) {",
        *(f"        const pack l_{name} = *(const pack *)({pointers[name]} + i);" for name in loaded),
        *(f"        pack k_{name};" for name, _ in stored),
        "#pragma unroll",
        "        for (int w = 0; w < 4; w++) {",
        *(f"            const TYPE e_{name} = l_{name}.of[w];" for name in loaded),
        *(f"            {line}" for line in writer.lines),
        *(f"            k_{name}.of[w] = {value};" for name, value in stored),
        *(f"            {line}" for line in sums),
        "        }",
        *(f"        *(pack *)({pointers[name]} + i) = k_{name};" for name, _ in stored),
        "    }",
        "for (; i < to; i += 4 * THREADS)",
        "    for (word j = i; j < to && j < i + 4; j++) {",
        *(f"        const TYPE e_{name} = {pointers[name]}[j];" for name in loaded),
        *(f"        {line}" for line in writer.lines),
        *(f"        {pointers[name]}[j] = {value};" for name, value in stored),
        *(f"        {line}" for line in sums),
        "    }",
    ]
    for i in range(len(squares)):
        lines += [
            f"const double sum{i} = summed(part{i});",
            f"if (threadIdx.x == 0) sums[NORMS * (tensor[3 + STATES] + here.number) + {i}] = sum{i};",
        ]
    return "\n    ".join(lines)


def _scale(scale: Operand, constants: _Constants) -> str:
    writer = Writer(constants, "bool")
    value = writer.number(scale)
    return "\n    ".join([*writer.before, f"return {value};"])


@final
class _Constants(Given):
    """What the host computes, each once."""

    def __init__(self) -> None:
        self.all: list[Operand] = []
        self._places: dict[object, int] = {}

    def text(self, x: Operand, before: list[str]) -> str | None:
        del before
        if not _on_gpu(x):
            return f"constant[{self._place(x)}]"
        return x.name if isinstance(x, Symbol) and x.operation == "given" else None

    def _place(self, x: Operand) -> int:
        key = id(x) if isinstance(x, Symbol) else x
        if key not in self._places:
            self._places[key] = len(self.all)
            self.all.append(x)
        return self._places[key]


def _on_gpu(x: Operand) -> bool:
    """Whether a number is known on the GPU alone, because it follows from a norm."""
    if not isinstance(x, Symbol):
        return False
    if x.operation == "given":
        return x.name == SCALE or (x.name.startswith("norm") and x.name[4:].isdecimal())
    return any(map(_on_gpu, x.operands))
