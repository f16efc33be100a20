"""The record of a run, as reports and people read it."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cadence
from cadence._errors import RecordError
from cadence.record.reader import Record, load_record, records
from cadence.record.writer import RunWriter

Json = dict[str, Any]
NAN = math.nan


@pytest.fixture
def folder(tmp_path: Path, run: Json, here: Json) -> Path:
    """A run of four updates that finished."""
    folder = tmp_path / "runs" / "mine"
    with RunWriter(folder) as writer:
        writer.start(run, recipe="name: mine\ntags: [a, 1]\n", environment=here)
        for t, loss in enumerate([4.0, NAN, 2.0, 1.0]):
            writer.update({"t": t, "loss": loss, "lr": [0.1 * t, None], **({"grad_norm": 3.0} if t == 2 else {})})
        writer.evaluation({"t": 2, "epoch": 0.5, "val_loss": 3.0, "loss": 7.0})
        writer.event({"t": 3, "kind": "cut", "rule": 0, "sentence": "Cut.", "best": math.inf})
        writer.evaluation({"t": 4, "epoch": 1.0, "val_loss": NAN, "val_accuracy": 0.5})
        writer.close({"status": "finished", "updates": 4, "seconds": 1.5, "final": {"val_loss": NAN}})
    return folder


def test_a_finished_run_is_read_back(folder: Path, run: Json, here: Json) -> None:
    record = cadence.load_record(folder)
    assert isinstance(record, Record)
    assert record.run == {"version": 1, **run}
    assert record.environment == here
    assert record.status == "finished"
    assert record.t == 4
    assert record.result is not None
    assert math.isnan(record.result["final"]["val_loss"])
    assert record.journal == [{"t": 3, "kind": "cut", "rule": 0, "sentence": "Cut.", "best": math.inf, "made": 4}]
    np.testing.assert_array_equal(record.updates["loss"], [4.0, NAN, 2.0, 1.0])
    np.testing.assert_array_equal(record.updates["lr"][:, 0], [0.0, 0.1, 0.2, 0.1 * 3])
    np.testing.assert_array_equal(record.evaluations["val_accuracy"], [NAN, 0.5])
    assert repr(record) == f"<Record {folder}: finished, 4 updates>"


def test_a_path_may_be_text(folder: Path) -> None:
    assert load_record(str(folder)).folder == folder


def test_the_recipe_is_data_where_yaml_is_installed_and_text_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("yaml")
    assert load_record(folder).recipe == {"name": "mine", "tags": ["a", 1]}
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    assert load_record(folder).recipe == "name: mine\ntags: [a, 1]\n"
    (folder / "recipe.yaml").unlink()
    assert load_record(folder).recipe is None


def test_a_recipe_is_never_executed(folder: Path) -> None:
    pytest.importorskip("yaml")
    (folder / "recipe.yaml").write_text("x: !!python/object/apply:os.mkdir [ran]\n")
    with pytest.raises(RecordError, match=r"recipe\.yaml is no YAML: could not determine a constructor"):
        _ = load_record(folder).recipe
    assert not os.path.exists("ran")


@pytest.mark.parametrize(("content", "why"), [(b"a: [", "is no YAML"), (b"a: \xff", "is no UTF-8")])
def test_a_broken_recipe_is_named(folder: Path, content: bytes, why: str) -> None:
    pytest.importorskip("yaml")
    (folder / "recipe.yaml").write_bytes(content)
    with pytest.raises(RecordError, match=rf"recipe\.yaml {why}"):
        _ = load_record(folder).recipe


def test_a_run_that_has_not_ended_is_running_or_killed(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        assert (load_record(tmp_path).status, load_record(tmp_path).t) == ("running or killed", 0)
        assert len(load_record(tmp_path).updates) == 0
        writer.update({"t": 0, "loss": 1.0})
        writer.flush()
        record = load_record(tmp_path)
        assert (record.result, record.status, record.t) == (None, "running or killed", 1)
    with open(tmp_path / "updates.jsonl", "a") as file:
        file.write('{"t": 1, "lo')
    record = load_record(tmp_path)
    assert (record.t, len(record.updates)) == (1, 1)
    assert repr(record) == f"<Record {tmp_path}: running or killed, 1 update>"


@pytest.mark.parametrize("status", ["finished", "stopped", "diverged", "failed"])
def test_the_status_is_that_of_the_result(folder: Path, status: str) -> None:
    (folder / "result.json").write_text(json.dumps({"status": status}))
    assert load_record(folder).status == status


def test_a_status_that_no_run_has_is_named(folder: Path) -> None:
    (folder / "result.json").write_text('{"status": "great"}')
    with pytest.raises(RecordError, match="has the status 'great'; known are: finished, stopped, diverged, failed"):
        _ = load_record(folder).status


def test_a_broken_line_is_named_when_its_file_is_read(folder: Path) -> None:
    (folder / "updates.jsonl").write_text('{"t": 0}\n{"t": 1\n{"t": 2}\n')
    record = load_record(folder)
    assert len(record.evaluations) == 2
    with pytest.raises(RecordError, match=r"updates\.jsonl is broken in line 2"):
        _ = record.updates


@pytest.mark.parametrize("name", ["run.json", "result.json", "environment.json"])
def test_a_file_that_is_no_object_is_named(folder: Path, name: str) -> None:
    (folder / name).write_text("[1]")
    record = Record(folder)
    with pytest.raises(RecordError, match=rf"{name} holds no object"):
        _ = record.run, record.result, record.environment


def test_a_later_version_is_refused_at_once(folder: Path, run: Json) -> None:
    (folder / "run.json").write_text(json.dumps({"version": 2, **run}))
    with pytest.raises(RecordError, match="has version 2, this cadence reads version 1"):
        load_record(folder)


def test_a_missing_environment_is_empty(folder: Path) -> None:
    (folder / "environment.json").unlink()
    assert load_record(folder).environment == {}


# ---- which folder ----------------------------------------------------------------------------------------------------


def test_what_is_no_run_folder_is_named_with_the_run_folders_below_it(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="none does not exist"):
        load_record(tmp_path / "none")
    with pytest.raises(RecordError, match=r"run\.json is a file; give the run folder, e\.g\. '.*mine'"):
        load_record(folder / "run.json")
    with pytest.raises(
        RecordError, match=r"is no run folder, it has no run\.json; there are run folders below it: .*mine$"
    ):
        load_record(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordError, match="give the folder of a run"):
        load_record(tmp_path / "empty")


def test_all_runs_below_a_folder_are_found_in_natural_order(tmp_path: Path) -> None:
    for name in ("b/seed-10", "b/seed-2", "b/seed-2/again", "a", "b/seed-2b", ".hidden", "b/checkpoints/x"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("broken")
    (tmp_path / "c").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "b", target_is_directory=True)
    found = [record.folder.relative_to(tmp_path).as_posix() for record in records(tmp_path)]
    assert found == ["a", "b/seed-2", "b/seed-2/again", "b/seed-2b", "b/seed-10"]
    assert records(tmp_path / "c") == []
    assert [record.folder for record in records(tmp_path / "a")] == [tmp_path / "a"]
    with pytest.raises(RecordError, match="is no folder"):
        records(tmp_path / "none")


# ---- series ----------------------------------------------------------------------------------------------------------


def test_a_series_leaves_out_rows_without_the_metric_and_keeps_nan_that_was_computed(folder: Path) -> None:
    record = load_record(folder)
    for metric, times, values in (
        ("loss", [0, 1, 2, 3], [4.0, NAN, 2.0, 1.0]),  # a name in both files is that of the updates
        ("grad_norm", [2], [3.0]),
        ("val_loss", [2, 4], [3.0, NAN]),
        ("val_accuracy", [4], [0.5]),
    ):
        t, found = record.series(metric)
        np.testing.assert_array_equal(t, times)
        np.testing.assert_array_equal(found, values)
        assert (t.dtype, found.dtype) == (np.int64, np.float64)


def test_a_series_of_one_group_is_found_by_name_or_index(folder: Path) -> None:
    record = load_record(folder)
    assert record.series("lr")[1].shape == (4, 2)
    for group in ("body", 0):
        np.testing.assert_array_equal(record.series("lr", group=group)[1], [0.0, 0.1, 0.2, 0.1 * 3])
    assert np.isnan(record.series("lr", group="head")[1]).all()
    with pytest.raises(RecordError, match="no parameter group 'heads'; did you mean 'head'"):
        record.series("lr", group="heads")
    with pytest.raises(RecordError, match="group 2 of 'lr' does not exist; there are 2"):
        record.series("lr", group=2)
    with pytest.raises(RecordError, match="'loss' is one number for all parameter groups"):
        record.series("loss", group=0)


def test_an_unknown_metric_lists_its_neighbours(folder: Path) -> None:
    with pytest.raises(RecordError, match="has no metric 'val_los'; did you mean 'val_loss'"):
        load_record(folder).series("val_los")


def test_a_run_that_has_not_come_so_far_has_an_empty_series(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        writer.update({"t": 0, "loss": 1.0})
    t, values = load_record(tmp_path).series("val_loss")
    assert (len(t), len(values), t.dtype, values.dtype) == (0, 0, np.int64, np.float64)


# ---- exports and words -----------------------------------------------------------------------------------------------


def test_both_tables_are_exported_as_csv(folder: Path, tmp_path: Path) -> None:
    paths = load_record(folder).to_csv(tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["out/updates.csv", "out/evaluations.csv"]
    assert paths[0].read_text().splitlines()[:2] == ["t,loss,body/lr,head/lr,grad_norm", "0,4.0,0.0,NaN,"]
    assert paths[1].read_text().splitlines() == [
        "t,epoch,val_loss,loss,val_accuracy", "2,0.5,3.0,7.0,", "4,1.0,NaN,,0.5",
    ]  # fmt: skip


def test_a_finished_run_is_told_in_words(folder: Path) -> None:
    assert load_record(folder).describe().splitlines() == [
        f"mine ({folder}) finished after 4 updates of 300 in 1.5 s.",
        "Schedule: warmup('5%') >> cosine(to=0.01); 2 parameter groups, base of lr 0.01 to 0.1.",
        "Training loss went from 4 to 1, in the first and the last update.",
        "val_loss ended at nan after 2 evaluations; lowest 3 at t = 2, highest 3 at t = 2; "
        "no finite number in 1 of them.",
        "loss ended at 7 after 1 evaluation; lowest 7 at t = 2, highest 7 at t = 2.",
        "val_accuracy ended at 0.5 after 1 evaluation; lowest 0.5 at t = 4, highest 0.5 at t = 4.",
        "Journal: 1 cut (t = 3).",
        "Ran with python 3.11.7, cadence 0.1.0, numpy 2.4.0 on P, None.",
    ]


def test_a_run_that_has_hardly_begun_is_told_too(tmp_path: Path, run: Json) -> None:
    run["bases"] = {}
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment={})
    assert load_record(tmp_path).describe().splitlines() == [
        f"mine ({tmp_path}) is running or was killed, and has come to 0 updates of 300.",
        "Schedule: warmup('5%') >> cosine(to=0.01); 2 parameter groups.",
    ]


def test_the_training_loss_is_told_as_means_over_many_updates(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment={**here, "git": {"commit": "0123456789abcdef", "dirty": True}})
        for t in range(40):
            writer.update({"t": t, "loss": float(40 - t)})
        for t in range(5):
            writer.event({"t": t, "kind": "keep"})
        writer.close({"status": "diverged", "updates": 40, "sentence": "The loss is no number at update 40."})
    told = load_record(tmp_path).describe()
    assert "diverged after 40 updates of 300.\nThe loss is no number at update 40.\n" in told
    assert "Training loss went from 39.5 to 1.5, as means over the first and the last 2 updates." in told
    assert "Journal: 5 keep (t = 0, 1, 2, ...)." in told
    assert "; code at 0123456789 with changes that are not committed." in told
