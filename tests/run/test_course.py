"""Lengths in updates, and data from any place on."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import TaskError
from cadence.recipe.recipe import Recipe
from cadence.run.course import Course, governing, marks, settle
from cadence.run.engine import engine_names, find_engine
from cadence.run.feed import groups
from cadence.run.ranks import Alone
from cadence.tasks import ArrayData, Batch, Task, TokenData


def mean(outputs: Any, targets: Any) -> Any:
    return (outputs - targets).mean()


def task_of(data: Any) -> Task:
    return Task("any", data, models={"torch": dict}, losses={"torch": mean}, metrics={"torch": mean},
                metric_name="gap", metric_better="min")  # fmt: skip


def numbers(n: int) -> ArrayData:
    x = np.arange(float(n + 4)).reshape(-1, 1)
    return ArrayData(x[4:], x[4:, 0], val=(x[:2], x[:2, 0]), tune=(x[2:4], x[2:4, 0]), default_batch_size=1)


def course_of(n: int, **keys: Any) -> Course:
    recipe = Recipe(**{"task": "a:b", "optimizer": {"name": "sgd", "lr": 1}, "total": "2 epochs", **keys})
    return settle(recipe, task_of(numbers(n)), "val")


@given(st.fractions(min_value=1, max_value=50), st.integers(0, 200))
def test_marks_are_multiples_and_lie_beyond_what_is_done(every: Fraction, after: int) -> None:
    found = list(islice(marks(every, after), 5))
    everything = [int(k * every + Fraction(1, 2)) for k in range(1, 500)]
    assert found == [m for m in everything if m > after][:5]


@given(
    n=st.integers(1, 40),
    batch=st.integers(1, 12),
    accumulate=st.integers(1, 6),
    cut=st.integers(0, 60),
    seed=st.integers(0, 3),
)
def test_every_row_is_fed_once_an_epoch_and_any_place_can_be_begun_at(
    n: int, batch: int, accumulate: int, cut: int, seed: int
) -> None:
    batch = min(batch, n)
    course = course_of(n, batch_size=batch, accumulate=accumulate)
    per_epoch = course.horizon.steps_per_epoch
    assert per_epoch == math.ceil(math.ceil(n / batch) / accumulate)
    assert course.total == 2 * per_epoch

    def rows(position: int, count: int) -> list[list[float]]:
        feed = groups(numbers(n), course, seed, position, Alone())
        return [[x for b in group for x in b.inputs[:, 0].tolist()] for group in islice(feed, count)]

    epochs = rows(0, 2 * per_epoch)
    for epoch in (epochs[:per_epoch], epochs[per_epoch:]):
        assert sorted(x for group in epoch for x in group) == [float(i + 4) for i in range(n)]
    cut %= 2 * per_epoch
    assert rows(cut, 2 * per_epoch - cut) == epochs[cut:]


def test_tokens_and_samples_count_over_all_micro_batches() -> None:
    text = np.arange(1000)
    data = TokenData(text, val=text, tune=text, context=10, default_batch_size=4)
    recipe = Recipe(
        task="a:b", optimizer={"name": "sgd", "lr": 1}, total="2400 tokens", accumulate=3, evaluate="24 samples"
    )
    course = settle(recipe, task_of(data), "val")
    assert course.horizon.to_json() == {"total": 20, "steps_per_epoch": 9, "batch_size": 12, "tokens_per_step": 120}
    assert course.evaluate == 2


def test_a_rule_that_ends_the_run_stands_in_a_product_with_the_first_schedule() -> None:
    recipe = Recipe(
        task="a:b", optimizer={"name": "sgd", "lr": 1}, total=5, stop="early_stop('val_loss')",
        schedule={"lr": "warmup(2) >> cosine()", "weight_decay": "constant()"},
    )  # fmt: skip
    assert dict(governing(recipe).entries)["lr"] == recipe.spec.entries[0][1] * recipe.stop_rule  # type: ignore[union-attr, operator]
    assert [key for key, _ in governing(recipe).entries] == ["lr", "weight_decay"]


def test_data_that_promise_more_batches_than_they_have_are_refused() -> None:
    class Short(ArrayData):  # type: ignore[misc]
        def share(self, seed: int, epoch: int, batch_size: int, start: int, step: int) -> Any:
            return islice(super().share(seed, epoch, batch_size, start, step), 2)

    x = np.arange(9.0).reshape(-1, 1)
    data = Short(x[:5], x[:5, 0], val=(x[5:7], x[5:7, 0]), tune=(x[7:], x[7:, 0]), default_batch_size=1)
    feed = groups(data, course_of(5), 0, 0, Alone())
    assert isinstance(next(feed)[0], Batch)
    with pytest.raises(TaskError, match="epoch 0 ends before the 5 batches"):
        list(islice(feed, 4))


def test_an_engine_is_a_file_and_is_found_by_its_name() -> None:
    assert "torch" in engine_names()
    pytest.importorskip("torch")
    assert find_engine("torch").__module__ == "cadence.run.torch_engine"
