"""The comparison in the terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from tests.comparison.synthetic import NASTY, Entry, ending_at, write_comparison

from cadence.comparison.summary import read_summary
from cadence.report.table import print_summary, table_text

pytest.importorskip("scipy")
console = pytest.importorskip("rich.console")
cell_len = pytest.importorskip("rich.cells").cell_len


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_it_fits_its_width(showcase: Path, worst: Path, lang: str, width: int) -> None:
    for folder in (showcase, worst):
        text = table_text(read_summary(folder), lang=lang, width=width)
        assert max(map(cell_len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [60, *range(68, 101)])
def test_no_number_is_broken_over_lines(showcase: Path, width: int) -> None:
    text = table_text(read_summary(showcase), width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    for number in ("98.27 ± 0.12", "0.0538 ± 0.0037", "≥ 445 ± 66", "1/3 reached", "3.763 ± 0.016", "130 ± 14"):
        assert number in text


def test_at_a_hundred_columns_every_column_is_there(showcase: Path) -> None:
    lines = table_text(read_summary(showcase)).splitlines()
    row = next(line for line in lines if line.startswith(" LAMB"))
    assert row.split() == ["LAMB", "+", "warmup", "+", "98.24", "±", "0.24", "0.0544", "±", "0.0075", "≥", "429", "±",
                           "132", "7.13", "0.01", "no", "difference", "seen"]  # fmt: skip


def test_tables_come_before_their_words_and_warnings_last(showcase: Path) -> None:
    text = table_text(read_summary(showcase))
    places = [
        text.index(part)
        for part in (
            "How to read this",
            "digits: handwritten digits, small residual network: mean over 3 seeds",
            "No difference seen: with 3 seeds",
            "• AdamW: no difference seen",
            "bytes: Python source, small GPT: mean over 5 seeds",
            "3 of 3 recipes end at a lower validation loss",
            "Mind this",
        )
    ]
    assert places == sorted(places)


def test_into_a_pipe_there_are_no_colours_and_a_hundred_columns(showcase: Path) -> None:
    file = io.StringIO()
    print_summary(read_summary(showcase), console=console.Console(file=file))
    assert file.getvalue() == table_text(read_summary(showcase), width=100)
    assert "\x1b" not in file.getvalue()
    assert not any(line.endswith(" ") for line in file.getvalue().splitlines())


def test_a_terminal_gets_colours(showcase: Path) -> None:
    file = io.StringIO()
    terminal = console.Console(file=file, force_terminal=True, color_system="standard", width=100)
    print_summary(read_summary(showcase), console=terminal)
    assert "\x1b[" in file.getvalue()


def test_the_name_of_a_recipe_is_no_markup(worst: Path) -> None:
    text = table_text(read_summary(worst), width=160)
    assert NASTY in text


def test_some_censored_and_all_censored_times_are_told_apart(tmp_path: Path) -> None:
    entries = [
        Entry("base", ending_at(1.5, 0.4, 0.1)),
        Entry("some", ending_at(0.0, 0.0, 0.2)),
        Entry("none", ending_at(1.9, 1.9, 1.9)),
    ]
    write_comparison(tmp_path, entries)
    text = table_text(read_summary(tmp_path))
    assert "≥ 217 ± 259" in text
    assert "2/3 reached" in text
    assert "> 300" in text
    assert "0/3 reached" in text
