"""What updates really did, in the report: charts, table, sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.comparison.synthetic import Entry, Run, falling, write_comparison
from tests.report.test_report_page import Reader

from cadence.comparison.summary import read_summary, summarise
from cadence.report.curves import MOST_GROUPS, read_curves
from cadence.report.page import page
from cadence.report.table import table_text
from cadence.report.text import method

pytest.importorskip("scipy")


def measured(*ratios: float | None, decay: float | None = None, trust: bool = False) -> Callable[[int], dict[str, Any]]:
    """Columns of an update: every 20th is measured."""

    def columns(t: int) -> dict[str, Any]:
        n = len(ratios)
        found: dict[str, Any] = {} if decay is None else {"decay_rate": [decay] * n}
        if t % 20 == 0:
            found["update_ratio"] = [None if r is None else r * (1 + t / 100) for r in ratios]
            found["weight_norm"] = [10.0 + t] * n
            found["update_norm"] = [1.0] * n
            if trust:
                found |= {"trust_min": [0.1] * n, "trust_median": [0.5] * n, "trust_max": [2.0] * n}
        return found

    return columns


def losses(end: float) -> Mapping[int, float]:
    fall = falling(2.3, end, 300)
    return {t: fall(t) for t in range(25, 301, 25)}


def entry(name: str, groups: tuple[str, ...], columns: Callable[[int], dict[str, Any]], **about: Any) -> Entry:
    return Entry(
        name, lambda seed: Run(losses(0.5 + 0.01 * seed), groups=groups, columns=columns, about=about), label=name
    )


SCALED = {"rule": "linear", "lr": 0.1, "reference_batch": 256, "batch": 2048, "factor": 8.0, "scaled": 0.8}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    entries = [
        entry("plain", ("0",), lambda t: {}),
        entry("sgd", ("body", "head"), measured(0.01, 0.001), decay=["gradient", "gradient"]),
        entry("adamw", ("head", "body"), measured(0.002, 0.02, decay=0.001), decay=["coupled", "coupled"]),
        entry("lamb", ("rest",), measured(0.005, trust=True), decay=["adapted"], scale_lr={"optimizer": SCALED}),
    ]
    write_comparison(tmp_path / "compare", entries)
    return tmp_path / "compare"


def table_of(text: str, head: str) -> list[list[str]]:
    """The cells of the table that has this column."""
    for table in Reader(text).root.all("table"):
        rows = [[cell.text for cell in row.all("th", "td")] for row in table.all("tr")]
        if rows and head in rows[0]:
            return rows
    raise AssertionError(f"no table has a column {head}")


def test_the_table_has_a_row_for_each_group_that_was_measured(folder: Path) -> None:
    rows = table_of(page(summarise(folder)), "Update / weights")
    assert rows[0] == [
        "Recipe", "Group", "Update / weights", "Norm of the weights", "Trust ratio", "Sum of the decay",
        "Half-life of the decay",
    ]  # fmt: skip
    assert [row[:2] for row in rows[1:]] == [
        ["sgd", "body"], ["sgd", "head"], ["adamw", "head"], ["adamw", "body"], ["lamb", "rest"],
    ]  # fmt: skip
    # 0.01 (1 + t / 100) at t = 0, 20, ..., 280: median 0.024, from 0.01 to 0.038.
    assert rows[1][2:] == ["0.0240.010 to 0.038", "10.0 to 290", "–", "–in the gradient (L2)", "–"]
    # 300 updates at 0.001: 0.999 ** 300 is left; ln 2 / -ln 0.999 is 692.8 updates, of 25 an epoch.
    assert rows[4][4:] == ["–", "0.300leaves 74.1 %", "693 updates27.7 epochs"]
    assert rows[5][4:] == ["0.500.10 to 2.0", "–scaled by the trust ratio", "–"]


def test_each_recipe_has_a_chart_on_the_same_axes_with_a_line_for_each_group(folder: Path) -> None:
    text = page(summarise(folder))
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1])  # type: ignore[index]
    [key] = [key for key in data["sets"] if key.endswith("-groups")]
    found = data["sets"][key]
    assert found["recipes"] == ["body", "head", "rest"]
    assert [chart["name"] for chart in found["charts"]] == ["sgd", "adamw", "lamb"]
    assert len({(*chart["x"], *chart["y"], chart["log"]) for chart in found["charts"]}) == 1
    means = {(c["name"], line["r"]): line["v"][0] for c in found["charts"] for line in c["lines"] if line["m"]}
    assert means == {("sgd", 0): 0.01, ("sgd", 1): 0.001, ("adamw", 1): 0.002, ("adamw", 0): 0.02, ("lamb", 2): 0.005}


def test_each_of_these_charts_says_in_words_what_it_shows(folder: Path) -> None:
    root = Reader(page(summarise(folder))).root
    texts = {e.attributes["id"]: e.text for e in root.all() if "id" in e.attributes}
    drawings = [e.attributes for e in root.all("svg") if "-groups-ratio" in e.attributes.get("aria-labelledby", "")]
    assert len(drawings) == 3
    for drawing in drawings:
        assert texts[drawing["aria-labelledby"]] in ("sgd", "adamw", "lamb")
        assert "an update moved the weights by" in texts[drawing["aria-describedby"]]
    first = texts[drawings[0]["aria-describedby"]]
    assert (
        "body: an update moved the weights by 0.010 of their norm at update 0, by 0.038 at update 280; between" in first
    )


def test_records_without_it_show_nothing_of_it(tmp_path: Path) -> None:
    write_comparison(tmp_path / "c", [entry(name, ("0",), lambda t: {}) for name in ("a", "b")])
    summary = summarise(tmp_path / "c")
    text = page(summary)
    assert "What each group really did" not in text
    assert "-groups" not in text
    assert "What each group really did" not in table_text(summary)
    data = json.loads((tmp_path / "c" / "summary.json").read_text(encoding="utf-8"))
    assert all(recipe["effective_rates"] == [] for task in data["tasks"] for recipe in task["recipes"])


def test_the_terminal_says_it_in_sentences(folder: Path) -> None:
    text = " ".join(table_text(summarise(folder), width=400).split())
    assert (
        "sgd: group body: an update moved the weights by 0.024 of their norm (median; 0.010 to 0.038); its weight decay "
        "is part of the gradient (L2) and has no rate of its own."
    ) in text
    assert (
        "adamw: group head: an update moved the weights by 0.0048 of their norm (median; 0.0020 to 0.0076); the rates of "
        "weight decay add up to 0.30, which would leave 74.1 % of a weight (half-life 693 updates, 27.7 epochs)."
    ) in text
    # One group needs no name.
    assert "lamb: an update moved the weights by 0.012 of their norm" in text
    assert "trust ratio 0.50 (median; 0.10 to 2.0)" in text


def test_it_is_there_in_chinese(folder: Path) -> None:
    summary = summarise(folder)
    text = page(summary, lang="zh")
    assert "各参数组的实际更新" in text
    assert table_of(text, "更新量／权重")[4][4:] == ["–", "0.300剩余 74.1 %", "693 次更新27.7 轮"]
    assert "权重衰减随每个张量的信任比缩放。" in table_text(summary, lang="zh", width=400)


def test_very_many_groups_are_drawn_in_an_even_selection(tmp_path: Path) -> None:
    names = tuple(f"layer {i}" for i in range(30))
    columns = measured(*(0.001 * 1.1**i for i in range(30)), decay=0.0)
    write_comparison(tmp_path / "c", [entry("deep", names, columns, decay=["coupled"] * 30)])
    summary = read_summary(tmp_path / "c")
    [curves] = read_curves(summary)
    assert len(curves.groups) == MOST_GROUPS
    assert (curves.groups[0], curves.groups[-1]) == ("layer 0", "layer 29")
    text = page(summary)
    assert "12 of 30 groups are drawn; the table has all of them." in text
    assert len(table_of(text, "Group")) == 31 or len(table_of(text, "Update / weights")) == 31
    assert "and 24 more groups." in table_text(summary)


def test_groups_that_were_never_moved_break_nothing(tmp_path: Path) -> None:
    entries = [entry("still", ("a", "b"), measured(0.0, None, decay=0.0), decay=["coupled", None])]
    write_comparison(tmp_path / "c", entries)
    summary = read_summary(tmp_path / "c")
    assert table_of(page(summary), "Update / weights")[1][2] == "0.00.0 to 0.0"
    assert "no weight decay" in table_text(summary)


def test_a_rate_that_is_scaled_says_so(folder: Path) -> None:
    summary = summarise(folder)
    rows = table_of(page(summary), "Against baseline")
    assert [row[-2] for row in rows[1:]] == ["0.1", "0.1", "0.1", "0.1× 8 = 0.8"]
    [sentence] = [s for s in method(summary) if "scaled" in s]
    assert sentence == (
        "lamb: the learning rate is stated for 256 examples per update and scaled to 2048 (linear rule, × 8); the table "
        "shows the stated one, and what came of it."
    )
    data = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert [recipe["scale_lr"] for recipe in data["tasks"][0]["recipes"]] == [None, None, None, SCALED]
