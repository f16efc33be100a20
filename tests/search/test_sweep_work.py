"""How a search goes about its trials, with a pool that trains nothing: it answers what a rate would come to."""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")
pytest.importorskip("scipy")

import cadence
from cadence._errors import RecordError, SearchError
from cadence.cli.app import run as run_command
from cadence.comparison.pool import Happening, Job, Pool
from cadence.record.commands import commands
from cadence.report.sweep_page import sweep_page
from cadence.report.sweep_table import sweep_table_text
from cadence.search import claims as claiming
from cadence.search import hands, work
from cadence.search.claims import Claims
from cadence.search.database import open_database

TOTAL, EVERY = 40, 10
KEYS: dict[str, Any] = {"task": "digits", "optimizer": {"name": "adamw", "lr": 5.0}, "total": TOTAL}


def loss(recipe: Mapping[str, Any], share: float) -> float:
    """Best at a rate of 0.01; each seed has its own level; it falls along the run."""
    return abs(math.log10(recipe["optimizer"]["lr"]) + 2) + 0.01 * (recipe["seed"] % 7) + 2 * (1 - share)


class Pretended(Pool):
    """Does one evaluation of one job each time it is asked what there is to say."""

    def __init__(self, size: int, judge: Callable[[Mapping[str, Any], float], float]) -> None:
        self._size = size
        self._judge = judge
        self._going: deque[tuple[Job, int]] = deque()
        self._old: dict[int, int] = {}
        self.given: list[Job] = []

    @property
    def size(self) -> int:
        return self._size

    @property
    def free(self) -> int:
        return self._size - len(self._going)

    def mind(self, devices: Collection[str]) -> None:
        pass

    def give(self, job: Job) -> None:
        self.given.append(job)
        # What was asked of an earlier process is no longer for this one.
        self._old[job.number] = len(commands(Path(str(job.folder))))
        self._going.append((job, 0))

    def wait(self, seconds: float | None = None) -> Happening | None:
        if not self._going:
            return None
        job, t = self._going.popleft()
        if job.call == "look":
            facts = {"metric": "accuracy", "higher_is_better": True, "total": TOTAL, "device": "cpu"}
            return Happening("done", job.number, facts)
        recipe = job.arguments["recipe"]
        final = {"val_loss": self._judge(recipe, t / TOTAL), "val_accuracy": 0.5}
        told = {"updates": t, "seconds": 0.1, "final": final, "sentence": f"Ended after {t}."}
        if len(commands(Path(str(job.folder)))) > self._old[job.number]:
            return Happening("done", job.number, {"status": "interrupted", **told})
        if t and not math.isfinite(final["val_loss"]):
            return Happening("done", job.number, {"status": "diverged", **told, "final": {}})
        if t and final["val_loss"] == -1:
            return Happening("failed", job.number, {}, None, "KeyError: 'row 7'")
        if t >= TOTAL:
            return Happening("done", job.number, {"status": "finished", **told})
        self._going.append((job, t + EVERY))
        t += EVERY
        metrics = {"val_loss": self._judge(recipe, t / TOTAL), "val_accuracy": 0.5}
        news = {"t": t, "total": TOTAL, "loss": 1.0, "metrics": metrics, "evaluated": True}
        return Happening("news", job.number, news)

    def close(self) -> None:
        self._going.clear()


Pretend = Callable[..., list[Pretended]]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pretend:
    """Put such a pool in the place of worker processes; returns those that were opened."""
    monkeypatch.chdir(tmp_path)

    def with_judge(judge: Callable[[Mapping[str, Any], float], float] = loss, size: int = 2) -> list[Pretended]:
        opened: list[Pretended] = []

        def open_pool(on: Any, workers: Any, *, threads: int, devices: Collection[str]) -> Pool:
            opened.append(Pretended(size, judge))
            return opened[-1]

        monkeypatch.setattr(hands, "open_pool", open_pool)
        return opened

    return with_judge


def search(**keys: Any) -> Any:
    space = keys.pop("space", {"lr": "log(1e-5, 1e-1)"})
    return cadence.sweep(KEYS, space, out="out", **{"confirm": 0, "sampler": "random", **keys})


def test_the_objective_is_the_mean_over_the_seeds_and_new_seeds_confirm_it(pretend: Pretend) -> None:
    opened = pretend()
    made = search(trials=6, seeds=[0, 1, 2], prune=False, confirm=3)
    pool = opened[0]
    for trial in made.results.trials:
        assert trial.value == pytest.approx(abs(math.log10(trial.params["lr"]) + 2) + 0.01)
        assert [run["seed"] for run in trial.notes["runs"]] == [0, 1, 2]
        assert trial.updates == 3 * TOTAL
    trained = Counter((job.arguments["split"], job.arguments["recipe"]["seed"]) for job in pool.given if job.folder)
    assert trained == {("tune", 0): 6, ("tune", 1): 6, ("tune", 2): 6} | {("val", 1000 + k): 2 for k in range(3)}
    found = made.results
    assert found.confirmed is not None
    assert found.given is not None
    assert found.difference is not None
    # The given recipe is at 5.0, the best near 0.01: the same seeds fall out of the difference.
    expected = abs(math.log10(found.best.params["lr"]) + 2) - abs(math.log10(5) + 2)
    assert found.difference.difference.mean == pytest.approx(expected)
    assert not found.kept
    assert found.recipe.main.lr == found.best.params["lr"]


def test_the_first_seed_decides_whether_the_others_are_worth_it(pretend: Pretend) -> None:
    opened = pretend(size=1)
    made = search(trials=8, seeds=2, prune={"first": 0.25, "factor": 2, "spare": 2})
    pruned = [trial for trial in made.results.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.number >= 2 for trial in pruned)
    for trial in pruned:
        assert trial.updates < TOTAL
        assert [run["seed"] for run in trial.notes["runs"]] == [0]
        assert f"Given up after {trial.notes['pruned_at']} of 40 updates" in trial.notes["sentence"]
    trained = [job for job in opened[0].given if job.folder]
    assert len(trained) == 8 + (8 - len(pruned))
    assert all(trial.value < 5 for trial in made.results.trials if trial.state == "finished")


def test_a_run_that_was_faster_than_the_command_to_stop_has_finished(
    pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(size=1)
    told: list[Path] = []
    monkeypatch.setattr(hands, "send", lambda folder, name, arguments: told.append(folder))
    made = search(trials=6, seeds=2, prune={"first": 0.25, "factor": 2, "spare": 1})
    assert told  # some were to be given up
    assert made.results.counts == {"finished": 6}
    for trial in made.results.trials:
        # Whoever takes such a trial over, between its first seed and its second, trains the second.
        assert trial.notes.get("pruned_at") is None
        assert [run["seed"] for run in trial.notes["runs"]] == [0, 1]
        assert not trial.notes["sentence"]


def test_one_seed_that_diverges_makes_the_trial_diverge(pretend: Pretend) -> None:
    pretend(lambda recipe, share: math.inf if recipe["seed"] == 1 and recipe["optimizer"]["lr"] > 1e-3 else 1.0)
    made = search(trials=6, seeds=2, prune=False)
    states = {trial.params["lr"] > 1e-3: trial.state for trial in made.results.trials}
    assert states == {True: "diverged", False: "finished"}
    assert not made.failed


def test_a_trial_that_fails_is_told_and_the_others_go_on(
    pretend: Pretend, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pretend(lambda recipe, share: -1.0 if recipe["optimizer"]["lr"] > 1e-3 else 1.0)
    (tmp_path / "r.yaml").write_text("task: digits\noptimizer: {name: adamw, lr: 5.0}\ntotal: 40\n")
    arguments = ["r.yaml", "--search", "lr=log(1e-5, 1e-1)", "--trials", "6", "--sampler", "random", "--confirm", "0"]
    assert run_command(["sweep", *arguments, "--out", "out"]) == 3
    out, err = capsys.readouterr()
    assert "KeyError: 'row 7'" in out
    assert "FAILED" in out
    assert "[6/6]" in err


def test_five_failures_and_nothing_else_end_the_search(pretend: Pretend) -> None:
    opened = pretend(lambda recipe, share: -1.0, size=1)
    with pytest.raises(SearchError, match="the first 5 trials all failed, the last one so: KeyError"):
        search(trials=50)
    assert sum(job.folder is not None for job in opened[0].given) == 5
    with pytest.raises(SearchError, match="--fresh"):
        search(trials=50)
    pretend()
    assert search(trials=2, fresh=True).results.counts == {"finished": 2}


def test_an_objective_that_no_run_has_is_said_before_the_first_trial(pretend: Pretend) -> None:
    opened = pretend()
    with pytest.raises(SearchError, match="did you mean 'val_accuracy'"):
        search(objective="final val_acuracy")
    assert all(job.call == "look" for job in opened[0].given)


def test_more_of_an_accuracy_is_better(pretend: Pretend) -> None:
    pretend()
    made = search(objective="best val_accuracy", trials=2)
    assert made.results.higher
    assert made.results.best.value == 0.5


def test_a_budget_pays_for_as_many_trials_as_it_can(pretend: Pretend) -> None:
    pretend(size=1)
    made = search(budget=5 * TOTAL + EVERY, prune=False)
    assert made.results.counts == {"finished": 5}
    assert made.results.updates == 5 * TOTAL
    # Those that are under way will cost what was planned, however many are.
    pretend(size=4)
    side = search(budget=5 * TOTAL + EVERY, prune=False, fresh=True)
    assert side.results.updates == 5 * TOTAL
    pretend(size=1)
    # What is given up early leaves room for more.
    cheap = search(budget=7 * TOTAL, prune={"first": 0.25, "factor": 4, "spare": 2}, fresh=True)
    assert len(cheap.results.trials) > 7
    assert cheap.results.updates <= 7 * TOTAL


def test_more_trials_go_on_with_those_that_there_are(pretend: Pretend) -> None:
    pretend()
    first = search(trials=3, confirm=1)
    opened = pretend()
    more = search(trials=5, confirm=1)
    assert more.results.trials[:3] == first.results.trials
    assert len(more.results.trials) == 5
    new = {job.arguments["split"] for job in opened[0].given}
    best = {made.results.best.number for made in (first, more)}
    assert new == ({"tune"} if len(best) == 1 else {"tune", "val"})


def test_where_the_given_recipe_is_better_it_is_kept(pretend: Pretend) -> None:
    pretend(lambda recipe, share: 0.1 * (recipe["seed"] % 3) if recipe["optimizer"]["lr"] == 5.0 else 1.0)
    made = search(trials=3, confirm=2)
    assert made.results.kept
    assert made.recipe.main.lr == 5.0
    said = " ".join(str(made).split())
    assert "recipe.yaml is the recipe as given" in said
    # Surely better is not "no more than seeds may do by themselves".
    assert "with the same seeds: it is ahead by" in said
    assert "may do by themselves" not in said


def test_trials_that_lie_no_further_apart_than_seeds_make_cannot_be_told_apart(pretend: Pretend) -> None:
    pretend()
    # 0, 0.02, 0.05, 0.15 and 1 above the best there is; seeds 1000 to 1002 spread by 0.06.
    made = search(space={"lr": [0.01, 0.0105, 0.009, 0.0141, 0.1]}, sampler="grid", confirm=3, prune=False)
    sd = made.results.confirmed.estimate.sd
    assert sd == pytest.approx(0.0321, abs=1e-4)
    assert made.results.best.number == 0
    assert made.results.ties == (1, 2)
    assert "2 other trials cannot be told from the best one" in " ".join(str(made).split())


def test_a_best_recipe_that_breaks_with_new_seeds_is_not_the_one_to_go_on_with(pretend: Pretend) -> None:
    pretend(lambda recipe, share: math.inf if recipe["seed"] == 1001 and recipe["optimizer"]["lr"] != 5.0 else
            2.0 if recipe["optimizer"]["lr"] == 5.0 else 1.0)  # fmt: skip
    made = search(trials=3, confirm=3)
    assert made.results.kept
    assert made.recipe.main.lr == 5.0
    said = " ".join(str(made).split())
    assert "Of 3 runs of the best recipe with new seeds only 2 came to their end" in said
    assert "recipe.yaml is the recipe as given" in said


def test_what_should_make_a_reader_careful_is_said(pretend: Pretend) -> None:
    pretend(lambda recipe, share: recipe["optimizer"]["lr"])
    space = {"lr": [1e-3, 5.0, 7.0], "optimizer.weight_decay": "uniform(0, 1, points=3)"}
    said = " ".join(str(search(space=space, sampler="grid")).split())
    assert "lr of the best trial, 0.001, lies at the lower end" in said
    assert "optimizer.weight_decay of the best trial" not in said  # 0 is as low as there is
    assert "one seed cannot say" in said
    assert "in the middle of their run" not in said  # no schedule was searched
    # The given recipe is the best one: it is said, and trained with new seeds once.
    opened = pretend(lambda recipe, share: abs(recipe["optimizer"]["lr"] - 5.0))
    best = search(space={"lr": [5.0, 1.0]}, sampler="grid", confirm=2, fresh=True, seeds=2)
    assert "The recipe as given is the best one itself." in str(best)
    assert best.results.given is None
    assert sum(job.arguments["split"] == "val" for job in opened[0].given if job.folder) == 2
    assert "one seed cannot say" not in str(best)


def test_interrupted_it_goes_on_where_it_was(pretend: Pretend, tmp_path: Path) -> None:
    pretend(size=2)
    seen: list[str] = []

    def stop(now: Any) -> None:
        seen.append(now.what)
        if seen.count("ends") == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(trials=6, prune=False, progress=stop)
    with sqlite3.connect(tmp_path / "out" / "study.db") as database:
        rows = database.execute("SELECT owner = '', ended FROM cadence_claims ORDER BY job").fetchall()
    assert sorted(rows) == [(0, 1), (0, 1), (1, 0)]
    opened = pretend(size=2)
    made = search(trials=6, prune=False)
    assert made.results.counts == {"finished": 6}
    # Two had ended, and are not trained again.
    assert sum(job.folder is not None for job in opened[0].given) == 4


def test_killed_between_the_end_of_a_trial_and_its_last_errands_they_are_done_later(
    pretend: Pretend, tmp_path: Path
) -> None:
    pretend(size=1)
    search(trials=2, prune=False)
    left = tmp_path / "out" / "trials" / "0000" / "seed-0" / "checkpoints"
    left.mkdir(parents=True)
    with sqlite3.connect(tmp_path / "out" / "study.db") as database:
        database.execute("UPDATE cadence_claims SET ended = 0, owner = '' WHERE job = 'trial 0'")
    opened = pretend(size=1)
    assert search(trials=2, prune=False).results.counts == {"finished": 2}
    assert not opened[0].given
    assert not left.exists()


def test_what_others_have_taken_over_is_left_to_them(
    pretend: Pretend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "BEAT_SECONDS", -1.0)
    monkeypatch.setattr(work, "LOOK_SECONDS", 0.01)
    pretend(size=1)
    others: list[Claims] = []

    def rob(now: Any) -> None:
        if now.what == "goes on" and not others:
            _, engine = open_database(f"sqlite:///{tmp_path / 'out' / 'study.db'}")
            others.append(Claims(engine, 1, tmp_path / "elsewhere"))
            assert others[0].seize(others[0].open()[0])
        elif now.what == "waits":
            # Whoever took it is stopped too.
            others[0].leave()

    made = search(trials=2, prune=False, progress=rob)
    assert made.results.counts == {"finished": 2}


def test_two_searches_do_not_share_a_folder_and_fresh_removes_the_old_one(pretend: Pretend, tmp_path: Path) -> None:
    pretend()
    search(trials=1)
    with pytest.raises(RecordError, match="another recipe, space or settings"):
        search(trials=1, space={"lr": "log(1e-4, 1)"})
    made = search(trials=1, space={"lr": "log(1e-4, 1)"}, fresh=True)
    assert len(made.results.trials) == 1
    # A search that was refused before its first trial keeps nobody out.
    with pytest.raises(SearchError, match="which no evaluation has"):
        cadence.sweep(KEYS, {"lr": "log(1e-4, 1)"}, out="typo", objective="final val_acc")
    assert cadence.sweep(KEYS, {"lr": "log(1e-4, 1)"}, out="typo", trials=1, confirm=0).results.best is not None
    with pytest.raises(RecordError, match="another recipe, space or settings"):
        cadence.sweep(KEYS, {"lr": "log(1e-3, 1)"}, out="typo", trials=1, confirm=0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(RecordError, match=r"thesis\.tex"):
        cadence.sweep(KEYS, {"lr": [0.1, 0.2]}, out="mine", fresh=True)


def test_the_pages_stand_for_any_space_and_any_end(pretend: Pretend) -> None:
    pretend()
    space = {
        "lr": "log(1e-5, 1e-1)", "batch_size": "int(8, 64, step=8)", "no_decay": [True, False],
        "schedule": ["warmup('{w}%') >> cosine(to=0.01)", "constant()"], "w": "uniform(1, 9)",
        "optimizer.betas": [[0.9, 0.99], [0.9, 0.999]], "clip_norm": [None, 1.0],
    }  # fmt: skip
    made = search(trials=14, space=space, confirm=1)
    for lang in ("en", "zh"):
        page = sweep_page(made.results, lang=lang)
        assert page.count('<path d="M') > 14
        assert "nan" not in page.lower().replace("finance", "")
        for width in (40, 100):
            text = sweep_table_text(made.results, lang=lang, width=width)
            assert text.strip()
            assert "\n\n\n" not in text
    # Bars that are wider than the window are reached with the keyboard.
    assert re.search(r'aria-label="What mattered"[^>]*><svg', sweep_page(made.results))
    assert "&lt;" not in str(made)
    assert set(made.results.importance) == set(space)
    # The best schedule is shown with its numbers in their places.
    assert "{w}" not in str(made).rpartition("The best of")[2]
    pretend(lambda recipe, share: math.inf)
    nothing = search(trials=3, space=space, confirm=2, fresh=True)
    assert nothing.failed
    assert nothing.recipe is None
    assert "no best one: 3 diverged" in str(nothing)
    page = sweep_page(nothing.results)
    assert "3 diverged" in page
    # What importance is drawn with does not hang on there being a picture of the trials.
    assert ".pc .bar{" in page
