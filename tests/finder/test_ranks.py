"""The range test in several processes: one test, with the losses of all."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import cadence as cd  # noqa: E402

PROGRAM = Path(__file__).parent / "ranks_program.py"
WITHIN = 120


def test_all_ranks_test_the_same_rates_and_average_their_losses(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    source = str(Path(cd.__file__).parents[1])
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(rank), str(port), str(tmp_path)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        for process in processes:
            said, _ = process.communicate(timeout=WITHIN)
            assert process.returncode == 0, said
    finally:
        for process in processes:
            process.kill()
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    assert first["rates"] == second["rates"]
    assert first["own"] != second["own"]
    assert first["losses"] == second["losses"]
    np.testing.assert_allclose(first["losses"], np.mean([first["own"], second["own"]], axis=0), rtol=1e-12)
    assert first["recommended"] == second["recommended"]
    assert first["back"]
    assert second["back"]
    assert "ranks do not test alike" in first["told"]
    assert "ranks do not test alike" in second["told"]
