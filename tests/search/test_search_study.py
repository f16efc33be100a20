"""The study of a search in a real database: proposals, ends, giving up, and who has which trial."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

from cadence._errors import SearchError
from cadence.search import claims as claiming
from cadence.search.claims import Claims
from cadence.search.database import open_database
from cadence.search.importance import importances
from cadence.search.settings import Settings, read_settings
from cadence.search.study import Study

KEYS: dict[str, Any] = {"task": "digits", "optimizer": {"name": "adamw", "lr": 5.0}, "total": 90}
ABOUT = {"metric": "val_loss", "higher_is_better": False, "total": 90, "device": "cpu"}


def settings(**section: Any) -> Settings:
    return read_settings({**KEYS, "search": {"space": {"lr": "log(1e-4, 1)"}, **section}}, None, None, {})


def study(folder: Path, wanted: Settings, name: str = "s", **about: Any) -> Study:
    url = f"sqlite:///{folder / 'study.db'}"
    storage, _ = open_database(url)
    made = Study(storage, name, wanted, url)
    if not made.exists():
        made.create({**ABOUT, **about})
    return made


def mattered(made: Study) -> dict[str, float] | None:
    return importances(made.trials(), made._settings.space.ranges, higher=made.higher)


def test_a_random_trial_is_a_function_of_the_search_and_its_number(tmp_path: Path) -> None:
    wanted = settings(sampler="random")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = study(tmp_path / "a", wanted), study(tmp_path / "b", wanted)
    forth = [one.trial(n).params["lr"] for n in range(6)]
    back = [other.trial(n).params["lr"] for n in reversed(range(6))]
    assert forth == back[::-1]
    assert len(set(forth)) == 6
    assert all(1e-4 <= lr <= 1 for lr in forth)
    # Asked for again, also by another process, it is the same trial.
    assert study(tmp_path / "a", wanted).trial(3) == one.trial(3)
    assert len(one.trials()) == 6


def test_a_grid_has_each_point_once_and_the_first_trial_is_the_recipe_itself(tmp_path: Path) -> None:
    grid = study(tmp_path, settings(space={"lr": [0.1, 0.2], "batch_size": [8, 16]}, sampler="grid"), "grid")
    assert [grid.trial(n).params for n in (2, 0, 3, 1)] == [
        {"lr": 0.2, "batch_size": 8}, {"lr": 0.1, "batch_size": 8}, {"lr": 0.2, "batch_size": 16},
        {"lr": 0.1, "batch_size": 16},
    ]  # fmt: skip
    inside = settings(space={"lr": "log(1e-4, 10)", "optimizer.name": ["sgd", "adamw"]})
    assert study(tmp_path, inside, "own").trial(0).params == {"lr": 5.0, "optimizer.name": "adamw"}


def test_choices_of_any_kind_come_back_as_they_went_in(tmp_path: Path) -> None:
    space = {"optimizer.betas": [[0.9, 0.99], [0.8, 0.9]], "clip_norm": [None, 1.0], "no_decay": [True, False]}
    made = study(tmp_path, settings(space=space, sampler="random"))
    for n in range(8):
        params = made.trial(n).params
        assert all(params[name] in space[name] for name in space)
    assert {trial.params["clip_norm"] for trial in made.trials()} == {None, 1.0}


def test_a_trial_ends_once_whoever_tries(tmp_path: Path) -> None:
    wanted = settings()
    mine, theirs = study(tmp_path, wanted), study(tmp_path, wanted)
    trial = mine.trial(0)
    mine.note(trial, updates=90)
    assert mine.end(trial, "finished", 0.5)
    assert not theirs.end(trial, "failed", None)
    assert [(t.state, t.value, t.updates) for t in theirs.trials()] == [("finished", 0.5, 90)]
    worse = mine.trial(1)
    mine.end(worse, "diverged", None)
    failed = mine.trial(2)
    mine.end(failed, "failed", None)
    assert [(t.state, t.value) for t in theirs.trials()][1:] == [("diverged", None), ("failed", None)]


def test_a_number_that_two_have_begun_is_one_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = settings(sampler="random")
    mine, theirs = study(tmp_path, wanted), study(tmp_path, wanted)
    first = mine.trial(0)
    real, blind = Study.trials, [True]

    def late(self: Study) -> Any:
        # It was taken for dead after it had looked whether the trial is there, and goes on now.
        return [] if self is theirs and blind and blind.pop() else real(self)

    monkeypatch.setattr(Study, "trials", late)
    assert theirs.trial(0) == first
    assert [trial.id for trial in mine.trials()] == [first.id]
    assert mine.end(first, "finished", 0.5)
    assert [(trial.number, trial.state) for trial in theirs.trials()] == [(0, "finished")]
    storage, _ = open_database(f"sqlite:///{tmp_path / 'study.db'}")
    left = [t.state.name for t in storage.get_all_trials(mine.id)]
    assert left == ["COMPLETE", "FAIL"]  # no proposal is made beside a trial that never ends


def test_tpe_goes_where_it_is_good_and_away_from_what_diverged(tmp_path: Path) -> None:
    made = study(tmp_path, settings(prune=False))
    for n in range(40):
        trial = made.trial(n)
        u = math.log10(trial.params["lr"])
        if u > -1:
            made.end(trial, "diverged", None)
        else:
            made.end(trial, "finished", (u + 2) ** 2)
    late = [math.log10(t.params["lr"]) for t in made.trials()[25:]]
    # Evenly drawn, a quarter would lie above -1 and the mean distance from -2 would be 1.
    assert np.mean(np.abs(np.array(late) + 2)) < 0.7
    assert sum(u > -1 for u in late) <= 3


def test_successive_halving_keeps_one_of_factor_and_spares_the_first(tmp_path: Path) -> None:
    made = study(tmp_path, settings(sampler="random", prune={"first": 0.25, "factor": 2, "spare": 3}))
    values = [5.0, 4.0, 6.0, 7.0, 3.0, 4.5, 8.0]
    given_up: list[int] = []
    for n, value in enumerate(values):
        trial = made.trial(n)
        made.report(trial, 0.1, 100.0)
        assert not made.hopeless(trial)  # before the first comparison nobody is
        made.report(trial, 0.3, value)
        if made.hopeless(trial):
            given_up.append(n)
    # By hand: of the k values so far, the best k // 2 go on (of one, that one).
    expected = [n for n in range(3, len(values)) if sorted(values[: n + 1]).index(values[n]) >= (n + 1) // 2]
    assert given_up == expected == [3, 6]


def test_what_mattered_is_found(tmp_path: Path) -> None:
    space = {"lr": "log(1e-4, 1)", "optimizer.weight_decay": "uniform(0, 1)", "batch_size": [8, 16, 32]}
    made = study(tmp_path, settings(space=space, sampler="random"))
    for n in range(9):
        trial = made.trial(n)
        made.end(trial, "finished", abs(math.log10(trial.params["lr"]) + 2))
    assert mattered(made) is None
    for n in range(9, 36):
        trial = made.trial(n)
        made.end(trial, "finished", abs(math.log10(trial.params["lr"]) + 2))
    found = mattered(made)
    assert found is not None
    assert next(iter(found)) == "lr"
    assert found["lr"] > 0.6
    assert sum(found.values()) == pytest.approx(1.0)


def test_what_mattered_where_more_is_better_is_what_makes_it_more(tmp_path: Path) -> None:
    space = {"lr": "log(1e-4, 1)", "optimizer.weight_decay": "uniform(0, 1)"}
    made = study(tmp_path, settings(space=space, sampler="random", prune=False), higher_is_better=True)
    for n in range(40):
        trial = made.trial(n)
        # The best are told by the rate, the worst by the decay.
        rate, decay = math.log10(trial.params["lr"]) / 4, trial.params["optimizer.weight_decay"]
        made.end(trial, "finished", 1 + rate if rate > -0.25 else -decay)
    found = mattered(made)
    assert found is not None
    assert next(iter(found)) == "lr"


def test_what_diverged_is_the_worst_there_is_whatever_is_better(tmp_path: Path) -> None:
    for name, higher, worst in (("low", False, math.inf), ("high", True, -math.inf)):
        made = study(tmp_path, settings(), name, higher_is_better=higher)
        made.end(made.trial(0), "diverged", None)
        storage, _ = open_database(f"sqlite:///{tmp_path / 'study.db'}")
        assert [trial.values for trial in storage.get_all_trials(made.id)] == [[worst]]


def test_a_study_of_something_else_is_refused_with_the_difference(tmp_path: Path) -> None:
    study(tmp_path, settings())
    with pytest.raises(SearchError, match="lr is 'log") as fault:
        study(tmp_path, settings(space={"lr": "log(1e-3, 1)"}))
    assert "there and 'log(0.001, 1)' here" in str(fault.value)
    with pytest.raises(SearchError, match=r"seeds is \[0\] there"):
        study(tmp_path, settings(seeds=2))
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    foreign = optuna.create_study(study_name="theirs", storage=f"sqlite:///{tmp_path / 'study.db'}")
    foreign.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(SearchError, match="not one of cadence's"):
        study(tmp_path, settings(), "theirs")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("study.db", "sqlite:///study.db"),
        ("", "no address"),
        ("sqlite://", "in memory"),
        ("sqlite:////no/such/folder/x.db", "does not open"),
        ("nosuch://a/b", "driver"),
        ("oracle://me:secret@127.0.0.1:1/x", "pip install oracledb"),
        ("mysql://me:secret@127.0.0.1:1/x", "pip install PyMySQL, and begin the address with mysql+pymysql://"),
        ("mariadb+mariadbconnector://me:secret@127.0.0.1:1/x", "pip install mariadb"),
        ("postgresql+pg8000://me:secret@127.0.0.1:1/x", "pip install pg8000"),
    ],
)
def test_a_database_that_does_not_open_is_one_sentence(url: str, said: str) -> None:
    with pytest.raises(SearchError) as fault:
        open_database(url)
    assert said in str(fault.value)
    assert "secret" not in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql", "mssql"])
def test_the_table_of_claims_can_be_made_in_other_databases(kind: str) -> None:
    import importlib

    from sqlalchemy.schema import CreateTable

    dialect = importlib.import_module(f"sqlalchemy.dialects.{kind}").dialect()
    table = claiming._table()
    made = str(CreateTable(table).compile(dialect=dialect))
    assert "PRIMARY KEY (study, job)" in made
    assert "SERIAL" not in made
    assert "AUTO_INCREMENT" not in made
    assert "IDENTITY" not in made
    change = table.update().where(table.c.job == "trial 1").values(beat=table.c.beat + 1)
    assert str(change.compile(dialect=dialect)).startswith("UPDATE cadence_claims SET beat=")


# ---- who has what ----------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def claims(folder: Path, clock: Clock | None = None, where: str = "here") -> Claims:
    _, engine = open_database(f"sqlite:///{folder / 'study.db'}")
    return Claims(engine, 1, folder / where, clock or Clock())


def test_of_many_that_take_a_job_one_has_it(tmp_path: Path) -> None:
    claims(tmp_path).leave()  # the table is there
    hands = [claims(tmp_path, where=f"p{i}") for i in range(4)]
    got: list[tuple[int, str]] = []

    def work(i: int) -> None:
        for n in range(15):
            if hands[i].take(f"trial {n}"):
                got.append((i, f"trial {n}"))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job for _, job in got) == sorted(f"trial {n}" for n in range(15))
    for one in hands:
        one.leave()


def test_a_job_whose_process_is_gone_is_seized_by_one(tmp_path: Path) -> None:
    dead = claims(tmp_path, where="dead")
    assert dead.take("trial 0")
    assert dead.take("trial 1")
    dead.end("trial 1")
    one, other = claims(tmp_path, where="one"), claims(tmp_path, where="other")
    (claim,) = one.open()
    assert not one.abandoned(claim)
    dead._lock.drop()  # what the system does when a process dies
    assert one.abandoned(claim)
    assert other.abandoned(claim)
    assert [one.seize(claim), other.seize(claim), one.seize(claim)] == [True, False, False]
    assert one.mine(one.open()[0])
    # The dead one, should it wake, ends nothing that is no longer its own.
    dead.end("trial 0")
    assert [c.job for c in other.open()] == ["trial 0"]
    one.leave()
    (left,) = other.open()
    assert other.abandoned(left)
    other.leave()


def test_a_process_elsewhere_counts_as_gone_after_a_time_without_a_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, far = Clock(), Clock()
    with monkeypatch.context() as patch:
        patch.setattr(claiming.socket, "gethostname", lambda: "elsewhere")
        there = claims(tmp_path, far, "there")
        there.take("trial 0")
    here = claims(tmp_path, clock)
    there._lock.drop()  # nobody here can see its lock
    assert not here.abandoned(here.open()[0])
    clock.now += claiming.GRACE_SECONDS - 1
    assert not here.abandoned(here.open()[0])
    seen = here.open()[0]
    far.now += claiming.BEAT_SECONDS
    assert there.beat()
    assert not here.seize(seen)  # between the look and the grasp it has given a sign
    clock.now += 2
    assert not here.abandoned(here.open()[0])  # it has given a sign meanwhile
    clock.now += claiming.GRACE_SECONDS + 1
    assert here.abandoned(here.open()[0])
    here.leave()
