"""From a folder of runs to numbers: every run is told of, none is averaged away."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
from tests.comparison.synthetic import (
    ACCURACY,
    ENVIRONMENT,
    Entry,
    Run,
    ending_at,
    falling,
    write_comparison,
    write_run,
    write_showcase,
    write_worst,
)

from cadence._errors import RecordError
from cadence.comparison.results import RecipeSummary
from cadence.comparison.summary import read_summary, summarise

stats = pytest.importorskip("scipy.stats")


def recipes_of(root: Path, task: int = 0) -> dict[str, RecipeSummary]:
    return {recipe.name: recipe for recipe in read_summary(root).tasks[task].recipes}


def rows_of(root: Path) -> list[dict[str, str]]:
    with open(root / "results.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_final_losses_are_averaged_and_tested_against_the_baseline_of_the_same_seed(tmp_path: Path) -> None:
    base, ours = (0.50, 0.54, 0.51), (0.40, 0.45, 0.41)
    write_comparison(tmp_path, [Entry("base", ending_at(*base)), Entry("ours", ending_at(*ours))])
    found = recipes_of(tmp_path)
    assert found["base"].verdict == "baseline"
    assert found["base"].test is None
    assert found["ours"].val_loss is not None
    assert found["ours"].val_loss.mean == pytest.approx(0.42)
    test = found["ours"].test
    assert test is not None
    reference = stats.ttest_rel(ours, base)
    assert test.paired.t == pytest.approx(reference.statistic)
    assert test.p_holm == pytest.approx(reference.pvalue)
    assert found["ours"].verdict == "better"


def test_the_correction_counts_every_recipe_even_one_that_could_not_be_tested(tmp_path: Path) -> None:
    def failing(seed: int) -> Run:
        return Run({}, status="failed")

    ours = ending_at(0.40, 0.45, 0.41)
    write_comparison(
        tmp_path,
        [Entry("base", ending_at(0.50, 0.54, 0.51)), Entry("ours", ours), Entry("a", failing), Entry("b", failing)],
    )
    test = recipes_of(tmp_path)["ours"].test
    assert test is not None
    assert test.p_holm == pytest.approx(3 * test.paired.p)


def test_the_target_is_the_final_loss_of_the_same_seeds_baseline(tmp_path: Path) -> None:
    # Straight lines from 2 over 300 updates, looked at every 50: at 250 a run to 0 has 1/3, and at 300 it has 0.
    entries = [Entry("base", ending_at(1.5, 0.4, 0.1)), Entry("ours", ending_at(0.0, 0.0, 0.2))]
    write_comparison(tmp_path, entries)
    summarise(tmp_path)
    rows = {(row["recipe"], row["seed"]): (row["time_to_target"], row["censored"]) for row in rows_of(tmp_path)}
    assert rows["ours", "0"] == ("100", "0")  # 2 - 2 * 100/300 = 1.33 <= 1.5
    assert rows["ours", "1"] == ("250", "0")  # 0.33 <= 0.4
    assert rows["ours", "2"] == ("300", "1")  # ends at 0.2, above 0.1: never
    assert all(rows["base", seed] == ("300", "0") for seed in "012")
    time = recipes_of(tmp_path)["ours"].time_to_target
    assert time is not None
    assert (time.reached, time.of, time.horizon) == (2, 3, 300)
    assert time.updates.mean == pytest.approx((100 + 250 + 300) / 3)


def test_the_table_has_the_columns_of_the_format_and_one_row_per_run(tmp_path: Path) -> None:
    write_showcase(tmp_path)
    summary = summarise(tmp_path)
    rows = rows_of(tmp_path)
    header = (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == (
        "task,recipe,seed,status,lr,updates,train_loss,val_loss,metric,metric_name,time_to_target,censored,seconds,folder"
    )
    assert len(rows) == 4 * 3 + 4 * 5 == len(list(summary.runs))
    for row in rows:
        result = json.loads((tmp_path / row["folder"] / "result.json").read_text(encoding="utf-8"))
        assert float(row["val_loss"]) == result["final"]["val_loss"]
        assert row["status"] == "finished"
        assert float(row["seconds"]) == result["seconds"]


def test_the_data_of_the_tables_is_strict_json_with_the_keys_of_the_format(tmp_path: Path) -> None:
    write_worst(tmp_path)
    summarise(tmp_path)

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    data = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert set(data) == {"version", "title", "command", "folder", "environment", "differences", "notes", "tasks"}
    keys = {
        "name",
        "label",
        "schedule",
        "planned_updates",
        "statuses",
        "lr",
        "tuning",
        "val_loss",
        "metric",
        "train_loss",
    }
    keys |= {"seconds", "time_to_target", "test", "verdict", "effective_rates", "scale_lr"}
    for task in data["tasks"]:
        for recipe in task["recipes"]:
            assert set(recipe) == keys
    first = data["tasks"][0]["recipes"]
    assert {recipe["name"]: recipe["verdict"] for recipe in first} == {
        "base": "baseline",
        "div": "diverged",
        "fail": "failed",
        "going": "unfinished",
        "same": "identical",
        "weak": "not_significant_after_correction",
        "nasty": "worse",
        "exact": "better",
    }
    assert {task["name"]: task["recipes"][-1]["verdict"] for task in data["tasks"][1:]} == {
        "one-seed": "one_seed",
        "bad-baseline": "baseline_incomplete",
        "alone": "baseline",
        "nothing": "failed",
    }


def test_a_diverged_run_is_told_of_and_stays_in_the_times(tmp_path: Path) -> None:
    write_worst(tmp_path)
    recipe = recipes_of(tmp_path)["div"]
    assert recipe.statuses == {"finished": 2, "diverged": 1}
    assert recipe.test is None
    assert recipe.val_loss is not None
    assert recipe.val_loss.n == 2
    bad = next(run for run in recipe.runs if run.status == "diverged")
    assert bad.val_loss is None
    # It ran for 200 updates of 300; as it can never get there, the length it was planned for counts.
    assert (bad.updates, bad.time_to_target, bad.censored) == (200, 300, True)
    assert recipe.time_to_target is not None
    assert recipe.time_to_target.of == 3


def test_a_run_that_finished_at_no_number_counts_as_diverged(tmp_path: Path) -> None:
    def ours(seed: int) -> Run:
        return Run({150: 1.0, 300: math.nan}) if seed == 2 else Run({150: 1.0, 300: 0.5})

    write_comparison(tmp_path, [Entry("base", ending_at(0.5, 0.5, 0.5)), Entry("ours", ours)])
    recipe = recipes_of(tmp_path)["ours"]
    assert recipe.statuses == {"finished": 2, "diverged": 1}
    assert recipe.verdict == "diverged"


def test_of_a_failed_run_nothing_is_guessed(tmp_path: Path) -> None:
    write_worst(tmp_path)
    for run in recipes_of(tmp_path)["fail"].runs:
        assert (run.val_loss, run.metric, run.time_to_target, run.censored) == (None, None, None, None)
        assert "out of memory" in run.sentence


def test_a_run_that_is_still_going_on_or_has_not_begun_is_no_failure(tmp_path: Path) -> None:
    write_worst(tmp_path)
    recipe = recipes_of(tmp_path)["going"]
    assert [run.status for run in recipe.runs] == ["unfinished", "missing", "missing"]
    assert recipe.verdict == "unfinished"


def test_without_a_whole_baseline_nothing_is_tested(tmp_path: Path) -> None:
    write_worst(tmp_path)
    found = recipes_of(tmp_path, task=2)
    assert found["b"].test is None
    assert found["b"].verdict == "baseline_incomplete"
    # The seed whose baseline failed has no target; the other two have one.
    assert [run.time_to_target is None for run in found["b"].runs] == [False, True, False]


def test_with_one_seed_there_is_neither_interval_nor_test(tmp_path: Path) -> None:
    write_worst(tmp_path)
    found = recipes_of(tmp_path, task=1)
    assert found["b"].verdict == "one_seed"
    assert found["b"].val_loss is not None
    assert found["b"].val_loss.half is None


def test_a_damaged_record_does_not_hide_the_others(tmp_path: Path) -> None:
    write_comparison(tmp_path, [Entry("base", ending_at(0.5, 0.5, 0.6)), Entry("ours", ending_at(0.4, 0.4, 0.5))])
    lines = (tmp_path / "runs/digits/ours/seed-1/evaluations.jsonl").read_text(encoding="utf-8").splitlines()
    lines[2] = "no json"
    (tmp_path / "runs/digits/ours/seed-1/evaluations.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = recipes_of(tmp_path)
    assert [run.status for run in found["ours"].runs] == ["finished", "failed", "finished"]
    assert "evaluations.jsonl" in found["ours"].runs[1].sentence
    assert found["base"].val_loss is not None


def test_the_rate_is_that_of_the_recipe_and_its_place_in_the_grid_is_known(tmp_path: Path) -> None:
    def tuned(rate: float) -> Any:
        return lambda seed: Run({300: 0.5}, lr=rate)

    grid = {0.01: 0.7, 0.03: 0.5, 0.1: 0.6}
    write_comparison(
        tmp_path,
        [
            Entry("low", tuned(0.01), tuning=grid),
            Entry("mid", tuned(0.03), tuning=grid),
            Entry("high", tuned(0.1), tuning={0.01: 0.7, 0.03: 0.5, 0.1: math.nan}),
            Entry("own", tuned(0.5)),
        ],
    )
    found = recipes_of(tmp_path)
    assert [found[name].lr for name in ("low", "mid", "high", "own")] == [0.01, 0.03, 0.1, 0.5]
    assert [found[name].at_edge for name in ("low", "mid", "high", "own")] == ["lowest", None, "highest", None]
    assert [(tried.rate, tried.status, tried.loss) for tried in found["high"].tuning] == [
        (0.01, "finished", 0.7),
        (0.03, "finished", 0.5),
        (0.1, "diverged", None),
    ]


def test_the_training_loss_is_that_of_the_last_twentieth(tmp_path: Path) -> None:
    def run(seed: int) -> Run:
        return Run({300: 0.5}, train=lambda t: 1.0 if t < 285 else 0.25)

    write_comparison(tmp_path, [Entry("a", run)])
    recipe = recipes_of(tmp_path)["a"]
    assert recipe.train_loss is not None
    assert recipe.train_loss.mean == 0.25


def test_runs_made_elsewhere_are_found_out(tmp_path: Path) -> None:
    other = json.loads(json.dumps(ENVIRONMENT))
    other["packages"]["torch"] = "2.6.0"
    other["started"] = "2026-05-05T00:00:00+00:00"
    other["data"]["digits"] = "sha256:other"

    def run(seed: int) -> Run:
        return Run({300: 0.5}, environment=other if seed == 2 else ENVIRONMENT)

    write_comparison(tmp_path, [Entry("a", run)])
    assert read_summary(tmp_path).differences == ("packages.torch", "data.digits")


def test_each_task_has_data_of_its_own_and_that_is_no_difference(tmp_path: Path) -> None:
    def of(task: str) -> Any:
        data = {"data": {task: f"sha256:{task}"}}
        return lambda seed: Run({300: 0.5}, environment=ENVIRONMENT | data)

    for task in ("digits", "bytes"):
        write_comparison(tmp_path, [Entry("a", of(task))], task=task)
    summary = read_summary(tmp_path)
    assert summary.differences == ()
    assert summary.environment["data"] == {"digits": "sha256:digits", "bytes": "sha256:bytes"}


def test_runs_made_in_one_place_differ_in_nothing_but_time(tmp_path: Path) -> None:
    def run(seed: int) -> Run:
        return Run({300: 0.5}, environment=ENVIRONMENT | {"started": str(seed), "command": [str(seed)]})

    write_comparison(tmp_path, [Entry("a", run)])
    assert read_summary(tmp_path).differences == ()


def test_the_distance_between_evaluations_is_read_from_the_runs(tmp_path: Path) -> None:
    def run(seed: int) -> Run:
        smooth = falling(2.0, 0.5, 310)
        return Run({t: smooth(t) for t in [*range(25, 301, 25), 310]}, total=310)

    write_comparison(tmp_path, [Entry("a", run)], metric=ACCURACY)
    task = read_summary(tmp_path).tasks[0]
    assert task.evaluated_every == 25
    assert task.recipes[0].planned_updates == 310


def test_reading_again_gives_the_same_files(tmp_path: Path) -> None:
    write_showcase(tmp_path)
    names = ("results.csv", "summary.json")
    summarise(tmp_path)
    first = [(tmp_path / name).read_bytes() for name in names]
    summarise(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in names] == first


def test_reading_alone_writes_nothing(tmp_path: Path) -> None:
    write_showcase(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    read_summary(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_folder_without_settings_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run", Run({300: 0.5}))
    with pytest.raises(RecordError, match="no comparison folder"):
        summarise(tmp_path)
