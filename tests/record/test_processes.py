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
from pathlib import Path
from typing import Any

import pytest

from cadence._errors import RecordError
from cadence.record.lines import blocks
from cadence.record.writer import RunWriter

Json = dict[str, Any]

RUN = {"name": "x", "spec": "constant()", "horizon": {}, "groups": ["all"], "values": ["lr"], "bases": {"lr": [0.1]}}

if not hasattr(os, "fork"):
    pytest.skip("kills, forks and locks as here are those of POSIX", allow_module_level=True)


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs a script with RunWriter, RecordError and RUN at hand."""
    head = (
        "import os, signal, sys, time\n"
        "from cadence._errors import RecordError\n"
        "from cadence.record.writer import RunWriter\n"
        f"RUN = {RUN!r}\n"
    )
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", head + textwrap.dedent(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def says(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == word, process.communicate()[1]


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
    updates = rows(folder, "updates.jsonl")
    assert updates == [{"t": t, "loss": 1 / (t + 1), "lr": [0.1 * t, None]} for t in range(len(updates))]
    evaluations = rows(folder, "evaluations.jsonl")
    assert evaluations == [{"t": 40 * i, "val_loss": 1 / (40 * i)} for i in range(1, len(evaluations) + 1)]
    assert 40 * len(evaluations) <= len(updates)
    assert [row["t"] for row in rows(folder, "journal.jsonl")] == [40 * i for i in range(1, len(evaluations) + 1)] or (
        # killed between an evaluation and its decision
        [row["t"] for row in rows(folder, "journal.jsonl")] == [40 * i for i in range(1, len(evaluations))]
    )
    return len(updates)


def test_a_run_killed_at_any_moment_can_be_read_and_goes_on_to_a_complete_record(tmp_path: Path) -> None:
    chance = random.Random(0)
    stopped_at: list[int] = []
    for _ in range(8):
        process = python(TRAIN, tmp_path, 10_000_000)
        says(process, "ready")
        time.sleep(chance.uniform(0.0, 0.08))
        if chance.random() < 0.5:
            check(tmp_path)  # while it is being written
        process.kill()
        process.communicate()
        stopped_at.append(check(tmp_path))
    assert len(set(stopped_at)) > 4
    end = max(stopped_at) + 1000
    finished(python(TRAIN, tmp_path, end))
    assert check(tmp_path) == end
    assert json.loads((tmp_path / "result.json").read_text()) == {"status": "finished", "updates": end}


def test_the_reader_loads_what_a_kill_has_left(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    from cadence.record.reader import load_record

    process = python(TRAIN, tmp_path, 10_000_000)
    says(process, "ready")
    deadline = time.monotonic() + 30
    seen = 0
    while seen < 3000 and time.monotonic() < deadline:
        record = load_record(tmp_path)
        updates = record.updates
        assert len(updates) >= seen
        seen = len(updates)
        np.testing.assert_array_equal(updates["t"], np.arange(seen))
        assert record.status == "running or killed"
    process.kill()
    process.communicate()
    updates = load_record(tmp_path).updates
    assert len(updates) >= seen >= 3000
    np.testing.assert_array_equal(updates["loss"], 1 / (np.arange(len(updates)) + 1))


@pytest.mark.parametrize("how", [signal.SIGINT, None])
def test_a_loop_that_is_interrupted_or_just_ends_loses_nothing(tmp_path: Path, how: signal.Signals | None) -> None:
    loop = """
        writer = RunWriter(sys.argv[1])
        writer.start(RUN, environment={"python": "3"})
        print("ready", flush=True)
        t = 0
        try:
            while t < int(sys.argv[2]):
                writer.update({"t": t, "loss": 1 / (t + 1)})
                t += 1
        except KeyboardInterrupt:
            pass
        print(t, writer.t, flush=True)
        """
    chance = random.Random(1)
    for i in range(4):
        process = python(loop, tmp_path / str(i), 1000 + i if how is None else 10_000_000)
        says(process, "ready")
        time.sleep(chance.uniform(0.0, 0.05))
        if how is not None:
            process.send_signal(how)
        done, counted = map(int, finished(process).split())
        updates = rows(tmp_path / str(i), "updates.jsonl")
        # An interrupt may come inside a call, after the row was taken and before the loop knows.
        assert done <= counted <= done + 1
        assert done <= len(updates) <= counted
        assert updates == [{"t": t, "loss": 1 / (t + 1)} for t in range(len(updates))]


# ---- the lock --------------------------------------------------------------------------------------------------------

HOLD = """
    writer = RunWriter(sys.argv[1])
    print("held", flush=True)
    sys.stdin.read() if len(sys.argv) > 2 else time.sleep(60)
    """


def test_a_second_process_is_refused_and_told_which_one_writes(tmp_path: Path) -> None:
    process = python(HOLD, tmp_path)
    says(process, "held")
    for fresh in (False, True):
        with pytest.raises(RecordError, match=rf"is being written by process {process.pid} on .* since .*; wait for it"):
            RunWriter(tmp_path, fresh=fresh)
    process.kill()
    process.communicate()
    with RunWriter(tmp_path):
        pass


def test_a_refused_writer_leaves_the_record_of_the_other_alone(tmp_path: Path) -> None:
    process = python(TRAIN, tmp_path, 10_000_000)
    says(process, "ready")
    with pytest.raises(RecordError, match="is being written by process"):
        RunWriter(tmp_path, fresh=True)
    time.sleep(0.05)
    assert process.poll() is None
    process.kill()
    process.communicate()
    assert check(tmp_path) > 0


def test_a_second_writer_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with RunWriter(tmp_path), pytest.raises(RecordError, match="by this very process; close its first writer"):
        RunWriter(tmp_path)
    with RunWriter(tmp_path):
        pass


def test_of_many_that_start_at_once_exactly_one_writes(tmp_path: Path) -> None:
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
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", "import sys, time\nfrom cadence._errors import RecordError\n"
             "from cadence.record.writer import RunWriter\n" + textwrap.dedent(race), str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    answers: list[str] = []
    for process in processes:
        says(process, "ready")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.stdout is not None
        answers.append(process.stdout.readline().strip())
    for process in processes:
        process.kill()
        process.communicate()
    assert sorted(answers) == ["held", "refused", "refused", "refused"]


def test_a_lock_that_does_not_say_who_holds_it_is_a_lock(tmp_path: Path) -> None:
    process = python(HOLD, tmp_path)
    says(process, "held")
    for content in ("", "[]", "{", '{"pid": 1}', "\ufeff"):
        (tmp_path / ".lock").write_text(content)
        with pytest.raises(RecordError, match="is being written by another process"):
            RunWriter(tmp_path)
    process.kill()
    process.communicate()


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


def test_a_forked_child_neither_writes_nor_keeps_the_folder_locked(tmp_path: Path) -> None:
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
    told = finished(python(script, tmp_path / "a"))
    assert "updates.jsonl takes no more lines: it belongs to the process that this one was forked from" in told
    assert [row["t"] for row in rows(tmp_path / "a", "updates.jsonl")] == list(range(11))

    # A data loader's worker lives on for a while after its parent was killed.
    process = python(script, tmp_path / "b", "outlive")
    assert process.stdout is not None
    process.wait(timeout=60)
    child = int(next(line for line in process.stdout if line.strip().isdecimal()))
    try:
        with RunWriter(tmp_path / "b"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()
