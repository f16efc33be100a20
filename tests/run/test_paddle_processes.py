"""Two real processes of paddle that train one model, as its launcher starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddle")
pytest.importorskip("safetensors")

from safetensors.numpy import load_file

import cadence as cd
from cadence.record.reader import load_record
from cadence.run.train import train

HERE = Path(__file__).parent
PLATEAU = "warmup(3) >> constant() * plateau('val_loss', factor=0.5, patience=0, threshold=0.3)"


def rows(**changes: Any) -> dict[str, Any]:
    return {
        "engine": "paddle", "task": "small_paddle:rows", "task_args": {"double": True}, "device": "cpu",
        "optimizer": {"name": "adamw", "lr": 0.01}, "schedule": PLATEAU, "total": "4 epochs",
        # 17 batches in groups of 4: the last group has one, of two rows.
        "batch_size": 3, "update_size": 12, "clip_norm": 1.0, **changes,
    }  # fmt: skip


RUNS = {
    "plain": rows(),
    "frozen": rows(groups={"head": {"parameters": "head.*"}, "trunk": {"parameters": "body.*", "frozen": 6}}),
    "alive": rows(task_args={"augment": True, "double": True}, model="small_paddle:Restless", average={"decay": 0.8}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left behind."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "runs.json").write_text(json.dumps(RUNS), encoding="utf-8")
    paths = [str(HERE), str(Path(cd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", "log"]
    done = subprocess.run(
        [*command, str(HERE / "paddle_program.py"), str(folder)],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def told(folder: Path, job: str) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{job}-{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


@pytest.mark.parametrize("name", ["plain", "frozen"])
def test_two_processes_train_what_one_trains(folder: Path, name: str) -> None:
    one = train(RUNS[name], out="one")
    first, second = told(folder, name)
    assert first["rates"] == second["rates"] == one.updates["lr"][:, 0].tolist()
    assert first["weights"] == second["weights"]
    assert first["rows"] != second["rows"]
    there = load_record(folder / name)
    for column in ("loss", "grad_norm", "samples"):
        assert there.updates[column] == pytest.approx(one.updates[column], rel=1e-6)
    ends = [load_file(f / "checkpoints" / "20.safetensors") for f in (there.folder, one.folder)]
    for tensor in (n for n in ends[0] if n.startswith("model.")):
        np.testing.assert_allclose(ends[0][tensor], ends[1][tensor], rtol=1e-6, atol=1e-9)


def test_two_processes_go_on_to_the_bit(folder: Path) -> None:
    for whole, rest in zip(told(folder, "alive"), told(folder, "resumed"), strict=True):
        assert rest["rates"] == whole["rates"][10:]
        assert rest["rows"] == whole["rows"][10:]
        assert rest["weights"] == whole["weights"]
        # Each has statistics of its own, and judges by those of rank 0.
        assert rest["local"] == whole["local"][2:]
    one, other = told(folder, "alive")
    assert one["draws"] != other["draws"]
    assert one["weights"] == other["weights"]


def test_parts_are_refused_with_the_remedy(folder: Path) -> None:
    said = "RecipeError: parallel is 'fsdp', and engine: paddle trains copies only; write parallel: ddp"
    assert [rank["error"] for rank in told(folder, "parts")] == [said] * 2
    assert not (folder / "parts").exists()
