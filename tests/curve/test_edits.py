"""What a journal does to a curve: nothing before its update, and no jump that was not asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cadence as cd
from cadence.spec.nodes import Schedule
from strategies import Run, examples, runs, schedules


def entries(kind: str, t: int) -> dict[str, Any]:
    """A change of the rate from update t on."""
    return {
        "set": {"kind": "set", "t": t, "factors": {"lr": [0.5]}},
        "change": {"kind": "change", "t": t, "factors": {"lr": [2.0]}},
        "hold": {"kind": "hold", "t": t, "until": t + 7, "values": {"lr": [0.25]}},
        "rewarm": {"kind": "rewarm", "t": t, "updates": 10, "start": 0.1, "values": ["lr"]},
        "stretch": {"kind": "stretch", "t": t, "was": 100, "total": 150},
    }[kind]


@pytest.mark.parametrize("kind", ["set", "change", "hold", "rewarm", "stretch"])
@given(schedules(), st.integers(1, 90))
@examples(15)
def test_a_change_leaves_what_came_before_it_alone(kind: str, schedule: Schedule, t: int) -> None:
    plain = Run(100).place(schedule)
    changed = plain.with_entry(entries(kind, t))
    assert changed.values(0, t).tobytes() == plain.values(0, t).tobytes()
    assert changed.at([t + 3, 0, t]).tobytes() == changed.values(0, t + 4)[[t + 3, 0, t]].tobytes()
    assert changed.columns(0, 100)[0] == changed.values(0, 100).tolist()


def test_each_change_by_hand_has_its_values() -> None:
    plain = cd.place(cd.linear(), total=100)
    assert plain.with_entry(entries("set", 40)).at([39, 40, 80]) == pytest.approx([0.61, 0.3, 0.1])
    held = plain.with_entry(entries("hold", 40))
    # It goes on from 0.25 in proportion: at 47 the plan has 0.53.
    assert held.at([39, 40, 46, 47, 48]) == pytest.approx([0.61, 0.25, 0.25, 0.25, 0.25 * 0.52 / 0.53])
    warm = plain.with_entry(entries("rewarm", 40))
    assert warm.at([39, 40, 45, 50, 60]) == pytest.approx([0.61, 0.06, 0.55 * 0.55, 0.5, 0.4])
    slow = plain.with_entry(entries("stretch", 40))
    assert slow.at([39, 40, 95, 149, 150]) == pytest.approx([0.61, 0.6, 0.3, 0.6 / 110, 0])
    assert (slow.total, slow.end) == (150, 150)


def test_a_hold_without_end_ends_with_its_release() -> None:
    plain = cd.place(cd.linear(), total=100)
    hold = {"kind": "hold", "t": 40, "until": None, "values": {"lr": [0.6]}}
    assert plain.with_entry(hold).at([40, 99, 10**9]).tolist() == [0.6, 0.6, 0.6]
    released = plain.with_entry(hold, {"kind": "release", "t": 70})
    assert released.at([69, 70, 85]) == pytest.approx([0.6, 0.6, 0.3])


def test_a_stretched_clock_takes_cycles_and_stairs_with_it() -> None:
    for text in (
        "cosine('2.5 steps').repeat()",
        "cosine(10).repeat(grow=2)",
        "cosine().staircase(7)",
        "steps(every='1.5 epochs', gamma=0.5)",
    ):
        plain = cd.place(text, total=100, steps_per_epoch=4)
        slow = plain.with_entry({"kind": "stretch", "t": 0, "was": 100, "total": 300})
        assert slow.at(3 * np.arange(100)) == pytest.approx(plain.values(), rel=1e-12), text
        assert 0 <= slow.values().min() <= slow.values().max() <= 1


@given(runs(), st.integers(6, 39))
@examples(15)
def test_cuts_of_a_rule_multiply_what_stands_in_its_product(run: Run, t: int) -> None:
    schedule = cd.warmup(5) >> cd.linear() * cd.plateau("val_loss", factor=0.5, minimum=0.01)
    plain = run.place(schedule)
    cut = plain.with_entry({"kind": "cut", "t": t, "rule": 0}, {"kind": "cut", "t": t + 2, "rule": 0})
    times = np.arange(run.total)  # type: ignore[arg-type]
    factor = np.where(times < t, 1, np.where(times < t + 2, 0.5, 0.25))
    # A cut is never below the minimum, and a value that is below it by itself is left alone.
    expected = np.maximum(plain.values() * factor, np.minimum(plain.values(), 0.01 * run.base))
    np.testing.assert_allclose(cut.values(), expected, rtol=1e-12)
    assert cut.rules[0].begin == 5


BASES = (0.2, 0.0, 0.05)


@pytest.mark.parametrize(
    ("change", "keeps"),
    [
        ({"kind": "set", "factors": {"lr": [0.5, 0.5, 0.5]}}, True),
        ({"kind": "set", "factors": {"lr": [0.5, None, None]}}, False),
        ({"kind": "set", "factors": {"lr": [None, None, None]}}, True),
        ({"kind": "change", "factors": {"lr": [2.0, 2.0, 3.0]}}, False),
        # A group that came after the change is not touched by it.
        ({"kind": "change", "factors": {"lr": [2.0, 2.0]}}, False),
        ({"kind": "hold", "until": 60, "values": {"lr": [0.08, 0.0, 0.02]}}, True),
        ({"kind": "hold", "until": 60, "values": {"lr": [0.08, 0.0, 0.03]}}, False),
        ({"kind": "rewarm", "updates": 10, "start": 0.1, "values": ["lr"]}, True),
        ({"kind": "stretch", "was": 100, "total": 150}, True),
    ],
)
def test_groups_keep_their_ratio_where_a_change_treats_them_alike(change: dict[str, Any], keeps: bool) -> None:
    plain = cd.place("warmup(5) >> linear()", total=100, base=BASES, groups=("a", "b", "c"))
    curve = plain.with_entry({"t": 40, **change})
    assert plain.ratios == {"lr": BASES}
    assert curve.ratios == ({"lr": BASES} if keeps else {})
    columns = np.array(curve.columns(0, 140))
    same = np.allclose(columns, columns[:1] * (np.array(BASES) / BASES[0])[:, None], rtol=1e-12, atol=0)
    assert same == keeps


def test_groups_of_another_schedule_or_with_absolute_values_keep_no_ratio() -> None:
    groups = ("a", "b", "c")
    plan = cd.plan({"lr": cd.linear(), "b/lr": cd.cosine(), "momentum": cd.linear(to=0.5)})
    curve = cd.place(plan, total=10, base={"lr": BASES, "momentum": 0.9}, groups=groups)
    assert curve.ratios == {"momentum": (0.9, 0.9, 0.9)}
    assert cd.place("linear(to=absolute(0.01))", total=10, base=BASES, groups=groups).ratios == {}
