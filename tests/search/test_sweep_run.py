"""Searches that are really trained, in real processes: what comes of them, what is killed, what is shared."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("optuna")
pytest.importorskip("scipy")
pytest.importorskip("sklearn")

import cadence
from cadence._errors import RecordError, SearchError
from cadence.cli.app import run as run_command
from cadence.recipe.load import load_recipe
from cadence.record.reader import load_record
from cadence.report.sweep import Sweep
from cadence.report.sweep_page import sweep_page
from cadence.report.sweep_table import sweep_table_text

SOURCE = Path(cadence.__file__).parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

RECIPE = """
task: digits
device: cpu
optimizer: {name: adamw, lr: 0.002, weight_decay: 0.01}
schedule: warmup('5%') >> cosine(to=0.01)
total: 16
batch_size: 32
evaluate: 4
effective_rates: null
search:
  space:
    lr: [1.0e+12, 0.0001, 0.01]
    schedule: ["warmup({w}) >> cosine(to=0.01)", "constant()"]
    w: [2, 4]
  sampler: grid
  prune: false
  confirm: 2
"""


@dataclass(frozen=True)
class Made:
    """A search that several tests look at, and what was told meanwhile."""

    sweep: Sweep
    recipe: Path
    told: list[tuple[str, int | None]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "mine.yaml").write_text(RECIPE)
    told: list[tuple[str, int | None]] = []

    def tell(now: Any) -> None:
        told.append((now.what, None if now.changed is None else now.changed.number))

    sweep = cadence.sweep(folder / "mine.yaml", workers=1, out=folder / "out", progress=tell)
    return Made(sweep, folder / "mine.yaml", told)


def test_every_point_of_a_grid_is_trained_once_and_the_best_is_the_best(made: Made) -> None:
    found = made.sweep.results
    assert found.counts == {"diverged": 4, "finished": 8}
    assert [what for what, _ in made.told if what == "ends"] == ["ends"] * 12
    assert sorted(number for what, number in made.told if what == "ends") == list(range(12))  # type: ignore[type-var]
    rows = list(csv.DictReader((made.sweep.folder / "trials.csv").read_text().splitlines()))
    assert [row["number"] for row in rows] == [str(n) for n in range(12)]
    assert {row["state"] for row in rows if float(row["lr"]) > 1} == {"diverged"}
    values = {int(row["number"]): float(row["value"]) for row in rows if row["value"]}
    assert found.best is not None
    assert found.best.number == min(values, key=values.__getitem__)
    assert found.best.params["lr"] == 0.01
    # What a trial says is what its record says, judged on the data that are set apart for choosing.
    record = load_record(made.sweep.folder / "trials" / f"{found.best.number:04d}" / "seed-0")
    assert record.result is not None
    assert record.result["final"]["val_loss"] == found.best.value
    assert record.run["split"] == "tune"
    assert not (record.folder / "checkpoints").exists()


def test_the_winner_is_trained_with_new_seeds_on_other_data_and_becomes_a_recipe(made: Made) -> None:
    found = made.sweep.results
    assert found.confirmed is not None
    assert found.given is not None
    assert found.best is not None
    assert list(found.confirmed.values) == list(found.given.values) == [1000, 1001]
    record = load_record(made.sweep.folder / "confirm" / f"trial-{found.best.number}" / "seed-1000")
    assert record.run["split"] == "val"
    assert record.recipe["seed"] == 1000
    assert record.result is not None
    assert record.result["final"]["val_loss"] == found.confirmed.values[1000]
    recipe = load_recipe(made.sweep.files["recipe"])
    assert recipe.name == "mine-best"
    assert recipe.main.lr == 0.01
    assert recipe.schedule in ("constant()", "warmup(2) >> cosine(to=0.01)", "warmup(4) >> cosine(to=0.01)")
    assert recipe.total == 16


def test_a_search_that_is_finished_says_it_again_without_training(made: Made) -> None:
    told: list[str] = []
    again = cadence.sweep(made.recipe, workers=1, out=made.sweep.folder, progress=lambda now: told.append(now.what))
    assert told == []
    assert str(again) == str(made.sweep)
    assert again.results.to_json() == made.sweep.results.to_json()


def test_the_report_says_what_was_found_how_sure_that_is_and_what_mattered(made: Made) -> None:
    found = made.sweep.results
    assert found.best is not None
    for lang, words in (("en", ("too good", "new seeds", "PED-ANOVA")), ("zh", ("偏乐观", "新种子", "PED-ANOVA"))):
        page, text = sweep_page(found, lang=lang), sweep_table_text(found, lang=lang)
        assert all(word in page for word in words)
        assert words[0] in text
        # A line for each trial that has a value, and nothing loaded from anywhere.
        assert page.count("<title>") == 1 + 1 + 8 + 1
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert "<script" not in page
        assert max(len(line) for line in sweep_table_text(found, width=60).splitlines()) <= 60
    assert found.importance is not None
    assert next(iter(found.importance)) == "lr"
    summary = json.loads((made.sweep.folder / "summary.json").read_text())
    assert summary["best"]["number"] == found.best.number
    assert summary["importance"]["method"] == "PED-ANOVA"


def test_another_search_is_refused_the_folder_and_the_study(made: Made) -> None:
    with pytest.raises(RecordError, match="--fresh"):
        cadence.sweep(made.recipe, {"lr": [0.1, 0.2]}, out=made.sweep.folder)
    with pytest.raises(SearchError, match="there and"):
        cadence.sweep(
            made.recipe, {"lr": [0.1, 0.2]}, out=made.recipe.parent / "other", study=made.sweep.results.study,
            db=f"sqlite:///{made.sweep.folder / 'study.db'}",
        )  # fmt: skip


def test_what_the_command_line_is_told_wrong_is_one_sentence(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = [
        (["nothing.yaml"], "there is no recipe"),
        ([made.recipe, "--search", "lrr=log(1, 2)"], "did you mean 'lr'"),
        ([made.recipe, "--search", "lr=log(2, 1)"], "is empty"),
        ([made.recipe, "--search", "lr=log(0, 1)"], "no logarithm"),
        ([made.recipe, "--db", "study.db"], "no address"),
        ([made.recipe, "--db", "sqlite:////no/where/x.db"], "does not open"),
        ([made.recipe, "--sampler", "bayes"], "tpe, random or grid"),
        ([made.recipe, "--workers", "0"], "trains nothing"),
        ([made.recipe, "--out", made.recipe.parent], "no folder of a search"),
    ]
    for arguments, said in wrong:
        assert run_command(["sweep", *map(str, arguments)]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


def test_a_run_that_looks_hopeless_is_stopped_on_the_way(tmp_path: Path) -> None:
    keys = {**yaml.safe_load(RECIPE), "total": 160, "evaluate": 20, "schedule": "constant()"}
    prune = {"first": 0.1, "factor": 2, "spare": 1}
    # A rate of next to nothing moves nothing: by the second comparison it is behind.
    keys["search"] = {"space": {"lr": [0.01, 1e-12]}, "sampler": "grid", "confirm": 0, "prune": prune}
    made = cadence.sweep(keys, workers=1, out=tmp_path / "out")
    good, hopeless = made.results.trials
    assert (good.state, hopeless.state) == ("finished", "pruned")
    assert good.updates == 160
    assert 16 <= hopeless.updates < 160
    record = load_record(tmp_path / "out" / "trials" / "0001" / "seed-0")
    assert record.status == "interrupted"
    assert record.t == hopeless.updates
    # Its value is what the comparison saw.
    seen = dict(zip(record.evaluations["t"].tolist(), record.evaluations["val_loss"].tolist(), strict=True))
    assert hopeless.value == seen[hopeless.notes["pruned_at"]]


# ---- killed, and shared ----------------------------------------------------------------------------------------------


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cadence", "sweep", "mine.yaml", "--workers", "1", "--json", *arguments]
    env = os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    with (folder / f"out-{time.monotonic_ns()}.txt").open("wb") as out:
        return subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out)


def until(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@posix
def test_killed_in_the_middle_and_shared_by_two_every_trial_ends_once(tmp_path: Path) -> None:
    trials = 4
    text = RECIPE.replace("total: 16", "total: 80").replace("sampler: grid", f"sampler: random\n  trials: {trials}")
    text = text.replace("[1.0e+12, 0.0001, 0.01]", "log(1e-4, 1e-2)").replace(
        "confirm: 2", "confirm: 1\n  objective: best val_loss"
    )
    (tmp_path / "mine.yaml").write_text(text)
    db = f"sqlite:///{tmp_path / 'shared.db'}"
    first = start(tmp_path, "--db", db, "--out", "one")
    second_run = tmp_path / "one" / "trials" / "0001" / "seed-0"
    # Into the second trial, past its first checkpoint: then the power goes.
    until(lambda: list((second_run / "checkpoints").glob("*.json")) or first.poll() is not None)
    assert first.poll() is None, "it ended before it could be killed"
    first.send_signal(signal.SIGKILL)
    first.wait()
    killed_at = load_record(second_run).t
    # The same command again, and at the same time another one in a folder of its own: as from another machine.
    both = [start(tmp_path, "--db", db, "--out", "one"), start(tmp_path, "--db", db, "--out", "two")]
    assert [process.wait(timeout=200) for process in both] == [0, 0], [
        path.read_text()[-2000:] for path in tmp_path.glob("out-*.txt")
    ]
    with sqlite3.connect(tmp_path / "shared.db") as database:
        states = database.execute("SELECT state FROM trials").fetchall()
        numbers = database.execute("SELECT value_json FROM trial_user_attributes WHERE key = 'number'").fetchall()
        claims = database.execute("SELECT job, ended FROM cadence_claims").fetchall()
    assert states == [("COMPLETE",)] * trials
    assert sorted(int(value) for (value,) in numbers) == list(range(trials))
    assert {ended for _, ended in claims} == {1}
    assert Counter(job.split()[0] for job, _ in claims) == {"trial": trials, "confirm": 2}
    # No run was trained twice, and what was killed went on with what it had.
    trained = Counter(path.parent.name for path in tmp_path.glob("*/trials/*/seed-0"))
    assert max(trained.values()) == 1 or trained["0001"] == 2
    summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("one", "two")]
    assert summaries[0]["trials"] == summaries[1]["trials"]
    for trial in summaries[0]["trials"]:
        (run,) = trial["runs"]
        (place,) = [p for p in (tmp_path / "one", tmp_path / "two") if (p / run["folder"] / "result.json").exists()]
        updates = load_record(place / run["folder"]).updates["t"].tolist()
        assert updates == list(range(80))
        assert run["updates"] == 80
        losses = load_record(place / run["folder"]).evaluations["val_loss"].tolist()
        assert len(losses) == 20
        assert run["value"] == trial["value"] == min(losses)
    assert 0 < killed_at < 80
