"""Evaluations: reported in any order with the steps; each decision is in force from the next update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import FeedbackError

torch = pytest.importorskip("torch")

HALF = "constant() * plateau('val_loss', factor=0.5, patience=1)"


def make(schedule: str = HALF, **options: Any) -> tuple[Any, Any]:
    optimizer = torch.optim.SGD([torch.ones(3, requires_grad=True)], lr=0.1)
    return optimizer, cd.drive(optimizer, schedule, **options)


def test_a_decision_is_in_force_from_the_next_update(used: Any) -> None:
    optimizer, driver = make()
    rates = []
    for loss in [1.0, 1.0, 1.0, 1.0, 1.0]:
        rates += used(optimizer, driver, 2)
        decisions = driver.observe({"val_loss": loss})
        assert len(decisions) == 1
    assert [r[0] for r in rates] == [0.1] * 6 + [0.05] * 4
    assert optimizer.param_groups[0]["lr"] == 0.025
    assert [(e["t"], e["kind"]) for e in driver.journal if e["kind"] == "cut"] == [(6, "cut"), (10, "cut")]
    assert "lr 0.1 -> 0.05" in driver.journal[2]["sentence"]


@pytest.mark.parametrize("order", ["after the step", "between update and step", "before the next update"])
def test_the_order_with_step_does_not_matter(order: str, gradients: Any) -> None:
    optimizer, driver = make("warmup(4) >> cosine() * plateau('val_loss', factor=0.5, patience=0)", total=20)
    rates = []
    for i in range(20):
        gradients(optimizer)
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if order == "between update and step":
            driver.observe({"val_loss": 1.0 + i // 5})
        driver.step()
        if order != "between update and step":
            driver.observe({"val_loss": 1.0 + i // 5})
    assert [e["t"] for e in driver.journal if e["kind"] == "cut"] == list(range(6, 21))
    plain = cd.place("warmup(4) >> cosine()", total=20, base=0.1).values()
    np.testing.assert_allclose(rates, plain * 0.5 ** np.maximum(np.arange(20) - 5, 0), rtol=1e-14)


def test_a_rule_after_a_warmup_ignores_the_warmup(used: Any) -> None:
    optimizer, driver = make(
        "warmup('2 epochs') >> constant() * plateau('val_loss', factor=0.5, patience='1 epoch')", steps_per_epoch=5
    )
    kinds = []
    for loss in [0.01, 9.0, 9.0, 1.0, 1.0, 1.0, 1.0]:
        used(optimizer, driver, 5)
        kinds.append([d.kind for d in driver.observe({"val_loss": loss})])
    assert kinds == [[], [], ["keep"], ["keep"], ["keep"], ["cut"], ["keep"]]
    assert optimizer.param_groups[0]["lr"] == 0.05


def test_metrics_are_tensors_numpy_and_numbers() -> None:
    for one in (1, 1.0, np.float32(1), np.array(1.0), torch.tensor(1.0), torch.ones(1, requires_grad=True)):
        _, driver = make()
        for _ in range(3):
            decisions = driver.observe({"val_loss": one, "unrelated": 3})
        assert decisions[0].kind == "cut"
        assert type(decisions[0].value) is float


def test_should_stop_tells_of_an_early_stop(used: Any) -> None:
    optimizer, driver = make("constant() * early_stop('val_loss', patience=2)")
    stops = []
    for loss in [1.0, 0.9, 0.9, 0.9, 0.9, 0.1]:
        used(optimizer, driver, 1)
        driver.observe({"val_loss": loss})
        stops.append(driver.should_stop)
    assert stops == [False, False, False, False, True, True]


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({}, "needs 'val_loss', which the first evaluation does not report; nothing was reported"),
        ({"vall_loss": 1.0}, "did you mean 'vall_loss'"),
        ({"val_loss": "low"}, "the metric 'val_loss' is 'low'; report a number"),
        ({"val_loss": None}, "the metric 'val_loss' is None; report a number"),
        ({"val_loss": torch.ones(2)}, "the metric 'val_loss' is tensor"),
        ({"val_loss": float("nan")}, "val_loss is not a number after 3 updates"),
        ({"val_loss": 1.0, "other": "x"}, "the metric 'other' is 'x'"),
    ],
)
def test_a_bad_metric_is_said_and_changes_nothing(metrics: Any, told: str, used: Any) -> None:
    optimizer, driver = make()
    used(optimizer, driver, 3)
    before = driver.state_dict()
    with pytest.raises(FeedbackError, match=told):
        driver.observe(metrics)
    assert driver.state_dict() == before


def test_without_rules_an_evaluation_is_taken_and_changes_nothing(used: Any) -> None:
    optimizer, driver = make("cosine()", total=10)
    used(optimizer, driver, 3)
    assert driver.observe({"val_loss": 1.0}) == []
    assert driver.journal == ()


def test_reduce_makes_the_numbers_that_all_go_by() -> None:
    seen: list[dict[str, float]] = []

    def reduce(metrics: dict[str, float]) -> Mapping[str, float]:
        seen.append(metrics)
        return {"val_loss": 0.5}

    _, driver = make(reduce=reduce)
    [decision] = driver.observe({"val_loss": torch.tensor(2.0)})
    assert seen == [{"val_loss": 2.0}]
    assert decision.value == 0.5


def test_several_groups_and_values_are_cut_together(used: Any) -> None:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.AdamW([{"params": [a]}, {"params": [b], "lr": 0.02}], lr=0.1, weight_decay=0.5)
    rule = cd.plateau("val_loss", factor=0.5, patience=0, minimum=0.3)
    driver = cd.drive(optimizer, {"lr": cd.constant() * rule, "weight_decay": cd.constant() * rule})
    for _ in range(4):
        used(optimizer, driver, 1)
        driver.observe({"val_loss": 1.0})
    assert driver.values == {"lr": pytest.approx([0.03, 0.006]), "weight_decay": pytest.approx([0.15, 0.15])}
    # One rule, however many values it stands in: one decision for each observation.
    assert [e["kind"] for e in driver.journal] == ["keep", "cut", "cut", "cut"]


def test_an_evaluation_after_every_update_leaves_a_journal_of_bounded_length() -> None:
    _, driver = make("constant() * plateau('train_loss', patience=100, factor=0.9)")
    for i in range(1500):
        driver.step()
        driver.observe({"train_loss": 1.0 + i % 7})
    assert driver.t == 1500
    assert len(driver.journal) <= 1000
    assert sum(e["kind"] == "cut" for e in driver.journal) == 1499 // 101
    assert len(str(driver.state_dict())) < 400_000


def test_a_stop_with_a_cooldown_stops_when_the_rate_has_fallen(used: Any) -> None:
    optimizer, driver = make("constant() * early_stop('val_loss', patience=1, then='cooldown 4 steps')", total=100)
    rates, stops = [], []
    while not driver.should_stop:
        rates += used(optimizer, driver, 1)
        driver.observe({"val_loss": 1.0})
        stops.append(driver.should_stop)
    assert [r[0] for r in rates[:4]] == [0.1] * 4
    assert [r[0] for r in rates[4:]] == pytest.approx([0.05, 0.1 * (1 - 0.5**0.5), 0.1 * (1 - 0.75**0.5)])
    assert optimizer.param_groups[0]["lr"] == 0
    assert (driver.t, driver.curve.total, stops) == (7, 7, [False] * 6 + [True])


def test_a_cooldown_that_a_rule_began_is_part_of_the_state(used: Any) -> None:
    text = "constant() * early_stop('val_loss', patience=1, then='cooldown 4 steps')"
    optimizer, driver = make(text, total=100)
    for _ in range(5):
        used(optimizer, driver, 1)
        driver.observe({"val_loss": 1.0})
    other, again = make(text, total=100)
    again.load_state_dict(driver.state_dict())
    assert again.curve.values().tolist() == driver.curve.values().tolist()
    assert not again.should_stop
    used(other, again, 2)
    assert again.should_stop
    assert again.journal[-1]["kind"] != "past_end"


def test_a_run_that_is_extended_goes_on_after_the_cooldown_of_a_rule(used: Any) -> None:
    optimizer, driver = make("constant() * early_stop('val_loss', patience=1, then='cooldown 4 steps')", total=100)
    for _ in range(6):
        used(optimizer, driver, 1)
        driver.observe({"val_loss": 1.0})
    driver.extend(100)
    assert not driver.should_stop
    used(optimizer, driver, 10)
    assert not driver.should_stop
    assert optimizer.param_groups[0]["lr"] > 0
