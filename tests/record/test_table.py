"""Rows as columns of numbers."""

from __future__ import annotations

import csv
import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import RecordError
from cadence.record import lines
from cadence.record.spelling import RowSpeller
from cadence.record.table import Table, read_table

NAN = math.nan
NUMBERS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats()


def table(path: Path, *rows: dict[str, Any], step: int = 1) -> Table:
    speller = RowSpeller()
    path.write_text("".join(speller.line(row) for row in rows), encoding="utf-8")
    return read_table(path, step=step)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "updates.jsonl"


def test_numbers_are_float64_and_update_numbers_int64(path: Path) -> None:
    t = table(path, {"t": 0, "loss": 2.5, "samples": 64}, {"t": 1, "loss": math.inf, "samples": 64})
    assert t.columns == ("t", "loss", "samples")
    assert (t["t"].dtype, t["loss"].dtype, t["samples"].dtype) == (np.int64, np.float64, np.float64)
    np.testing.assert_array_equal(t["t"], [0, 1])
    np.testing.assert_array_equal(t["loss"], [2.5, math.inf])
    assert len(t) == 2
    assert list(t) == ["t", "loss", "samples"]
    assert "loss" in t
    assert "los" not in t


def test_a_number_that_is_missing_or_null_is_nan_and_not_present(path: Path) -> None:
    t = table(path, {"t": 0}, {"t": 1, "norm": None}, {"t": 2, "norm": NAN}, {"t": 5, "norm": 1.5}, {"t": 6})
    np.testing.assert_array_equal(t["norm"], [NAN, NAN, NAN, 1.5, NAN])
    np.testing.assert_array_equal(t.present("norm"), [False, False, True, True, False])
    np.testing.assert_array_equal(t.present("t"), [True] * 5)


def test_a_list_has_one_column_per_group_also_when_groups_are_added(path: Path) -> None:
    t = table(path, {"t": 0, "lr": [0.1]}, {"t": 1, "lr": [0.1, None]}, {"t": 2, "lr": [0.1, 0.2, math.inf]}, {"t": 3})
    np.testing.assert_array_equal(t["lr"], [[0.1, NAN, NAN], [0.1, NAN, NAN], [0.1, 0.2, math.inf], [NAN, NAN, NAN]])
    np.testing.assert_array_equal(t.present("lr"), [True, True, True, False])


def test_one_group_is_a_column_of_its_own(path: Path) -> None:
    assert table(path, {"t": 0, "lr": [0.1]}, {"t": 1, "lr": [0.2]})["lr"].shape == (2, 1)


def test_what_is_always_null_is_a_column_of_nan(path: Path) -> None:
    t = table(path, {"t": 0, "norm": None}, {"t": 1, "norm": None})
    np.testing.assert_array_equal(t["norm"], [NAN, NAN])
    assert not t.present("norm").any()


def test_a_missing_and_an_empty_file_have_update_numbers_and_no_rows(path: Path) -> None:
    for _ in range(2):
        t = read_table(path, step=1)
        assert (t.columns, len(t), t["t"].dtype) == (("t",), 0, np.int64)
        path.touch()


@given(
    rows=st.lists(
        st.fixed_dictionaries({}, optional={"loss": NUMBERS, "lr": st.lists(NUMBERS, max_size=3), "50%": NUMBERS}),
        max_size=12,
    ),
    size=st.integers(1, 200),
)
def test_columns_hold_what_the_rows_say_wherever_the_blocks_end(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], size: int
) -> None:
    path = tmp_path_factory.mktemp("table") / "updates.jsonl"
    rows = [{"t": 3 * i, **row} for i, row in enumerate(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_BLOCK", size)
        t = table(path, *rows)
    names = dict.fromkeys(name for row in rows for name in row)
    assert set(t.columns) == {"t", *names}
    for name in names:
        said = [row.get(name) for row in rows]
        np.testing.assert_array_equal(t.present(name), [value is not None for value in said])
        if name == "lr":
            width = t["lr"].shape[1]
            wanted = [[NAN if x is None else float(x) for x in v or ()] for v in said]
            np.testing.assert_array_equal(t[name], np.array([[*w, *[NAN] * (width - len(w))] for w in wanted]))
            assert width == max(len(w) for w in wanted)
        else:
            np.testing.assert_array_equal(t[name], [NAN if x is None else float(x) for x in said])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"loss": 1.0}', "in line 3: t is None, and must be a whole number"),
        ('{"t": 2.0}', "in line 3: t is 2.0, and must be a whole number"),
        ('{"t": true}', "in line 3: t is True, and must be a whole number"),
        ('{"t": 1}', "in line 3: t = 1 comes after t = 1; .*two runs may have been written into one folder"),
        ('{"t": 0}', "in line 3: t = 0 comes after t = 1"),
        ('{"t": 99999999999999999999}', "a t is larger than 2"),
        ('{"t": 2, "loss": "low"}', "in line 3: loss is 'low', which is no number"),
        ('{"t": 2, "loss": {"a": 1}}', "in line 3: loss is .*, which is no number"),
        ('{"t": 2, "loss": 1' + "0" * 400 + "}", "in line 3: loss is .*, which is too large for a float"),
        ('{"t": 2, "loss": [1.0]}', "in line 3: loss is .*, which is no number"),
        ('{"t": 2, "lr": 0.1}', "in line 3: lr is 0.1, where other lines have a list"),
        ('{"t": 2, "lr": ["a"]}', "in line 3: lr is 'a', which is no number"),
        ('{"t": 2, "lr": [[1]]}', "in line 3: lr is .*, which is no number"),
    ],
)
@pytest.mark.parametrize("size", [10, 1 << 15])
def test_a_line_that_does_not_fit_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str, size: int
) -> None:
    monkeypatch.setattr(lines, "_BLOCK", size)
    start = '{"t": 0, "loss": 1.5, "lr": [0.1]}\n{"t": 1, "loss": 1.5, "lr": [0.1]}\n'
    path.write_text(start + line + "\n")
    with pytest.raises(RecordError, match=message):
        read_table(path, step=1)


def test_a_negative_update_number_is_named(path: Path) -> None:
    for step in (0, 1):
        path.write_text('{"t": -1}\n')
        with pytest.raises(RecordError, match="in line 1: t = -1 comes after"):
            read_table(path, step=step)


def test_evaluations_may_share_an_update_number(path: Path) -> None:
    t = table(path, {"t": 0, "val_loss": 1.0}, {"t": 0, "val_acc": 0.5}, {"t": 7, "val_loss": 0.5}, step=0)
    np.testing.assert_array_equal(t["t"], [0, 0, 7])


def test_an_unknown_column_lists_its_neighbours(path: Path) -> None:
    t = table(path, {"t": 0, "loss": 1.0, "grad_norm": 1.0})
    with pytest.raises(RecordError, match=r"updates\.jsonl has no column 'los'; did you mean 'loss'\?"):
        t["los"]
    with pytest.raises(RecordError, match="known are: grad_norm, loss, t"):
        t.present("x")


def test_a_table_says_what_it_is(path: Path) -> None:
    assert repr(table(path, {"t": 0, "loss": 1.0})) == f"<Table {path}: 1 rows of t, loss>"


def test_csv_reads_back_to_the_same_float64(path: Path, tmp_path: Path) -> None:
    rows = [
        {"t": 0, "loss": 0.1 + 0.2, "lr": [0.1, None], "50%": 1},
        {"t": 1, "loss": NAN, "lr": [5e-324, 0.25]},
        {"t": 2, "loss": None, "lr": [0.1, math.inf], "a,b": -0.0},
        {"t": 3},
    ]
    t = table(path, *rows)
    t.to_csv(tmp_path / "a.csv", groups=["body"])
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        read = list(csv.reader(file))
    assert read[0] == ["t", "loss", "body/lr", "1/lr", "50%", "a,b"]
    assert read[1:] == [
        ["0", "0.30000000000000004", "0.1", "NaN", "1.0", ""],
        ["1", "NaN", "5e-324", "0.25", "", ""],
        ["2", "", "0.1", "Infinity", "", "-0.0"],
        ["3", "", "", "", "", ""],
    ]


def test_csv_of_a_table_without_rows_is_its_header(path: Path, tmp_path: Path) -> None:
    read_table(path, step=1).to_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "t\n"


def test_csv_of_many_rows_has_them_all(path: Path, tmp_path: Path) -> None:
    t = table(path, *({"t": i, "loss": 1 / (i + 1), "lr": [0.1]} for i in range(10_000)))
    t.to_csv(tmp_path / "a.csv", groups=["all"])
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        read = list(csv.reader(file))
    assert read[0] == ["t", "loss", "lr"]
    assert [(int(a), float(b), float(c)) for a, b, c in read[1:]] == [(i, 1 / (i + 1), 0.1) for i in range(10_000)]


def test_a_long_run_takes_little_more_memory_than_its_numbers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 20_000
    row = {"loss": 1.5, "samples": 64, "lr": [0.001], "grad_norm": 2.25, "seconds": 3.5}
    path.write_text("".join(json.dumps({"t": t, **row}) + "\n" for t in range(n)))
    monkeypatch.setattr(lines, "_BLOCK", 1 << 15)
    read_table(path, step=1)
    tracemalloc.start()
    try:
        t = read_table(path, step=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    numbers = sum(t[name].nbytes for name in t)
    assert numbers == 6 * 8 * n
    # The numbers, one column twice, and one block as text and as rows; as a list of dicts it would be ten times that.
    assert peak < 1.7 * numbers + 700_000
