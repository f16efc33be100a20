"""Comparisons that are really trained, in real processes: order, choice of rates, what fails, what is killed."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

import cadence
from cadence._errors import CadenceError, HorizonError, RecipeError, RecordError, TaskError
from cadence.comparison import compare as running
from cadence.comparison.board import Board
from cadence.comparison.compare import Standing, run_comparison
from cadence.comparison.entries import intent
from cadence.comparison.pool import Job
from cadence.comparison.processes import ProcessPool, usable_cores
from cadence.comparison.settings import read_settings
from cadence.recipe.recipe import Recipe
from cadence.record.names import CLOCKS
from cadence.record.reader import load_record
from cadence.report.compare import Comparison

HERE = Path(__file__).parent
SOURCE = Path(cadence.__file__).parents[1]

posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture(autouse=True)
def tasks_are_importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)


def recipe(name: str, lr: float = 0.05, **keys: Any) -> Recipe:
    given: dict[str, Any] = {
        "name": name,
        "task": "compare_tasks:rows",
        "device": "cpu",
        "optimizer": {"name": "sgd", "lr": lr},
        "total": "2 epochs",
    }
    return Recipe(**{**given, **keys})


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open() as file:
        return list(csv.DictReader(file))


def without_time(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


# ---- what a comparison does ------------------------------------------------------------------------------------------

RATES = [1e-4, 0.1, 1e12, 0.02]


@dataclass(frozen=True)
class Made:
    """A comparison that several tests look at, the recipes it was made of, and what was told meanwhile."""

    comparison: Comparison
    recipes: list[Recipe]
    told: list[tuple[str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    recipes = [
        recipe("base", 0.01),
        recipe("tuned", tune={"lr": RATES}),
        recipe("mad", 1e12),
        recipe("single", 0.03, tune={"lr": [0.05]}),
    ]
    told: list[tuple[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        patch.chdir(tmp_path_factory.mktemp("made"))
        comparison = cadence.compare(
            recipes, seeds=5, workers=2, progress=lambda now: told.append((now.changed.entry.recipe.name, now.what))
        )
        yield Made(replace(comparison, folder=comparison.folder.absolute()), recipes, told)


def test_every_recipe_is_trained_with_every_seed_and_tested_against_the_first(made: Made) -> None:
    folder = made.comparison.folder
    rows = rows_of(folder)
    assert [(r["recipe"], r["seed"]) for r in rows] == [(r.name, str(seed)) for r in made.recipes for seed in range(5)]
    assert {row["status"] for row in rows if row["recipe"] == "mad"} == {"diverged"}
    assert {row["status"] for row in rows if row["recipe"] != "mad"} == {"finished"}
    assert {row["metric_name"] for row in rows} == {"square"}
    summary = json.loads((folder / "summary.json").read_text())
    assert [r["verdict"] for r in summary["tasks"][0]["recipes"]] == ["baseline", "better", "diverged", "better"]
    assert [run.recipe for run in made.comparison.incomplete] == ["mad"] * 5
    assert "tuned" in str(made.comparison)


def test_what_is_written_lies_in_a_folder_named_by_the_question(made: Made) -> None:
    assert made.comparison.folder.parent.name == "runs"
    assert made.comparison.folder.name.startswith("compare-")
    for name in ("report.html", "curves.png", "results.csv", "summary.json", "comparison.json"):
        assert (made.comparison.folder / name).stat().st_size > 500


def test_progress_tells_of_every_training(made: Made) -> None:
    assert {name: made.told.count((name, "ends")) for name in ("base", "tuned", "mad", "single")} == {
        "base": 5, "tuned": 9, "mad": 5, "single": 5,
    }  # fmt: skip
    assert made.told.count(("tuned", "begins")) == 9


def test_tuning_takes_the_rate_with_the_lowest_loss_on_its_own_split_with_its_own_seed(made: Made) -> None:
    folder = made.comparison.folder
    task = read_settings(folder).tasks[0]
    assert [contender.rates for contender in task.recipes] == [(), tuple(RATES), (), ()]
    losses: dict[float, float] = {}
    for rate in RATES:
        record = load_record(folder / f"tuning/compare_tasks-rows/tuned/lr-{rate:.6g}")
        assert record.recipe["seed"] == task.tuning_seed == 1000
        assert record.run["split"] == "tune"
        assert record.recipe["optimizer"]["lr"] == rate
        losses[rate] = record.result["final"].get("val_loss", math.inf) if record.result else math.inf
    best = min(losses, key=losses.__getitem__)
    assert losses[1e12] == math.inf
    for seed in range(5):
        record = load_record(folder / f"runs/compare_tasks-rows/tuned/seed-{seed}")
        assert (record.recipe["optimizer"]["lr"], record.recipe["seed"], record.run["split"]) == (best, seed, "val")


def test_one_rate_is_no_choice_and_costs_no_run(made: Made) -> None:
    folder = made.comparison.folder
    assert [path.name for path in (folder / "tuning/compare_tasks-rows").iterdir()] == ["tuned"]
    assert load_record(folder / "runs/compare_tasks-rows/single/seed-0").recipe["optimizer"]["lr"] == 0.05


def test_a_finished_comparison_gives_its_result_again_without_a_process(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "open_pool", None)
    again = cadence.compare(
        made.recipes, seeds=5, out=made.comparison.folder, progress=lambda now: pytest.fail("something was trained")
    )
    assert str(again) == str(made.comparison)
    assert again.summary.tasks == made.comparison.summary.tasks


def test_another_comparison_in_the_folder_is_refused(made: Made) -> None:
    with pytest.raises(RecordError, match="other recipes or settings"):
        run_comparison(made.recipes, seeds=4, out=made.comparison.folder)


def test_the_numbers_do_not_depend_on_processes(made: Made, tmp_path: Path) -> None:
    alone = cadence.train(recipe("base", 0.01), seed=1, out=tmp_path / "alone")
    assert alone.result is not None
    row = rows_of(made.comparison.folder)[1]
    assert float(row["val_loss"]) == alone.result["final"]["val_loss"]
    assert int(row["updates"]) == 12


def test_rates_that_are_scaled_are_tuned_and_told_as_they_are_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = {"rule": "linear", "reference_batch": 4, "warmup": 2}
    optimizer = {"name": "sgd", "lr": 0.05, "scale_lr": scale}
    # Scaled by 2, each rate is what another one is stated as.
    tuned = recipe("scaled", optimizer=optimizer, tune={"factors": [0.5, 1, 2]})
    comparison = cadence.compare([tuned], seeds=1, workers=1, out=tmp_path / "c")
    folder = tmp_path / "c"
    rates = sorted(path.name for path in (folder / "tuning/compare_tasks-rows/scaled").iterdir())
    assert rates == ["lr-0.025", "lr-0.05", "lr-0.1"]
    stated = float(rows_of(folder)[0]["lr"])
    assert stated in (0.025, 0.05, 0.1)
    run = load_record(folder / "runs/compare_tasks-rows/scaled/seed-0").run
    assert run["bases"]["lr"] == [2 * stated]
    assert run["scale_lr"]["optimizer"]["factor"] == 2.0
    assert f"{stated:g}" in str(comparison)
    assert "× 2" in str(comparison)
    # Nothing is trained again because the rates in the records are others.
    monkeypatch.setattr(running, "open_pool", None)
    again = cadence.compare([tuned], seeds=1, out=folder, progress=lambda now: pytest.fail("something was trained"))
    assert str(again) == str(comparison)


def test_fresh_removes_what_was_there_and_options_shorten_the_work(tmp_path: Path) -> None:
    """One comparison after another in one folder; the second is of a task that prints and reads."""
    tuned = recipe("a", 0.03, tune={"lr": [0.1, 0.2]})
    folder = run_comparison([tuned], seeds=[7], updates=3, workers=1, out=tmp_path / "c")
    assert [json.loads(path.read_text())["updates"] for path in folder.rglob("result.json")] == [3, 3, 3]
    assert (folder / "runs/compare_tasks-rows/a/seed-7").is_dir()
    (folder / "mine.txt").write_text("kept")

    chatty = tuned.changed(task="compare_tasks:chatty")
    run_comparison([chatty], seeds=1, tune=False, workers=1, out=folder, fresh=True)
    assert [path.name for path in (folder / "runs").iterdir()] == ["compare_tasks-chatty"]
    assert not (folder / "tuning").exists()
    record = load_record(folder / "runs/compare_tasks-chatty/a/seed-0")
    assert (record.status, record.recipe["optimizer"]["lr"]) == ("finished", 0.03)
    assert (folder / "mine.txt").read_text() == "kept"


# ---- what goes wrong -------------------------------------------------------------------------------------------------


@posix
def test_a_run_that_fails_or_kills_its_process_is_shown_as_such_and_stops_no_other(tmp_path: Path) -> None:
    told: list[Standing] = []
    marker = tmp_path / "has died once"
    made = cadence.compare(
        [
            recipe("good"),
            recipe("fails", model="compare_tasks:fails"),
            recipe("dies", model="compare_tasks:dies"),
            recipe("once", model="compare_tasks:dies", model_args={"marker": str(marker)}),
            recipe("exits", model="compare_tasks:exits"),
        ],
        seeds=1,
        workers=2,
        out=tmp_path / "c",
        progress=told.append,
    )
    statuses = {row["recipe"]: row["status"] for row in rows_of(made.folder)}
    assert statuses == {"good": "finished", "fails": "failed", "dies": "failed", "once": "finished", "exits": "failed"}
    said = {
        name: json.loads((made.folder / f"runs/compare_tasks-rows/{name}/seed-0/result.json").read_text())["sentence"]
        for name in statuses
    }
    assert "IndexError: row 7 of 7 (compare_tasks.py, line" in said["fails"]
    assert "SIGKILL" in said["dies"]
    assert "twice" in said["dies"]
    assert "SystemExit: that was it" in said["exits"]
    again = [now.changed.entry.recipe.name for now in told if now.what == "again"]
    assert sorted(again) == ["dies", "once"]


@posix
def test_the_same_command_tries_failed_runs_again_and_leaves_the_others_alone(tmp_path: Path) -> None:
    marker = tmp_path / "mended"
    recipes = [recipe("good"), recipe("dies", model="compare_tasks:dies", model_args={"marker": str(marker)})]
    # Dies twice here, because each try removes the mark that it would have been mended by.
    folder = tmp_path / "c"
    first: list[str] = []

    def unmend(now: Standing) -> None:
        if now.what == "again":
            marker.unlink()
        if now.what == "begins":
            first.append(now.changed.entry.recipe.name)

    run_comparison(recipes, seeds=1, out=folder, workers=1, progress=unmend)
    failed = folder / "runs/compare_tasks-rows/dies/seed-0/result.json"
    assert json.loads(failed.read_text())["status"] == "failed"
    second: list[str] = []
    run_comparison(recipes, seeds=1, out=folder, progress=lambda now: second.append(now.changed.entry.recipe.name))
    assert sorted(first) == ["dies", "good"]
    assert set(second) == {"dies"}
    assert json.loads(failed.read_text())["status"] == "finished"


WRONG = [
    ({"task": "compare_tasks:row"}, "TaskError", "has no function called 'row'"),
    ({"model": "compare_tasks:missing"}, "RecipeError", "compare_tasks has no 'missing'"),
    ({"optimizer": {"name": "sdg", "lr": 1.0}}, "OptimizerError", "did you mean 'sgd'"),
    ({"schedule": "warmup(500) >> cosine()"}, "HorizonError", "500"),
    ({"batch_size": 1000}, "RecipeError", "batch_size is 1000"),
    ({"stop": "early_stop('val_f1')"}, "RecipeError", "val_f1"),
    ({"engine": "tensorflow"}, "RecipeError", "tensorflow"),
    ({"groups": {"head": {"parameters": "head.*"}}}, "OptimizerError", "head.*"),
]


def test_everything_that_can_be_wrong_with_a_recipe_is_found_by_looking(tmp_path: Path) -> None:
    with ProcessPool(1) as pool:
        for number, (keys, error, said) in enumerate(WRONG):
            pool.give(Job(number, "look", {"recipe": recipe("x", **keys).model_dump(), "splits": ["tune", "val"]}))
            told = pool.wait()
            assert told is not None
            assert (told.kind, told.error) == ("failed", error), told
            assert said in told.sentence
            assert "\n" not in told.sentence


def test_what_is_wrong_with_the_last_recipe_is_said_before_the_first_is_trained(tmp_path: Path) -> None:
    bad = recipe("bad", schedule="warmup(500) >> cosine()")
    with pytest.raises(HorizonError, match=r"^bad: .*500"):
        run_comparison([recipe("good"), bad], seeds=1, out=tmp_path / "c", workers=1)
    assert list((tmp_path / "c").rglob("*.jsonl")) == []


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"seeds": 0}, RecipeError, "seeds=0"),
        ({"seeds": [1, 1]}, RecipeError, "one twice"),
        ({"seeds": []}, RecipeError, "none"),
        ({"seeds": [-1]}, RecipeError, "-1"),
        ({"seeds": "3"}, RecipeError, "'3'"),
        ({"seeds": True}, RecipeError, "True"),
        ({"updates": 0}, RecipeError, "updates=0"),
        ({"updates": 2.5}, RecipeError, "2.5"),
        ({"workers": 0}, RecipeError, "workers=0"),
        ({"tasks": ["digit"]}, TaskError, "did you mean 'digits'"),
        ({"tasks": []}, TaskError, "digits"),
        ({"recipes": ["missing.yaml"]}, RecipeError, "missing.yaml"),
        ({"recipes": [recipe("a"), recipe("a")]}, RecipeError, "given twice"),
        ({"recipes": [recipe("a"), recipe("a", 0.1)]}, RecipeError, "a `name` of its own"),
        ({"recipes": [recipe("a")], "tasks": ["digits"]}, TaskError, "no recipe has the task 'digits'"),
        ({"recipes": [recipe("a", tune={"lr": [0.1, 0.10000001]})]}, RecipeError, "0.1 twice"),
        ({"recipes": [{"task": "digits"}]}, RecipeError, "optimizer"),
        ({"lang": "fr"}, CadenceError, "fr"),
    ],
)
def test_an_impossible_wish_is_refused_before_a_folder_is_made(
    arguments: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=None) as caught:
        cadence.compare(**arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.png").write_text("meow")
    for fresh in (False, True):
        with pytest.raises(RecordError, match=r"no comparison folder and holds cat\.png"):
            run_comparison([recipe("a")], seeds=1, out=other, fresh=fresh)
    assert [path.name for path in other.iterdir()] == ["cat.png"]


@posix
def test_two_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    slow = [recipe("slow", model="compare_tasks:slow", model_args={"seconds": 0.02})]
    refused: list[str] = []

    def second(now: Standing) -> None:
        if not refused:
            with pytest.raises(RecordError, match="is being written by") as caught:
                run_comparison(slow, seeds=1, out=folder)
            refused.append(str(caught.value))

    run_comparison(slow, seeds=1, out=folder, progress=second)
    assert refused


# ---- continuing ------------------------------------------------------------------------------------------------------


def test_the_folder_is_named_by_the_question(tmp_path: Path) -> None:
    def name(recipes: list[Recipe], **settings: Any) -> str:
        given: dict[str, Any] = {"seeds": 3, "tasks": None, "updates": None, "tune": True, **settings}
        return intent(recipes, **given).folder_name

    tuned = recipe("a", tune={"lr": [0.1, 0.2]})
    assert name([tuned]) == name([tuned.changed(notes="other words", tags=["t"], seed=5)])
    others = [
        name([tuned.changed(name="b")]),
        name([tuned.at_rate(0.07)]),
        name([tuned], seeds=2),
        name([tuned], seeds=[0, 1, 3]),
        name([tuned], updates=5),
        name([tuned], tune=False),
        name([tuned.changed(tune={"lr": [0.1, 0.3]})]),
        name([tuned, recipe("b")]),
        name([recipe("b"), tuned]),
    ]
    assert len({name([tuned]), *others}) == len(others) + 1


@pytest.fixture
def slow_command(tmp_path: Path) -> list[str]:
    """A comparison that takes some seconds, as it is typed."""
    for name, lr in (("a", 0.01), ("b", 0.05)):
        slow = recipe(
            name, lr, model="compare_tasks:slow", model_args={"seconds": 0.02}, total=60, evaluate=5,
            tune={"factors": [0.5, 1]},
        )  # fmt: skip
        (tmp_path / f"{name}.yaml").write_text(slow.to_yaml())
    return [sys.executable, "-m", "cadence", "compare", "a.yaml", "b.yaml", "--seeds", "2", "--workers", "2", "--out"]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), str(HERE)])}


def workers_of(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []


@posix
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_killed_comparison_leaves_no_process_and_continues_to_the_result_of_an_undisturbed_one(
    slow_command: list[str], tmp_path: Path
) -> None:
    undisturbed = subprocess.run(
        [*slow_command, "whole"], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert undisturbed.returncode == 0, undisturbed.stderr

    folder = tmp_path / "killed"
    for finished_before in (1, 6):  # once while rates are tuned, once while reported runs go on
        process = subprocess.Popen(
            [*slow_command, "killed"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        until(lambda count=finished_before: len(list(folder.rglob("result.json"))) >= count)
        # In the middle of runs that have something to go on from.
        until(lambda: any(not (p.parents[1] / "result.json").exists() for p in folder.rglob("checkpoints/*.json")))
        workers = workers_of(process.pid)
        assert len(workers) == 2
        process.kill()
        process.communicate()
        until(lambda pids=workers: not any(alive(pid) for pid in pids), 10)
        assert not (folder / "results.csv").exists()

    begun = {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
    continued = subprocess.run(
        [*slow_command, "killed"], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert continued.returncode == 0, continued.stderr
    assert {path: path.stat().st_mtime_ns for path in begun} == begun

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert without_time(rows_of(whole)) == without_time(rows_of(killed))
    for path in sorted(whole.rglob("updates.jsonl")):
        a, b = (
            [{k: v for k, v in json.loads(line).items() if k not in CLOCKS} for line in file.read_text().splitlines()]
            for file in (path, killed / path.relative_to(whole))
        )
        assert a == b


@posix
def test_ctrl_c_ends_at_once_with_a_sentence_and_no_process_left(slow_command: list[str], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*slow_command, "c"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(lambda: len(list((tmp_path / "c").rglob("result.json"))) >= 2)
    workers = workers_of(process.pid)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert time.monotonic() - begin < 20
    assert process.returncode == 130
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith("interrupted after ")
    assert last.endswith(" of 8 trainings; the same command continues where it stopped")
    assert "Traceback" not in err
    until(lambda: not any(alive(pid) for pid in workers), 10)


# ---- order and processes ---------------------------------------------------------------------------------------------


def board(tmp_path: Path, *recipes: Recipe, seeds: int = 2, updates: dict[tuple[int, int], int]) -> Board:
    wanted = intent(recipes, seeds=seeds, tasks=None, updates=None, tune=True)
    facts = {key: {"metric": "square", "higher_is_better": False} for key in updates}
    contests = tuple(running._contest(g, group, facts) for g, group in enumerate(wanted.groups))
    return Board(wanted, contests, tmp_path, updates)


def test_what_has_most_work_behind_it_begins_first_and_reported_runs_wait_for_their_tuning(tmp_path: Path) -> None:
    short, long = recipe("short", tune={"lr": [0.1, 0.2]}), recipe("long", tune={"lr": [0.1, 0.2]})
    done = board(tmp_path, short, long, updates={(0, 0): 10, (0, 1): 100})
    order: list[tuple[str, str]] = []
    while (training := done.next()) is not None:
        training.state = "running"
        order.append((training.entry.recipe.name, training.phase))
        loss = {"val_loss": training.rate}
        done.ended(
            training, "finished", {"status": "finished", "updates": training.updates, "seconds": 1.0, "final": loss}
        )
    names = [name for name, _ in order]
    assert names == ["long"] * 4 + ["short"] * 4
    assert [phase for _, phase in order] == (["tuning"] * 2 + ["run"] * 2) * 2
    assert {t.rate for t in done.trainings if t.phase == "run"} == {0.1}
    assert done.open == []


def test_a_tuning_run_counts_with_the_runs_that_wait_for_it(tmp_path: Path) -> None:
    tuned, plain = recipe("tuned", tune={"lr": [0.1, 0.2]}), recipe("plain")
    done = board(tmp_path, plain, tuned, updates={(0, 0): 100, (0, 1): 60})
    first = done.next()
    assert first is not None
    assert (first.entry.recipe.name, first.phase) == ("tuned", "tuning")


def test_a_run_of_an_earlier_start_is_done_unless_it_failed_or_was_at_another_rate(tmp_path: Path) -> None:
    def put(seed: int, status: str, rate: float) -> None:
        folder = tmp_path / f"runs/compare_tasks-rows/a/seed-{seed}"
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"status": status, "updates": 10, "final": {"val_loss": 1.0}}))
        (folder / "run.json").write_text(json.dumps({"bases": {"lr": [rate]}}))

    for seed, (status, rate) in enumerate(
        [("finished", 0.1), ("diverged", 0.1), ("stopped", 0.1), ("failed", 0.1), ("finished", 0.2)]
    ):
        put(seed, status, rate)
    for rate, loss in ((0.1, 0.5), (0.2, 0.6)):
        folder = tmp_path / f"tuning/compare_tasks-rows/a/lr-{rate}"
        folder.mkdir(parents=True)
        result = {"status": "finished", "updates": 10, "final": {"val_loss": loss}}
        (folder / "result.json").write_text(json.dumps(result))
        (folder / "run.json").write_text(json.dumps({"bases": {"lr": [rate]}}))
    found = board(tmp_path, recipe("a", tune={"lr": [0.1, 0.2]}), seeds=6, updates={(0, 0): 10})
    assert [t.seed for t in found.open] == [3, 4, 5]
    assert {t.rate for t in found.trainings if t.phase == "run"} == {0.1}


def test_the_time_that_is_left_follows_what_was_measured(tmp_path: Path) -> None:
    done = board(tmp_path, recipe("a"), seeds=3, updates={(0, 0): 100})
    assert done.seconds_left(2) is None
    first = done.next()
    assert first is not None
    done.ended(first, "finished", {"status": "finished", "updates": 50, "seconds": 10.0})
    # 0.2 s an update, two runs of 100 left, one of them half done, two workers.
    second = done.next()
    assert second is not None
    second.state, second.done = "running", 50
    assert done.seconds_left(2) == pytest.approx((20 + 10) / 2)


def test_where_every_rate_diverged_the_recipes_own_is_used(tmp_path: Path) -> None:
    done = board(tmp_path, recipe("a", 0.05, tune={"factors": [1, 3]}), seeds=1, updates={(0, 0): 10})
    for _ in range(2):
        training = done.next()
        assert training is not None
        done.ended(training, "diverged", {"status": "diverged", "updates": 3, "seconds": 1.0, "final": {}})
    run = done.next()
    assert run is not None
    assert (run.phase, run.rate) == ("run", 0.05)


@posix
def test_workers_are_reused_replaced_and_gone_when_the_pool_closes() -> None:
    with ProcessPool(1) as pool:
        looks = {"recipe": recipe("a", task="compare_tasks:nothing").model_dump(), "splits": ["val"]}
        pids: list[list[int]] = []
        for number in range(2):
            pool.give(Job(number, "look", looks))
            with pytest.raises(RecordError, match="all 1 workers are at work"):
                pool.give(Job(9, "look", looks))
            told = pool.wait()
            assert told is not None
            assert (told.kind, told.job, told.error) == ("failed", number, "TaskError")
            pids.append(pool.pids)
        assert pids[0] == pids[1]
        os.kill(pids[0][0], signal.SIGKILL)
        assert pool.wait(1.0) is None  # it had nothing to do, so nobody misses it
        pool.give(Job(5, "look", looks))
        told = pool.wait()
        assert told is not None
        assert told.job == 5
        last = pool.pids
    until(lambda: not any(alive(pid) for pid in last), 10)


def test_a_run_folder_that_is_of_no_use_is_trained_anew(tmp_path: Path) -> None:
    killed = tmp_path / "killed while it began"
    killed.mkdir()
    (killed / "run.json").write_text("{}")
    wanted = recipe("a", 0.1)
    with ProcessPool(1) as pool:
        for number, (folder, lr) in enumerate([(killed, 0.1), (tmp_path / "rate", 0.2), (tmp_path / "rate", 0.1)]):
            keys = wanted.at_rate(lr).model_dump()
            pool.give(Job(number, "train", {"recipe": keys, "split": "val"}, str(folder)))
            told = pool.wait()
            while told is not None and told.kind == "news":
                told = pool.wait()
            assert told is not None
            assert (told.kind, told.content["status"]) == ("done", "finished"), told
            assert load_record(folder).recipe["optimizer"]["lr"] == lr


@posix
def test_what_a_training_has_started_ends_with_its_worker(tmp_path: Path) -> None:
    note = tmp_path / "child"
    keys = recipe("a", model="compare_tasks:waits_for", model_args={"child_of": str(note)}, total=1000).model_dump()
    with ProcessPool(1) as pool:
        pool.give(Job(0, "train", {"recipe": keys, "split": "val"}, str(tmp_path / "run")))
        until(lambda: (pool.wait(0.05), note.exists() and note.read_text())[1])
        child = int(note.read_text())
        assert alive(child)
        # A child that holds the pipe open must not hide that the worker has died.
        os.kill(pool.pids[0], signal.SIGKILL)
        told = pool.wait(60)
        while told is not None and told.kind == "news":
            told = pool.wait(60)
        assert told is not None
        assert told.kind == "again"
        until(lambda: not alive(child), 10)


def test_there_is_at_least_one_core_to_use() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
