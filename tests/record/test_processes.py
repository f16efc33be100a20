"""What other processes, kills and forks do to a record: real processes, killed at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from cadence._errors import RecordError
from cadence.record.lines import blocks
from cadence.record.writer import RunWriter

Json = dict[str, Any]

RUN = {"name": "x", "spec": "constant()", "horizon": {}, "groups": ["all"], "values": ["lr"], "bases": {"lr": [0.1]}}

if not hasattr(os, "fork"):
    pytest.skip("kills, forks and locks as here are those of POSIX", allow_module_level=True)


HEAD = f"""
import os, signal, sys, time
from cadence._errors import RecordError
from cadence.record.writer import RunWriter
RUN = {RUN!r}
"""


Start: TypeAlias = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that runs a script, with RunWriter, RecordError and RUN at hand; none outlives the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", HEAD + textwrap.dedent(script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def said(process: subprocess.Popen[str]) -> str:
    """The next word that the process prints on a line of its own."""
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout.readline().strip() or process.stderr.read()


def finished(process: subprocess.Popen[str]) -> str:
    """All that it has printed, or the rest."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def rows(folder: Path, name: str) -> list[Json]:
    return [row for _, block in blocks(folder / name) for row in block]


TRAIN = """
    from pathlib import Path
    from cadence.record.files import write_atomically

    folder, end = Path(sys.argv[1]), int(sys.argv[2])
    saved = folder / "saved"
    t = int(saved.read_text()) if saved.exists() else 0
    with RunWriter(folder) as writer:
        assert writer.t >= t, (writer.t, t)  # a record is never behind its checkpoint
        writer.truncate(t)
        writer.start(RUN, environment={"python": "3"})
        print("ready", flush=True)
        while t < end:
            writer.update({"t": t, "loss": 1 / (t + 1), "lr": [0.1 * t, None]})
            t += 1
            if t % 40 == 0:
                writer.evaluation({"t": t, "val_loss": 1 / t})
                writer.event({"t": t, "kind": "keep", "sentence": "Nothing done."})
            if t % 200 == 0:
                writer.flush()
                write_atomically(saved, str(t))
        writer.close({"status": "finished", "updates": t})
    """


def check(folder: Path) -> int:
    """The record is readable, complete up to some update, and says the right thing in every line."""
    # What is written last is read first, because the run may be going on.
    events = [row["t"] for row in rows(folder, "journal.jsonl")]
    evaluations = rows(folder, "evaluations.jsonl")
    updates = rows(folder, "updates.jsonl")
    assert updates == [{"t": t, "loss": 1 / (t + 1), "lr": [0.1 * t, None]} for t in range(len(updates))]
    assert evaluations == [{"t": 40 * i, "val_loss": 1 / (40 * i)} for i in range(1, len(evaluations) + 1)]
    assert events == [40 * i for i in range(1, len(events) + 1)]
    assert 40 * len(events) <= 40 * len(evaluations) <= len(updates)
    return len(updates)


def test_a_run_killed_at_any_moment_can_be_read_and_goes_on_to_a_complete_record(start: Start, tmp_path: Path) -> None:
    chance = random.Random(0)
    stopped_at: list[int] = []
    for _ in range(8):
        process = start(TRAIN, tmp_path, 10_000_000)
        assert said(process) == "ready"
        time.sleep(chance.uniform(0.0, 0.05))
        if chance.random() < 0.5:
            check(tmp_path)  # while it is being written
        kill(process)
        stopped_at.append(check(tmp_path))
    assert len(set(stopped_at)) > 4
    end = max(stopped_at) + 1000
    finished(start(TRAIN, tmp_path, end))
    assert check(tmp_path) == end
    assert json.loads((tmp_path / "result.json").read_text()) == {"status": "finished", "updates": end}


def test_the_reader_loads_what_a_kill_has_left(start: Start, tmp_path: Path) -> None:
    from cadence.record.reader import load_record

    process = start(TRAIN, tmp_path, 10_000_000)
    assert said(process) == "ready"
    deadline = time.monotonic() + 30
    seen = 0
    while seen < 3000 and time.monotonic() < deadline:
        record = load_record(tmp_path)
        updates = record.updates
        assert len(updates) >= seen
        seen = len(updates)
        np.testing.assert_array_equal(updates["t"], np.arange(seen))
        assert record.status == "running or killed"
    kill(process)
    updates = load_record(tmp_path).updates
    assert len(updates) >= seen >= 3000
    np.testing.assert_array_equal(updates["loss"], 1 / (np.arange(len(updates)) + 1))


LOOP = """
    writer = RunWriter(sys.argv[1])
    writer.start(RUN, environment={"python": "3"})
    t = 0
    try:
        print("ready", flush=True)
        while t < int(sys.argv[2]):
            writer.update({"t": t, "loss": 1 / (t + 1)})
            t += 1
    except KeyboardInterrupt:
        pass
    print(t, writer.t, flush=True)
    """


def test_a_loop_that_just_ends_loses_nothing(start: Start, tmp_path: Path) -> None:
    assert finished(start(LOOP, tmp_path, 1001)).split() == ["ready", "1001", "1001"]
    assert rows(tmp_path, "updates.jsonl") == [{"t": t, "loss": 1 / (t + 1)} for t in range(1001)]


def test_a_loop_that_is_interrupted_loses_at_most_the_row_it_was_at(start: Start, tmp_path: Path) -> None:
    chance = random.Random(1)
    for i in range(5):
        process = start(LOOP, tmp_path / str(i), 10_000_000)
        assert said(process) == "ready"
        time.sleep(chance.uniform(0.0, 0.05))
        process.send_signal(signal.SIGINT)
        done, counted = map(int, finished(process).split())
        updates = rows(tmp_path / str(i), "updates.jsonl")
        # The interrupt may come inside a call, after the row was taken and before the loop knows.
        assert done <= len(updates) <= counted <= done + 1
        assert updates == [{"t": t, "loss": 1 / (t + 1)} for t in range(len(updates))]


# ---- the lock --------------------------------------------------------------------------------------------------------

HOLD = """
    writer = RunWriter(sys.argv[1])
    print("held", flush=True)
    time.sleep(60)
    """


def test_a_second_process_is_refused_and_told_which_one_writes(start: Start, tmp_path: Path) -> None:
    process = start(HOLD, tmp_path)
    assert said(process) == "held"
    for fresh in (False, True):
        with pytest.raises(
            RecordError, match=rf"is being written by process {process.pid} on .* since .*; wait for it"
        ):
            RunWriter(tmp_path, fresh=fresh)
    kill(process)
    with RunWriter(tmp_path):
        pass


def test_a_refused_writer_leaves_the_record_of_the_other_alone(start: Start, tmp_path: Path) -> None:
    process = start(TRAIN, tmp_path, 10_000_000)
    assert said(process) == "ready"
    with pytest.raises(RecordError, match="is being written by process"):
        RunWriter(tmp_path, fresh=True)
    time.sleep(0.05)
    assert process.poll() is None
    kill(process)
    assert check(tmp_path) > 0


def test_a_second_writer_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with RunWriter(tmp_path), pytest.raises(RecordError, match="by this very process; close its first writer"):
        RunWriter(tmp_path)
    with RunWriter(tmp_path):
        pass


def test_of_many_that_start_at_once_exactly_one_writes(start: Start, tmp_path: Path) -> None:
    race = """
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            writer = RunWriter(sys.argv[1])
        except RecordError:
            print("refused", flush=True)
        else:
            print("held", flush=True)
        time.sleep(60)
        """
    processes = [start(race, tmp_path) for _ in range(4)]
    for process in processes:
        assert said(process) == "ready"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(map(said, processes)) == ["held", "refused", "refused", "refused"]


def test_a_lock_that_does_not_say_who_holds_it_is_a_lock(start: Start, tmp_path: Path) -> None:
    process = start(HOLD, tmp_path)
    assert said(process) == "held"
    for content in ("", "[]", "{", '{"pid": 1}', "\ufeff"):
        (tmp_path / ".lock").write_text(content)
        with pytest.raises(RecordError, match="is being written by another process"):
            RunWriter(tmp_path)
    kill(process)


def test_where_the_file_system_has_no_locks_the_record_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import fcntl

    def none(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with RunWriter(tmp_path) as writer:
        writer.start(RUN, environment={})
        writer.update({"t": 0})
    assert rows(tmp_path, "updates.jsonl") == [{"t": 0}]


def test_where_the_file_system_has_no_locks_who_writes_is_known_by_its_word(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    from cadence.record.lock import FolderLock, holder

    def none(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    lock = FolderLock(tmp_path)
    who = holder(tmp_path)
    assert who is not None
    assert who["pid"] == os.getpid()
    lock.release()
    assert holder(tmp_path) is None
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / ".lock").write_text(json.dumps({"pid": gone.pid, "host": who["host"], "since": "x"}))
    # It was killed before it could take its word back.
    assert holder(tmp_path) is None


def test_a_forked_child_neither_writes_nor_keeps_the_folder_locked(start: Start, tmp_path: Path) -> None:
    script = """
        folder = sys.argv[1]
        writer = RunWriter(folder)
        writer.start(RUN, environment={"python": "3"})
        for t in range(10):
            writer.update({"t": t})
        child = os.fork()
        if child == 0:
            try:
                writer.update({"t": 10})
            except RecordError as error:
                print(error, flush=True)
            if len(sys.argv) > 2:
                time.sleep(60)
            sys.exit()  # runs what is to be done at the end of a program
        if len(sys.argv) > 2:
            print(child, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        writer.update({"t": 10})
        writer.close()
        """
    told = finished(start(script, tmp_path / "a"))
    assert "updates.jsonl takes no more lines: it belongs to the process that this one was forked from" in told
    assert [row["t"] for row in rows(tmp_path / "a", "updates.jsonl")] == list(range(11))

    # A data loader's worker lives on for a while after its parent was killed.
    process = start(script, tmp_path / "b", "outlive")
    assert process.stdout is not None
    process.wait(timeout=60)
    child = int(next(line for line in process.stdout if line.strip().isdecimal()))
    try:
        with RunWriter(tmp_path / "b"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("child", ["program", "not yet"])
def test_a_child_of_a_killed_writer_does_not_keep_the_folder_locked(start: Start, tmp_path: Path, child: str) -> None:
    # A program that was started has let go of the lock; before it is one, the child has a share of it, and no handler
    # of python's runs in it.
    started = {
        "program": "subprocess.Popen(['sleep', '5'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)",
        "not yet": "ctypes.CDLL(None).fork() or (time.sleep(0.5), os._exit(0))",
    }[child]
    writer = start(
        f"""
        import ctypes, subprocess
        writer = RunWriter(sys.argv[1])
        {started}
        print("holds", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        tmp_path,
    )
    assert writer.wait() == -signal.SIGKILL
    begin = time.monotonic()
    RunWriter(tmp_path).close()
    waited = time.monotonic() - begin
    assert waited < 4
    if child == "not yet":
        # Or nothing was tried here.
        assert waited > 0.05
