"""Formulas: read by whitelist, worth what python would say, the same for one update and for many."""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cadence as cd
from cadence._errors import CadenceError
from cadence._xp import scalars
from cadence.spec.formula import FUNCTIONS, NAMES, read_formula
from strategies import examples

NUMPY: dict[str, Any] = {
    "min": min, "max": max, "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "pi": math.pi,
    "where": lambda a, b, c: b if a else c,
}  # fmt: skip

numbers = st.sampled_from(["t", "u", "epoch", "pi", "2", "0.5", "3", "1e3"])
formulas = st.recursive(
    numbers,
    lambda x: (
        st.builds(
            lambda a, o, b: f"({a} {o} {b})",
            x,
            st.sampled_from(["+", "-", "*", "<", "<=", "==", "!=", ">", ">=", "and", "or"]),
            x,
        )
        | st.builds(lambda a, o, b: f"({a} {o} (1 + {b} * {b}))", x, st.sampled_from(["/", "//", "%"]), x)
        | st.builds(lambda a: f"exp(-(({a}) * ({a})))", x)
        | st.builds(lambda a: f"log(1 + ({a}) * ({a}))", x)
        | st.builds(lambda f, a: f"({f}({a}))", st.sampled_from(["sin", "cos", "-", "+", "not "]), x)
        | st.builds(lambda f, a, b: f"{f}({a}, {b})", st.sampled_from(["min", "max"]), x, x)
        | st.builds(lambda a, b, c: f"({b} if {a} else {c})", x, x, x)
        | st.builds(lambda a, b, c: f"where({a}, {b}, {c})", x, x, x)
        | st.builds(lambda a, b: f"({a} < {b} <= 7)", x, x)
    ),
    max_leaves=7,
)


@given(formulas, st.integers(0, 50), st.floats(0, 1))
@examples(200)
def test_a_formula_is_worth_what_python_says(text: str, t: int, u: float) -> None:
    names = {"t": float(t), "u": u, "epoch": float(t // 7)}

    # `a and b` is a truth here and one of its sides in python: there too once both sides are truths.
    class Truth(ast.NodeTransformer):
        def visit_BoolOp(self, node: ast.BoolOp) -> Any:
            self.generic_visit(node)
            node.values = [ast.Call(ast.Name("bool", ast.Load()), [v], []) for v in node.values]
            return node

    tree = ast.fix_missing_locations(Truth().visit(ast.parse(text, mode="eval")))
    exact = float(eval(compile(tree, "", "eval"), {"__builtins__": {}, "bool": bool, **NUMPY}, names))  # noqa: S307 (made above)
    expression = read_formula(text)
    one = float(expression(names, scalars))
    with np.errstate(all="ignore"):
        many = expression({k: np.full(3, v) for k, v in names.items()}, np) + np.zeros(3)
    assert one == pytest.approx(exact, rel=1e-12, abs=1e-12)
    assert many == pytest.approx(exact, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "t", "value"),
    [
        ("1 if 2 < t <= 9 else 0.5", 9, 1.0), ("1 if 2 < t <= 9 else 0.5", 10, 0.5), ("2 ** -epoch", 25, 0.25), ("epoch_float", 25, 2.5),
        ("t // 7 + t % 7", 25, 7.0), ("min(t, 9, 12)", 25, 9.0), ("not (t > 3)", 3, 1.0), ("-(not t)+ 1", 0, 0.0), ("t > 3 and t < 9", 5, 1.0),
        ("t > 3 or 0", 2, 0.0), ("u", 50, 0.5), ("total - t", 25, 75.0), ("+t - -1", 1, 2.0), ("True + (2 == 2)", 0, 2.0), ("1 / 3 * 3", 0, 1.0),
        ("cos(pi)**2", 0, 1.0), ("where(t < 5, 1, where(t < 10, 2, 3))", 7, 2.0), ("2 ** 3 ** 2", 0, 512.0), ("-2 ** 2 + 5", 0, 1.0),
    ],
)  # fmt: skip
def test_known_formulas_have_known_values(text: str, t: int, value: float) -> None:
    assert cd.place(cd.formula(text), total=100, steps_per_epoch=10).at(t) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "t.real", "t[0]", "[t]", "(t, 1)", "{t}", "{1: t}", "lambda: t", "t if t", "(x for x in t)", "[x for x in t]", "t := 1", "await t",
        "yield t", "f'{t}'", "'t'", "b't'", "...", "1j", "None", "t @ t", "t << 2", "t >> 2", "t | 1", "t & 1", "t ^ 1", "~t", "t in t", "t is t",
        "t is not t", "max(*t)", "max(t, key=t)", "max", "sqrt", "t(1)", "exp(exp)", "t; t", "import os", "print(t)", "eval('t')", "open('x')",
        "t = 1", "", " ", "#", "t #", "__class__", "().__class__", "t.__class__", "getattr(t, 'real')", "abs(t)", "pi()", "max()", "1 +\n1 if",
    ],
)  # fmt: skip
def test_whatever_is_not_on_the_list_is_refused(text: str) -> None:
    if text == "t #":
        assert cd.formula(text)  # a comment is no code
        return
    with pytest.raises(CadenceError):
        cd.formula(text)


def test_the_names_and_functions_are_those_of_the_contract() -> None:
    assert set(NAMES) == {"t", "epoch", "epoch_float", "u", "total", "pi"}
    assert set(FUNCTIONS) == {"min", "max", "sqrt", "exp", "log", "sin", "cos", "where"}
    for name in NAMES:
        assert read_formula(f"1 + {name} * 0").names == {name}


def test_the_clock_of_a_formula_is_the_run_s_the_cycle_s_or_the_phase_s() -> None:
    def at(schedule: str, t: int) -> float:
        return cd.place(schedule, total=100, steps_per_epoch=10).at(t)

    assert at("constant(20) >> formula('t')", 25) == 25
    assert at("constant(20) >> formula('t', local=True)", 25) == 5
    assert at("constant(20) >> formula('100 * u')", 60) == 50
    assert at("(constant(5) >> formula('t', 15)).repeat()", 49) == 9
    assert at("(constant(5) >> formula('t', 15, local=True)).repeat()", 49) == 4
    assert at("formula('t', 50).stretch(2)", 30) == 15
    assert at("constant(20) >> formula('t', 40).stretch(2)", 30) == 5
    assert at("formula('epoch', 50).stretch(2)", 59) == 2
    assert at("formula('total')", 0) == 100
    assert at("formula('total', 25).repeat()", 60) == 25
    assert at("formula('total', '10%').repeat()", 60) == 10
    assert at("formula('total').stretch(2)", 60) == 50
