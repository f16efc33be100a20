"""What a placed schedule is worth: against the slow oracle, at once and one by one, on numpy and under a compiler."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cadence as cd
import oracle
from cadence._errors import CadenceError, HorizonError
from cadence.curve import curve as curve_file
from cadence.curve.placed import Scene
from cadence.spec.nodes import Schedule, walk
from strategies import LEAVES, SHORT, Run, bases, examples, plans, runs, schedules

# ---- the oracle --------------------------------------------------------------------------------------------------


def assert_as_the_oracle_says(schedule: Schedule, run: Run, end: int) -> None:
    curve, slow = run.place(schedule), oracle.evaluate(schedule, run)
    times = np.arange(end)
    exact = np.array([slow(t, run.base) for t in times.tolist()])
    np.testing.assert_allclose(
        curve.at(times), exact, rtol=0, atol=1e-12 * np.abs(exact).max() + 1e-15, err_msg=repr(schedule)
    )


@given(schedules(), runs())
@examples(400)
def test_a_schedule_is_worth_what_the_contract_says_at_every_update_and_past_the_end(
    schedule: Schedule, run: Run
) -> None:
    assert run.total is not None
    assert_as_the_oracle_says(schedule, run, run.total + 30)


@pytest.mark.parametrize("leaf", LEAVES)
@given(data=st.data(), run=runs())
@examples(20)
def test_a_leaf_is_worth_what_its_formula_says(leaf: str, data: st.DataObject, run: Run) -> None:
    assert run.total is not None
    assert_as_the_oracle_says(data.draw(LEAVES[leaf](st.none() | SHORT)), run, run.total + 5)


ENDLESS = (
    "constant()", "inverse(timescale=7)", "exponential(half_life='3 epochs')", "steps(every='1.5 epochs', gamma=0.5)",
    "cosine('2.5 steps').repeat(decay=0.9)", "cosine(3).repeat(grow=2, decay=0.5)", "warmup(10) >> cosine(7).repeat()",
    "(warmup('20%') >> cosine('6 steps')).repeat()", "warmup('1 epoch') >> steps(at=[9, 12])",
    "formula('2 ** -epoch')", "cosine(9).past_end('mirror') * 0.5", "exponential(gamma=0.9, every=4).staircase(4)",
    "0.1 + (linear(4, to=0.9, start=0) >> linear(4, start=0.9)).repeat(decay=0.5)", "constant(3) >> inverse(timescale=2)",
)  # fmt: skip


@pytest.mark.parametrize("text", ENDLESS)
def test_a_schedule_that_needs_no_total_is_placed_without_one(text: str) -> None:
    run = Run(None, base=0.3)
    schedule = cd.parse(text)
    assert isinstance(schedule, Schedule)
    assert_as_the_oracle_says(schedule, run, 120)
    if run.place(schedule).end is None:
        with pytest.raises(HorizonError, match="goes on for ever"):
            run.place(schedule).values()


# ---- one by one and all at once ----------------------------------------------------------------------------------


@given(schedules(), runs(), st.data())
@examples(120)
def test_values_are_at_every_update_to_the_bit_in_any_order_and_company(
    schedule: Schedule, run: Run, data: st.DataObject
) -> None:
    curve = run.place(schedule)
    whole = curve.values(0, run.total + 20)  # type: ignore[operator]
    times = data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=30))
    assert curve.at(times).tobytes() == whole[times].tobytes()
    assert all(curve.at(t) == whole[t] for t in times)
    a, b = sorted(data.draw(st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)))))
    assert curve.values(a, b).tobytes() == whole[a:b].tobytes()


@pytest.mark.parametrize(
    "text", [*ENDLESS, "warmup('5%') >> cosine(to=0.01)", "wsd()", "piecewise([(0, 0.1), (9, 1)], shape='tanh')"]
)
def test_blocks_leave_no_seam(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = cd.place(text, total=5000, steps_per_epoch=7, base=0.3)
    whole = curve.values()
    assert whole.tobytes() == np.array([curve.at(t) for t in range(5000)]).tobytes()
    for block in (1, 7, 64, 4999):
        monkeypatch.setattr(curve_file, "BLOCK", block)
        assert curve.values(0, 500).tobytes() == whole[:500].tobytes()


def test_values_are_float64_of_the_asked_shape() -> None:
    curve = cd.place("cosine()", total=100)
    assert isinstance(curve.at(3), float)
    assert isinstance(curve.at(np.int32(3)), float)
    grid = curve.at(np.array([[0, 50], [100, 7]], dtype=np.uint8))
    assert (grid.shape, grid.dtype) == ((2, 2), np.float64)
    assert curve.at([]).shape == (0,)
    assert curve.at(3.0) == curve.at(3)
    assert curve.values(90, 90).shape == (0,)


@pytest.mark.parametrize("text", ENDLESS)
def test_random_access_needs_no_replay(text: str) -> None:
    curve = cd.place(text, steps_per_epoch=7)
    far = 10**12
    assert curve.at([far, 0, far + 1])[1] == curve.at(0)
    assert 0 <= curve.at(far) <= 2


def test_a_far_update_is_where_its_cycle_says() -> None:
    assert cd.place("cosine(10).repeat()").at(10**12) == 1.0
    assert cd.place("cosine('2.5 steps').repeat()").at(10**12) == 1.0
    assert cd.place("linear(10).repeat()").at(10**15 - 1) == pytest.approx(0.1, rel=1e-15)
    # Cycles of 2 ** k: update 2 ** 40 - 1 begins one, as the ones before it have 2 ** 40 - 1 updates.
    assert cd.place("linear(1).repeat(grow=2)").at(2**40 - 1) == 1.0
    assert cd.place("steps(every=10, gamma=1)").at(10**15) == 1.0


# ---- base and units ----------------------------------------------------------------------------------------------


@given(schedules(absolute=False), runs(), bases)
@examples(100)
def test_a_relative_curve_is_its_base_times_the_curve_of_base_1(schedule: Schedule, run: Run, base: float) -> None:
    unit = Run(run.total, run.steps_per_epoch, run.batch_size, run.tokens_per_step, base=1.0).place(schedule)
    other = Run(run.total, run.steps_per_epoch, run.batch_size, run.tokens_per_step, base=base).place(schedule)
    np.testing.assert_array_max_ulp(other.values(), base * unit.values(), 1)


@pytest.mark.parametrize("number", [1e-5, 0.1, 1 / 3, 5e-324, 1e6])
def test_absolute_values_are_exact_whatever_the_base(number: float) -> None:
    value = cd.absolute(number)
    for base in (1.0, 0.1, 3e-4, 7.0, 0.0):
        assert cd.place(cd.constant(start=value), base=base).at(12) == number
        assert cd.place(cd.cosine(start=value, to=cd.absolute(0)), total=9, base=base).at(0) == number
        assert cd.place(cd.linear(start=value, to=value), total=9, base=base).at(4) == number
        assert cd.place(cd.warmup(4) >> cd.constant(start=value), total=9, base=base).at(4) == number
        assert cd.place(cd.constant() * cd.constant(start=value), base=1.0).at(4) == number
        assert cd.place(cd.steps(at=[3], gamma=1, start=value), base=base).at(4) == number
        assert cd.place(cd.piecewise([(0, value)]), base=base).at(4) == number
        assert cd.place(cd.constant(start=0).clip(lo=value), base=base).at(4) == number


def test_in_a_product_the_absolute_part_carries_the_unit() -> None:
    curve = cd.place(cd.constant(start=0.5) * cd.constant(start=cd.absolute(0.2)), base=10.0)
    assert curve.at(0) == 0.1
    assert cd.place(cd.constant(start=0.5) * 4, base=10.0).at(0) == 20.0
    assert cd.place(cd.constant(start=0.5) + cd.absolute(0.25), base=10.0).at(0) == 5.25


def test_groups_have_their_own_bases_and_patterns_their_own_schedules() -> None:
    plan = cd.plan(
        {"lr": cd.linear(to=0.5), "head.*/lr": cd.linear(to=0.5) * 10, "weight_decay": 1, "head.w/weight_decay": 0}
    )
    curve = cd.place(
        plan, total=10, base={"lr": [0.1, 0.2, 0.4], "weight_decay": 0.01}, groups=["body", "head.w", "head.b"]
    )
    assert [curve.at(0, group=g) for g in ("body", "head.w", "head.b")] == [0.1, 2.0, 4.0]
    assert [curve.at(10, group=g, value="weight_decay") for g in range(3)] == [0.01, 0.0, 0.01]
    np.testing.assert_array_max_ulp(curve.values(group="head.b"), 40 * curve.values(group=0), 1)


@given(plans(), runs())
@examples(30)
def test_each_entry_of_a_plan_is_the_curve_of_its_schedule(plan: Any, run: Run) -> None:
    groups = ["body", "head.w", "ab", "it's"]
    try:
        curve = cd.place(plan, **vars(run), groups=groups)
    except CadenceError:
        return
    for g, value in curve.pairs:
        entry = plan.governing(groups[g], value)
        alone = cd.place(plan.entries[entry][1], **vars(run))
        assert curve.values(group=g, value=value).tobytes() == alone.values().tobytes()
    columns = curve.columns(3, 30)
    assert columns == [curve.values(3, 30, group=g, value=value).tolist() for g, value in curve.pairs]


# ---- past the end ------------------------------------------------------------------------------------------------


@given(schedules(), runs(), st.integers(0, 10**9))
@examples(100)
def test_past_the_end_the_end_value_holds(schedule: Schedule, run: Run, after: int) -> None:
    if any(hasattr(node, "then") for node in walk(schedule)) or "1 / (1 + t" in repr(schedule):
        return
    curve = run.place(schedule)
    ends = [p.end for p in curve.placed]
    end = max(run.total, *ends)  # type: ignore[type-var]
    assert curve.at(end + after) == curve.at(end)


def test_what_is_asked_for_past_the_end_comes() -> None:
    cosine, at = cd.cosine(4), [3, 4, 5, 7, 8, 9, 12]
    inside = dict(enumerate(cd.place(cosine).values(0, 5).tolist()))
    expected = {
        "hold": [inside[3], 0, 0, 0, 0, 0, 0],
        "repeat": [inside[t % 4] for t in at],
        "mirror": [inside[3], 0, inside[3], inside[1], inside[0], inside[1], 0],
    }
    for then, values in expected.items():
        assert cd.place(cosine.past_end(then), total=20).at(at).tolist() == values
    raising = cd.place(cosine.past_end("raise"))
    assert raising.at(4) == 0
    with pytest.raises(HorizonError, match=r"update 5 lies past the end of the schedule at 4, and past_end\('raise'\)"):
        raising.at(5)
    with pytest.raises(HorizonError, match="update 20 lies past the end"):
        cd.place(cosine.past_end("raise"), total=20)


# ---- under a compiler --------------------------------------------------------------------------------------------


def traced(curve: Any, times: np.ndarray[Any, Any], base: float) -> Any:
    import jax
    import jax.numpy as jnp

    return np.asarray(jax.jit(lambda t: curve.placed[0].at(t, Scene(base, {}, jnp)))(jnp.asarray(times)))


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_traced_by_a_compiler_is_worth_the_same(leaf: str, x64: None) -> None:
    @given(LEAVES[leaf](st.none() | SHORT), runs())
    @examples(6)
    def check(schedule: Schedule, run: Run) -> None:
        assert_traced_is_the_same(schedule, run)

    check()


def test_a_tree_traced_by_a_compiler_is_worth_the_same(x64: None) -> None:
    @given(schedules(leaves_most=4), runs())
    @examples(15)
    def check(schedule: Schedule, run: Run) -> None:
        assert_traced_is_the_same(schedule, run)

    check()


def assert_traced_is_the_same(schedule: Schedule, run: Run) -> None:
    curve = run.place(schedule)
    times = np.arange(run.total + 10)  # type: ignore[operator]
    plain = curve.placed[0]
    with np.errstate(all="ignore"):
        exact = plain.at(times, Scene(run.base, {}))
    np.testing.assert_allclose(
        traced(curve, times, run.base), exact, rtol=1e-12, atol=1e-15 * abs(exact).max(), err_msg=repr(schedule)
    )


def test_a_single_traced_update_is_a_scalar(x64: None) -> None:
    curve = cd.place("warmup('5%') >> cosine(to=0.01)", total=1000)
    assert traced(curve, np.int64(999), 1.0).shape == ()  # type: ignore[arg-type]
    assert float(traced(curve, np.int64(999), 1.0)) == pytest.approx(curve.at(999), rel=1e-15)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["cosine(5).repeat(grow=2)", "linear(9).repeat(grow=0.8, decay=0.7)"])
def test_growing_cycles_are_traced_one_by_one(text: str, x64: None) -> None:
    curve = cd.place(text, total=60)
    times = np.arange(65)
    np.testing.assert_allclose(traced(curve, times, 1.0), curve.at(times), rtol=1e-14, atol=1e-16)


def test_more_growing_cycles_than_a_compiler_should_be_given_are_refused(x64: None) -> None:
    curve = cd.place("cosine(5).repeat(grow=1.001)", total=2000)
    with pytest.raises(HorizonError, match=r"337 of them are too many; write at most 200"):
        traced(curve, np.arange(5), 1.0)


# ---- updates that are none ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "parts"),
    [
        (-1, ["-1", "update 0"]), ([3, -7], ["-7"]), (0.5, ["0.5", "whole"]), (float("nan"), ["nan"]), (float("inf"), ["inf"]),
        (10**15 + 1, ["1000000000000001", "1e15"]), (10**30, ["1e15"]), (-(10**30), ["update 0"]), ("5", ["'5'"]), (None, ["None"]),
        pytest.param(10**5000, ["bits"], id="5000 digits"), ([0, 1.5], ["1.5"]), (2**63, ["1e15"]),
    ],
)  # fmt: skip
def test_an_update_number_that_is_none_is_refused_with_its_value(t: Any, parts: list[str]) -> None:
    curve = cd.place("cosine()", total=100)
    with pytest.raises(HorizonError) as caught:
        curve.at(t)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_values_before_the_run_are_refused() -> None:
    with pytest.raises(HorizonError, match="update -5 lies before the run"):
        cd.place("cosine()", total=100).values(-5, 10)


def test_a_key_for_a_group_means_its_parts() -> None:
    groups = ["head:3", "head:3:no_decay", "header", "rest:0"]
    curve = cd.place({"lr": 1, "head/lr": "linear()", "*:no_decay/lr": 0.5}, total=4, base=1.0, groups=groups)
    assert [curve.at(2, group=g) for g in groups] == [0.5, 0.5, 1.0, 1.0]
    assert [curve.at(3, group=g) for g in groups] == [0.25, 0.5, 1.0, 1.0]
