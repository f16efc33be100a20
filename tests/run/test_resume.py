"""A run that ends in the middle, however it ends, goes on to the very same end."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import load_file

import cadence as cd
from cadence._errors import RecordError, StateError
from cadence.findings.of_record import check_record
from cadence.recipe.load import load_recipe
from cadence.record.names import CLOCKS
from cadence.record.reader import Record
from cadence.run.checkpoint import Checkpoints
from cadence.run.loop import Progress
from cadence.run.train import train

Keys = dict[str, Any]


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


@pytest.fixture
def lively(small: Keys) -> Keys:
    """Dropout, batch statistics, augmentation, tied weights, momentum, clipping, groups of micro-batches, two rules."""
    return {
        **small,
        "task": "small_tasks:alive",
        "optimizer": {"name": "adamw", "lr": 0.02, "weight_decay": 0.01},
        "groups": {"no_decay": {"parameters": "*.bias", "weight_decay": 0.0}},
        "schedule": "warmup(3) >> constant() * plateau('val_loss', factor=0.5, patience=1)",
        "stop": "early_stop('val_loss', patience=30)",
        "accumulate": 2,
        "clip_norm": 1.0,
        "total": 26,
        "evaluate": 3,
        "checkpoint": {"every": 1, "keep": 3, "best": "val_loss"},
    }


def ends_at(t: int) -> Any:
    def tell(progress: Progress) -> None:
        if progress.t >= t:
            raise Killed

    return tell


def same(a: Record, b: Record) -> None:
    """To the bit, apart from seconds, and from the lines that say that a run was resumed."""
    for table in ("updates", "evaluations"):
        one, other = getattr(a, table), getattr(b, table)
        assert set(one) - CLOCKS == set(other) - CLOCKS
        for column in one:
            if column not in CLOCKS:
                assert one[column].tobytes() == other[column].tobytes(), (table, column)
    for key in ("status", "updates", "final", "best", "sentence"):
        assert a.result[key] == b.result[key]  # type: ignore[index]
    events = [
        [{k: v for k, v in e.items() if k != "made"} for e in r.journal if e["kind"] not in ("resume", "force")]
        for r in (a, b)
    ]
    assert events[0] == events[1]
    weights = [load_file(r.folder / "checkpoints" / f"{r.result['updates']}.safetensors") for r in (a, b)]  # type: ignore[index]
    assert weights[0].keys() == weights[1].keys()
    assert all(w.numpy().tobytes() == weights[1][name].numpy().tobytes() for name, w in weights[0].items())


def test_a_run_resumed_at_any_update_equals_an_undisturbed_one(lively: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    whole = train(lively, out="whole")
    for t in (1, 2, 3, 4, 9, 14, 24, 25):
        with pytest.raises(Killed):
            train(lively, out=f"at{t}", progress=ends_at(t))
        assert cd.load_record(f"at{t}").status == "running or killed"
        same(train(lively, out=f"at{t}"), whole)


def test_a_run_interrupted_again_and_again_equals_an_undisturbed_one(
    lively: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    whole = train(lively, out="whole")
    for t in (2, 5, 5, 11, 12, 25):
        with pytest.raises(Killed):
            train(lively, out="often", progress=ends_at(t))
    resumed = train(lively, out="often")
    same(resumed, whole)
    assert [e["kind"] for e in resumed.journal].count("resume") > 2


def test_a_run_that_ended_just_before_its_result_was_written_only_writes_it(lively: Keys) -> None:
    train(lively, out="whole")
    shutil.copytree("whole", "run")
    (Path("run") / "result.json").unlink()
    same(train(lively, out="run", progress=lambda p: pytest.fail("it trains")), cd.load_record("whole"))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_resumed_run_in_mixed_precision_equals_an_undisturbed_one(
    lively: Keys, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    keys = {**lively, "precision": precision, "task": "small_tasks:rows", "task_args": {"dropout": 0.2, "scale": 20.0}}
    whole = train(keys, out="whole")
    with pytest.raises(Killed):
        train(keys, out="part", progress=ends_at(5))
    same(train(keys, out="part"), whole)


def partly(keys: Keys, t: int) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
        with pytest.raises(Killed):
            train(keys, out="run", progress=ends_at(t))
    return Path("run") / "checkpoints"


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: os.truncate(folder / "9.safetensors", 100),
        lambda folder: os.truncate(folder / "9.json", 100),
        lambda folder: (folder / "9.safetensors").unlink(),
        lambda folder: (folder / "9.safetensors").write_bytes(b"\0" + (folder / "9.safetensors").read_bytes()[1:]),
        lambda folder: (folder / "9.json").write_text(
            (folder / "9.json").read_text().replace('"position": 9', '"position": 8')
        ),
        lambda folder: (folder / "9.json").write_text("[]"),
        lambda folder: (folder / "9.json").unlink(),
        lambda folder: shutil.rmtree(folder),
    ],
    ids=["short tensors", "short json", "no tensors", "a byte", "a number", "another json", "no json", "none at all"],
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(lively: Keys, harm: Any) -> None:
    whole = train(lively, out="whole")
    folder = partly(lively, 10)
    assert (folder / "9.json").exists()
    harm(folder)
    same(train(lively, out="run"), whole)


def test_damaged_checkpoints_are_out_of_the_way_of_new_ones(lively: Keys) -> None:
    whole = train(lively, out="whole")
    folder = partly(lively, 10)
    for path in folder.glob("*.json"):
        path.write_text("{}")
    # Ended again before it comes to where the damaged ones stand: what was trained this time is not lost.
    partly(lively, 4)
    assert sorted(int(p.stem) for p in folder.glob("*.json")) == [1, 2, 3]
    same(train(lively, out="run"), whole)


def test_a_full_disk_says_so_and_the_run_goes_on_when_there_is_room(
    lively: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = train(lively, out="whole"), 0

    def full(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 60:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RecordError, match=r"there is no space left .*free some space and continue"):
            train(lively, out="run")
    assert cd.load_record("run").status == "running or killed"
    assert list((Path("run") / "checkpoints").glob("*.json"))
    same(train(lively, out="run"), whole)


def test_a_checkpoint_without_its_run_json_is_not_taken_for_a_run(lively: Keys) -> None:
    partly(lively, 5)
    (Path("run") / "recipe.yaml").unlink()
    with pytest.raises(RecordError, match="holds the record of a loop without a recipe"):
        train(lively, out="run")


def test_the_newest_checkpoints_and_the_best_are_kept_and_no_others(small: Keys) -> None:
    keys = {**small, "optimizer": {"name": "sgd", "lr": 0.3, "momentum": 0.9}, "evaluate": 1, "total": 40}
    record = train({**keys, "checkpoint": {"keep": 2, "best": "val_loss"}}, out="run")
    best = record.result["best"]["t"]  # type: ignore[index]
    assert best < 39
    names = sorted(p.name for p in (Path("run") / "checkpoints").iterdir())
    assert names == sorted(f"{t}.{kind}" for t in (best, 39, 40) for kind in ("json", "safetensors"))


def test_what_a_killed_writer_has_left_of_a_checkpoint_is_removed(tmp_path: Path) -> None:
    """Tensors are written before their description and removed after it."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("3.safetensors", "5.json", "5.safetensors", "7.json", "7.safetensors", ".9.json.1f.tmp", "note.txt"):
        (folder / name).touch()
    Checkpoints(tmp_path, keep=2, best=None).drop_after(5)
    assert sorted(path.name for path in folder.iterdir()) == ["5.json", "5.safetensors", "note.txt"]


def test_the_best_may_be_the_largest(small: Keys) -> None:
    # The metric says of itself that less of it is better; a rule's own `mode` has no say in what is kept.
    record = train({**small, "evaluate": 1, "total": 20, "checkpoint": {"keep": 1, "best": "val_miss"}}, out="run")
    misses = record.evaluations["val_miss"]
    kept = sorted(int(p.stem) for p in (Path("run") / "checkpoints").glob("*.json"))
    assert kept == sorted({int(record.evaluations["t"][misses.argmin()]), 20})


def test_a_finished_run_is_returned_without_training(small: Keys) -> None:
    first = train(small)
    stamp = (first.folder / "updates.jsonl").stat().st_mtime_ns
    again = train(small, progress=lambda p: pytest.fail("it trains"))
    assert again.folder == first.folder
    assert again.result == first.result
    assert (first.folder / "updates.jsonl").stat().st_mtime_ns == stamp


def test_fresh_trains_anew(small: Keys) -> None:
    train(small, out="run")
    told: list[Progress] = []
    train(small, out="run", fresh=True, progress=told.append)
    assert [p.t for p in told if p.evaluated] == [7, 14, 21]


def test_fresh_forgets_the_checkpoints_of_another_recipe(small: Keys) -> None:
    train({**small, "total": 30}, out="run")
    record = train({**small, "total": 10}, out="run", fresh=True)
    assert record.result["updates"] == 10  # type: ignore[index]
    assert max(int(p.stem) for p in (Path("run") / "checkpoints").glob("*.json")) == 10


def test_a_folder_of_another_recipe_is_refused_with_what_differs(small: Keys) -> None:
    train(small, out="run")
    with pytest.raises(
        RecordError, match=r"run holds a run of another recipe \(total '3 epochs' there and 9 here\); choose another"
    ):
        train({**small, "total": 9}, out="run")
    with pytest.raises(RecordError, match="was judged on 'val', and this one is on 'tune'"):
        train(small, out="run", split="tune")


def test_another_recipe_may_be_forced_upon_a_checkpoint_that_fits_it(lively: Keys) -> None:
    partly(lively, 10)
    shutil.copytree("run", "before")
    schedule = "constant()"
    other = {**lively, "schedule": schedule, "optimizer": {**lively["optimizer"], "lr": 0.001}, "total": 30}
    with pytest.raises(RecordError, match=r"schedule .* there and 'constant\(\)' here, total 26 there and 30 here"):
        train(other, out="run")
    record = train(other, out="run", force=True)
    assert record.updates["t"].tolist() == list(range(30))
    # From there on the other recipe holds, as if it always had.
    assert record.updates["lr"][9:, 0].tolist() == [0.001] * 21
    before = cd.load_record("before").updates["loss"]
    assert record.updates["loss"][:9].tolist() == before[:9].tolist()
    (event,) = [e for e in record.journal if e["kind"] == "force"]
    assert (event["t"], event["differs"]["total"]) == (9, [26, 30])
    assert event["sentence"].startswith(
        "From update 9 on with another recipe, because it was forced: optimizer.lr 0.02"
    )
    assert load_recipe(Path("run") / "recipe.yaml").total == 30
    assert check_record(record) == []
    # It is the folder's recipe now.
    assert train(other, out="run").status == "finished"
    with pytest.raises(RecordError, match="has ended, and goes on with no other recipe"):
        train(lively, out="run", force=True)


def test_a_forced_recipe_that_is_interrupted_before_a_checkpoint_of_its_own_goes_on(lively: Keys) -> None:
    other = {**lively, "schedule": "constant()", "total": 30, "checkpoint": {"every": 20}}
    partly(lively, 10)
    shutil.copytree("run", "again")
    whole = train(other, out="again", force=True)
    for method in ("amend", "save"):
        with pytest.MonkeyPatch.context() as patch:

            def ended(*args: Any) -> None:
                raise Killed

            patch.setattr(Checkpoints, method, ended)
            with pytest.raises(Killed):
                train(other, out="run", force=method == "amend")
        assert load_recipe(Path("run") / "recipe.yaml").total == 30
    same(train(other, out="run"), whole)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"optimizer": {"name": "sgd", "lr": 0.02}}, "optimizer.name 'adamw' there and 'sgd' here"),
        ({"groups": {}}, "groups.no_decay.parameters"),
        ({"model": "small_tasks:wide"}, "model None there and 'small_tasks:wide' here"),
    ],
)
def test_what_does_not_fit_cannot_be_forced(lively: Keys, change: Keys, said: str) -> None:
    partly(lively, 5)
    with pytest.raises(RecordError, match="do not fit this recipe, whatever is forced: ") as caught:
        train({**lively, **change}, out="run", force=True)
    assert said in str(caught.value)


def test_names_notes_and_tags_may_change_without_another_run(small: Keys) -> None:
    train(small, out="run")
    assert train({**small, "notes": "looks good", "name": "x"}, out="run").status == "finished"


def test_an_unfinished_run_is_an_error_where_nobody_wants_it_resumed(lively: Keys) -> None:
    partly(lively, 5)
    with pytest.raises(RecordError, match="not finished; go on with resume=True, or anew with fresh=True"):
        train(lively, out="run", resume=False)


def test_data_that_changed_meanwhile_are_refused(small: Keys) -> None:
    Path("data").mkdir()
    for i in range(50):
        (Path("data") / str(i)).touch()
    keys = {**small, "task": "small_tasks:from_folder", "task_args": {"folder": "data"}, "checkpoint": {"every": 1}}
    partly(keys, 5)
    (Path("data") / "50").touch()
    with pytest.raises(StateError, match="the data of the task 'rows' are not those that the run in run began with"):
        train(keys, out="run")


def test_a_model_that_changed_meanwhile_is_refused(small: Keys) -> None:
    keys = {**small, "model": "small_tasks:wide", "checkpoint": {"every": 1}}
    partly(keys, 5)
    import small_tasks  # type: ignore[import-not-found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_tasks.wide, "__defaults__", (8,))
        with pytest.raises(StateError, match="does not fit this recipe's model or optimizer"):
            train(keys, out="run")


def test_two_processes_cannot_train_in_one_folder(small: Keys) -> None:
    def second(progress: Progress) -> None:
        with pytest.raises(RecordError, match="is being written by this very process"):
            train(small, out="run")
        raise Killed

    with pytest.raises(Killed):
        train(small, out="run", progress=second)


def test_checkpoints_hold_nothing_that_runs_code(lively: Keys) -> None:
    folder = partly(lively, 5)
    for path in folder.iterdir():
        head = path.read_bytes()[:200]
        assert path.suffix in (".json", ".safetensors")
        assert b"\x80\x02" not in head[:2]
        assert not head.startswith(b"PK")


def test_interrupted_runs_say_where_they_were_resumed(lively: Keys) -> None:
    partly(lively, 10)
    record = train(lively, out="run")
    assert [(e["t"], e["sentence"]) for e in record.journal if e["kind"] == "resume"] == [(9, "Resumed at update 9.")]
    assert record.environment["resumed"][0]["t"] == 9


@pytest.mark.parametrize("fused", [True, False])
def test_weights_with_channels_last_go_on_with_their_optimizers_state_in_its_place(
    small: Keys, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    keys = {
        **small, "task": "small_tasks:pictures", "optimizer": {"name": "adamw", "lr": 0.01, "fused": fused},
        "checkpoint": {"every": 1},
    }  # fmt: skip
    whole = train(keys, out="whole")
    with pytest.raises(Killed):
        train(keys, out="run", progress=ends_at(4))
    same(train(keys, out="run"), whole)


def test_a_run_that_a_rule_cools_down_ends_the_same_however_often_it_is_interrupted(lively: Keys) -> None:
    keys = {
        **lively,
        "schedule": "warmup(3) >> constant()",
        "stop": "early_stop('val_loss', patience=0, threshold=0.9, then='cooldown 7 steps')",
        "total": 60,
        "evaluate": "5%",
    }
    whole = train(keys, out="whole")
    cooled = next(e for e in whole.journal if e["kind"] == "cooldown")
    assert cooled["total"] == cooled["t"] + 7 == whole.result["updates"] < 60
    assert whole.result["status"] == "finished"
    assert "falls to 0" in whole.result["sentence"]
    for t in (cooled["t"] - 1, cooled["t"], cooled["t"] + 4):
        with pytest.raises(Killed):
            train(keys, out="parts", progress=ends_at(t))
    same(whole, train(keys, out="parts"))
