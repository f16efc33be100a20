"""A process that is killed again and again, and disks that will not take any more: nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import cadence as cd
from cadence._errors import RecordError
from cadence.run import checkpoint
from cadence.run.loop import Progress
from cadence.run.train import train

Keys = dict[str, Any]
TOOL = Path(__file__).parents[2] / "tools" / "reliability.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
@pytest.mark.parametrize(("engine", "kills"), [("torch", 20), ("paddle", 8)])
def test_a_process_killed_at_random_moments_comes_to_the_same_end(engine: str, kills: int) -> None:
    pytest.importorskip(engine)
    path = os.pathsep.join([str(Path(cd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(TOOL), "--engine", engine, "--kills", str(kills), "--no-fsync"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert told["differences"] == []
    assert told["kills"] == kills
    assert told["rollbacks_per_run"] >= 1
    writing = ("copying the state", "writing arrays", "writing JSON", "removing old ones")
    assert sum(told["while"].get(phase, 0) for phase in writing) >= kills // 10
    assert done.returncode == 0


# ---- disks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(small: Keys) -> Keys:
    """Checkpoints of 400 kB, one with every second update."""
    return {
        **small,
        "task_args": {"augment": True},
        "optimizer": {"name": "sgd", "lr": 1e-5, "momentum": 0.9},
        "model": "small_tasks:wide",
        "model_args": {"width": 8000},
        "total": 20,
        "evaluate": 5,
        "checkpoint": {"every": 2, "keep": 2},
    }


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1.1 MB: two checkpoints fit, and what is written beside them does not."""
    folder = tmp_path / "disk"
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", "size=1100k", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(*arguments: object) -> None:
    """Mount, or skip where nobody may."""
    command = shutil.which("mount")
    if command is None or subprocess.run([command, *map(str, arguments)], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")


def at(t: int, do: Any) -> Any:
    """A progress callback that does something once, when so many updates are done."""
    left = [do]

    def tell(progress: Progress) -> None:
        if progress.t >= t and left:
            left.pop()()

    return tell


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)


def same(one: cd.Record, other: cd.Record) -> None:
    from test_resume import same as compare  # type: ignore[import-not-found]

    compare(one, other)


def test_a_full_disk_keeps_the_checkpoints_before_and_the_run_goes_on_when_there_is_room(
    keys: Keys, disk: Path
) -> None:
    whole = train(keys, out="whole")
    with pytest.raises(RecordError, match=r"no space left .*what was written before is kept: free some space"):
        train(keys, out=disk / "run")
    kept = sorted(p.name for p in (disk / "run" / "checkpoints").iterdir())
    assert "2.json" in kept
    assert not any("tmp" in name for name in kept)
    assert cd.load_record(disk / "run").status == "running or killed"
    # Nothing has changed, and nothing is damaged by trying.
    with pytest.raises(RecordError, match="no space left"):
        train(keys, out=disk / "run")
    _mount("-o", "remount,size=20m", disk)
    same(train(keys, out=disk / "run"), whole)


def test_a_file_that_may_not_become_so_large_is_told_like_a_full_disk(keys: Keys) -> None:
    whole = train(keys, out="whole")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limited = at(9, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1])))
    try:
        with pytest.raises(RecordError, match=r"no space left \(File too large\)"):
            train(keys, out="run", progress=limited)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    # That of update 8 may have been on its way.
    kept = sorted(p.name for p in (Path("run") / "checkpoints").glob("*.json"))
    assert kept in (["4.json", "6.json"], ["6.json", "8.json"])
    same(train(keys, out="run"), whole)


def test_a_folder_that_becomes_read_only_says_so(keys: Keys) -> None:
    whole = train(keys, out="whole")
    folder = Path("run") / "checkpoints"

    def protect() -> None:
        _mount("--bind", folder, folder)
        _mount("-o", "remount,ro,bind", folder)

    try:
        with pytest.raises(RecordError, match=r"may not be written .*; choose a folder that you may write to"):
            train(keys, out="run", progress=at(9, protect))
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
    same(train(keys, out="run"), whole)


def test_a_folder_that_is_taken_away_says_so_and_goes_on_when_it_is_put_back(keys: Keys) -> None:
    whole = train(keys, out="whole")
    with pytest.raises(RecordError, match=r"its folder does not exist; make it, or, if it was moved .* put it back"):
        train(keys, out="run", progress=at(9, lambda: os.rename("run", "elsewhere")))
    assert not Path("run").exists()
    os.rename("elsewhere", "run")
    same(train(keys, out="run"), whole)


def test_a_last_checkpoint_that_cannot_be_written_leaves_no_finished_run(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(keys, out="whole")
    write = checkpoint.write_json

    def full(path: Path, value: object) -> None:
        if path.name == "20.json":
            raise RecordError("there is no space left")
        write(path, value)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_json", full)
        with pytest.raises(RecordError, match="there is no space left"):
            train(keys, out="run")
    assert cd.load_record("run").status == "running or killed"
    same(train(keys, out="run"), whole)


def test_a_checkpoint_that_cannot_be_written_ends_the_run_at_the_next_one(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacing, told = checkpoint.replacing, list[int]()

    def full(path: Path) -> Any:
        if path.name == "8.safetensors":
            raise RecordError(f"{path} cannot be written")
        return replacing(path)

    monkeypatch.setattr(checkpoint, "replacing", full)
    with pytest.raises(RecordError, match=r"8\.safetensors cannot be written"):
        train(keys, out="run", progress=lambda progress: told.append(progress.t))
    assert told[-1] == 10


def test_the_state_that_is_written_is_that_of_its_moment(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    # Held up until the run is over, the writing must still not see what came later.
    import threading

    gate, write = threading.Event(), checkpoint.Checkpoints._write  # pyright: ignore[reportPrivateUsage]

    def late(self: Any, t: int, *rest: Any) -> None:
        if t == 2:
            assert gate.wait(60)
        write(self, t, *rest)

    whole = train(keys, out="whole")
    monkeypatch.setattr(checkpoint.Checkpoints, "_write", late)

    def end() -> None:
        gate.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(keys, out="run", progress=at(4, end))
    assert [p.name for p in (Path("run") / "checkpoints").glob("*.json")] == ["2.json"]
    same(train(keys, out="run"), whole)


def test_a_lock_that_a_dead_process_has_left_does_not_hold(keys: Keys) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from cadence.record.lock import FolderLock\n"
        "lock = FolderLock(Path('run')); os.kill(os.getpid(), signal.SIGKILL)"
    )
    Path("run").mkdir()
    path = os.pathsep.join([str(Path(cd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert json.loads((Path("run") / ".lock").read_text())["pid"] != os.getpid()
    assert train(keys, out="run").status == "finished"


def test_a_bit_that_has_changed_anywhere_in_a_checkpoint_is_noticed(keys: Keys) -> None:
    train({**keys, "total": 4}, out="run")
    (Path("run") / "result.json").unlink()
    checkpoints = checkpoint.Checkpoints(Path("run"), keep=2, best=None)
    for name in ("4.safetensors", "4.json"):
        path = Path("run") / "checkpoints" / name
        content = path.read_bytes()
        for i in range(0, len(content), len(content) // 50):
            path.write_bytes(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :])
            found = checkpoints.newest()
            # White space around the JSON may be anything.
            assert found is not None
            assert found[0] == 2 or json.loads(path.read_bytes()) == json.loads(content), (name, i)
        path.write_bytes(content)
        assert checkpoints.newest()[0] == 4  # type: ignore[index]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_what_the_disk_refuses_is_told_with_its_remedy(
    keys: Keys, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(keys, out="whole")
    replace = os.replace

    def refuse(a: Any, b: Any) -> None:
        if Path(b).name == "8.json":
            raise OSError(number, os.strerror(number))
        replace(a, b)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(
            RecordError, match=r"8\.json .*; (choose a folder|free some space|check the disk)|kept: free"
        ):
            train(keys, out="run")
    same(train(keys, out="run"), whole)
