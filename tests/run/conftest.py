"""The small tasks are importable, and every test has a folder of its own as the current one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

collect_ignore = [
    "small_tasks.py",
    "small_paddle.py",
    "ranks_program.py",
    "gpu_ranks_program.py",
    "paddle_program.py",
    "ranks_steered.py",
    "killed_starts.py",
    "steered.py",
]
"""No tests, and they need a framework; the tests that need them import or start them."""


@pytest.fixture(autouse=True)
def nothing_loses_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk costs most of the time of a run of milliseconds, and only matters where power fails."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def small() -> dict[str, Any]:
    """Keys of a recipe that trains in milliseconds: 50 rows, 7 batches of 8, the last of 2."""
    return {
        "task": "small_tasks:rows",
        "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
        "total": "3 epochs",
        "device": "cpu",
    }
