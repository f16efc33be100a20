"""Runs commands: in this process, for speed, or as a program, as a user's shell does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import cadence

SOURCE = Path(cadence.__file__).parents[1]


@dataclass(frozen=True)
class Done:
    """What a command left: exit status, stdout, stderr."""

    status: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process."""

    def run(*arguments: object) -> Done:
        from cadence.cli.app import run as run_command

        capsys.readouterr()
        status = run_command([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return Done(status, out, err)

    return run


@pytest.fixture
def program(tmp_path: Path) -> Command:
    """Run a command as a program of its own, in an empty folder."""

    def run(*arguments: object) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "cadence", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(SOURCE), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run
