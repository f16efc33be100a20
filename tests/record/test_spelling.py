"""Strict JSON that loses nothing."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import RecordError
from cadence.record.spelling import RowSpeller, read, spell

TEXTS = st.text() | st.sampled_from(["NaN", "Infinity", "-Infinity", "'NaN", "''-Infinity", "'", "nan", "\ud800"])
NUMBERS = st.none() | st.booleans() | st.integers() | st.floats()
DATA = st.recursive(
    NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
ROWS = st.dictionaries(TEXTS, NUMBERS | st.lists(NUMBERS, max_size=4), max_size=6)


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def bits(value: Any) -> Any:
    """The same data, comparable: NaN equals NaN, and -0.0 is not 0.0."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [bits(item) for item in value]
    return type(value), value


def readable(text: str) -> Any:
    """What a strict reader makes of it."""
    text.encode()
    return json.loads(text, parse_constant=refuse)


@given(DATA)
def test_every_plain_value_comes_back_bit_for_bit_through_strict_json(value: Any) -> None:
    assert bits(read(readable(spell(value)))) == bits(value)
    assert bits(read(readable(spell(value, indent=2)))) == bits(value)


@given(ROWS)
def test_a_row_is_one_line_that_says_the_same_as_the_slow_way(row: dict[str, Any]) -> None:
    line = RowSpeller().line(row)
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert readable(line) == readable(spell(row))
    assert bits(read(readable(line))) == bits(row)


@given(st.lists(ROWS, max_size=5))
def test_what_a_speller_remembers_of_one_row_does_not_change_the_next(rows: Sequence[dict[str, Any]]) -> None:
    speller = RowSpeller()
    assert [speller.line(row) for row in rows] == [RowSpeller().line(row) for row in rows]


@given(st.lists(ROWS, max_size=4))
def test_a_row_that_is_spelled_later_says_what_it_said_when_it_was_given(rows: Sequence[dict[str, Any]]) -> None:
    speller = RowSpeller()
    lines = [RowSpeller().line(row) for row in rows for _ in range(2)]
    later = [speller.later(row) for row in rows for _ in range(2)]
    for row in rows:
        for value in row.values():
            if isinstance(value, list):
                value.append(0)
        row["another"] = 1
    assert [str(row) for row in later] == [str(row) for row in later] == lines


def test_what_is_no_number_is_refused_when_it_is_given_not_when_it_is_spelled() -> None:
    speller = RowSpeller()
    speller.later({"t": 0, "loss": 1.0, "lr": [0.1]})
    for row in (
        {"t": 1, "loss": "high", "lr": [0.1]},
        {"t": 1, "loss": 1.0, "lr": [{}]},
        {"t": 1, "loss": 1.0, "lr": object()},
    ):
        with pytest.raises(RecordError, match="no number"):
            speller.later(row)


def test_floats_without_a_number_in_json_are_texts_that_pandas_and_others_read_as_floats() -> None:
    row = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": [1.0, math.nan], "e": (math.inf,)}
    texts = {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": [1.0, "NaN"], "e": ["Infinity"]}
    assert readable(RowSpeller().line(row)) == texts
    assert all(math.isnan(float(text)) or math.isinf(float(text)) for text in ("NaN", "Infinity", "-Infinity"))


def test_text_that_looks_like_such_a_float_stays_text() -> None:
    command = ["train.py", "--clip", "NaN", "'Infinity"]
    assert readable(spell(command)) == ["train.py", "--clip", "'NaN", "''Infinity"]
    assert read(readable(spell(command))) == command


def test_a_name_with_a_percent_sign_a_quote_or_chinese_is_kept() -> None:
    row = {"50%": 1, 'a"b': 2.5, "损失": 0.1, "%s": 3}
    assert read(readable(RowSpeller().line(row))) == row
    assert "损失" in RowSpeller().line(row)


def test_numpy_numbers_and_arrays_are_the_numbers_in_them() -> None:
    row = {
        "t": np.int64(3),
        "single": np.float32(0.1),
        "double": np.float64(0.1),
        "flag": np.bool_(True),
        "nan": np.float32("nan"),
        "zero_dim": np.array(2.5),
        "lr": np.array([0.1, np.inf]),
        "mixed": [np.float32(0.5), None, np.float64("nan")],
    }
    said = {"t": 3, "single": float(np.float32(0.1)), "double": 0.1, "flag": True, "nan": "NaN", "zero_dim": 2.5}
    said |= {"lr": [0.1, "Infinity"], "mixed": [0.5, None, "NaN"]}
    assert readable(RowSpeller().line(row)) == said
    assert readable(spell(row)) == said


def test_a_tensor_is_the_number_in_it() -> None:
    torch = pytest.importorskip("torch")
    row = {"t": 0, "loss": torch.tensor(0.1), "norms": torch.tensor([1.0, math.inf])}
    assert readable(RowSpeller().line(row)) == {"t": 0, "loss": float(torch.tensor(0.1)), "norms": [1.0, "Infinity"]}


@pytest.mark.parametrize("value", ["0.1", "NaN", Decimal("0.1"), {"a": 1}, [[1.0]], ["a"], object(), 1j, b"1"])
def test_what_is_no_number_is_refused_in_a_row_with_its_name_and_value(value: Any) -> None:
    with pytest.raises(RecordError, match=r"'loss' is .*, which is no number|takes numbers, text"):
        RowSpeller().line({"t": 0, "loss": value})


@pytest.mark.parametrize("value", [Decimal("0.1"), object(), {1, 2}, b"x", {1: "a"}, {"deep": [{None: 1}]}])
def test_what_is_no_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(RecordError, match=r"a record takes|the keys of JSON are text"):
        spell(value)


def test_a_column_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(RecordError, match="3 is no name of a column"):
        RowSpeller().line({3: 1.0})  # pyright: ignore[reportArgumentType]


def test_data_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(RecordError, match="nested too deeply"):
        spell(loop)
