"""Training on a GPU: precision, resume, several processes' way of work, folders of images."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)

import cadence as cd  # noqa: E402
from cadence.record.reader import Record, load_record  # noqa: E402
from cadence.run.loop import Progress  # noqa: E402
from cadence.run.train import train  # noqa: E402

Keys = dict[str, Any]

HERE = Path(__file__).parent


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


def ends_at(t: int) -> Any:
    def tell(progress: Progress) -> None:
        if progress.t >= t:
            raise Killed

    return tell


@pytest.fixture
def keys(small: Keys) -> Keys:
    return {**small, "device": "cuda"}


def weights(record: Record) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(record.folder / "checkpoints" / f"{record.result['updates']}.safetensors")  # type: ignore[index]


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "auto"])
def test_a_gpu_trains_what_a_processor_does(keys: Keys, device: str) -> None:
    lively = {**keys, "device": device, "task_args": {"double": True, "norm": True}, "clip_norm": 1.0, "accumulate": 2}
    on_gpu = train(lively, out="gpu")
    on_cpu = train({**lively, "device": "cpu"}, out="cpu")
    assert on_gpu.environment["device"]["name"] == torch.cuda.get_device_name()
    assert on_gpu.updates["loss"] == pytest.approx(on_cpu.updates["loss"], rel=1e-9)
    assert on_gpu.updates["grad_norm"] == pytest.approx(on_cpu.updates["grad_norm"], rel=1e-9)
    assert on_gpu.updates["lr"].tolist() == on_cpu.updates["lr"].tolist()
    assert on_gpu.evaluations["val_loss"] == pytest.approx(on_cpu.evaluations["val_loss"], rel=1e-9)


def test_memory_and_use_of_the_gpu_are_columns(keys: Keys) -> None:
    record = train(keys, out="run")
    assert record.evaluations["gpu_allocated"].min() > 0
    assert record.evaluations["gpu_reserved"].min() >= record.evaluations["gpu_allocated"].min()
    assert 0 <= record.evaluations["gpu_use"].min() <= record.evaluations["gpu_use"].max() <= 1


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("optimizer", ["adamw", "fused", "lamb", "adabound", "schedule_free_adamw"])
def test_a_resumed_run_equals_an_undisturbed_one_to_the_bit(
    keys: Keys, precision: str, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if optimizer == "schedule_free_adamw":
        pytest.importorskip("schedulefree")
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    named = {"name": "adamw", "fused": True} if optimizer == "fused" else {"name": optimizer}
    lively = {
        **keys, "task": "small_tasks:alive", "optimizer": {**named, "lr": 0.02, "weight_decay": 0.01},
        "schedule": "warmup(3) >> constant() * plateau('val_loss', factor=0.5, patience=1)", "accumulate": 2,
        "clip_norm": 1.0, "total": 26, "evaluate": 3, "precision": precision, "checkpoint": {"every": 1, "keep": 3},
    }  # fmt: skip
    whole = train(lively, out="whole")
    for t in (1, 9, 24):
        with pytest.raises(Killed):
            train(lively, out=f"at{t}", progress=ends_at(t))
        # A process that goes on has drawn from the GPU's generator what it liked.
        torch.rand(7, device="cuda")
        resumed = train(lively, out=f"at{t}")
        for column in ("loss", "lr", "grad_norm"):
            assert resumed.updates[column].tobytes() == whole.updates[column].tobytes()
        there, here = weights(whole), weights(resumed)
        assert all(there[name].numpy().tobytes() == x.numpy().tobytes() for name, x in here.items())


@pytest.mark.parametrize("fused", [True, False])
def test_weights_with_channels_last_are_resumed_with_their_optimizer(
    keys: Keys, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    torch.backends.cudnn.deterministic = True
    folded = {
        **keys, "task": "small_tasks:pictures", "optimizer": {"name": "adamw", "lr": 0.01, "fused": fused},
        "checkpoint": {"every": 1},
    }  # fmt: skip
    whole = train(folded, out="whole")
    with pytest.raises(Killed):
        train(folded, out="run", progress=ends_at(4))
    resumed = train(folded, out="run")
    torch.backends.cudnn.deterministic = False
    assert resumed.updates["loss"] == pytest.approx(whole.updates["loss"], rel=1e-6)


def test_an_update_that_the_loss_scaler_skips_is_no_update(keys: Keys) -> None:
    large = {**keys, "task_args": {"scale": 30.0}, "precision": "fp16", "schedule": "linear()", "total": 10}
    for fused in (False, True):
        record = train({**large, "optimizer": {"name": "sgd", "lr": 1e-6, "fused": fused}}, out=f"run{fused}")
        assert record.status == "finished"
        assert record.updates["t"].tolist() == list(range(10))
        assert record.updates["lr"][:, 0] == pytest.approx(cd.place("linear()", total=10, base=1e-6).values())
        told = json.loads((record.folder / "checkpoints" / "10.json").read_text())
        assert told["state"]["loop"]["position"] > 10


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_an_overflow_is_skipped_and_the_schedule_waits(keys: Keys, precision: str) -> None:
    hiccup = {**keys, "model": "small_tasks:Hiccup", "divergence": {"nonfinite": "skip"}, "precision": precision}
    record = train(hiccup, out="run")
    assert record.status == "finished"
    assert any(event["kind"] == "skip" for event in record.journal)


def test_a_rollback_takes_up_the_weights_of_a_gpu(keys: Keys) -> None:
    back = {
        **keys, "model": "small_tasks:Hiccup", "divergence": {"nonfinite": "rollback"}, "checkpoint": {"every": 2},
    }  # fmt: skip
    record = train(back, out="run")
    assert record.status == "finished"
    assert any(event["kind"] == "rollback" for event in record.journal)


def test_an_average_of_the_weights_is_judged_on_a_gpu(keys: Keys) -> None:
    averaged = {**keys, "average": {"decay": 0.9}, "task_args": {"double": True}}
    on_gpu = train(averaged, out="gpu")
    on_cpu = train({**averaged, "device": "cpu"}, out="cpu")
    assert on_gpu.evaluations["val_loss"] == pytest.approx(on_cpu.evaluations["val_loss"], rel=1e-9)


def test_one_process_by_nccl_trains_what_a_process_alone_does(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = [str(HERE), str(Path(cd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    here = {
        **os.environ, "PYTHONPATH": os.pathsep.join(paths), "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(HERE / "gpu_ranks_program.py"), str(tmp_path)], env=here, cwd=tmp_path, check=False,
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["totals"] == [0.1, 2.0]
    assert told["exchanged"]
    from gpu_ranks_program import KEYS

    for precision, ending in (("bf16", ""), ("fp16", " fp16")):
        alone = train({**KEYS, "precision": precision}, out=f"alone-{precision}")
        for how in ("copies", "parts"):
            assert told[how + ending]["rates"] == alone.updates["lr"][:, 0].tolist()
            assert told[how + ending]["losses"] == pytest.approx(alone.updates["loss"], rel=0.02)


def test_torchrun_starts_a_training_on_a_gpu(tmp_path: Path, keys: Keys) -> None:
    from cadence.recipe.recipe import make_recipe

    (tmp_path / "r.yaml").write_text(make_recipe({**keys, "name": "r"}).to_yaml(), encoding="utf-8")
    paths = [str(HERE), str(Path(cd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1", "--standalone"),
            *("-m", "cadence", "train", "r.yaml", "--out", "run"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, cwd=tmp_path, check=False, capture_output=True,
        text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert load_record(tmp_path / "run").status == "finished"


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_folder_of_images_trains_a_network_on_a_gpu(channels_last: bool, workers: int) -> None:
    pytest.importorskip("PIL")
    from image_folders import image_folder

    record = train(
        {
            "task": "cadence.tasks.images:folder", "optimizer": {"name": "lamb", "lr": 0.01},
            "task_args": {"folder": str(image_folder(Path("data"))), "size": 32, "pixels": "uint8", "workers": workers},
            "model": "cadence.tasks.images.resnet_torch:resnet50",
            "model_args": {"classes": 3, "width": 8, "channels_last": channels_last},
            "total": "2 epochs", "batch_size": 8, "precision": "bf16", "device": "cuda",
        },
        out="run",
    )  # fmt: skip
    assert record.status == "finished"
