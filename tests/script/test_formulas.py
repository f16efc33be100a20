"""Functions of a script as formulas."""

from __future__ import annotations

import pytest

from cadence.script.formulas import formula_of
from cadence.script.model import Function
from cadence.script.read import read_script


def made(text: str) -> str | None:
    script = read_script(
        f"import math\nimport numpy as np\nfrom functools import partial\nwarm, total = 5, 20\n{text}\nuse(f)\n"
    )
    function = script.value(script.calls[-1].args[0])
    assert isinstance(function, Function)
    return formula_of(function, "t")


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("f = lambda e: 0.95 ** e", "0.95 ** t"),
        ("f = lambda e: min(1, (e + 1) / warm)", "min(1, (t + 1) / 5)"),
        ("f = lambda e: 0.5 * (1 + math.cos(math.pi * e / total))", "0.5 * (1 + cos(pi * t / 20))"),
        ("f = lambda e: np.exp(-0.1 * float(e)) if e > warm else 1.0", "exp(-0.1 * t) if t > 5 else 1.0"),
        ("f = lambda e, k=0.5: k ** (e // 30)", "0.5 ** (t // 30)"),
        ("def f(e):\n    'Docs.'\n    if e < warm:\n        return e / warm\n    x = e - warm\n    return 1 / (1 + x)", "t / 5 if t < 5 else 1 / (1 + (t - 5))"),
        ("def g(n):\n    def f(e):\n        return 1 / (n + e)\n    return f\nf = g(3)", "1 / (3 + t)"),
        ("def g(e, n):\n    return n * e\nf = partial(g, n=max(warm, 1))", "5 * t"),
        ("f = lambda e: 3", "3"),
    ],
)  # fmt: skip
def test_what_can_be_said_in_a_formula_is(text: str, formula: str) -> None:
    assert made(text) == formula


@pytest.mark.parametrize(
    "text",
    [
        "f = lambda e: table[e]",
        "f = lambda e: unknown * e",
        "f = lambda e: int(e / 3)",
        "f = lambda: 3",
        "f = lambda e: e in (3, 4)",
        "def f(e):\n    for i in range(e):\n        pass\n    return i",
        "def f(e):\n    if e > 3:\n        return 1",
        "f = lambda e: " + " + ".join(["e * 0.123456789"] * 40),
    ],
)
def test_what_cannot_is_left_to_the_table(text: str) -> None:
    assert made(text) is None
