"""What an update is in samples and tokens, and runs that go on with updates of another size."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import HorizonError, RecipeError, RecordError
from cadence.curve.horizon import as_much_data, epochs_done, horizon
from cadence.recipe.recipe import Recipe
from cadence.run.course import Course, settle
from cadence.run.feed import groups
from cadence.run.ranks import Ranks
from cadence.run.units import epoch_of, moved
from cadence.tasks import ArrayData, Task, TokenData

Keys = dict[str, Any]


def mean(outputs: Any, targets: Any) -> Any:
    return (outputs - targets).mean()


def numbers(n: int) -> ArrayData:
    x = np.arange(float(n + 4)).reshape(-1, 1)
    return ArrayData(x[4:], x[4:, 0], val=(x[:2], x[:2, 0]), tune=(x[2:4], x[2:4, 0]), default_batch_size=1)


def words(windows: int, context: int) -> TokenData:
    text = np.arange((windows + 1) * context)
    return TokenData(text, val=text, tune=text, context=context, default_batch_size=4)


def course_of(data: Any, world: int = 1, **keys: Any) -> Course:
    task = Task("any", data, models={"torch": dict}, losses={"torch": mean}, metrics={"torch": mean},
                metric_name="gap", metric_better="min")  # fmt: skip
    recipe = Recipe(**{"task": "a:b", "optimizer": {"name": "sgd", "lr": 1}, "total": "2 epochs", **keys})
    return settle(recipe, task, "val", world)


# Computed by hand. rows, batch, accumulate, processes, drop_last -> updates in an epoch, rows of an update, of the last
# one, and left out.
CASES = [
    (50, 8, 1, 1, False, 7, 8, 2, 0),
    (50, 8, 1, 1, True, 6, 8, 8, 2),
    (48, 8, 1, 1, False, 6, 8, 8, 0),
    (48, 8, 1, 1, True, 6, 8, 8, 0),
    (50, 8, 2, 1, False, 4, 16, 2, 0),
    (50, 8, 2, 1, True, 3, 16, 16, 2),
    (50, 8, 1, 2, False, 4, 16, 2, 0),
    (50, 8, 1, 2, True, 3, 16, 16, 2),
    (50, 8, 2, 2, False, 2, 32, 18, 0),
    (50, 8, 2, 2, True, 1, 32, 32, 18),
    (50, 8, 1, 7, False, 1, 56, 50, 0),
    (1281167, 256, 1, 8, False, 626, 2048, 1281167 - 625 * 2048, 0),
    (1281167, 256, 1, 8, True, 625, 2048, 2048, 1281167 - 625 * 2048),
    (1281167, 32, 8, 8, False, 626, 2048, 1281167 - 625 * 2048, 0),
    (1, 1, 1, 1, True, 1, 1, 1, 0),
]


@pytest.mark.parametrize(("rows", "batch", "accumulate", "world", "drop", "updates", "samples", "last", "left"), CASES)
def test_an_epoch_is_so_many_updates(
    rows: int, batch: int, accumulate: int, world: int, drop: bool, updates: int, samples: int, last: int, left: int
) -> None:
    class Rows(ArrayData):  # type: ignore[misc]
        @property
        def train_examples(self) -> int:
            return rows

    x = np.arange(5.0).reshape(-1, 1)
    data = Rows(x[:1], x[:1, 0], val=(x[1:3], x[1:3, 0]), tune=(x[3:], x[3:, 0]))
    epoch = epoch_of(data, batch, accumulate, world, drop_last=drop)
    assert (epoch.updates, epoch.samples, epoch.last, epoch.left_out) == (updates, samples, last, left)


# total, and updates that it is, for 50 windows of 10 tokens in batches of 8.
LENGTHS = [
    ("2 epochs", 1, 1, False, 14),
    ("2 epochs", 1, 1, True, 12),
    ("2.5 epochs", 1, 1, False, 18),  # 17.5, half up
    ("2 epochs", 2, 1, False, 8),
    ("2 epochs", 2, 2, True, 2),
    ("480 samples", 1, 1, False, 60),
    ("480 samples", 1, 1, True, 60),
    ("480 samples", 2, 1, False, 30),
    ("480 samples", 2, 2, False, 15),
    ("4800 tokens", 1, 1, False, 60),
    ("4800 tokens", 1, 2, False, 30),
    ("500 tokens", 1, 1, False, 6),  # 6.25
    (13, 2, 2, False, 13),
]


@pytest.mark.parametrize(("total", "accumulate", "world", "drop", "updates"), LENGTHS)
def test_a_length_is_so_many_updates(total: Any, accumulate: int, world: int, drop: bool, updates: int) -> None:
    course = course_of(words(50, 10), world, total=total, batch_size=8, accumulate=accumulate, drop_last=drop)
    assert course.total == updates
    assert course.horizon.batch_size == 8 * accumulate * world
    assert course.horizon.tokens_per_step == 80 * accumulate * world


class Counted(Ranks):
    """One of several processes, who never speaks."""

    def __init__(self, rank: int, world: int) -> None:
        self._rank, self._world = rank, world

    @property
    def rank(self) -> int:
        return self._rank

    @property
    def world(self) -> int:
        return self._world

    def total(self, numbers: Any) -> list[float]:
        raise NotImplementedError

    def exchange(self, value: Any) -> list[Any]:
        raise NotImplementedError

    def explained(self, fault: Exception) -> None:
        return None


def fed(n: int, course: Any, position: int, updates: int) -> list[list[float]]:
    """The rows of each update over all processes, which take micro-batches in turn."""
    feeds = [groups(numbers(n), course, 3, position, Counted(rank, course.world)) for rank in range(course.world)]
    told: list[list[float]] = []
    for parts in islice(zip(*feeds, strict=True), updates):
        turns = [batch for turn in zip(*parts, strict=True) for batch in turn]
        told.append([x for batch in turns if batch.tokens for x in batch.inputs[:, 0]])
    return told


@given(
    n=st.integers(1, 40), batch=st.integers(1, 12), accumulate=st.integers(1, 4), world=st.integers(1, 4),
    drop=st.booleans(), cut=st.integers(0, 30),
)  # fmt: skip
def test_every_row_is_fed_once_an_epoch_but_those_that_are_left_out(
    n: int, batch: int, accumulate: int, world: int, drop: bool, cut: int
) -> None:
    keys: Keys = {"batch_size": batch, "accumulate": accumulate, "drop_last": drop}
    try:
        course = course_of(numbers(n), world, **keys)
    except RecipeError:
        return
    per_epoch = course.epoch.updates
    whole = fed(n, course, 0, 2 * per_epoch)
    seen = [x for update in whole[:per_epoch] for x in update]
    assert len(set(seen)) == len(seen) == n - course.epoch.left_out
    assert [len(update) for update in whole[: per_epoch - 1]] == [course.epoch.samples] * (per_epoch - 1)
    assert len(whole[per_epoch - 1]) == course.epoch.last
    cut %= 2 * per_epoch
    assert fed(n, course, cut, 2 * per_epoch - cut) == whole[cut:]


@pytest.mark.parametrize(
    ("keys", "world", "error", "said"),
    [
        ({"batch_size": 51}, 1, RecipeError, "batch_size is 51, and there are 50 training examples"),
        ({"batch_size": 8, "accumulate": 7, "drop_last": True}, 1, RecipeError, "an update takes 56 examples (batch_size 8 x accumulate 7), there are 50, and drop_last leaves out"),
        ({"batch_size": 8, "drop_last": True}, 7, RecipeError, "(batch_size 8 x 7 processes)"),
        ({"batch_size": 8}, 8, RecipeError, "there are 8 processes, and an epoch has 7 batches of 8; start at most 7"),
        ({"total": "1e6 tokens"}, 1, HorizonError, "total has '1000000 tokens', and the task 'any' counts no tokens"),
        ({"evaluate": "50 tokens"}, 1, HorizonError, "evaluate has '50 tokens'"),
        ({"checkpoint": {"every": "50 tokens"}}, 1, HorizonError, "checkpoint.every has '50 tokens'"),
        ({"schedule": "warmup('50 tokens') >> cosine()"}, 1, HorizonError, "schedule has '50 tokens'"),
        ({"schedule": {"lr": "steps(at=['9 tokens', 40])"}}, 1, HorizonError, "schedule has '9 tokens'"),
    ],
)  # fmt: skip
def test_what_cannot_be_resolved_is_an_error(keys: Keys, world: int, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        course_of(numbers(50), world, **keys)
    assert said in str(caught.value)


# ---- another size in the middle ------------------------------------------------------------------------------------


# Updates done, length so far, updates in an epoch and samples in an update before and after -> the new length.
RESIZES = [
    (500, 2000, (100, 64), (50, 128), 1250),  # 15 epochs are left, of 50 updates each
    (500, 2000, (100, 64), (200, 32), 3500),
    (15, 42, (7, 8), (4, 16), 30),  # 27 of 42 updates are 27/7 epochs, 15.43 updates of the new ones
    (41, 42, (7, 8), (1, 50), 42),  # at least one more
    (0, 42, (7, 8), (4, 16), 24),
    (300, 600, (None, 8), (None, 32), 375),  # samples, where epochs are not known
]


@pytest.mark.parametrize(("t", "total", "was", "now", "expected"), RESIZES)
def test_the_rest_of_the_run_becomes_as_much_data(t: int, total: int, was: Any, now: Any, expected: int) -> None:
    assert as_much_data(t, total, horizon(None, *was), horizon(None, *now)) == expected


def test_tokens_decide_where_nothing_else_is_known_and_nothing_in_common_is_an_error() -> None:
    assert as_much_data(10, 20, horizon(None, None, None, 100), horizon(None, None, None, 50)) == 30
    with pytest.raises(HorizonError, match="how much data the rest of the run is cannot be said"):
        as_much_data(10, 20, horizon(None, 7), horizon(None, None, 8))


@pytest.mark.parametrize(
    ("position", "was", "now", "expected"),
    [
        (14, (7, 8), (4, 16), 8),  # two whole epochs
        (9, (7, 8), (4, 16), 5),  # 16 rows of the third: one update of 16
        (10, (7, 8), (4, 16), 5),  # 24 rows: half of the second is seen again
        (5, (4, 16), (7, 8), 9),
        (13, (7, 8), (1, 32), 2),  # 48 rows, an epoch keeps 32 with drop_last: it is over
        (0, (7, 8), (4, 16), 0),
    ],
)
def test_no_row_of_an_epoch_is_passed_over(position: int, was: Any, now: Any, expected: int) -> None:
    assert moved(position, horizon(None, *was), horizon(None, *now)) == expected


def test_epochs_count_updates_of_the_size_they_had() -> None:
    journal = [{"t": 14, "kind": "resize", "steps_per_epoch": 4}, {"t": 18, "kind": "resize", "steps_per_epoch": 2}]
    run = horizon(None, 7)
    assert [epochs_done(t, run, journal) for t in (0, 7, 14, 16, 18, 20)] == [0, 1, 2, Fraction(5, 2), 3, 4]


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


def ends_at(t: int) -> Any:
    def tell(progress: Any) -> None:
        if progress.t >= t:
            raise Killed

    return tell


@pytest.fixture
def begun(small: Keys, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """A recipe whose run was killed after 15 of 42 updates, with a checkpoint after 14, which is two epochs."""
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from cadence.run.train import train

    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    keys = {**small, "schedule": "warmup('1 epoch') >> cosine(to=0.1)", "total": "6 epochs", "checkpoint": {"every": 1}}
    with pytest.raises(Killed):
        train(keys, out="run", progress=ends_at(15))
    return keys


def test_a_run_goes_on_with_another_batch_size_in_data_and_without_a_jump(begun: Keys) -> None:
    from cadence.findings.of_record import check_record
    from cadence.run.train import train

    shown: list[Any] = []
    record = train({**begun, "batch_size": 16}, out="run", before=shown.append)
    # Four epochs are left, of four updates each.
    assert [(outline.total, outline.batch_size) for outline in shown] == [(30, 16)]
    assert shown[0].course.resized == "8 -> 16 examples, 42 -> 30 updates"
    assert record.result["updates"] == record.total == 30  # type: ignore[index]
    assert record.evaluations["t"].tolist() == [7, 14, 18, 22, 26, 30]
    assert record.evaluations["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert record.updates["samples"].tolist() == 2 * ([8] * 6 + [2]) + 4 * [16, 16, 16, 2]
    (event,) = (e for e in record.journal if e["kind"] == "resize")
    assert {k: event[k] for k in ("t", "was", "total", "steps_per_epoch", "batch_size")} == {
        "t": 14, "was": 42, "total": 30, "steps_per_epoch": 4, "batch_size": 16,
    }  # fmt: skip
    # The same curve over the same data: at the ends of epochs it stands where it would have stood.
    from cadence import place

    plain = place(begun["schedule"], total=42, steps_per_epoch=7, base=0.05)
    rates = record.updates["lr"][:, 0]
    np.testing.assert_array_equal(rates[:14], plain.values(0, 14))
    np.testing.assert_allclose(rates[14::4], plain.at([14, 21, 28, 35]), rtol=1e-12)
    assert check_record(record) == []


def test_it_may_change_again_and_be_killed_in_between(begun: Keys) -> None:
    from cadence.findings.of_record import check_record
    from cadence.run.train import train

    for batch, t in ((16, 15), (4, 15), (16, 18), (16, 20)):
        with pytest.raises(Killed):
            train({**begun, "batch_size": batch}, out="run", progress=ends_at(t))
    record = train({**begun, "batch_size": 8}, out="run")
    # 19 updates are 3.25 epochs, and 2.75 are left, of 7 updates each.
    assert record.result["updates"] == 38  # type: ignore[index]
    assert record.status == "finished"
    assert record.evaluations["t"].tolist() == [7, 14, 18, 24, 31, 38]
    assert check_record(record) == []


def test_another_accumulation_or_drop_last_is_another_size_and_anything_else_another_run(begun: Keys) -> None:
    from cadence.run.train import train

    with pytest.raises(RecordError, match=r"run holds a run of another recipe \(seed 0 there and 1 here\)"):
        train({**begun, "batch_size": 16, "seed": 1}, out="run")
    record = train({**begun, "accumulate": 2, "drop_last": True}, out="run")
    assert record.result["updates"] == 14 + 4 * 3  # type: ignore[index]
    with pytest.raises(
        RecordError, match=r"run holds a run of another recipe \(accumulate 2 there and 1 here, drop_last True"
    ):
        train(begun, out="run")


def test_distances_in_updates_are_counted_in_updates(begun: Keys) -> None:
    from cadence.run.train import train

    with pytest.raises(Killed):
        train({**begun, "evaluate": 5}, out="often", progress=ends_at(15))
    record = train({**begun, "evaluate": 5, "batch_size": 16}, out="often")
    assert record.evaluations["t"].tolist() == [5, 10, 15, 20, 25, 30]


def test_a_checkpoint_of_the_resized_run_remembers_its_length(begun: Keys) -> None:
    from cadence.run.train import train

    with pytest.raises(Killed):
        train({**begun, "batch_size": 16}, out="run", progress=ends_at(21))
    state = json.loads(Path("run/checkpoints/20.json").read_text())["state"]
    assert (state["driver"]["horizon"]["total"], state["loop"]["position"]) == (42, 14)
    assert train({**begun, "batch_size": 16}, out="run").result["updates"] == 30  # type: ignore[index]


def test_a_recipe_whose_rate_is_stated_for_a_batch_does_not_go_on_with_another(
    small: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from cadence.findings.of_record import check_record
    from cadence.run.train import train

    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    scaled = {"name": "sgd", "lr": 0.05, "scale_lr": {"rule": "linear", "reference_batch": 8}}
    keys = {**small, "optimizer": scaled, "checkpoint": {"every": 1}}
    with pytest.raises(Killed):
        train(keys, out="run", progress=ends_at(5))
    said = r"updates of 8 examples, now they have 16, and its rates are stated for a batch \(scale_lr\); put back"
    for other in ({"batch_size": 16}, {"accumulate": 2}, {"update_size": 16}):
        with pytest.raises(RecordError, match=said):
            train({**keys, **other}, out="run")
    # As many examples in other pieces are the same update.
    with pytest.raises(Killed):
        train({**keys, "batch_size": 4, "update_size": 8}, out="run", progress=ends_at(9))
    record = train({**keys, "batch_size": 16}, out="run", force=True)
    assert record.updates["lr"][:, 0].tolist() == [0.05] * 8 + [0.1] * (record.t - 8)
    (event,) = (e for e in record.journal if e["kind"] == "force")
    assert event["differs"] == {"examples of an update": [8, 16]}
    assert check_record(record) == []
