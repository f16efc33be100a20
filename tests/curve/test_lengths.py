"""Where phases begin and end: lengths are summed as fractions, then rounded half up; joints have the promised value."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import cadence as cd
from cadence._errors import HorizonError, SpecError
from cadence.curve.combined import PlacedSequence
from cadence.spec.nodes import Schedule
from strategies import Run, decays, ends, examples, factors, leaves, runs, schedules, spans, warmups

SIZED = spans(least=0, most=12)


def in_updates(length: int | str, run: Run) -> Fraction:
    """A written length in updates, read here anew."""
    if isinstance(length, int):
        return Fraction(length)
    number, unit = (length[:-1], "%") if length.endswith("%") else length.split(" ")
    amount = Fraction(Decimal(number))
    assert run.total is not None
    return {
        "steps": amount,
        "epochs": amount * run.steps_per_epoch,
        "samples": amount / run.batch_size,
        "tokens": amount / run.tokens_per_step,
        "%": amount * run.total / 100,
    }[unit]


def boundaries(lengths: list[Fraction]) -> list[int]:
    """Beginnings of phases and the end of the last: summed, rounded half up, each at least one update."""
    whole, exact = [0], Fraction(0)
    for length in lengths:
        exact += length
        whole.append(max(math.floor(exact + Fraction(1, 2)), whole[-1] + 1))
    end = math.floor(exact + Fraction(1, 2))
    if len(lengths) <= end:
        # They are as long as their sum says: the phases before the last make room for its one update.
        whole = [min(t, end - later) for t, later in zip(whole, range(len(lengths), -1, -1), strict=True)]
    return whole


def changes(values: Any) -> list[int]:
    """Updates whose value is another than the one before."""
    return (np.flatnonzero(np.diff(values)) + 1).tolist()


@given(st.lists(SIZED, min_size=2, max_size=8), st.none() | st.integers(0, 8), runs())
@examples(150)
def test_boundaries_are_summed_then_rounded_half_up(lengths: list[int | str], gap: int | None, run: Run) -> None:
    assert run.total is not None
    written: list[int | str | None] = list(lengths)
    exact = [in_updates(x, run) for x in lengths]
    assume(sum(exact) <= run.total)
    if gap is not None:
        written.insert(gap % len(written), None)
        exact.insert(gap % len(exact), run.total - sum(exact))
    assume(sum(x > 0 for x in exact) > 1)
    schedule: Schedule = cd.constant(written[0], start=1)
    for k, length in enumerate(written[1:], start=2):
        schedule = schedule >> cd.constant(length, start=k)
    expected = boundaries([x for x in exact if x > 0])
    curve = run.place(schedule)
    (placed,) = curve.placed
    assert isinstance(placed, PlacedSequence)
    assert [p.begin for p in placed.parts] + [placed.end] == expected
    # And as a user sees it: every phase has a value of its own.
    assert changes(curve.values()) == [t for t in expected[1:-1] if t < run.total]
    assert [e.t for e in curve.events if e.kind == "phase"] == [t for t in expected[:-1] if t < run.total]


@pytest.mark.parametrize(
    ("lengths", "total", "expected"),
    [
        (["2.5 steps", "2.5 steps", None], 10, [3, 5]),  # 2.5 -> 3; 5.0
        (["0.4 steps", "0.4 steps", "0.4 steps", None], 10, [1, 2, 3]),  # at least one update each
        (["5%", None], 10, [1]),  # half an update is one
        (["5%", None], 29, [1]),  # 1.45
        (["5%", None], 30, [2]),  # 1.5
        (["33.3%", "33.3%", None], 100, [33, 67]),  # 33.3; 66.6
        (["1.5 epochs", "50 samples", "2e2 tokens", None], 100, [8, 9, 11]),  # 7.5; 7.5 + 50/32 = 9.06; + 2
        ([None, "0.5 steps", "0.5 steps"], 10, [8, 9]),  # 9; 9.5 -> 10; 10: the last two still have an update each
        ([None, "0.5 steps"], 10, [9]),  # 9.5 -> 10 would leave it none
        ([10, None, "90%"], 100, [10]),  # nothing is left for the open phase: it leaves no trace
        (["0 epochs", 3, "0%", None], 10, [3]),
    ],
)
def test_rounding_by_hand(lengths: list[Any], total: int, expected: list[int]) -> None:
    schedule: Schedule = cd.constant(lengths[0], start=1)
    for k, length in enumerate(lengths[1:], start=2):
        schedule = schedule >> cd.constant(length, start=k)
    curve = cd.place(schedule, total=total, steps_per_epoch=5, batch_size=32, tokens_per_step=100)
    assert changes(curve.values(0, total + 3)) == expected


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        ("90 epochs", 450450),
        ("2.5 epochs", 12513),
        ("1e6 samples", 3906),
        ("130 samples", 1),
        ("1.5e6 tokens", 1465),
        (7, 7),
    ],
)
def test_the_total_is_read_in_any_unit_and_rounded_half_up(total: Any, expected: int) -> None:
    curve = cd.place("cosine()", total=total, steps_per_epoch=5005, batch_size=256, tokens_per_step=1024)
    assert curve.total == curve.end == len(curve.values()) == expected


# ---- joints ------------------------------------------------------------------------------------------------------


@given(warmups(SIZED), leaves(st.none()), runs())
@examples(120)
def test_a_warmup_ends_where_the_next_phase_starts(warm: Schedule, after: Schedule, run: Run) -> None:
    curve = run.place(warm >> after)
    (placed,) = curve.placed
    assume(isinstance(placed, PlacedSequence))
    assert isinstance(placed, PlacedSequence)
    rise, _ = placed.parts
    assert rise.end is not None
    joint = curve.at(rise.end)
    if "decay(" in repr(after):
        assert joint == run.base
    if warm.ends == "closed" and rise.end - rise.begin > 1:  # type: ignore[attr-defined]
        assert curve.at(rise.end - 1) == joint, "a closed warmup has arrived at its last update"
    # Alone, towards the same value, it is the same rise.
    target = cd.ramp(
        warm.length, shape=warm.shape, start=warm.start, to=cd.absolute(joint), ends=warm.ends, **dict(warm.parameters)
    )  # type: ignore[attr-defined]
    alone = run.place(target >> cd.constant())
    np.testing.assert_allclose(alone.values(0, rise.end), curve.values(0, rise.end), rtol=1e-13, atol=1e-16 * run.base)


@given(leaves(SIZED), decays(st.none()), runs())
@examples(120)
def test_a_decay_starts_where_the_phase_before_ended(before: Schedule, fall: Schedule, run: Run) -> None:
    curve = run.place(before >> fall)
    (placed,) = curve.placed
    assume(isinstance(placed, PlacedSequence))
    assert isinstance(placed, PlacedSequence)
    first, second = placed.parts
    # Placed alone, the phase before holds its end value; there the decay begins, one that is not closed at its only update.
    assert first.end is not None
    if second.end - second.begin > (fall.ends == "closed"):  # type: ignore[operator, attr-defined]
        expected = run.base if "warmup(" in repr(before) else run.place(before).at(first.end)
        assert curve.at(second.begin) == pytest.approx(expected, rel=1e-15, abs=0)


@given(st.integers(1, 300), ends, factors, factors, st.sampled_from([1.0, 0.1, 3e-4]))
@examples(100)
def test_the_promised_values_at_both_ends_are_exact(n: int, at: str, start: float, to: float, base: float) -> None:
    for name in ("linear", "cosine", "power", "tanh", "rex", "1-sqrt"):
        curve = cd.place(cd.ramp(n, shape=name, start=start, to=to, ends=at), total=n + 5, base=base)
        arrives = n if at == "open" else n - 1
        assert curve.at(arrives) == to * base
        assert curve.at(0) == (start if arrives else to) * base


def test_the_example_of_the_contract_to_the_number() -> None:
    curve = cd.place(cd.warmup("5%") >> cd.cosine(to=0.01), total=1000)
    assert [curve.at(t) for t in (0, 49, 50, 1000, 5000)] == [0.01, 0.9802, 1.0, 0.01, 0.01]
    assert curve.at(999) == pytest.approx(0.0100027, rel=1e-6)


def test_a_warmup_that_nothing_follows_ends_at_the_base_and_so_does_one_before_a_decay() -> None:
    assert cd.place("warmup(10)", total=20, base=0.3).at([10, 15]).tolist() == [0.3, 0.3]
    assert cd.place("warmup(10) >> decay(10)", base=0.3).at(10) == 0.3
    assert cd.place("decay(10)", base=0.3).at(0) == 0.3


def test_a_warmup_rises_to_whatever_follows() -> None:
    for text, target in {
        "warmup(10) >> constant(start=0.4)": 0.4,
        "warmup(10) >> cosine(start=0.5) * 0.5": 0.25,
        "warmup(10) >> 0.5 * decay()": 0.5,
        "warmup(10) >> piecewise([(0, 1), (10, 0.2)])": 0.2,
        "warmup(10) >> (linear(10, start=0.7) >> linear(5)).repeat()": 0.7,
        "warmup(10) >> formula('0.3 + t * 0')": 0.3,
        "warmup(10) >> constant(start=absolute(0.05))": 0.05,
        "warmup(10) >> linear(start=0.5).clip(hi=0.2)": 0.2,
    }.items():
        curve = cd.place(text, total=100)
        assert curve.at(10) == target, text
        np.testing.assert_allclose(curve.values(0, 11), 0.01 + (target - 0.01) * np.arange(11) / 10, rtol=1e-14)


# ---- what does not fit -------------------------------------------------------------------------------------------


def test_two_open_phases_are_refused_when_the_sequence_is_made_or_placed() -> None:
    with pytest.raises(
        SpecError, match=r"cosine\(\) and linear\(\) both have no length.*give the other a length, e\.g\. '30%'"
    ):
        cd.cosine() >> cd.linear()
    with pytest.raises(SpecError, match="both have no length"):
        cd.formula("1") >> cd.linear()
    with pytest.raises(SpecError, match="both have no length"):
        cd.place((cd.cosine() * 0.5) >> cd.linear(5) >> cd.constant() * cd.plateau("val_loss"), total=100)


@given(schedules(), runs())
@examples(60)
def test_what_fits_a_run_ends_with_it_or_after_it(schedule: Schedule, run: Run) -> None:
    curve = run.place(schedule)
    assert curve.end == curve.total == run.total
    for placed in curve.placed:
        assert placed.begin == 0
        assert placed.end is None or placed.end >= 1
        if isinstance(placed, PlacedSequence):
            edges = [(p.begin, p.end) for p in placed.parts]
            assert all(a[1] == b[0] for a, b in itertools.pairwise(edges)), "neighbours touch"
            assert all(begin < run.total for begin, _ in edges), "every phase begins inside the run"  # type: ignore[operator]


# ---- cycles, stretches, shares -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "total", "restarts"),
    [
        ("cosine(10).repeat()", 35, [10, 20, 30]),
        ("cosine('2.5 steps').repeat()", 13, [3, 5, 8, 10]),
        ("cosine(3).repeat(grow=2)", 50, [3, 9, 21, 45]),
        ("cosine(2).repeat(grow=1.5)", 30, [2, 5, 10, 16, 26]),  # 2; 5; 9.5; 16.25; 26.375
        ("cosine(4).repeat(3, grow=0.5)", 20, [4, 6]),
        ("cosine('10%').repeat()", 40, [4, 8, 12, 16, 20, 24, 28, 32, 36]),  # shares alone: of the run
        ("cosine('10%').repeat(3)", 40, [4, 8]),
        ("cosine().repeat(4)", 40, [10, 20, 30]),  # open: an equal part of what is there
        ("cosine().repeat(3, grow=2)", 70, [10, 30]),
        ("(warmup('50%') >> cosine(5)).repeat()", 40, [10, 20, 30]),  # a share beside a fixed length: of the cycle
        ("(warmup('10%') >> cosine('90%')).repeat(2)", 40, [20]),  # shares that make up the whole: of the cycle
        ("(warmup('25%') >> cosine()).repeat(2)", 40, [20]),
        ("constant(5) >> cosine('2.5 steps').repeat()", 15, [8, 10, 13]),  # its own clock
        ("cosine(5).repeat(2).repeat(2)", 20, [5, 10, 15]),
        ("cosine(5).stretch(1.5).repeat()", 20, [8, 15]),  # 7.5 -> 8; 15
        ("cosine('1 epoch').repeat().stretch(2)", 40, [14, 28]),
    ],
)
def test_cycles_begin_where_their_lengths_say(text: str, total: int, restarts: list[int]) -> None:
    curve = cd.place(text, total=total, steps_per_epoch=7)
    assert sorted({e.t for e in curve.events if e.kind == "restart"}) == restarts
    # As a user sees it: there the value jumps back to that of the beginning.
    values = curve.values()
    assert [t for t in changes(values) if values[t] == values[0]] == restarts


def test_cycles_of_a_length_and_a_half_fill_each_cycle_to_its_end() -> None:
    # 12.5 updates: boundaries at 13, 25, 38; closed phases reach their end at the last update of long and short cycles.
    curve = cd.place("(linear(5, ends='closed') >> linear('7.5 steps', start=0.5, ends='closed')).repeat()", total=50)
    assert curve.at([12, 24, 37, 49]).tolist() == [0, 0, 0, 0]
    assert curve.at([4, 17, 29, 42]).tolist() == [0, 0, 0, 0]
    assert curve.at([0, 13, 25, 38]).tolist() == [1, 1, 1, 1]


def test_positions_in_a_cycle_are_on_its_clock_and_shares_of_it() -> None:
    for text in ("steps(10, at=[5], gamma=0.5).repeat()", "steps('20%', at=['50%'], gamma=0.5).repeat()"):
        assert changes(cd.place(text, total=50).values(0, 25)) == [5, 10, 15, 20]
    text = "(warmup(4) >> formula('t')).repeat(5).clip(hi=9)"
    assert cd.place(text, total=50).at([4, 9, 14, 19]).tolist() == [4, 9, 4, 9]


def test_a_stretched_schedule_is_the_same_schedule_twice_as_long() -> None:
    plain = cd.parse(
        "warmup(10) >> steps('40 steps', at=[20, 30], gamma=0.5) >> exponential('1 epoch', gamma=0.9) >> decay(9)"
    )
    slow, fast = (cd.place(s, total=n, steps_per_epoch=9) for s, n in ((plain.stretch(3), 300), (plain, 100)))  # type: ignore[union-attr]
    np.testing.assert_allclose(slow.at(3 * np.arange(100)), fast.values(), rtol=1e-12)
    half, whole = cd.place("cosine('50%').stretch(2)", total=100), cd.place("cosine()", total=100)
    np.testing.assert_array_equal(half.values(), whole.values())


def test_a_stair_keeps_the_value_at_its_beginning() -> None:
    curve = cd.place("cosine('3 epochs').staircase('1 epoch')", total="5 epochs", steps_per_epoch=4)
    smooth = cd.place("cosine('3 epochs')", total="5 epochs", steps_per_epoch=4)
    assert curve.values().tolist() == np.repeat(smooth.at([0, 4, 8, 12, 16]), 4).tolist()
    # It ends on the stair it is on, and holds that.
    cut = cd.place("linear(10).staircase(4)", total=10)
    assert cut.at([0, 3, 4, 8, 10, 12, 50]) == pytest.approx([1, 1, 0.6, 0.2, 0.2, 0.2, 0.2])


def test_positions_are_on_the_clock_of_the_run_and_local_ones_on_that_of_the_phase() -> None:
    plan = "warmup('500 steps') >> steps(at=['8 epochs', '11 epochs'], local={})"
    assert changes(cd.place(plan.format(False), total="12 epochs", steps_per_epoch=1000).values(500)) == [7500, 10500]
    assert changes(cd.place(plan.format(True), total="13 epochs", steps_per_epoch=1000).values(500)) == [8000, 11000]
    assert changes(cd.place("constant(7) >> steps(every=10, gamma=0.5)", total=40).values()) == [10, 20, 30]
    assert changes(cd.place("constant(7) >> steps(every=10, gamma=0.5, local=True)", total=40).values()) == [17, 27, 37]


def test_the_two_sides_of_a_product_have_one_length() -> None:
    assert cd.place("cosine(20) * linear()").end == 20
    assert cd.place("cosine('50%') * linear(50)", total=100).placed[0].end == 50
    with pytest.raises(
        HorizonError, match=r"the two sides of \* differ in length \(cosine\(20\) and linear\(10\)\); give them one"
    ):
        cd.place("cosine(20) * linear(10)")
    with pytest.raises(HorizonError, match=r"the two sides of \+ differ in length"):
        cd.place("cosine('50%') + linear(10)", total=100)


# ---- events ------------------------------------------------------------------------------------------------------


@given(schedules(), runs())
@examples(80)
def test_events_are_in_order_inside_the_run_and_end_with_it(schedule: Schedule, run: Run) -> None:
    events = run.place(schedule).events
    times = [e.t for e in events]
    assert times == sorted(times)
    assert (events[-1].t, events[-1].kind) == (run.total, "end")
    assert all(0 <= t < run.total for t in times[:-1])  # type: ignore[operator]
    assert len(set(events)) == len(events)


@given(
    st.lists(st.integers(0, 120), max_size=6), st.integers(1, 30), st.sampled_from([0.5, 0.1, 2.0]), st.booleans(), st.booleans()
)  # fmt: skip
@examples(80)
def test_milestones_lie_where_the_values_change(
    at: list[int], every: int, gamma: float, listed: bool, local: bool
) -> None:
    where: dict[str, Any] = {"at": at} if listed else {"every": every}
    curve = cd.place(cd.constant(10) >> cd.steps(gamma=gamma, local=local, start=0.75, **where), total=100)
    milestones = {e.t for e in curve.events if e.kind == "milestone"}
    # Positions before the phase begins have passed when it begins.
    assert milestones | {10} == set(changes(curve.values())) | {10}


def test_each_kind_of_event_is_told_at_its_update() -> None:
    curve = cd.place(
        "warmup('5%') >> steps('60%', at=['20%', '50%']) >> cosine('3 epochs').repeat(2) >> decay()",
        total=100,
        steps_per_epoch=2,
    )
    assert [(e.t, e.kind, e.text) for e in curve.events] == [
        (0, "phase", "warmup"), (5, "phase", "steps"), (5, "warmup ends", "warmup ends"), (20, "milestone", "x 0.1"),
        (50, "milestone", "x 0.1"), (65, "phase", "cosine"), (71, "restart", "cycle 2 begins"),
        (77, "cooldown starts", "linear decay"), (100, "end", "the run ends"),
    ]  # fmt: skip


def test_of_events_without_end_the_first_ten_thousand_are_told_and_at_once() -> None:
    assert len(cd.place("cosine(10).repeat()").events) == 10_000
    assert [e.t for e in cd.place(f"cosine(10).repeat({10**9})", total=25).events] == [0, 10, 20, 25]
    assert len(cd.place("steps(every=1, gamma=1)", total=10**9).events) == 10_001


def test_a_curve_describes_itself_in_words() -> None:
    text = cd.place("warmup('5%') >> cosine(to=0.01)", total=1000, base=0.1).describe()
    for words in ("1000 updates", "0.1 at update 50", "warmup", "cosine", "afterwards", "0.0505"):
        assert words in text
    endless = cd.place("cosine(10).repeat()", base=0.1)
    assert "for as long as the run goes on" in endless.describe()
    assert str(endless) == endless.describe()
    assert endless._repr_html_().startswith("<div><svg")
    assert "<code>cosine(10)</code>" in cd.cosine(10)._repr_html_()


def test_a_cut_schedule_is_the_beginning_of_the_whole() -> None:
    whole, begun = cd.place("cosine(100)", total=100), cd.place("cosine(100).cut(30) >> constant(start=0.5)", total=60)
    np.testing.assert_array_equal(begun.values(0, 30), whole.values(0, 30))
    assert set(begun.values(30).tolist()) == {0.5}
    # Where it is shorter than the cut, it goes on as it does past its end.
    assert cd.place("cosine(10).cut(30) >> constant()", total=60).at(29) == 0.0
    mirrored = cd.place("cosine(10).past_end('mirror').cut(30) >> constant()", total=60)
    assert mirrored.at(25) == mirrored.at(5) == 0.5


def test_an_open_phase_deep_inside_a_cut_may_begin_after_it_or_just_where_it_ends() -> None:
    deep = "(linear(20, start=0, to=1) >> (linear(60, start=1, to=0.5) >> constant(start=0.2)).clip(0.1)).cut()"
    whole = cd.place(deep, total=200)
    for total in (10, 20, 50, 80, 81):
        np.testing.assert_array_equal(cd.place(deep, total=total).values(), whole.values(0, total))
    assert cd.place(deep, total=80).at(80) == 0.2


def test_a_cut_sequence_may_outlast_the_run() -> None:
    sequence = "linear(200, start=0.1, to=1) >> cosine(800)"
    with pytest.raises(HorizonError, match="would begin at update 200"):
        cd.place(sequence, total=100)
    np.testing.assert_array_equal(
        cd.place(f"({sequence}).cut()", total=100).values(), cd.place(sequence, total=1000).values(0, 100)
    )
    # Also where its last phase takes what is left.
    held = "(constant(5, start=0.5) >> constant()).cut()"
    assert [cd.place(held, total=n).at(n) for n in (3, 5, 6)] == [0.5, 1.0, 1.0]
    # What follows does not move the joint of a warmup inside.
    assert cd.place("warmup(10).cut(5) >> constant(start=0.3)", total=20).at(4) == pytest.approx(0.01 + 0.99 * 0.4)
