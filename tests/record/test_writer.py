"""The writer of a run folder, as a training loop uses it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cadence._errors import RecordError
from cadence.record.lines import blocks
from cadence.record.writer import RunWriter

Json = dict[str, Any]


def rows(folder: Path, name: str) -> list[Json]:
    return [row for _, block in blocks(folder / name) for row in block]


def times(folder: Path, name: str = "updates.jsonl") -> list[int]:
    return [row["t"] for row in rows(folder, name)]


def update(t: int) -> Json:
    return {"t": t, "loss": 1 / (t + 1), "lr": [0.1, None]}


def write(writer: RunWriter, begin: int, end: int) -> None:
    """Updates, an evaluation after each ten of them, and a decision after each twenty."""
    for t in range(begin, end):
        writer.update(update(t))
        if (t + 1) % 10 == 0:
            writer.evaluation({"t": t + 1, "val_loss": 1.0})
        if (t + 1) % 20 == 0:
            writer.event({"t": t + 1, "kind": "cut", "rule": 0, "sentence": "Cut."})


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_whole_run_leaves_the_files_that_the_format_promises(tmp_path: Path, run: Json, here: Json) -> None:
    folder = tmp_path / "runs" / "mine"
    with RunWriter(folder) as writer:
        writer.start(run, recipe="name: mine\n", environment=here)
        write(writer, 0, 20)
        writer.close({"status": "finished", "updates": 20, "final": {"val_loss": math.nan}})
    assert json.loads((folder / "run.json").read_text()) == {"version": 1, **run}
    assert json.loads((folder / "environment.json").read_text()) == here
    assert (folder / "recipe.yaml").read_text() == "name: mine\n"
    assert rows(folder, "updates.jsonl") == [update(t) for t in range(20)]
    assert times(folder, "evaluations.jsonl") == [10, 20]
    cut = {"t": 20, "kind": "cut", "rule": 0, "sentence": "Cut.", "made": 20}
    assert rows(folder, "journal.jsonl") == [cut]
    result = json.loads((folder / "result.json").read_text())
    assert result == {"status": "finished", "updates": 20, "final": {"val_loss": "NaN"}}


def test_a_run_without_a_name_is_called_as_its_folder(tmp_path: Path, run: Json, here: Json) -> None:
    del run["name"]
    with RunWriter(tmp_path / "resnet") as writer:
        writer.start(run, environment=here)
    assert json.loads((tmp_path / "resnet" / "run.json").read_text())["name"] == "resnet"


def test_the_environment_is_looked_up_where_none_is_given(tmp_path: Path, run: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run)
    assert {"python", "packages", "git", "device"} <= set(json.loads((tmp_path / "environment.json").read_text()))


def test_an_evaluation_and_an_event_take_the_updates_before_them_along(tmp_path: Path, run: Json, here: Json) -> None:
    writer = RunWriter(tmp_path)
    writer.start(run, environment=here)
    for t in range(5):
        writer.update(update(t))
    writer.evaluation({"t": 5, "val_loss": 0.5})
    assert times(tmp_path) == [0, 1, 2, 3, 4]
    writer.update(update(5))
    writer.event({"t": 6, "kind": "set"})
    assert times(tmp_path) == [0, 1, 2, 3, 4, 5]
    writer.close()


def test_start_may_be_called_again_when_a_group_is_added(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        write(writer, 0, 3)
        writer.start({**run, "groups": ["body", "head", "new"]}, environment={"python": "other"})
        write(writer, 3, 6)
    assert json.loads((tmp_path / "run.json").read_text())["groups"] == ["body", "head", "new"]
    assert json.loads((tmp_path / "environment.json").read_text()) == here
    assert times(tmp_path) == list(range(6))


# ---- going on --------------------------------------------------------------------------------------------------------


def test_a_run_that_is_cut_back_and_goes_on_leaves_the_same_files_as_one_in_one_piece(
    tmp_path: Path, run: Json, here: Json
) -> None:
    with RunWriter(tmp_path / "whole") as writer:
        writer.start(run, environment=here)
        write(writer, 0, 100)
    with RunWriter(tmp_path / "parts") as writer:
        writer.start(run, environment=here)
        write(writer, 0, 57)
    for t, end in ((40, 91), (90, 95), (95, 100), (0, 100)):
        with RunWriter(tmp_path / "parts") as writer:
            writer.truncate(t)
            writer.truncate(t)
            assert writer.t == t
            writer.start(run, environment=here)
            write(writer, t, end)
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_a_loop_may_go_back_while_it_runs(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        write(writer, 0, 35)
        writer.truncate(20)
        write(writer, 20, 30)
    assert times(tmp_path) == list(range(30))
    assert times(tmp_path, "evaluations.jsonl") == [10, 20, 30]
    assert times(tmp_path, "journal.jsonl") == [20]


def test_an_event_that_was_made_before_and_governs_later_survives_a_cut(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        write(writer, 0, 5)
        writer.event({"t": 50, "kind": "hold", "sentence": "Made at 5, governs from 50."})
        write(writer, 5, 9)
        writer.event({"t": 9, "kind": "set", "sentence": "Made at 9."})
        writer.truncate(7)
    assert times(tmp_path, "journal.jsonl") == [50]


def test_of_events_of_one_moment_those_that_a_state_did_not_know_are_cut(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        write(writer, 0, 5)
        writer.event({"t": 5, "kind": "set", "sentence": "Known."})
        known = writer.events
        writer.event({"t": 5, "kind": "set", "sentence": "Made at the same moment, later."})
        assert writer.events == known + 1
    with RunWriter(tmp_path) as writer:
        assert writer.events == known + 1
        writer.truncate(5, events=known)
        assert writer.events == known
        with pytest.raises(RecordError, match="a journal cannot be cut back to -1 entries"):
            writer.truncate(5, events=-1)
    assert [json.loads(line)["sentence"] for line in (tmp_path / "journal.jsonl").read_text().splitlines()] == [
        "Known."
    ]


def test_events_of_other_writers_are_cut_by_what_they_govern(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"t": 5, "kind": "cut"}\n{"t": 9, "kind": "cut"}\n')
    with RunWriter(tmp_path) as writer:
        writer.truncate(7)
    assert times(tmp_path, "journal.jsonl") == [5]


def test_a_record_can_begin_in_the_middle_of_a_run(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        writer.truncate(500)
        with pytest.raises(RecordError, match="t = 499 comes too late"):
            writer.update(update(499))
        writer.update(update(500))
    assert times(tmp_path) == [500]


def test_a_resumed_run_names_the_environments_that_its_updates_come_from(tmp_path: Path, run: Json, here: Json) -> None:
    def go_on(python: str, t: int, end: int) -> Json:
        with RunWriter(tmp_path) as writer:
            writer.start(run, environment={**here, "python": python})
            writer.truncate(t)
            write(writer, t, end)
        return json.loads((tmp_path / "environment.json").read_text())

    assert go_on("3.11", 0, 20) == {**here, "python": "3.11"}
    resumed = [{"t": 15, **here, "python": "3.12"}]
    assert go_on("3.12", 15, 30) == {**here, "python": "3.11", "resumed": resumed}
    resumed += [{"t": 25, **here, "python": "3.13"}]
    assert go_on("3.13", 25, 40) == {**here, "python": "3.11", "resumed": resumed}
    # What 3.12 and 3.13 computed is cut off, and so are they.
    assert go_on("3.14", 10, 20)["resumed"] == [{"t": 10, **here, "python": "3.14"}]
    assert go_on("3.15", 0, 20) == {**here, "python": "3.15"}


def test_a_failed_run_may_go_on_and_is_then_no_failed_run(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        write(writer, 0, 5)
        writer.close({"status": "failed", "sentence": "No memory."})
    with RunWriter(tmp_path) as writer:
        assert writer.t == 5
        writer.start(run, environment=here)
        assert not (tmp_path / "result.json").exists()
        write(writer, 5, 8)
    assert times(tmp_path) == list(range(8))


@pytest.mark.parametrize("status", ["finished", "stopped", "diverged"])
def test_a_folder_whose_run_has_ended_takes_no_other_unless_asked(
    tmp_path: Path, run: Json, here: Json, status: str
) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, recipe="name: mine", environment=here)
        write(writer, 0, 25)
        writer.close({"status": status})
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "20.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(RecordError, match=rf"has ended \({status}\); choose another folder, or pass fresh=True"):
        RunWriter(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    with RunWriter(tmp_path, fresh=True) as writer:
        assert writer.t == 0
        assert sorted(os.listdir(tmp_path)) == [
            ".lock", "evaluations.jsonl", "journal.jsonl", "notes.txt", "updates.jsonl",
        ]  # fmt: skip
        writer.start(run, environment=here)
        write(writer, 0, 3)
    assert times(tmp_path) == [0, 1, 2]


def test_what_a_killed_writer_left_half_way_is_swept_up(tmp_path: Path) -> None:
    (tmp_path / ".run.json.0a1b2c3d.tmp").write_text("{")
    (tmp_path / ".mine.tmp").write_text("x")
    with RunWriter(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".tmp") == [".mine.tmp"]


# ---- bad input -------------------------------------------------------------------------------------------------------


def test_rows_before_the_start_and_after_the_end_are_refused(tmp_path: Path, run: Json, here: Json) -> None:
    writer = RunWriter(tmp_path)
    for call in (lambda: writer.update(update(0)), lambda: writer.evaluation({"t": 0}), lambda: writer.event({"t": 0})):
        with pytest.raises(RecordError, match=r"takes no rows yet; call start\(\.\.\.\) first"):
            call()
    writer.start(run, environment=here)
    writer.update(update(0))
    writer.close()
    writer.close({"status": "finished"})
    assert not (tmp_path / "result.json").exists()
    for call in (lambda: writer.update(update(1)), lambda: writer.start(run), lambda: writer.truncate(0)):
        with pytest.raises(RecordError, match="is closed"):
            call()
    writer.flush()
    assert times(tmp_path) == [0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"loss": 1.0}, "the t of an update is a whole number of updates, not None"),
        ({"t": 1.5}, "not 1.5"),
        ({"t": "7"}, "not '7'"),
        ({"t": 4, "loss": 1.0}, "an update at t = 4 comes too late, the record in .* has come to t = 5"),
        ({"t": -1}, "t = -1 comes too late"),
        ({"t": 5, "loss": "low"}, "'loss' is 'low', which is no number"),
        ({"t": 5, "lr": {"head": 1}}, "'lr' is .*, which is no number"),
    ],
)
def test_a_row_that_is_no_update_is_refused_and_changes_nothing(
    tmp_path: Path, run: Json, here: Json, row: Mapping[str, Any], message: str
) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        write(writer, 0, 5)
        with pytest.raises(RecordError, match=message):
            writer.update(row)
        write(writer, 5, 7)
    assert times(tmp_path) == list(range(7))


def test_an_update_number_from_numpy_is_a_number(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        writer.update({"t": np.int64(0), "loss": np.float32(0.5)})
        assert writer.t == 1
    assert rows(tmp_path, "updates.jsonl") == [{"t": 0, "loss": 0.5}]


def test_evaluations_may_share_a_moment_and_not_go_back(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        writer.evaluation({"t": 0, "val_loss": 2.0})
        writer.evaluation({"t": 5, "val_loss": 1.0})
        writer.evaluation({"t": 5, "test_loss": 1.0})
        with pytest.raises(RecordError, match="an evaluation at t = 4 comes too late"):
            writer.evaluation({"t": 4, "val_loss": 1.0})
    assert times(tmp_path, "evaluations.jsonl") == [0, 5, 5]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "cut"}, "the t of an event is a whole number"),
        ({"t": 3}, "the kind of an event is text"),
        ({"t": 3, "kind": "cut", "x": object()}, "a record takes numbers"),
    ],
)
def test_a_row_that_is_no_event_is_refused(tmp_path: Path, run: Json, here: Json, row: Json, message: str) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        with pytest.raises(RecordError, match=message):
            writer.event(row)
    assert rows(tmp_path, "journal.jsonl") == []


def test_a_run_that_does_not_say_what_it_is_is_refused(tmp_path: Path, run: Json) -> None:
    del run["spec"], run["bases"]
    with RunWriter(tmp_path) as writer, pytest.raises(RecordError, match="this one lacks spec, bases"):
        writer.start(run)


@pytest.mark.parametrize("result", [{}, {"status": "done"}, {"status": None}])
def test_a_result_without_a_known_status_is_refused_and_the_run_may_still_be_closed(
    tmp_path: Path, result: Json
) -> None:
    with RunWriter(tmp_path) as writer:
        with pytest.raises(RecordError, match="finished, stopped, diverged, failed, interrupted, not as"):
            writer.close(result)
        writer.close({"status": "finished"})
    assert json.loads((tmp_path / "result.json").read_text()) == {"status": "finished"}


@pytest.mark.parametrize("t", [-1, 2.0, "3", None, True])
def test_a_record_is_cut_back_to_a_number_of_updates_alone(tmp_path: Path, t: Any) -> None:
    with RunWriter(tmp_path) as writer, pytest.raises(RecordError, match="cannot be cut back to"):
        writer.truncate(t)


def test_a_last_line_without_its_number_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "updates.jsonl").write_text('{"t": 0}\n{"loss": 1.0}\n')
    with pytest.raises(RecordError, match=r"the last line of .*updates\.jsonl has no number t"):
        RunWriter(tmp_path)
    assert (tmp_path / "updates.jsonl").read_text() == '{"t": 0}\n{"loss": 1.0}\n'
    with RunWriter(tmp_path, fresh=True):
        pass


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x")
    with pytest.raises(RecordError, match="a file stands where a folder is needed"):
        RunWriter(tmp_path / "runs" / "x")


def test_a_folder_that_cannot_be_opened_is_not_kept_locked(tmp_path: Path) -> None:
    (tmp_path / "updates.jsonl").mkdir()
    with pytest.raises(RecordError, match="a folder stands where a file is needed"):
        RunWriter(tmp_path)
    (tmp_path / "updates.jsonl").rmdir()
    with RunWriter(tmp_path):
        pass


def test_a_full_disk_stops_with_a_sentence_and_keeps_what_was_written(tmp_path: Path, run: Json, here: Json) -> None:
    # In a process of its own, because the limit holds for every file of a process.
    script = f"""
        import resource, sys
        from cadence._errors import RecordError
        from cadence.record.writer import RunWriter
        writer = RunWriter({str(tmp_path)!r})
        writer.start({run!r}, environment={here!r})
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        t = 0
        try:
            while t < 100_000:
                writer.update({{"t": t, "loss": 1 / (t + 1), "lr": [0.1, None]}})
                t += 1
        except RecordError as error:
            print(error)
        try:
            writer.close()
        except RecordError as error:
            print("closing:", error)
        RunWriter({str(tmp_path)!r}).close()
        """
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "updates.jsonl cannot be written, there is no space left" in done.stdout
    assert "closing: " in done.stdout
    assert done.stderr == ""
    kept = rows(tmp_path, "updates.jsonl")
    assert len(kept) > 500
    assert kept == [update(t) for t in range(len(kept))]
    with RunWriter(tmp_path) as writer:
        assert writer.t == len(kept)
        writer.start(run, environment=here)
        writer.update(update(len(kept)))
    assert times(tmp_path) == list(range(len(kept) + 1))


def test_a_row_that_the_disk_did_not_take_is_kept_and_not_taken_twice(tmp_path: Path, run: Json, here: Json) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    (tmp_path / "updates.jsonl").symlink_to("/dev/full")
    writer = RunWriter(tmp_path)
    writer.start(run, environment=here)
    with pytest.raises(RecordError, match="no space left"):
        writer.update(update(0))
    assert writer.t == 1
    with pytest.raises(RecordError, match="t = 0 comes too late"):
        writer.update(update(0))
    with pytest.raises(RecordError, match="no space left"):
        writer.close()


def test_a_writer_that_nobody_uses_any_more_writes_what_waits_and_lets_go(
    tmp_path: Path, run: Json, here: Json
) -> None:
    writer = RunWriter(tmp_path)
    writer.start(run, environment=here)
    write(writer, 0, 7)
    del writer
    assert times(tmp_path) == list(range(7))
    with RunWriter(tmp_path) as writer:
        assert writer.t == 7


def test_an_error_in_the_loop_closes_the_record_without_a_result(tmp_path: Path, run: Json, here: Json) -> None:
    def fail() -> None:
        with RunWriter(tmp_path) as writer:
            writer.start(run, environment=here)
            write(writer, 0, 7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert times(tmp_path) == list(range(7))
    assert not (tmp_path / "result.json").exists()


def test_a_writer_says_what_it_is(tmp_path: Path, run: Json, here: Json) -> None:
    with RunWriter(tmp_path) as writer:
        writer.start(run, environment=here)
        write(writer, 0, 7)
        assert repr(writer) == f"<RunWriter {tmp_path}: 7 updates>"
    assert repr(writer) == f"<RunWriter {tmp_path}: 7 updates, closed>"
