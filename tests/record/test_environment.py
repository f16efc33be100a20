"""What is known about the place where a run runs."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

import cadence
from cadence.record import environment as module
from cadence.record.environment import PACKAGES, environment
from cadence.record.spelling import read, spell

posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


def stand_in(folder: Path, name: str, script: str) -> None:
    """A program of that name, and no other."""
    program = folder / name
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds the only programs there are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, as working directory."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "-q")
    return folder


def git(*arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_every_key_of_the_format_is_there_and_the_whole_is_plain_data() -> None:
    here = environment()
    assert list(here) == [
        "python", "platform", "processor", "cpu_count", "memory", "packages", "git", "command", "data", "started",
        "device",
    ]  # fmt: skip
    assert read(json.loads(spell(here))) == here
    assert here["python"] == platform.python_version()
    assert here["processor"]
    assert 1 <= here["cpu_count"] <= (os.cpu_count() or 1)
    assert here["memory"] is None or here["memory"] > 2**27
    assert here["command"] == [sys.executable, *sys.argv]
    assert here["data"] == {}
    started = datetime.datetime.fromisoformat(here["started"])
    assert here["started"].endswith("Z")
    assert abs((datetime.datetime.now(datetime.UTC) - started).total_seconds()) < 60


def test_packages_are_those_that_are_installed_with_their_versions() -> None:
    here = environment([*PACKAGES, "no-such-package"], data={"bytes": "sha256:0"})
    assert here["packages"]["numpy"] == metadata.version("numpy")
    assert here["packages"]["cadence"] == cadence.__version__
    assert "no-such-package" not in here["packages"]
    assert here["data"] == {"bytes": "sha256:0"}


def test_the_remains_of_a_package_are_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken-1.0.dist-info").mkdir()
    (tmp_path / "nameless-1.0.dist-info").mkdir()
    (tmp_path / "nameless-1.0.dist-info" / "METADATA").write_text("Name: nameless\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert list(environment(["broken", "nameless"])["packages"]) == ["cadence"]


def test_no_framework_and_no_numpy_is_imported_to_find_out() -> None:
    script = "import sys, cadence; cadence.environment(); print(sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert "'cadence'" in done.stdout
    assert [name for name in ("numpy", "torch", "jax", "scipy") if f"'{name}'" in done.stdout] == []


# ---- git -------------------------------------------------------------------------------------------------------------


def test_the_commit_of_the_working_directory_and_whether_it_was_changed(repository: Path) -> None:
    assert environment([])["git"] == {"commit": None, "dirty": False}
    (repository / "a.py").write_text("1")
    git("add", "a.py")
    assert environment([])["git"] == {"commit": None, "dirty": True}
    git("commit", "-q", "-m", "a")
    commit = git("rev-parse", "HEAD")
    assert environment([])["git"] == {"commit": commit, "dirty": False}
    (repository / "runs").mkdir()
    (repository / "runs" / "untracked").write_text("x")
    assert environment([])["git"] == {"commit": commit, "dirty": False}
    os.chdir(repository / "runs")
    (repository / "a.py").write_text("2")
    assert environment([])["git"] == {"commit": commit, "dirty": True}


@posix
def test_looking_starts_no_program_that_the_repository_names(repository: Path) -> None:
    (repository / "a.py").write_text("1")
    git("add", "a.py")
    git("commit", "-q", "-m", "a")
    stand_in(repository, "monitor", f"touch {repository}/ran\n")
    git("config", "core.fsmonitor", str(repository / "monitor"))
    assert environment([])["git"]["dirty"] is False
    assert not (repository / "ran").exists()


def test_outside_a_repository_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment([])["git"] is None


def test_without_any_program_there_is_neither_git_nor_gpu(only: Path) -> None:
    here = environment([])
    assert here["git"] is None
    assert here["device"]["gpus"] == []


@posix
def test_a_git_that_hangs_is_not_waited_for(only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(only, "git", 'case "$*" in *rev-parse*) echo 0123abcd;; *) exec /bin/sleep 60;; esac\n')
    monkeypatch.setattr(module, "GIT_SECONDS", 0.3)
    begin = time.monotonic()
    assert environment([])["git"] == {"commit": "0123abcd", "dirty": None}
    assert time.monotonic() - begin < 10


@posix
def test_a_working_directory_that_is_gone_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert environment([])["git"] is None


# ---- devices ---------------------------------------------------------------------------------------------------------


@posix
def test_the_gpus_are_those_that_the_driver_lists(only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(only, "nvidia-smi", "echo 'NVIDIA H200, 143771, 570.86'\necho 'NVIDIA A100, PCIe, [N/A], 570.86'\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    first = {"name": "NVIDIA H200", "memory": 143771 * 2**20, "driver": "570.86"}
    second = {"name": "NVIDIA A100, PCIe", "memory": None, "driver": "570.86"}
    assert environment([])["device"] == {"gpus": [first, second], "visible": "1"}


@posix
@pytest.mark.parametrize(
    "script", ["echo 'No devices were found'\nexit 6\n", "exec /bin/sleep 60\n", "printf '\\377'\n"]
)
def test_a_driver_that_fails_hangs_or_babbles_does_no_harm(
    only: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    stand_in(only, "nvidia-smi", script)
    monkeypatch.setattr(module, "GPU_SECONDS", 0.3)
    assert [gpu["memory"] for gpu in environment([])["device"]["gpus"]] in ([], [None])


def test_a_command_that_is_no_utf8_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", os.fsdecode(b"\xff.yaml"), "NaN"])
    here = environment([])
    assert read(json.loads(spell(here).encode()))["command"][1:] == sys.argv
