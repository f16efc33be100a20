"""A training that is killed at any step of its start is started again like any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import cadence as cd

HERE = Path(__file__).parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
@pytest.mark.parametrize("what", ["new", "goes on"])
def test_a_start_that_is_killed_at_any_file_operation_is_made_again_to_the_same_end(what: str, tmp_path: Path) -> None:
    path = os.pathsep.join([str(HERE), str(Path(cd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "killed_starts.py"), str(tmp_path), what],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == {}, done.stderr
    # From the lock to the first checkpoints.
    assert told["kills"] == 40
