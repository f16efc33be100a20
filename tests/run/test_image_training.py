"""Training on folders of images: resumed to the bit, with worker processes, on eight-bit colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("PIL")

from safetensors.numpy import load_file

from cadence._errors import RecipeError, StateError, TaskError
from cadence.run.train import train
from cadence.tasks import resolve_task
from image_folders import image_folder

Keys = dict[str, Any]


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


@pytest.fixture
def keys() -> Keys:
    """27 images in batches of 4, a narrow ResNet-50, everything that must survive."""
    image_folder(Path("data"), classes=3, train=9, val=3, side=34)
    return {
        "task": "cadence.tasks.images:folder",
        "task_args": {"folder": "data", "size": 32, "workers": 2, "pixels": "uint8"},
        "model": "cadence.tasks.images.resnet_torch:resnet50",
        "model_args": {"classes": 3, "width": 4},
        "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
        "schedule": "warmup('1 epoch') >> cosine()",
        "label_smoothing": 0.1,
        "average": {"decay": 0.9, "start": 2},
        "batch_size": 4,
        "accumulate": 2,
        "total": "2 epochs",
        "evaluate": 3,
        "checkpoint": {"every": 1, "keep": 2},
        "device": "cpu",
    }


def ends_at(t: int) -> Any:
    def tell(progress: Any) -> None:
        if progress.t >= t:
            raise Killed

    return tell


def test_a_resumed_run_goes_on_to_the_bit_whoever_decodes(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    whole = train(keys, out="whole")
    assert whole.result is not None
    assert whole.result["updates"] == 8  # 7 batches in groups of two, twice
    for workers, t in ((2, 3), (0, 5)):
        part = {**keys, "task_args": {**keys["task_args"], "workers": workers}}
        with pytest.raises(Killed):
            train(part, out=f"at{t}", progress=ends_at(t))
        same = train(part, out=f"at{t}")
        np.testing.assert_array_equal(same.updates["loss"], whole.updates["loss"])
        np.testing.assert_array_equal(same.evaluations["val_loss"], whole.evaluations["val_loss"])
        a, b = (load_file(Path(folder) / "checkpoints" / "8.safetensors") for folder in ("whole", f"at{t}"))
        assert all(a[name].tobytes() == b[name].tobytes() for name in a if not name.startswith("random"))


def test_colour_is_learnt(keys: Keys) -> None:
    model = {
        "model": "cadence.tasks.images.vit_torch:vit_small",
        "model_args": {"classes": 3, "size": 32, "patch": 8, "width": 64, "depth": 2},
        "optimizer": {"name": "adamw", "lr": 0.003},
    }
    learnt = train({**keys, **model, "total": 20, "schedule": "constant()", "average": None, "evaluate": 20}, out="run")
    assert learnt.evaluations["val_accuracy"][-1] > 0.8
    assert learnt.environment["data"]["images"].startswith("sha256:")


def test_the_tasks_own_model_has_as_many_classes_as_there_are_folders(keys: Keys) -> None:
    task = resolve_task(keys["task"], **keys["task_args"])
    assert task.model("torch")().fc.out_features == 3


def test_images_that_changed_meanwhile_are_refused(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    with pytest.raises(Killed):
        train(keys, out="run", progress=ends_at(3))
    (Path("data") / "train" / "class0" / "0.jpg").unlink()
    with pytest.raises(StateError, match="the data of the task 'images' are not those that the run in run began with"):
        train(keys, out="run")


def test_a_broken_image_ends_the_run_with_its_name_and_the_run_can_go_on(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(keys, out="whole")
    path = Path("data") / "val" / "class1" / "1.png"
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
    with pytest.raises(TaskError, match=r"class1/1\.png is no image that Pillow knows; replace it"):
        train(keys, out="run")
    path.write_bytes(content)
    np.testing.assert_array_equal(train(keys, out="run").updates["loss"], whole.updates["loss"])


def test_tuning_without_images_for_it_is_refused_before_anything_is_trained(keys: Keys) -> None:
    with pytest.raises(TaskError, match="there are no images for tuning"):
        train(keys, out="run", split="tune")
    assert not Path("run").exists()


def test_a_batch_larger_than_the_folder_is_refused(keys: Keys) -> None:
    with pytest.raises(RecipeError, match="batch_size is 28, and the task 'images' has 27 training examples"):
        train({**keys, "batch_size": 28})
