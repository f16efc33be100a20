"""Run folders that are trained elsewhere: what arrives, in whatever pieces, is a folder that can be gone on from."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cadence._errors import RecordError
from cadence.comparison.cluster import arrivals, mirror
from cadence.comparison.cluster.arrivals import Arrivals
from cadence.comparison.cluster.mirror import Outgoing, Piece, is_mirrored
from cadence.comparison.cluster.task import Errand, own_version, run
from cadence.record.commands import send
from cadence.record.lock import FolderLock, holder


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a run folder, those apart that belong to the machine alone."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {path: data for path, data in found.items() if is_mirrored(path)}


@pytest.fixture(autouse=True)
def a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An errand settles in where it is done: folder, paths and arguments are the process's."""
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [*sys.argv])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Arrivals]:
    arriving = Arrivals(tmp_path / "here")
    yield arriving
    arriving.close()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_in_a_folder_happens_in_the_other_one(
    seed: int, tmp_path: Path, here: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows added, cut and added again, files replaced, grown in place and removed, between looks at random moments."""
    monkeypatch.setattr(mirror, "PIECE", 64)
    monkeypatch.setattr(mirror, "REMEMBERED", 32)
    there, rng = tmp_path / "there", np.random.default_rng(seed)
    (there / "checkpoints").mkdir(parents=True)
    outgoing = Outgoing(there)

    def deed() -> None:
        lines = there / str(rng.choice(["updates.jsonl", "evaluations.jsonl"]))
        whole = there / str(rng.choice(["run.json", "checkpoints/7.safetensors", "checkpoints/7.json", "result.json"]))
        match rng.integers(6):
            case 0 | 1:
                with lines.open("ab") as file:
                    file.write(b"".join(json.dumps({"t": int(rng.integers(10**9))}).encode() + b"\n" for _ in range(5)))
            case 2 if lines.exists():
                rows = lines.read_bytes().splitlines(keepends=True)
                with lines.open("r+b") as file:  # in place, as a record is cut
                    file.truncate(sum(map(len, rows[: rng.integers(len(rows) + 1)])))
            case 3:
                beside = whole.with_name(f".{whole.name}.1.tmp")
                beside.write_bytes(rng.bytes(int(rng.integers(300))))
                beside.replace(whole)
            case 4:
                whole.unlink(missing_ok=True)
            case _:
                with (there / "tensorboard").open("ab") as file:
                    file.write(rng.bytes(30))

    for _ in range(30):
        for _ in range(rng.integers(1, 4)):
            deed()
        for piece in outgoing.pieces():
            here.take(piece)
        assert contents(there) | {"tensorboard": b""} == contents(tmp_path / "here") | {"tensorboard": b""}
    for piece in outgoing.pieces(ended=True):
        here.take(piece)
    assert contents(there) == contents(tmp_path / "here")
    assert list(outgoing.pieces(ended=True)) == []


def test_a_line_that_is_being_written_comes_when_it_is_whole(tmp_path: Path, here: Arrivals) -> None:
    there = tmp_path / "there"
    there.mkdir()
    outgoing = Outgoing(there)
    (there / "updates.jsonl").write_bytes(b'{"t": 0}\n{"t": ')
    for piece in outgoing.pieces():
        here.take(piece)
    assert contents(tmp_path / "here")["updates.jsonl"] == b'{"t": 0}\n'
    (there / "updates.jsonl").write_bytes(b'{"t": 0}\n{"t": 1}\n')
    for piece in outgoing.pieces():
        here.take(piece)
    assert contents(tmp_path / "here")["updates.jsonl"] == b'{"t": 0}\n{"t": 1}\n'


def test_what_stands_here_is_known_there_and_not_sent_back(
    tmp_path: Path, here: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "PACKED", 8)
    folder = tmp_path / "here"
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "5.safetensors").write_bytes(bytes(range(21)))
    (folder / "updates.jsonl").write_bytes(b'{"t": 0}\n')
    there = tmp_path / "there"
    packed = list(here.packed())
    assert [path for path, _ in packed].count("checkpoints/5.safetensors") == 3
    from cadence.comparison.cluster import task

    task._unpack(packed, bytes, there)  # pyright: ignore[reportPrivateUsage]
    assert contents(there) == contents(folder)
    outgoing = Outgoing(there)
    assert list(outgoing.pieces(ended=True)) == []
    with (there / "updates.jsonl").open("ab") as file:
        file.write(b'{"t": 1}\n')
    assert list(outgoing.pieces()) == [Piece("updates.jsonl", "grown", b'{"t": 1}\n', 9)]


def test_a_file_that_does_not_come_to_its_end_leaves_the_old_one(tmp_path: Path, here: Arrivals) -> None:
    here.take(Piece("run.json", "last", b"old"))
    here.take(Piece("run.json", "part", b"ne"))
    here.abandon()
    here.take(Piece("run.json", "part", b"ne"))
    here.take(Piece("recipe.yaml", "last", b"another"))
    assert contents(tmp_path / "here") == {"run.json": b"old", "recipe.yaml": b"another"}
    assert [path.name for path in (tmp_path / "here").glob(".*.tmp")] == []


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//x", ".lock", "commands/7.json", ""])
def test_nothing_is_written_that_does_not_belong_into_the_folder(path: str, here: Arrivals) -> None:
    with pytest.raises(RecordError, match="does not belong into a run folder"):
        here.take(Piece(path, "last", b"x"))


def test_rows_that_do_not_fit_what_is_here_are_refused(tmp_path: Path, here: Arrivals) -> None:
    here.take(Piece("updates.jsonl", "last"))
    with pytest.raises(RecordError, match="changed by somebody else"):
        here.take(Piece("updates.jsonl", "grown", b"{}\n", 7))


def test_the_folder_is_held_while_its_run_is_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    arriving = Arrivals(folder)
    with pytest.raises(RecordError, match="is being written by"):
        Arrivals(folder)
    assert holder(folder) is not None
    arriving.close()
    FolderLock(folder).release()


def test_each_command_is_passed_on_once_and_those_from_before_with_the_folder(tmp_path: Path, here: Arrivals) -> None:
    folder = tmp_path / "here"
    before = send(folder, "stop", {})
    assert [path for path, _ in here.packed()] == [f"commands/{before}.json"]
    assert here.commands() == []
    after = send(folder, "pause", {})
    assert [piece.path for piece in here.commands()] == [f"commands/{after}.json"]
    assert here.commands() == []


# ---- a training whose machine is lost -------------------------------------------------------------------------------

RECIPE = {
    "name": "lost",
    "task": "compare_tasks:rows",
    "device": "cpu",
    "optimizer": {"name": "adamw", "lr": 0.05},
    "schedule": "warmup(5) >> cosine(to=0.01)",
    "total": 40,
    "evaluate": 10,
    "checkpoint": {"every": "5 steps", "keep": 2},
}


class Lost(Exception):
    """The way home is gone."""


def errand(name: str = "run") -> Errand:
    arguments = {"recipe": RECIPE, "split": "val"}
    return Errand("0.0", "train", arguments, name, own_version(), [], [], ".")


def trained(folder: Path, letters: int | None, asked: list[Piece] | None = None) -> tuple[dict[str, Any], int]:
    """Train as a task does, with a way home that breaks after so many letters; the answer and how many came."""
    arriving, came = Arrivals(folder), 0

    def post(given: list[Any]) -> list[Piece]:
        nonlocal came
        for letter in given:
            if came == letters:
                raise Lost
            came += 1
            if letter.kind == "piece":
                arriving.take(letter.content)
        # Once the run has begun: one that has not is begun anew, with an empty folder.
        return [asked.pop()] if asked and (folder / "run.json").exists() else []

    try:
        return run(errand(), post, list(arriving.packed()), bytes, "there"), came
    finally:
        arriving.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Looks so often that a training of milliseconds is sent in many pieces."""
    pytest.importorskip("torch")
    from cadence.comparison.cluster import task

    monkeypatch.setattr(task, "SEND_SECONDS", 0.002)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("quick")
def test_a_run_goes_on_from_whatever_has_arrived(tmp_path: Path) -> None:
    from cadence.record.names import CLOCKS
    from cadence.record.reader import load_record

    answer, all_of_them = trained(tmp_path / "whole", None)
    assert (answer["kind"], answer["result"]["status"]) == ("done", "finished"), answer
    whole = load_record(tmp_path / "whole")
    steps = sorted({int(x) for x in np.linspace(1, 0.8 * all_of_them, 7)})
    lost = resumed = 0
    for letters in steps:
        folder = tmp_path / f"after-{letters}"
        try:
            trained(folder, letters)  # how many there are depends on the time
        except Lost:
            lost += 1
        left = sorted(int(path.stem) for path in (folder / "checkpoints").glob("*.json"))
        answer, _ = trained(folder, None)
        assert answer["kind"] == "done", answer
        record = load_record(folder)
        assert set(record.updates) == set(whole.updates)
        for column in set(whole.updates) - CLOCKS:
            np.testing.assert_array_equal(record.updates[column], whole.updates[column], err_msg=column)
        assert record.result is not None
        assert whole.result is not None
        assert (record.result["final"], record.result["best"]) == (whole.result["final"], whole.result["best"])
        ends = [next((x / "checkpoints").glob("40.safetensors")).read_bytes() for x in (folder, tmp_path / "whole")]
        assert ends[0] == ends[1]
        resumed += bool(left)
    assert lost >= 3
    assert resumed >= 2, "no try was lost after a checkpoint had come"
    assert not list(Path(tmp_path).glob("cadence-run-*"))


@pytest.mark.usefixtures("quick")
def test_a_command_left_here_is_followed_there_and_its_answer_comes_home(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ident = send(tmp_path / "elsewhere", "extend", {"length": 10})
    path = f"commands/{ident}.json"
    answer, _ = trained(folder, None, [Piece(path, "last", (tmp_path / "elsewhere" / path).read_bytes())])
    assert answer["kind"] == "done", answer
    said = json.loads((folder / "commands" / f"{ident}.answer.json").read_text())
    assert said["status"] == "applied"
    assert answer["result"]["updates"] == 50


def test_what_killed_tasks_have_left_behind_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = ("cadence-run-killed", "cadence-run-at-work", "cadence-run-begins", "of-somebody-else")
    killed, at_work, begins, other = places = [tmp_path / name for name in names]
    for place in places:
        place.mkdir()
        FolderLock(place).release()
    held = FolderLock(at_work)
    for place in (killed, at_work, other):
        os.utime(place / ".lock", (1, 1))
    answer = run(Errand("0.0", "nothing", {}, "run", own_version(), [], [], "."), lambda letters: [], [], bytes, "a")
    assert answer["kind"] == "failed"
    assert [place.exists() for place in places] == [False, True, True, True]
    held.release()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(place.name for place in (at_work, begins, other))


def test_another_version_of_cadence_is_refused_with_both_numbers() -> None:
    old = Errand("0.0", "train", {}, "run", "0.0.1", [], [], ".")
    answer = run(old, lambda letters: pytest.fail("it was begun"), [], bytes, "machine a")
    assert answer["kind"] == "failed"
    assert "0.0.1" in answer["sentence"]
    assert own_version() in answer["sentence"]
