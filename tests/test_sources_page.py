"""The page of sources: each source that the advice names has its row, and no other has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tools"))

import sources  # noqa: E402


def test_every_source_of_the_advice_has_a_row_that_says_what_was_looked_up() -> None:
    assert sources.lacking() == []
    named = sources.sources()
    assert len(named) > 100
    assert {kind for kind, _ in named.values()} == sources.KINDS


def test_a_source_without_a_row_and_a_row_without_a_source_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sources.rows()
    told = {**dict(list(rows.items())[1:]), "Nobody 1999, arXiv:9901.00001": "guessed"}
    monkeypatch.setattr(sources, "rows", lambda: told)
    first = next(iter(rows))
    assert set(sources.lacking()) == {
        f"no row: {first}",
        "nothing names: Nobody 1999, arXiv:9901.00001",
        "no state: Nobody 1999, arXiv:9901.00001: guessed",
    }


def test_what_could_not_be_confirmed_is_the_only_word_of_no_sure_rate() -> None:
    unsure = {source for source, state in sources.rows().items() if state == "not confirmed"}
    rates = [row for row in sources.choices() if row[1] in ("learning_rate", "weight_decay", "clip_norm")]
    assert len(rates) > 60
    assert [row for row in rates if row[4] in unsure and row[3] in ("high", "medium") and row[2] != "none"] == []
