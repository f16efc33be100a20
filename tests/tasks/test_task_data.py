"""Data are pure functions of seed, epoch and number of the batch, and their parts never overlap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import TaskError
from cadence.tasks import ArrayData, Batch, Data, TokenData

seeds = st.integers(0, 2**70)
epochs = st.integers(0, 10**6)
sizes = st.integers(1, 40)


def jitter(inputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return inputs + rng.normal(size=inputs.shape).astype(inputs.dtype)


def rows(count: int = 30, **settings: Any) -> ArrayData:
    x = np.arange(2.0 * count, dtype=np.float32).reshape(count, 2)
    y = np.arange(count)
    return ArrayData(x, y, val=(x + 1000, y + 1000), tune=(x + 2000, y + 2000), **settings)


def tokens(length: int = 203, context: int = 7, **settings: Any) -> TokenData:
    text = np.arange(length)
    return TokenData(text, val=text + 1000, tune=text + 2000, context=context, **settings)


KINDS: list[Data] = [rows(), rows(augment=jitter), tokens()]


def assert_equal(one: Iterator[Batch], other: Iterator[Batch]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.inputs, b.inputs)
        np.testing.assert_array_equal(a.targets, b.targets)
        assert (a.examples, a.tokens) == (b.examples, b.tokens)
        assert a.inputs.dtype == b.inputs.dtype


@pytest.mark.parametrize("data", KINDS, ids=["rows", "augmented rows", "tokens"])
@given(seed=seeds, epoch=epochs, size=sizes, start=st.integers(0, 50))
def test_a_run_resumed_within_an_epoch_sees_the_batches_it_would_have_seen(data, seed, epoch, size, start):
    unbroken = list(data.batches(seed, epoch, size))
    assert_equal(data.batches(seed, epoch, size, start=start), iter(unbroken[start:]))


@pytest.mark.parametrize("data", KINDS, ids=["rows", "augmented rows", "tokens"])
@given(seed=seeds, epoch=epochs, size=sizes)
def test_an_epoch_has_the_batches_and_rows_it_says(data, seed, epoch, size):
    batches = list(data.batches(seed, epoch, size))
    assert len(batches) == data.batches_per_epoch(size) == math.ceil(data.train_examples / size)
    assert [b.examples for b in batches[:-1]] == [size] * (len(batches) - 1)
    assert sum(b.examples for b in batches) == data.train_examples
    for b in batches:
        assert len(b.inputs) == len(b.targets) == b.examples
        assert b.targets.size == b.tokens == b.examples * (data.tokens_per_example or 1)


@pytest.mark.parametrize("data", KINDS, ids=["rows", "augmented rows", "tokens"])
def test_seeds_and_epochs_differ_from_each_other(data: Data) -> None:
    seen = {
        tuple(np.concatenate([b.targets.ravel() for b in data.batches(seed, epoch, 8)]))
        for seed in (0, 1, 2**32)
        for epoch in (0, 1, 2)
    }
    assert len(seen) == 9


@given(seed=seeds, epoch=epochs, size=sizes)
def test_an_epoch_of_rows_holds_each_row_once_with_its_own_target(seed, epoch, size):
    batches = list(rows().batches(seed, epoch, size))
    targets = np.concatenate([b.targets for b in batches])
    assert sorted(targets) == list(range(30))
    np.testing.assert_array_equal(np.concatenate([b.inputs for b in batches])[:, 0], 2 * targets)


def test_batches_of_one_epoch_are_augmented_differently_and_each_epoch_anew() -> None:
    data = rows(augment=lambda x, rng: np.full_like(x, rng.random()))
    drawn = [float(b.inputs[0, 0]) for epoch in (0, 1) for b in data.batches(0, epoch, 10)]
    assert len(set(drawn)) == 6


def test_held_out_rows_are_not_augmented() -> None:
    assert_equal(rows(augment=jitter).held_out("val"), rows().held_out("val"))


@given(seed=seeds, epoch=epochs)
def test_an_epoch_of_tokens_reads_no_token_twice_and_nearly_all(seed, epoch):
    data = tokens()
    batches = list(data.batches(seed, epoch, 5))
    targets = np.concatenate([b.targets.ravel() for b in batches])
    assert len(set(targets)) == len(targets) > 203 - 2 * 7
    for b in batches:
        np.testing.assert_array_equal(b.targets, b.inputs + 1)
        np.testing.assert_array_equal(b.inputs[:, 1:], b.targets[:, :-1])


def test_over_the_epochs_a_token_is_seen_at_every_place_of_the_window() -> None:
    places = {int(next(b for b in tokens().batches(0, e, 100)).inputs.min()) for e in range(60)}
    assert places == set(range(7))


@given(length=st.integers(8, 400), context=st.integers(1, 7), wanted=st.integers(1, 60))
def test_held_out_windows_are_spread_from_end_to_end_and_do_not_overlap(length, context, wanted):
    text = np.arange(length)
    data = TokenData(np.arange(14), val=text, tune=text, context=context, held_out_windows=wanted, default_batch_size=3)
    windows = np.concatenate([b.inputs for b in data.held_out("val")])
    assert len(windows) == min(wanted, (length - 1) // context)
    assert windows[0, 0] == 0
    assert len(windows) == 1 or windows[-1, -1] == length - 2
    assert (np.diff(windows[:, 0]) >= context).all()


def test_held_out_parts_are_given_whole_in_order() -> None:
    data = rows(held_out_batch_size=8)
    for split, offset in (("val", 1000), ("tune", 2000)):
        batches = list(data.held_out(split))
        assert [b.examples for b in batches] == [8, 8, 8, 6]
        assert [b.tokens for b in batches] == [8, 8, 8, 6]
        np.testing.assert_array_equal(np.concatenate([b.targets for b in batches]), np.arange(30) + offset)


def test_what_a_model_does_to_a_batch_in_place_does_not_reach_the_data() -> None:
    for data in KINDS:
        before = data.fingerprint()
        for b in (*data.held_out("val"), *data.batches(0, 0, 4)):
            b.inputs[...] = 0
            b.targets[...] = 0
        assert data.fingerprint() == before


def test_without_rows_for_tuning_the_last_of_training_are_taken_off() -> None:
    x, y = np.arange(100.0)[:, None], np.arange(100)
    few = ArrayData(x, y, val=(x[:5] + 200, y[:5]))
    assert few.train_examples == 95
    assert next(few.held_out("tune")).targets.tolist() == [95, 96, 97, 98, 99]
    many = ArrayData(x, y, val=(x[:60] + 200, y[:60]))
    assert many.train_examples == 80
    trained = np.concatenate([b.targets for b in many.batches(0, 0, 16)])
    assert sorted(trained) == list(range(80))


def test_rows_of_whole_numbers_are_sequences_and_their_tokens_count() -> None:
    x = np.arange(24).reshape(8, 3)
    data = ArrayData(x, x, val=(x + 50, x + 50), tune=(x + 99, x + 99))
    assert data.tokens_per_example == 3
    assert next(data.batches(0, 0, 4)).tokens == 12
    assert ArrayData(x, x / 2, val=(x + 50, x / 2), tune=(x + 99, x / 2)).tokens_per_example is None
    assert rows().tokens_per_example is None


def test_arrays_on_disk_are_taken(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(40, dtype=np.float32).reshape(20, 2))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    data = ArrayData(x[:12], np.arange(12), val=(x[12:16], np.arange(4)), tune=(x[16:], np.arange(4)))
    assert next(data.held_out("tune")).inputs[0].tolist() == [32.0, 33.0]
    assert all(b.inputs.flags.writeable for b in (*data.held_out("val"), *data.batches(0, 0, 4)))


def test_a_fingerprint_is_the_same_everywhere() -> None:
    # sha256 over "<name> <what> <dtype> <shape>\n" and the little-endian bytes, checked by hand with hashlib.
    import hashlib

    x, y = np.array([[1.0], [2.0]], dtype=np.float32), np.array([3, 4], dtype=np.int64)
    digest = hashlib.sha256()
    for part, shift in (("train", 0), ("val", 10), ("tune", 20)):
        digest.update(f"{part} inputs <f4 (2, 1)\n".encode() + (x + shift).astype("<f4").tobytes())
        digest.update(f"{part} targets <i8 (2,)\n".encode() + (y + shift).astype("<i8").tobytes())
    data = ArrayData(x, y, val=(x + 10, y + 10), tune=(x + 20, y + 20))
    assert data.fingerprint() == "sha256:" + digest.hexdigest()
    big = [a.astype(a.dtype.newbyteorder(">")) for a in (x, y, x + 10, y + 10, x + 20, y + 20)]
    swapped = ArrayData(big[0], big[1], val=(big[2], big[3]), tune=(big[4], big[5]))
    assert swapped.fingerprint() == data.fingerprint()


def test_a_fingerprint_changes_with_every_part_and_with_nothing_else() -> None:
    x, y = np.arange(10.0)[:, None], np.arange(10)

    def changed(part: int) -> str:
        arrays = [x.copy(), y.copy(), x + 20, y + 20, x + 40, y + 40]
        if part >= 0:
            arrays[part][3] += 1
        return ArrayData(*arrays[:2], val=tuple(arrays[2:4]), tune=tuple(arrays[4:])).fingerprint()

    assert len({changed(part) for part in range(-1, 6)}) == 7
    assert rows(default_batch_size=3, augment=jitter).fingerprint() == rows().fingerprint()
    assert tokens().fingerprint() != tokens(context=6).fingerprint()


@pytest.mark.parametrize("data", KINDS, ids=["rows", "augmented rows", "tokens"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seed": -1}, "at least 0, not -1"),
        ({"seed": 1.0}, "whole number, not 1.0"),
        ({"epoch": -2}, "at least 0, not -2"),
        ({"batch_size": 0}, "batch size must be at least 1, not 0"),
        ({"batch_size": 64.0}, "whole number, not 64.0"),
        ({"batch_size": True}, "whole number, not True"),
        ({"start": -1}, "at least 0, not -1"),
        ({"start": "3"}, "whole number, not '3'"),
    ],
    ids=str,
)
def test_a_place_that_does_not_exist_is_refused_by_the_call(data: Data, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskError, match=words):
        data.batches(**{"seed": 0, "epoch": 0, "batch_size": 4, **arguments})


@pytest.mark.parametrize("data", KINDS, ids=["rows", "augmented rows", "tokens"])
def test_a_part_that_does_not_exist_is_refused_by_the_call(data: Data) -> None:
    with pytest.raises(TaskError, match="'test'; write 'val' or 'tune'"):
        data.held_out("test")  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="batch size must be at least 1"):
        data.batches_per_epoch(0)


X, Y = np.arange(20.0).reshape(10, 2), np.arange(10)
VAL = (X + 100, Y)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"x": X[:9]}, "9 rows of inputs but 10 targets"),
        ({"x": X[:0], "y": Y[:0]}, "have no rows"),
        ({"x": 3.0}, "have no rows"),
        ({"y": np.array(list("abcdefghij"))}, "of type <U1; give numbers"),
        ({"x": np.where(X == 7, np.nan, X)}, "inputs of the train part hold a number that is not finite in row 3"),
        ({"y": np.where(Y == 4, np.inf, 1.0)}, "targets of the train part hold a number that is not finite in row 4"),
        ({"val": (X + 100,)}, r"write val=\(inputs, targets\)"),
        ({"val": X}, r"write val=\(inputs, targets\)"),
        ({"val": (X[:, :1] + 100, Y)}, r"of shape \(2,\) per row in training but float64 of shape \(1,\)"),
        ({"val": (X.astype(np.float32) + 100, Y)}, "float64 .* but float32"),
        ({"val": (X, Y)}, "train and the val part hold the same rows"),
        ({"val": (X[5:], Y[5:])}, "train and the val part hold the same rows"),
        ({"tune": VAL}, "val and the tune part hold the same rows"),
        ({"x": X[:4], "y": Y[:4]}, "4 training rows are too few"),
        ({"augment": 3}, "augment=3 cannot be called"),
        ({"default_batch_size": 0}, "default_batch_size must be at least 1"),
        ({"held_out_batch_size": 0.5}, "held_out_batch_size must be a whole number"),
    ],
)
def test_arrays_that_cannot_be_trained_on_are_refused(arguments: dict[str, Any], words: str) -> None:
    given = {"x": X, "y": Y, "val": VAL, **arguments}
    with pytest.raises(TaskError, match=words):
        ArrayData(given.pop("x"), given.pop("y"), **given)


def test_parts_that_interleave_in_one_array_are_apart() -> None:
    x, y = np.arange(30.0)[:, None], np.arange(30)
    assert ArrayData(x[::3], y[::3], val=(x[1::3], y[1::3]), tune=(x[2::3], y[2::3])).train_examples == 10


TEXT = np.arange(50)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"train": TEXT[:15], "context": 8}, "train sequence has 15 tokens, and needs 16"),
        ({"val": TEXT[:8], "context": 8}, "val sequence has 8 tokens, and needs 9"),
        ({"tune": TEXT / 2}, "tune sequence is float64 with 1 axes"),
        ({"train": TEXT[:, None]}, "train sequence is int64 with 2 axes"),
        ({"context": 0}, "context must be at least 1"),
        ({"held_out_windows": 0}, "held_out_windows must be at least 1"),
    ],
)
def test_sequences_without_a_window_are_refused(arguments: dict[str, Any], words: str) -> None:
    given = {"train": TEXT, "val": TEXT, "tune": TEXT, "context": 8, **arguments}
    with pytest.raises(TaskError, match=words):
        TokenData(given.pop("train"), **given)


def test_the_shortest_training_sequence_has_one_window_at_every_phase() -> None:
    data = TokenData(TEXT[:16], val=TEXT, tune=TEXT, context=8)
    assert data.train_examples == 1
    for epoch in range(40):
        (batch,) = data.batches(0, epoch, 4)
        assert batch.inputs.shape == (1, 8)
