"""One text form: what `repr` prints, python, YAML and JSON read back as the same schedule."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cadence as cd
from cadence._errors import SpecError
from cadence.spec.catalogue import constructor
from cadence.spec.constructors.shaped import named
from cadence.spec.nodes import Product, Schedule, Sequence, Sum
from cadence.spec.plan import Plan
from cadence.spec.shape import shape
from cadence.spec.span import span
from strategies import any_spans, examples, factors, leaves, plans, schedules, values, written

NOMINAL = {"total": 1000, "steps_per_epoch": 10, "batch_size": 32, "tokens_per_step": 100}


def constructors() -> list[str]:
    """All names, those of shapes registered since the last look among them."""
    for name in shape.names():
        if name.isidentifier() and shape[name].mixes == "linear":
            named(name)
    return constructor.names()


every_constructor = pytest.mark.parametrize("name", constructors())

# ---- there and back ----------------------------------------------------------------------------------------------


@given(written())
@examples(300)
def test_the_text_form_reads_back_as_the_same_schedule(schedule: Schedule) -> None:
    text = repr(schedule)
    again = cd.parse(text)
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert repr(again) == text


@given(written())
@examples(100)
def test_the_text_form_is_python(schedule: Schedule) -> None:
    names = {name: getattr(cd, name) for name in (*constructors(), "absolute")}
    assert eval(repr(schedule), {"__builtins__": {}}, names) == schedule  # noqa: S307 (the text is our own)


@given(schedules(ruled=True) | plans())
@examples(60)
def test_json_and_yaml_hold_the_text_form(spec: Schedule | Plan) -> None:
    assert cd.parse(json.loads(json.dumps({"schedule": repr(spec)}))["schedule"]) == spec
    yaml = pytest.importorskip("yaml")
    assert cd.parse(yaml.safe_load(yaml.safe_dump({"schedule": repr(spec)}))["schedule"]) == spec


@given(plans())
@examples(60)
def test_a_plan_is_a_mapping_in_json_and_yaml(plan: Plan) -> None:
    table = {key: repr(schedule) for key, schedule in plan.entries}
    assert cd.parse(json.loads(json.dumps(table))) == plan
    yaml = pytest.importorskip("yaml")
    assert cd.parse(yaml.safe_load(yaml.safe_dump(table, sort_keys=False))) == plan
    assert cd.parse(repr(plan)) == plan
    assert hash(cd.parse(repr(plan))) == hash(plan)


@given(written())
@examples(40)
def test_copies_and_pickles_are_equal(schedule: Schedule) -> None:
    assert copy.deepcopy(schedule) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule  # noqa: S301 (our own)


@given(any_spans)
def test_a_length_reads_back_from_what_it_prints(length: int | str) -> None:
    read = span(length)
    assert span(str(read)) == read
    schedule = cd.constant(length)
    assert cd.parse(repr(schedule)) == schedule


@given(values(factors | st.floats(0, 1e300)))
def test_a_value_reads_back_to_the_bit(value: Any) -> None:
    read = cd.parse(repr(cd.constant(start=value)))
    assert read == cd.constant(start=value)


@pytest.mark.parametrize(
    "text",
    [
        "warmup('5%') >> cosine(to=0.01)",
        "warmup(500, start=0.001) >> steps(at=['8 epochs', '11 epochs'])",
        "warmup('10 epochs') >> constant() * plateau('val_loss', factor=0.5, patience=3)",
        "warmup('2%') >> constant() >> decay('20%', shape='1-sqrt')",
        "formula('1 if epoch < 50 else max(0.1, 1 - (epoch - 50) * 0.018)')",
        "cosine(10, ends='closed').repeat(3, grow=2, decay=0.5).clip(lo=0.01)",
        "(constant(5) >> linear(10)).stretch(2).past_end('mirror').staircase('1 epoch')",
        "cosine(100).cut(5) >> cosine(3).cut()",
        "0.5 + 0.5 * cosine()", "absolute(1e-05) + linear(10)", "power(10, to=absolute(1e-06), exponent=0.9)",
        "piecewise([(0, 1), ('30%', absolute(0.3))], shape='tanh', local=True)", "ramp(10, shape='1-sqrt', to=0.1, start=2)",
        "constant() * early_stop('bleu', patience='5 epochs')", "constant() * plateau('val_loss', patience='5 steps', cooldown=2)", "constant(start=2) * 3 * cosine()", "tanh(low=-3, high=2.5)",
        "plan({'lr': cosine(), 'head.*/lr': cosine() * 0.1, 'weight_decay': constant()})", "constant('0.5 epochs', start=1e+20)",
        "exponential(gamma=0.95, every='1 epoch')", "exponential(to=0.01)", "formula('u', length=10, local=True)",
        "piecewise([(0, 1)], length='5%')", "steps(every=30, gamma=0.5, start=absolute(0.1), local=True)",
    ],
)  # fmt: skip
def test_canonical_text_is_printed_as_it_was_written(text: str) -> None:
    assert repr(cd.parse(text)) == text


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("cosine('500 steps')", "cosine(500)"), ("cosine( '8.0 Epochs' ,to = 1e-2 )", "cosine('8 epochs', to=0.01)"),
        ("cosine('1e6 samples')", "cosine('1000000 samples')"), ("cosine('5 percent')", "cosine('5%')"),
        ("cosine(to=0.0, start=1.0, ends='open')", "cosine()"), ("warmup(5, start=0.01, shape='linear')", "warmup(5)"),
        ("exponential(half_life=10)", "exponential(gamma=0.5, every=10)"), ("power(exponent=2)", "power()"),
        ("ramp(5, shape='cosine', to=0.1)", "cosine(5, to=0.1)"), ("wsd()", "warmup('2%') >> constant() >> decay('20%', shape='1-sqrt')"),
        ("restarts(10)", "cosine(10).repeat()"), ("(linear(1)>>linear(2))>>linear()", "linear(1) >> linear(2) >> linear()"),
        ("linear(1) >> (linear(2) >> linear())", "linear(1) >> linear(2) >> linear()"), ("steps(at=(1,2))", "steps(at=[1, 2])"),
        ("2*(3*cosine())", "constant(start=2) * 3 * cosine()"), ("0.5", "constant(start=0.5)"), ("-0.0 + cosine()", "0 + cosine()"),
        ("absolute(0.1)", "constant(start=absolute(0.1))"), ("piecewise({0: 1, '5%': 2})", "piecewise([(0, 1), ('5%', 2)])"),
        ("plan({'lr': 0.5})", "plan({'lr': constant(start=0.5)})"), ("  cosine()\n", "cosine()"),
        ("plateau('val_loss', mode='min', patience=10) * constant()", "plateau('val_loss') * constant()"),
    ],
)  # fmt: skip
def test_other_spellings_print_in_the_canonical_one(written: str, printed: str) -> None:
    assert repr(cd.parse(written)) == printed


# ---- equality and the algebra ------------------------------------------------------------------------------------


@given(leaves(), leaves(), leaves())
@examples(60)
def test_following_is_associative(a: Schedule, b: Schedule, c: Schedule) -> None:
    try:
        left = (a >> b) >> c
    except SpecError:
        with pytest.raises(SpecError, match="both have no length"):
            a >> (b >> c)
    else:
        assert left == a >> (b >> c)
        assert hash(left) == hash(a >> (b >> c))
        assert isinstance(left, Sequence)
        assert left.parts == (a, b, c)


@given(leaves(), leaves(), leaves())
@examples(40)
def test_products_and_sums_are_associative_and_bind_tighter_than_following(
    a: Schedule, b: Schedule, c: Schedule
) -> None:
    assert (a * b) * c == a * (b * c) == Product((a, b, c))
    assert (a + b) + c == a + (b + c) == Sum((a, b, c))
    assert cd.parse(f"{a!r} * {b!r} + {c!r}") == (a * b) + c
    assert a * b != b * a or a == b
    try:
        expected = Sequence((a * b, c + b))
    except SpecError:
        return
    assert cd.parse(f"{a!r} * {b!r} >> {c!r} + {b!r}") == expected


def test_equal_content_is_equal_however_it_was_written() -> None:
    assert cd.cosine("500 steps", to=0) == cd.cosine(500) == cd.parse("cosine(500, to=0.0)")
    assert len({cd.cosine("5%"), cd.cosine("5.0 percent"), cd.ramp("5%", shape="cosine")}) == 1
    assert cd.cosine(500) != cd.cosine(501)
    assert cd.cosine(to=0.1) != cd.cosine(to=cd.absolute(0.1))
    assert cd.cosine(10) != cd.linear(10)
    assert cd.constant() * 0.5 == cd.constant() * cd.constant(start=0.5)


def test_numbers_join_from_both_sides() -> None:
    half = cd.constant(start=0.5)
    assert 0.5 * cd.cosine() == half * cd.cosine()
    assert cd.cosine() + 0.5 == cd.cosine() + half
    assert cd.absolute(0.5) + cd.cosine() == cd.constant(start=cd.absolute(0.5)) + cd.cosine()
    with pytest.raises(SpecError, match=r"after >> stands a schedule, not 0\.5; write a constant as constant"):
        cd.cosine(5) >> 0.5


def test_a_schedule_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        cd.cosine(5).to = 1.0  # type: ignore[attr-defined]


# ---- the catalogue -----------------------------------------------------------------------------------------------


@every_constructor
def test_the_example_of_every_constructor_reads_back_and_places(name: str) -> None:
    example = constructor[name].example
    schedule = cd.parse(example)
    assert cd.parse(repr(schedule)) == schedule
    curve = cd.place(schedule, **NOMINAL, base=0.1)  # type: ignore[arg-type]
    found = curve.values()
    assert found.shape == (1000,)
    assert 0 <= found.min() <= found.max() <= 0.1 * (1 + 1e-15)
    assert found.max() == pytest.approx(0.1, rel=1e-2), "an example shows the schedule at its peak"


@every_constructor
def test_every_constructor_says_what_people_want_to_know(name: str) -> None:
    entry = constructor[name]
    for text in (entry.formula, entry.source, entry.when, entry.avoid, entry.make.__doc__ or ""):
        assert text.strip()
    assert entry.family in ("scheduled", "adaptive", "custom")
    assert getattr(cd, name) is entry.make
    assert name in cd.__all__


@every_constructor
def test_a_constructor_without_brackets_says_how_it_is_called(name: str) -> None:
    with pytest.raises(SpecError, match=rf"{name} is called with brackets: write {name}\(\.\.\.\)"):
        cd.parse(name)


def test_a_new_shape_is_a_word_of_the_language_at_once() -> None:
    from cadence.spec.shape import _Shapes  # pyright: ignore[reportPrivateUsage]

    name = "quadratic_for_this_test"
    assert isinstance(shape, _Shapes)

    @shape(name=name, source="-", formula="v ** 2", when="-", avoid="-")
    def quadratic(u: Any, v: Any, xp: Any) -> Any:
        return v * v

    try:
        schedule = cd.parse(f"warmup(5) >> {name}(10, to=0.5)")
        assert repr(schedule) == f"warmup(5) >> {name}(10, to=0.5)"
        assert cd.place(schedule).at(10) == 0.625
    finally:
        for registry in (shape, constructor):
            registry._members.pop(name, None)  # pyright: ignore[reportPrivateUsage]
