"""Two real processes that train one model and are paused, stopped, signalled and branched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch.distributed")
pytest.importorskip("safetensors")

from safetensors.numpy import load_file

import cadence as cd
from cadence.findings.of_record import check_record

HERE = Path(__file__).parent
WITHIN = 120
"""Seconds that the processes may take on a machine that is busy; they take a tenth of it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left behind."""
    folder = tmp_path_factory.mktemp("steered")
    paths = [str(HERE), str(Path(cd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE / "ranks_steered.py"), str(rank), str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=folder,
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
    return folder


def told(folder: Path, job: str) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{job}-{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


def same_end(run: Path, other: Path) -> None:
    """Both end at update 30 with the same tensors, to the bit."""
    a, b = (load_file(f / "checkpoints" / "30.safetensors") for f in (run, other))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    one, two = cd.load_record(run), cd.load_record(other)
    for column in ("t", "lr", "loss"):
        np.testing.assert_array_equal(one.updates[column], two.updates[column])
    np.testing.assert_array_equal(one.evaluations["val_loss"], two.evaluations["val_loss"])


def test_two_ranks_pause_at_a_checkpoint_and_go_on_changed_at_the_same_update(folder: Path) -> None:
    first, second = told(folder, "paused")
    assert "error" not in first
    assert first["rates"] == second["rates"]
    assert first["weights"] == second["weights"]
    record = cd.load_record(folder / "paused")
    events = [(e["t"], e["kind"]) for e in record.journal if e["kind"] in ("pause", "set", "unpause")]
    at = events[0][0]
    assert events == [(at, "pause"), (at, "set"), (at, "unpause")]
    assert at % 5 == 0
    assert (folder / "paused" / "checkpoints" / f"{at}.json").exists()
    plain = told(folder, "plain")[0]["rates"]
    assert first["rates"][:at] == plain[:at]
    assert first["rates"][at] == pytest.approx(0.002)
    assert record.status == "finished"
    assert check_record(record) == []


@pytest.mark.parametrize("job", ["stopped", "left"])
def test_two_ranks_leave_together_at_a_checkpoint(folder: Path, job: str) -> None:
    first, second = told(folder, job)
    assert first["rates"] == second["rates"]
    t = len(first["rates"])
    assert 7 < t < 30
    assert t % 5 == 0
    assert (folder / job / "checkpoints" / f"{t}.json").exists()
    assert first["weights"][-1] == second["weights"][-1]
    if job == "left":
        assert cd.load_record(folder / job).status == "interrupted"


def test_two_ranks_that_were_stopped_go_on_to_the_bit(folder: Path) -> None:
    for before, rest, whole in zip(*(told(folder, job) for job in ("stopped", "went on", "plain")), strict=True):
        assert before["rates"] + rest["rates"] == whole["rates"]
        assert before["rows"] + rest["rows"] == whole["rows"]
        assert before["local"] + rest["local"] == whole["local"]
    same_end(folder / "stopped", folder / "plain")


def test_two_ranks_keep_a_promise_for_an_update_between_those_at_which_they_agree(folder: Path) -> None:
    made, again = told(folder, "promised"), told(folder, "promised again")
    assert [rank["rates"] for rank in made] == [[pytest.approx(0.002)] * 2] * 2
    for rank in again:
        assert rank["rates"] == [0.01] * 3 + [made[0]["rates"][0]] * 18
    assert again[0]["weights"] == again[1]["weights"]
    record = cd.load_record(folder / "promised")
    assert [e["t"] for e in record.journal if e["kind"] == "set"] == [12]
    assert check_record(record) == []


def test_a_branch_that_changes_nothing_ends_on_two_ranks_as_its_run_did(folder: Path) -> None:
    for branch, whole in zip(told(folder, "same"), told(folder, "plain"), strict=True):
        assert branch["rates"] == whole["rates"][10:]
        assert branch["rows"] == whole["rows"][10:]
    same_end(folder / "same", folder / "plain")


def test_a_branch_of_a_steered_run_follows_its_tail_on_two_ranks(folder: Path) -> None:
    first, second = told(folder, "other")
    assert first["rates"] == second["rates"]
    assert first["weights"] == second["weights"]
    record = cd.load_record(folder / "other")
    assert (record.status, record.t) == ("finished", 40)
    assert record.run["branched_from"]["t"] == 20
    rates = record.updates["lr"][:, 0]
    before = cd.load_record(folder / "paused").updates["lr"][:, 0]
    np.testing.assert_array_equal(rates[:20], before[:20])
    np.testing.assert_allclose(rates[20:], before[20] * np.linspace(1, 0.5, 21)[:20], rtol=1e-12)
    assert check_record(record) == []
