"""Text and data from outside: only cadence's own errors come out, and soon."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cadence as cd
from cadence._errors import CadenceError
from cadence.spec.catalogue import constructor
from cadence.spec.nodes import Schedule
from cadence.spec.parse import METHODS
from cadence.spec.plan import Plan
from cadence.spec.span import span
from strategies import FORMULAS, examples, schedules

NOMINAL: dict[str, Any] = {"total": 1000, "steps_per_epoch": 10, "batch_size": 32, "tokens_per_step": 100}
SOON = 20.0
"""Seconds; ten times what the slowest takes here, because other work on the machine is no fault of the code."""


@contextmanager
def only_our_errors(what: object) -> Iterator[None]:
    """Whatever is refused is refused by cadence, in a sentence, and soon."""
    begin = time.perf_counter()
    try:
        yield
    except CadenceError as refusal:
        sentence = str(refusal)
        assert sentence.strip(), what
        assert len(sentence) < 100_000, what
    assert time.perf_counter() - begin < SOON, what


def read_and_place(text: Any, **run: Any) -> None:
    with only_our_errors(text):
        schedule = cd.parse(text)
        assert isinstance(schedule, (Schedule, Plan))
        assert cd.parse(repr(schedule)) == schedule
        cd.place(schedule, **(run or NOMINAL), base=0.1).at([0, 999, 10**9])
    with only_our_errors(text):
        cd.place(text, **(run or NOMINAL))


# ---- text --------------------------------------------------------------------------------------------------------


@given(st.text())
@examples(200)
@example("\x00")
@example("cosine(\x00)")
@example("\ud800")
@example("cosine('\ud800')")
@example("ｃｏｓｉｎｅ()")
@example("cosine() # comment\n")
@example("cosine('\\d')")
@example("cosine(1if 1else 2)")
@example("cosine(10\n)")
@example("\tcosine()")
@example("cosine(٣)")
@example("cosine('٣ epochs')")
@example("𝐜𝐨𝐬𝐢𝐧𝐞(to=0.5)")
def test_any_text_is_read_or_refused(text: str) -> None:
    read_and_place(text)


WORDS = (
    *constructor.names(), *METHODS, "absolute", "plan", "length", "to", "start", "shape", "ends", "at", "every", "gamma", "local",
    "grow", "decay", "points", "text", "exponent", "timescale", "up", "low", "half_life", "lambda", "import", "eval", "__class__",
)  # fmt: skip
SIGNS = (
    " >> ", " * ", " + ", ", ", "=", "(", ")", "()", "[", "]", "{", "}", ".", "-", ":", "**", " - ", " / ", "//", "%", "@", "~",
    "(10)", " if ", " else ", " for x in ", ":=", "*", " and ", "not ", "\n", "# ", "f'{1}'", ";", "\\",
)  # fmt: skip
NUMBERS = ("0", "1", "0.1", "1e-5", "1e999", "-1", "10**10**10", "1j", "0x10", "9" * 30, "True", "None", "...", "1_0")
TEXTS = (
    "'5%'",
    "'8 epochs'",
    "'1e999 epochs'",
    "'1e-999 steps'",
    "'cosine'",
    "'val_loss'",
    "'1-sqrt'",
    "'t'",
    "b'x'",
    "''",
    "'mirror'",
)

soup = st.lists(st.sampled_from([*WORDS, *SIGNS, *SIGNS, *NUMBERS, *TEXTS]), max_size=14).map("".join)


@given(soup)
@examples(300)
def test_any_soup_of_the_language_s_own_words_is_read_or_refused(text: str) -> None:
    read_and_place(text)


arguments = st.lists(
    st.sampled_from([*NUMBERS, *TEXTS, "cosine()", "[1, 2]", "[(0, 1), ('5%', 0.1)]", "{0: 1}", "[]", "absolute(1)"]),
    max_size=2,
)
keywords = st.dictionaries(
    st.sampled_from([w for w in WORDS if w not in ("lambda", "import")]),
    st.sampled_from([*NUMBERS, *TEXTS, "[5, 5, '5%']", "[(0, 1), (9, 0)]", "absolute(0.1)", "cosine(5)"]),
    max_size=3,
)


def called(name: str, first: list[str], named: dict[str, str]) -> str:
    return f"{name}({', '.join([*first, *(f'{k}={v}' for k, v in named.items())])})"


calls = st.builds(called, st.sampled_from(constructor.names()), arguments, keywords)
modified = st.builds(
    lambda inner, name, first, named: f"({inner}).{called(name, first, named)}",
    calls,
    st.sampled_from(METHODS),
    arguments,
    keywords,
)
expressions = st.recursive(
    calls | modified,
    lambda inner: st.builds(lambda a, sign, b: f"{a}{sign}{b}", inner, st.sampled_from([" >> ", " * ", " + "]), inner)
    | st.builds(lambda a, name, n: f"({a}).{name}({n})", inner, st.sampled_from(METHODS), st.sampled_from([*NUMBERS, *TEXTS])),
    max_leaves=6,
)  # fmt: skip


@given(expressions)
@examples(400)
def test_any_calls_with_any_arguments_are_read_or_refused(text: str) -> None:
    read_and_place(text)


@given(schedules(ruled=True).map(repr), st.data())
@examples(150)
def test_good_text_with_a_slip_of_the_pen_is_read_or_refused(text: str, data: st.DataObject) -> None:
    where = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    slip = data.draw(st.text("()[]{}'\",.=0123456789eE-+*>%ab_ \\\n", max_size=3))
    read_and_place(text[:where] + slip + text[where + cut :])


# ---- formulas ----------------------------------------------------------------------------------------------------

FORMULA_WORDS = (
    "t", "epoch", "epoch_float", "u", "total", "pi", "min(", "max(", "sqrt(", "exp(", "log(", "sin(", "cos(", "where(", "(", ")",
    ", ", " + ", " - ", " * ", " / ", " // ", " % ", " ** ", " < ", " <= ", " == ", " != ", " > ", " if ", " else ", " and ", " or ",
    "not ", "-", "+", "0", "1", "2", "0.5", "1e308", "1e999", "10 ** 10 ** 10", "True", "x", "abs(", "[", "]", "'", "lambda: ",
    "__import__", ".", "9" * 400,
)  # fmt: skip
NUMERIC = st.sampled_from(
    ["t", "epoch", "epoch_float", "u", "total", "pi", "0", "1", "2.5", "-3", "1e308", "1e-308", "True", "10**10**10"]
)
terms = st.recursive(
    NUMERIC,
    lambda x: (
        st.builds(
            lambda a, o, b: f"({a} {o} {b})",
            x,
            st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<", "<=", "==", "!=", ">", ">=", "and", "or"]),
            x,
        )
        | st.builds(
            lambda f, a: f"{f}({a})", st.sampled_from(["sqrt", "exp", "log", "sin", "cos", "-", "+", "not "]), x
        )
        | st.builds(lambda f, a, b: f"{f}({a}, {b})", st.sampled_from(["min", "max"]), x, x)
        | st.builds(lambda a, b, c: f"({a} if {b} else {c})", x, x, x)
        | st.builds(lambda a, b, c: f"where({a}, {b}, {c})", x, x, x)
    ),
    max_leaves=8,
)


def place_formula(text: str) -> None:
    with only_our_errors(text):
        cd.place(cd.formula(text), **NOMINAL).at([0, 7, 10**12])


@given(st.lists(st.sampled_from(FORMULA_WORDS), max_size=12).map("".join) | st.text(max_size=30))
@examples(250)
def test_any_soup_is_a_formula_or_refused(text: str) -> None:
    place_formula(text)


@given(terms)
@examples(300)
def test_any_well_formed_formula_is_placed_or_refused_for_its_values(text: str) -> None:
    place_formula(text)


@given(st.sampled_from(sorted(FORMULAS)), st.integers(0, 10**12))
def test_a_formula_is_worth_the_same_alone_and_in_company(text: str, t: int) -> None:
    with only_our_errors(text):
        curve = cd.place(cd.formula(text, 10**6), **NOMINAL)
        assert curve.at(t) == curve.at([0, t, 999])[1]


# ---- data --------------------------------------------------------------------------------------------------------

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5) | st.dates()
    | st.sampled_from(["cosine()", "lr", "5%", "*/lr", "/", "a/b/lr", "[", "warmup(", 10**400, -(10**400), datetime.timedelta(1)])
)  # fmt: skip
keys = st.sampled_from(["lr", "weight_decay", "*/lr", "[/lr", "lr/", ""]) | scalars | st.tuples(scalars, scalars)
yaml_values = st.recursive(
    scalars,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(keys, x, max_size=3) | st.lists(x, max_size=2).map(tuple),
    max_leaves=8,
)


@given(yaml_values)
@examples(300)
def test_any_data_is_read_or_refused(value: Any) -> None:
    with only_our_errors(value):
        cd.parse(value)
    with only_our_errors(value):
        cd.place(value, **NOMINAL)


@given(st.dictionaries(keys, st.sampled_from(["cosine()", "wsd()", 1, 0.5, "cosine(", None]), min_size=1, max_size=4))
@examples(100)
def test_any_plan_is_placed_on_any_groups_or_refused(table: dict[Any, Any]) -> None:
    for groups in (None, ["body", "head"], ["[", "a/b"]):
        with only_our_errors(table):
            cd.place(table, **NOMINAL, groups=groups)


@given(yaml_values, yaml_values, yaml_values, yaml_values)
@examples(100)
def test_any_run_is_understood_or_refused(total: Any, per_epoch: Any, base: Any, groups: Any) -> None:
    for run in (
        {"total": total},
        {"steps_per_epoch": per_epoch},
        {"base": base},
        {"batch_size": per_epoch, "total": "9 samples"},
    ):
        with only_our_errors(run):
            cd.place("warmup(2) >> constant()", **run)
    if isinstance(groups, (list, tuple)):
        with only_our_errors(groups):
            cd.place("constant()", groups=groups, base=0.1)
    with only_our_errors(total):
        span(total)


CONSTRUCTORS: list[Callable[[Any], Any]] = [
    lambda x: cd.constant(x), lambda x: cd.constant(start=x), lambda x: cd.cosine(x), lambda x: cd.cosine(to=x),
    lambda x: cd.cosine(ends=x), lambda x: cd.warmup(start=x), lambda x: cd.warmup(shape=x), lambda x: cd.ramp(shape=x),
    lambda x: cd.power(exponent=x), lambda x: cd.tanh(low=x), lambda x: cd.steps(at=x), lambda x: cd.steps(at=[x]),
    lambda x: cd.steps(every=x), lambda x: cd.steps(at=[1], gamma=x), lambda x: cd.steps(at=[1], local=x),
    lambda x: cd.exponential(to=x), lambda x: cd.exponential(gamma=x), lambda x: cd.exponential(half_life=x),
    lambda x: cd.inverse(timescale=x), lambda x: cd.inverse(timescale=1, power=x), lambda x: cd.piecewise(x),
    lambda x: cd.piecewise([(x, x)]), lambda x: cd.piecewise([x]), lambda x: cd.piecewise([(0, 1)], shape=x), lambda x: cd.formula(x),
    lambda x: cd.plateau(x), lambda x: cd.plateau("loss", factor=x), lambda x: cd.plateau("loss", patience=x),
    lambda x: cd.plateau("loss", mode=x), lambda x: cd.plateau("loss", nan=x), lambda x: cd.early_stop("loss", significance=x),
    lambda x: cd.absolute(x), lambda x: cd.plan(x), lambda x: cd.plan({"lr": x}), lambda x: cd.cosine() >> x, lambda x: cd.cosine() * x,
    lambda x: x + cd.cosine() if isinstance(x, (int, float)) else cd.cosine() + x, lambda x: cd.cosine().clip(x), lambda x: cd.cosine().clip(hi=x),
    lambda x: cd.cosine(5).repeat(x), lambda x: cd.cosine(5).repeat(grow=x), lambda x: cd.cosine(5).repeat(decay=x),
    lambda x: cd.cosine().stretch(x), lambda x: cd.cosine().past_end(x), lambda x: cd.cosine().staircase(x),
    lambda x: cd.cosine().cut(x),
    lambda x: cd.one_cycle(phases=x), lambda x: cd.restarts(x), lambda x: cd.restarts(5, to=x, decay=0.5), lambda x: cd.triangular(up=x),
    lambda x: cd.triangular(up=5, low=x), lambda x: cd.wsd(cooldown=x), lambda x: cd.wsd(shape=x),
]  # fmt: skip


@pytest.mark.parametrize("make", CONSTRUCTORS, ids=range(len(CONSTRUCTORS)))
@given(value=yaml_values)
@examples(20)
@example(value=[[1, 2], [3]])
@example(value=float("nan"))
@example(value={"a": 1})
@example(value="cosine")
def test_any_argument_is_taken_or_refused(make: Callable[[Any], Any], value: Any) -> None:
    with only_our_errors(value):
        made = make(value)
        if isinstance(made, Schedule):
            assert cd.parse(repr(made)) == made
            cd.place(made, **NOMINAL)


# ---- bombs -------------------------------------------------------------------------------------------------------


def nested(n: int, make: Callable[[Schedule], Schedule]) -> Callable[[], Any]:
    def build() -> Any:
        schedule: Schedule = cd.cosine(2)
        for _ in range(n):
            schedule = make(schedule)
        return cd.place(schedule, **NOMINAL)

    return build


def laughs() -> Any:
    many: list[Any] = ["ha"]
    for _ in range(40):
        many = [many] * 9
    return many


def itself() -> Any:
    circle: dict[str, Any] = {}
    circle["lr"] = circle
    return circle


BOMBS: dict[str, Callable[[], Any]] = {
    "repeat nested in text": lambda: cd.place("cosine(1)" + ".repeat(2)" * 1000, **NOMINAL),
    "repeat nested in methods": nested(1000, lambda s: s.repeat(2)),
    "repeat without end, nested": nested(1000, lambda s: s.repeat()),
    "repeat once of half an update, nested": lambda: cd.place("cosine('2.5 steps')" + ".repeat(1)" * 95, **NOMINAL),
    "repeat of half an update, nested": lambda: cd.place("cosine('1.5 steps')" + ".repeat(3)" * 20, total=10**9),
    "repeat a thousand million times": lambda: cd.place("cosine(10).repeat(1000000000)", **NOMINAL),
    "repeat more often than there are updates": lambda: cd.place("cosine(10).repeat(10000000000000000000)", **NOMINAL),
    "growing repeats, nested": nested(1000, lambda s: s.repeat(grow=2)),
    "cycles that shrink": lambda: cd.place("cosine(100).repeat(grow=0.5)", total=10**7),
    "cycles that grow without measure": lambda: cd.place("cosine(10).repeat(grow=1e300)", **NOMINAL).at(10**15),
    "cycles that hardly grow": lambda: cd.place("cosine(1).repeat(grow=1.0000001)", total=10**9),
    "stretch nested": nested(1000, lambda s: s.stretch(10)),
    "stretch beyond any run": lambda: cd.place("cosine(10)" + ".stretch(1e300)" * 9, **NOMINAL),
    "products nested": nested(1000, lambda s: (s * 0.5).clip(0)),
    "brackets": lambda: cd.parse("(" * 5000 + "cosine()" + ")" * 5000),
    "lists": lambda: cd.parse("steps(at=" + "[" * 3000 + "]" * 3000 + ")"),
    "minus signs": lambda: cd.parse("cosine(to=" + "-" * 15_000 + "1)"),
    "nots in a formula": lambda: cd.formula("not " * 4000 + "1"),
    "lambdas in a formula": lambda: cd.formula("lambda:" * 2500 + "1"),
    "lambdas": lambda: cd.parse("lambda:" * 2500 + "1"),
    "attributes": lambda: cd.parse("a" + ".a" * 9000),
    "a long sequence": lambda: cd.place(" >> ".join(["cosine(1)"] * 900), **NOMINAL),
    "a long sum": lambda: cd.place(" + ".join(["0.001"] * 1500 + ["cosine(1)"]), **NOMINAL),
    "a long formula": lambda: cd.place(cd.formula(" + ".join(["t"] * 5000)), **NOMINAL),
    "a tower of powers in a schedule": lambda: cd.parse("cosine(10**10**10)"),
    "a tower of powers in a formula": lambda: cd.place(cd.formula("10**10**10"), **NOMINAL),
    "a tower of powers in a formula's condition": lambda: cd.place(cd.formula("1 if 9**9**9**9 > t else 2"), **NOMINAL),
    "a shift in a formula": lambda: cd.formula("1 << 10**10"),
    "a product of text": lambda: cd.parse("cosine('a' * 10**10)"),
    "a length of 1e999": lambda: cd.cosine("1e999 epochs"),
    "a length of 1e-999": lambda: cd.place(cd.cosine("1e-999 epochs"), **NOMINAL),
    "a long length": lambda: cd.cosine("9" * 10**6 + " epochs"),
    "a long integer": lambda: cd.cosine(10**100_000),
    "a long integer in text": lambda: cd.parse("cosine(" + "9" * 10_000 + ")"),
    "a long integer in hexadecimal": lambda: cd.parse("cosine(0x" + "f" * 15_000 + ")"),
    "a long value in hexadecimal": lambda: cd.parse("cosine(to=0x" + "f" * 15_000 + ")"),
    "a long total": lambda: cd.place("cosine()", total=10**100_000),
    "a long base": lambda: cd.place("cosine()", total=10, base=10**100_000),
    "a megabyte of text": lambda: cd.parse("cosine() >> " * 80_000),
    "a megabyte of a formula": lambda: cd.formula("1 + " * 250_000 + "1"),
    "a megabyte of a total": lambda: cd.place("cosine()", total="1" * 10**6),
    "a megabyte of a name": lambda: cd.parse("x" * 10**6),
    "a long name": lambda: cd.parse("x" * 19_000 + "()"),
    "a long name of a shape": lambda: cd.ramp(shape="x" * 10**6),
    "a thousand million laughs": lambda: cd.parse(laughs()),
    "a thousand million laughs in a plan": lambda: cd.parse({"lr": laughs()}),
    "a thousand million laughs as a total": lambda: cd.place("cosine()", total=laughs()),
    "a thousand million laughs as points": lambda: cd.piecewise(laughs()),
    "data that holds itself": lambda: cd.parse(itself()),
    "a pattern that backtracks": lambda: cd.place({"*a" * 2000 + "b/lr": "cosine()"}, **NOMINAL, groups=["a" * 5000]),
    "steps at many positions": lambda: cd.place("steps(at=[" + "1, " * 6000 + "1])", **NOMINAL),
    "steps more often than updates": lambda: cd.place("steps(every='1e-30 steps')", **NOMINAL),
    "the values of a run of 1e15 updates": lambda: cd.place("cosine()", total=10**15).values(),
    "events without end": lambda: cd.place("steps(every=1, gamma=1)", total=10**15).events,
    "a run of 1e15 updates": lambda: cd.place("warmup('5%') >> cosine().repeat(7)", total=10**15).describe(),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_defused_in_bounded_time_and_memory(name: str) -> None:
    before = peak_memory()
    with only_our_errors(name):
        BOMBS[name]()
    assert peak_memory() - before < 300, f"{name} took {peak_memory() - before:.0f} MB"


def peak_memory() -> float:
    """The most that this process ever held, in MB; where the system does not say, no limit is tested."""
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
