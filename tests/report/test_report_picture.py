"""`curves.png`: one row per task, whatever the recipes are called and however they end."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from tests.comparison.synthetic import Entry, Run, ending_at, write_comparison

from cadence.comparison.summary import read_summary
from cadence.report import picture
from cadence.report.charts import in_words, task_charts
from cadence.report.curves import read_curves
from cadence.report.picture import write_picture

pytest.importorskip("scipy")
matplotlib = pytest.importorskip("matplotlib")


def size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n")
    return struct.unpack(">II", content[16:24])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_task_with_curves_has_a_row(showcase: Path, worst: Path, tmp_path: Path, lang: str) -> None:
    write_picture(read_summary(showcase), tmp_path / "two.png", lang=lang)
    write_picture(read_summary(worst), tmp_path / "four.png", lang=lang)  # of five tasks one recorded nothing
    (width, two), (_, four) = size(tmp_path / "two.png"), size(tmp_path / "four.png")
    assert width > 1200
    assert four == 2 * two


def test_it_is_the_same_each_time_and_leaves_no_settings(showcase: Path, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    for name in ("a.png", "b.png"):
        write_picture(read_summary(showcase), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert dict(matplotlib.rcParams) == before


def test_without_a_chinese_font_the_picture_is_in_english(
    showcase: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "CHINESE_FONTS", ("No Such Font",))
    summary = read_summary(showcase)
    write_picture(summary, tmp_path / "en.png", lang="en")
    write_picture(summary, tmp_path / "zh.png", lang="zh")
    assert (tmp_path / "en.png").read_bytes() == (tmp_path / "zh.png").read_bytes()


def test_where_nothing_was_recorded_the_picture_says_so(tmp_path: Path) -> None:
    write_comparison(tmp_path, [Entry("a", lambda seed: None)])
    write_picture(read_summary(tmp_path), tmp_path / "curves.png")
    assert size(tmp_path / "curves.png")[0] > 1200


# ---- which curves, on which axes -------------------------------------------------------------------------------------


def charts_of(root: Path, lang: str = "en") -> dict[str, Any]:
    summary = read_summary(root)
    return {chart.key: chart for chart in task_charts(summary.tasks[0], read_curves(summary)[0], lang)}


def test_runs_that_followed_one_curve_are_drawn_once_and_losses_run_by_run(showcase: Path) -> None:
    charts = charts_of(showcase)
    assert [(line.recipe, line.seed) for line in charts["lr"].lines] == [(i, None) for i in range(4)]
    assert sum(line.seed is not None for line in charts["val"].lines) == 12
    assert sum(line.mean for line in charts["val"].lines) == 4


def test_a_mean_is_taken_at_the_updates_that_all_seeds_share(tmp_path: Path) -> None:
    def run(seed: int) -> Run:
        return Run({100: 1.0 + seed, 200 + seed: 5.0, 300: 0.5})

    write_comparison(tmp_path, [Entry("a", run)])
    mean = next(line for line in charts_of(tmp_path)["val"].lines if line.mean)
    assert mean.t == (100, 300)
    assert mean.y == (2.0, 0.5)


def test_a_diverged_run_does_not_flatten_the_others(worst: Path) -> None:
    chart = charts_of(worst)["val"]
    assert max(y for line in chart.lines for y in line.y) == 1e9
    assert chart.y.high < 3
    assert "outside the picture" in chart.note


def test_if_all_runs_diverged_they_are_drawn_all_the_same(tmp_path: Path) -> None:
    def run(seed: int) -> Run:
        return Run({50: 2.0, 100: 50.0, 150: float("inf")}, status="diverged")

    write_comparison(tmp_path, [Entry("a", run)])
    chart = charts_of(tmp_path)["val"]
    assert chart.y.low <= 2.0 < 50.0 <= chart.y.high


def test_rates_far_apart_are_drawn_by_logarithm_and_near_ones_are_not(tmp_path: Path) -> None:
    def at(rate: float) -> Any:
        return lambda seed: Run({300: 0.5}, lr=rate)

    write_comparison(tmp_path / "far", [Entry("a", at(0.1)), Entry("b", at(0.001))])
    write_comparison(tmp_path / "near", [Entry("a", at(0.1)), Entry("b", at(0.03))])
    assert charts_of(tmp_path / "far")["lr"].y.log
    assert not charts_of(tmp_path / "near")["lr"].y.log
    assert charts_of(tmp_path / "near")["lr"].y.low == 0


def test_a_rate_of_zero_has_a_place_on_neither_axis_to_break(tmp_path: Path) -> None:
    def at(rate: float) -> Any:
        return lambda seed: Run({300: 0.5}, lr=rate, curve=lambda t: 1 - t / 299)

    write_comparison(tmp_path, [Entry("a", at(0.1)), Entry("b", at(0.001)), Entry("c", at(0.0))])
    assert charts_of(tmp_path)["lr"].y.low > 0
    write_picture(read_summary(tmp_path), tmp_path / "curves.png")


def test_the_training_loss_is_a_mean_over_stretches(tmp_path: Path) -> None:
    def run(seed: int) -> Run:
        return Run({300: 0.5}, train=lambda t: float(t))

    write_comparison(tmp_path, [Entry("a", run)], seeds=[0])
    chart = charts_of(tmp_path)["train"]
    (line,) = chart.lines
    assert len(line.t) == 60
    assert line.y[:2] == (2.0, 7.0)  # of updates 0 to 4, and 5 to 9
    assert line.t[:2] == (2, 7)
    assert chart.note == "Each point is the mean of 5 updates."


def test_every_chart_can_be_told_in_words(tmp_path: Path) -> None:
    write_comparison(
        tmp_path, [Entry("base", ending_at(0.5, 0.5, 0.5, schedule="constant()")), Entry("b", lambda s: None)]
    )
    summary = read_summary(tmp_path)
    charts = charts_of(tmp_path)
    assert in_words(summary.tasks[0], charts["lr"], "en") == [
        "base: constant(); 0.1 at the first update, at most 0.1, 0.1 at the last.",
        "b: nothing recorded.",
    ]
    assert in_words(summary.tasks[0], charts["val"], "en")[0] == (
        "base: from 1.75 after 50 updates to 0.500 after 300, lowest 0.500."
    )
