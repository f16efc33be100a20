"""Loggers beside a record: they hold what the record holds, nothing twice, whatever happened to the run."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import MissingExtraError, RecordError, UnknownNameError
from cadence.record.exports import export
from cadence.record.loggers import followers
from cadence.record.loggers.logger import Logger
from cadence.record.reader import load_record
from cadence.record.writer import RunWriter

RUN: dict[str, Any] = {
    "name": "mine", "spec": "constant()", "groups": ["body", "head"], "values": ["lr"],
    "horizon": {"total": 12, "steps_per_epoch": 4, "batch_size": 8, "tokens_per_step": None},
    "bases": {"lr": [0.1, 0.2]}, "optimizer": {"lr": [0.1, 0.2], "momentum": [0.9, 0.9], "weight_decay": [0.0, None]},
}  # fmt: skip

Series = dict[str, list[tuple[int, float]]]
Texts = dict[str, list[tuple[int, str]]]


def write(writer: RunWriter, begin: int, end: int) -> None:
    """Updates from `begin` to before `end`, an evaluation and two events after every third."""
    for t in range(begin, end):
        writer.update({"t": t, "loss": 1 / (t + 1), "lr": [0.1, 0.2 * t], "grad_norm": math.nan if t == 4 else 1.5})
        if t % 3 == 2:
            writer.evaluation({"t": t + 1, "val_loss": 10.0 + t, "epoch": (t + 1) / 4})
            writer.event({"t": t + 1, "kind": "keep", "sentence": f"nothing after {t + 1}"})
            writer.event({"t": t + 5, "kind": "cut", "sentence": f"cut after {t + 1}, 学习率"})


def whole(folder: Path, *loggers: str) -> None:
    with RunWriter(folder, loggers=loggers) as writer:
        writer.start(RUN, environment={})
        write(writer, 0, 12)
        writer.close({"status": "finished", "updates": 12})


def resumed(folder: Path, at: int, *, killed_at: int, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Killed after some updates, and taken up again at a checkpoint."""
    with RunWriter(folder, loggers=before) as writer:
        writer.start(RUN, environment={})
        write(writer, 0, killed_at)
    with RunWriter(folder, loggers=after) as writer:
        writer.truncate(at)
        writer.start(RUN, environment={})
        writer.event({"t": at, "kind": "resume", "sentence": "again"})
        write(writer, at, 12)
        writer.close({"status": "finished", "updates": 12})


# ---- what each program reads -----------------------------------------------------------------------------------------


def tensorboard(folder: Path) -> tuple[Series, Texts]:
    """As TensorBoard's own server reads it."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    read = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    read.Reload()
    numbers: Series = {}
    texts: Texts = {}
    for tag in read.Tags()["tensors"]:
        plugin = read.SummaryMetadata(tag).plugin_data.plugin_name
        for event in read.Tensors(tag):
            value = make_ndarray(event.tensor_proto)
            if plugin == "text":
                texts.setdefault(tag, []).append((event.step, value.ravel()[0].decode()))
            else:
                numbers.setdefault(tag, []).append((event.step, float(value)))
    return numbers, texts


def visualdl(folder: Path) -> tuple[Series, Texts]:
    """As VisualDL's own reader reads it: the one file that it would show."""
    pytest.importorskip("visualdl")
    from visualdl import LogReader

    read = LogReader(file_path=str(sorted(folder.glob("*vdlrecords*"))[-1]))
    tags = read.get_tags()
    numbers = {tag: [(x.id, x.value) for x in read.get_data("scalar", tag)] for tag in tags.get("scalar", [])}
    texts = {
        tag: [(x.id, x.text.encoded_text_string) for x in read.get_data("text", tag)] for tag in tags.get("text", [])
    }
    return numbers, texts


READERS: dict[str, Callable[[Path], tuple[Series, Texts]]] = {"tensorboard": tensorboard, "visualdl": visualdl}
both = pytest.mark.parametrize("name", READERS)
quiet = pytest.mark.filterwarnings("ignore")
"""The programs' own libraries warn of what is deprecated in others."""


def same(a: Series, b: Series) -> None:
    assert set(a) == set(b)
    for tag in a:
        assert [t for t, _ in a[tag]] == [t for t, _ in b[tag]], tag
        np.testing.assert_array_equal([x for _, x in a[tag]], [x for _, x in b[tag]])


@both
@quiet
def test_every_number_of_the_record_is_there_under_its_name_at_its_update(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    whole(tmp_path / "run", name)
    numbers, texts = READERS[name](tmp_path / "run" / name)
    updates, evaluations = load_record(tmp_path / "run").updates, load_record(tmp_path / "run").evaluations
    for tag, table, column in [
        ("loss", updates, updates["loss"]),
        ("grad_norm", updates, updates["grad_norm"]),
        ("lr/body", updates, updates["lr"][:, 0]),
        ("lr/head", updates, updates["lr"][:, 1]),
        ("val_loss", evaluations, evaluations["val_loss"]),
    ]:
        assert [t for t, _ in numbers[tag]] == table["t"].tolist()
        np.testing.assert_array_equal([x for _, x in numbers[tag]], column.astype(np.float32))
    # What nobody schedules: at the beginning and at the end, and only where a group has it.
    assert numbers["momentum/head"] == [(0, pytest.approx(0.9)), (12, pytest.approx(0.9))]
    assert "weight_decay/body" in numbers
    assert "weight_decay/head" not in numbers
    assert texts["journal/cut"] == [(t, f"cut after {t}, 学习率") for t in (3, 6, 9, 12)]
    assert texts["journal/run"] == [(0, "constant(), over 12 updates.")]


@both
@quiet
@pytest.mark.parametrize(("at", "killed_at"), [(0, 2), (3, 3), (3, 8), (6, 7), (5, 12), (9, 11)])
def test_a_resumed_run_holds_what_an_undisturbed_one_holds_and_nothing_twice(
    name: str, at: int, killed_at: int, tmp_path: Path
) -> None:
    pytest.importorskip(name)
    whole(tmp_path / "whole", name)
    resumed(tmp_path / "part", at, killed_at=killed_at, before=(name,), after=(name,))
    (numbers, texts), (expected, words) = (READERS[name](tmp_path / folder / name) for folder in ("part", "whole"))
    same(numbers, expected)
    assert texts.pop("journal/resume") == [(at, "again")]
    assert texts == words


@both
@quiet
def test_a_logger_that_was_not_there_before_is_told_all_from_the_record(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    whole(tmp_path / "whole", name)
    resumed(tmp_path / "part", 6, killed_at=8, before=(), after=(name,))
    numbers, texts = READERS[name](tmp_path / "part" / name)
    same(numbers, READERS[name](tmp_path / "whole" / name)[0])
    assert [t for t, _ in texts["journal/keep"]] == [3, 6, 9, 12]


@both
@quiet
def test_an_export_holds_what_the_logger_would_have_written(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    whole(tmp_path / "run", name)
    for _ in range(2):  # the second export adds nothing
        (folder,) = export(load_record(tmp_path / "run"), name, tmp_path / "exports")
    assert folder == tmp_path / "exports" / name
    exported, expected = READERS[name](folder), READERS[name](tmp_path / "run" / name)
    for number in (exported[0], expected[0]):
        for setting in ("momentum/body", "momentum/head", "weight_decay/body"):
            number.pop(setting)
    same(exported[0], expected[0])
    assert exported[1] == expected[1]


@quiet
def test_a_file_of_visualdl_that_a_kill_cut_short_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("visualdl")
    whole(tmp_path / "whole", "visualdl")
    with RunWriter(tmp_path / "part", loggers=["visualdl"]) as writer:
        writer.start(RUN, environment={})
        write(writer, 0, 6)
    (file,) = (tmp_path / "part" / "visualdl").iterdir()
    os.truncate(file, file.stat().st_size - 3)
    with RunWriter(tmp_path / "part", loggers=["visualdl"]) as writer:
        writer.truncate(5)
        writer.start(RUN, environment={})
        write(writer, 5, 12)
        writer.close({"status": "finished", "updates": 12})
    same(visualdl(tmp_path / "part" / "visualdl")[0], visualdl(tmp_path / "whole" / "visualdl")[0])


@both
@quiet
def test_fresh_removes_what_loggers_wrote(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    whole(tmp_path / "run", name)
    with RunWriter(tmp_path / "run", fresh=True, loggers=[name]) as writer:
        writer.start(RUN, environment={})
        write(writer, 0, 2)
    numbers, _ = READERS[name](tmp_path / "run" / name)
    assert [t for t, _ in numbers["loss"]] == [0, 1]


@both
@quiet
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_writes_nothing_of_its_parents(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    writer = RunWriter(tmp_path / "run", loggers=[name])
    writer.start(RUN, environment={})
    write(writer, 0, 2)
    read, pipe = os.pipe()
    child = os.fork()
    if child == 0:
        writer._followers.flush()  # type: ignore[union-attr]
        os.write(pipe, b"done")
        os._exit(0)
    assert os.read(read, 4) == b"done"
    os.waitpid(child, 0)
    writer.close()
    os.close(read), os.close(pipe)
    numbers, _ = READERS[name](tmp_path / "run" / name)
    assert [t for t, _ in numbers["loss"]] == [0, 1]


@quiet
def test_mlflow_has_one_run_with_all_points_and_the_former_in_its_trash(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    resumed(tmp_path / "run", 3, killed_at=5, before=("mlflow",), after=("mlflow",))
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'run' / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cadence").experiment_id
    (run,) = client.search_runs([experiment])
    assert (run.info.status, run.data.params["spec"]) == ("FINISHED", "constant()")
    points = client.get_metric_history(run.info.run_id, "lr/head")
    assert [(p.step, p.value) for p in points] == [(t, 0.2 * t) for t in range(12)]
    assert [p.step for p in client.get_metric_history(run.info.run_id, "val_loss")] == [3, 6, 9, 12]
    deleted = client.search_runs([experiment], run_view_type=2)
    assert len(deleted) == 1
    journal = Path(client.download_artifacts(run.info.run_id, "journal.txt", str(tmp_path)))
    assert "9 cut: cut after 9" in journal.read_text(encoding="utf-8")


def test_mlflow_writes_to_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://example.org")
    with pytest.raises(RecordError, match="a record is written to local files only; write sqlite:"):
        RunWriter(tmp_path / "run", loggers=["mlflow"])
    assert not (tmp_path / "run").exists()


# ---- whatever the program --------------------------------------------------------------------------------------------


class Told(Logger):
    """Remembers all that it is told, as a program that can take back (`keeps`) or one that cannot."""

    def __init__(self, keeps: bool) -> None:
        self.keeps = keeps
        self.rows: list[tuple[int, Any]] = []
        self.opened = False

    def go_on(self, t: int) -> int:
        first = t if self.opened and self.keeps else 0
        self.rows = [row for row in self.rows if row[0] < first]
        self.opened = True
        return first

    def describe(self, run: Mapping[str, Any]) -> None:
        pass

    def numbers(self, t: int, numbers: Mapping[str, float]) -> None:
        if "momentum/body" not in numbers:
            self.rows.append((t, {k: v for k, v in numbers.items() if v == v}))

    def text(self, t: int, kind: str, sentence: str) -> None:
        self.rows.append((t, sentence))

    def flush(self) -> None:
        pass

    def close(self, status: str | None) -> None:
        pass


@given(
    cuts=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4),
    keeps=st.booleans(),
    reopened=st.booleans(),
)
def test_however_often_a_record_is_cut_back_its_loggers_hold_what_it_holds(
    cuts: list[tuple[int, int]], keeps: bool, reopened: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    told = Told(keeps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(followers, "open_logger", lambda name, folder: told)
        writer = RunWriter(folder / "run", loggers=["told"])
        writer.start(RUN, environment={})
        done = 0
        for end, back in cuts:
            write(writer, done, max(done, end))
            done = min(back, max(done, end))
            if reopened:
                writer.close()
                writer = RunWriter(folder / "run", loggers=["told"])
                writer.truncate(done)
                writer.start(RUN, environment={})
            else:
                writer.truncate(done)
        write(writer, done, 12)
        writer.close({"status": "finished"})
        expected = Told(True)
        patch.setattr(followers, "open_logger", lambda name, folder: expected)
        whole(folder / "whole", "told")
    assert sorted(told.rows, key=repr) == sorted(expected.rows, key=repr)


def test_a_logger_that_there_is_not_is_named_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="there is no logger 'tensorbord'; did you mean 'tensorboard'"):
        RunWriter(tmp_path / "run", loggers=["tensorbord"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["tensorboard", "visualdl", "mlflow"])
def test_a_program_that_is_not_installed_is_said_with_its_remedy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'cadence\[{name}\]'"):
        RunWriter(tmp_path / "run", loggers=[name])
    assert not (tmp_path / "run").exists()


# ---- CSV and Parquet -------------------------------------------------------------------------------------------------


@pytest.fixture
def record(tmp_path: Path) -> Any:
    whole(tmp_path / "run")
    return load_record(tmp_path / "run")


def test_csv_has_updates_evaluations_and_the_journal_as_text(record: Any, tmp_path: Path) -> None:
    files = export(record, "csv", tmp_path / "out")
    assert [file.name for file in files] == ["updates.csv", "evaluations.csv", "journal.csv"]
    assert files[0].read_text().splitlines()[5] == "4,0.2,0.1,0.8,NaN"
    journal = files[2].read_text(encoding="utf-8").splitlines()
    assert journal[0] == "t,made,kind,sentence,details"
    assert journal[1:3] == ["3,3,keep,nothing after 3,", '7,3,cut,"cut after 3, 学习率",']


def test_parquet_tells_what_is_absent_from_what_is_not_a_number(record: Any, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    updates, evaluations, journal = export(record, "parquet", tmp_path / "out")
    table = parquet.read_table(updates)
    assert table.column_names == ["t", "loss", "body/lr", "head/lr", "grad_norm"]
    np.testing.assert_array_equal(table["loss"].to_numpy(), record.updates["loss"])
    assert math.isnan(table["grad_norm"].to_pylist()[4])
    assert table["grad_norm"].null_count == 0
    assert parquet.read_table(evaluations)["val_loss"].to_pylist() == [12.0, 15.0, 18.0, 21.0]
    assert parquet.read_table(journal)["sentence"].to_pylist()[1] == "cut after 3, 学习率"


def test_parquet_has_null_where_a_row_has_no_number(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with RunWriter(tmp_path / "run") as writer:
        writer.start(RUN, environment={})
        writer.update({"t": 0, "loss": 1.0})
        writer.update({"t": 1, "loss": None, "lr": [0.1, None]})
    files = export(load_record(tmp_path / "run"), "parquet", tmp_path / "out")
    table = parquet.read_table(files[0])
    assert table["loss"].to_pylist() == [1.0, None]
    assert table["body/lr"].to_pylist() == [None, 0.1]
    # The row has the value, and this group does not have it.
    assert math.isnan(table["head/lr"].to_pylist()[1])


def test_a_format_that_there_is_not_lists_its_neighbours(record: Any, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="cannot be exported to 'parket'; did you mean 'parquet'"):
        export(record, "parket", tmp_path)
