"""The recipes for folders of images: their lengths and rates at real size, and a few updates of each on small images."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cadence.curve.curve import Curve
from cadence.curve.place import place
from cadence.recipe.load import load_recipe
from cadence.recipe.recipe import Recipe
from cadence.run.course import Course, settle
from cadence.run.scaling import at_batch
from cadence.tasks.base import Batch, Data, Split, Task

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "recipes").glob("*.yaml"))
NAMES = [path.stem for path in FILES]

IMAGENET, COCO = 1_281_167, 117_266
"""Training images of ILSVRC 2012, and those of COCO 2017 that have boxes."""


class Numbered(Data):
    """So many rows, of which none is read."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    @property
    def train_examples(self) -> int:
        return self.rows

    @property
    def tokens_per_example(self) -> None:
        return None

    @property
    def default_batch_size(self) -> int:
        return 256

    def batches_per_epoch(self, batch_size: int) -> int:
        return -(-self.rows // batch_size)

    def batches(self, seed: int, epoch: int, batch_size: int, start: int = 0) -> Iterator[Batch]:
        raise NotImplementedError

    def held_out(self, split: Split) -> Iterator[Batch]:
        return iter(())

    def fingerprint(self) -> str:
        return ""


def task(rows: int) -> Task:
    return Task("rows", Numbered(rows), {"torch": list}, {"torch": max}, {"torch": max}, "accuracy", "max")


def recipe(name: str) -> Recipe:
    return load_recipe(ROOT / "recipes" / f"{name}.yaml")


def placed(name: str, rows: int, processes: int = 8) -> tuple[Course, Curve]:
    """A recipe at its real size, in so many processes."""
    read = recipe(name)
    course = settle(read, task(rows), "val", processes)
    base = at_batch(read, course.scalings).main.lr
    return course, place(course.plan, total=course.total, base=base, steps_per_epoch=course.horizon.steps_per_epoch)


def test_the_page_of_recipes_names_each() -> None:
    page = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}.yaml`" in page for name in NAMES)
    assert len(NAMES) == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_at_its_top_what_it_is(name: str) -> None:
    text = (ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert max(map(len, text.splitlines())) <= 120
    assert recipe(name).tags


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("imagenet-resnet50")])
def test_imagenet_in_updates_of_2048_is_626_updates_an_epoch(name: str) -> None:
    # 1,281,167 / 2,048 = 625.57: the last update of an epoch is a smaller one.
    course, curve = placed(name, IMAGENET)
    assert recipe(name).batch_size == 256
    assert course.horizon.batch_size == 2048
    assert course.horizon.steps_per_epoch == math.ceil(IMAGENET / 2048) == 626
    assert course.total == curve.total == 90 * 626
    # Left out, it is one update less, and the run is shorter by as many as it has epochs.
    full = settle(recipe(name).changed(drop_last=True), task(IMAGENET), "val")
    assert full.horizon.steps_per_epoch == IMAGENET // 2048 == 625
    assert full.total == 90 * 625


E = 626

KNOWN: dict[str, dict[int, float]] = {
    "imagenet-resnet50-sgd-step": {0: 0.1, 30 * E - 1: 0.1, 30 * E: 0.01, 60 * E: 0.001, 90 * E - 1: 0.001},
    # 0.1 of 256 images at first, eight times as much after 5 epochs, half way between after 2.5.
    "imagenet-resnet50-sgd-step-corrected": {
        0: 0.1, 5 * E // 2: 0.45, 5 * E: 0.8, 30 * E - 1: 0.8, 30 * E: 0.08, 60 * E: 0.008, 80 * E: 0.0008,
        90 * E - 1: 0.0008,
    },
    "imagenet-resnet50-adamw": {0: 0.001, 45 * E: 0.001, 90 * E - 1: 0.001},
    "imagenet-resnet50-adamw-cosine": {0: 0.001, 30 * E: 0.00075, 45 * E: 0.0005, 60 * E: 0.00025, 90 * E: 0.0},
    # The middle of the cosine lies in the middle of the 85 epochs after warmup.
    "imagenet-resnet50-adamw-warmup-cosine": {0: 1e-5, 5 * E: 0.001, 95 * E // 2: 0.0005, 90 * E: 0.0},
    "imagenet-resnet50-lamb-warmup-cosine": {0: 1e-5, 5 * E: 0.001, 95 * E // 2: 0.0005, 90 * E: 0.0},
    # 0.0005 of 512 images is 0.002 of 2,048; 1e-6 of 0.001 as DeiT begins.
    "imagenet-vit-small-adamw-warmup-cosine": {0: 2e-6, 5 * E: 0.002, 300 * E: 2e-5},
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_rates_at_real_size_are_those_that_the_sources_have(name: str) -> None:
    _, curve = placed(name, IMAGENET)
    for t, rate in KNOWN[name].items():
        assert curve.at(t) == pytest.approx(rate, rel=1e-9, abs=1e-15), t


def test_on_one_gpu_with_eight_micro_batches_the_training_is_the_same() -> None:
    read = recipe("imagenet-resnet50-sgd-step-corrected")
    one = settle(read, task(IMAGENET), "val")
    assert one.accumulate == 8
    assert at_batch(read, one.scalings).main.lr == pytest.approx(0.8)
    # And in smaller updates, a recipe that says what batch its rate is for has the rate for them.
    read = read.changed(update_size=None)
    alone = settle(read, task(IMAGENET), "val")
    assert at_batch(read, alone.scalings).main.lr == pytest.approx(0.1)
    assert alone.horizon.steps_per_epoch == 5005


def test_a_detectors_warmup_is_in_updates_and_its_cuts_are_in_epochs() -> None:
    course, curve = placed("detection-resnet50-multistep", COCO)
    per_epoch = course.horizon.steps_per_epoch
    assert per_epoch == math.ceil(COCO / 16) == 7330
    points = {0: 1e-4, 250: 0.00505, 500: 0.01, 516: 0.01, 12 * per_epoch - 1: 0.01, 12 * per_epoch: 0.001}
    points |= {16 * per_epoch - 1: 0.001, 16 * per_epoch: 1e-4, 24 * per_epoch - 1: 1e-4}
    for t, rate in points.items():
        assert curve.at(t) == pytest.approx(rate, rel=1e-9), t


def test_a_warmup_within_the_run_leaves_the_cosine_what_is_left() -> None:
    course, curve = placed("finetune-vit-small-warmup-cosine", 6400, processes=1)
    assert course.horizon.steps_per_epoch == 100
    points = {0: 1e-4, 500: 5.5e-4, 1000: 0.001, 5500: 0.000505, 10_000: 1e-5}
    for t, rate in points.items():
        assert curve.at(t) == pytest.approx(rate, rel=1e-9), t
    assert curve.values().argmax() == 1000
    assert curve.values().argmin() == 9999


def test_the_two_sides_of_the_claim_differ_only_in_their_schedule() -> None:
    step, cosine = (recipe(f"finetune-vit-small-{x}").model_dump() for x in ("step", "cosine"))
    assert {key for key in step if step[key] != cosine[key]} == {"name", "schedule"}
    assert step["tune"] is not None


# ---- in torch ------------------------------------------------------------------------------------------------------


def bench() -> Any:
    """benchmarks/image_memory.py."""
    spec = importlib.util.spec_from_file_location("image_memory", ROOT / "benchmarks" / "image_memory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_hand() -> int:
    """Bytes of one image in a ResNet-50 that backward needs: inputs of convolutions, normalisations and the last layer."""
    image, stem, pooled = 3 * 224**2, 64 * 112**2, 64 * 56**2
    numbers = image + 2 * stem + pooled + 2048
    for inside, side, blocks in ((64, 56, 3), (128, 28, 4), (256, 14, 6), (512, 7, 3)):
        # Of each of three convolutions its output, and what normalisation and activation make of it in one place.
        numbers += blocks * 2 * (inside + inside + 4 * inside) * side**2
        # The first block halves the sides in its second convolution only, and has one more in its shortcut.
        before = side if inside == 64 else 2 * side
        numbers += 2 * inside * (before**2 - side**2) + 4 * inside * side**2
    return 4 * numbers + 8 * pooled  # and where each maximum was


def test_imagenets_recipes_fit_the_80_gb_of_their_gpus_in_float32_too() -> None:
    pytest.importorskip("torch")
    memory = bench()
    image = memory.per_image(memory.model_of(recipe("imagenet-resnet50-sgd-step")), "fp32")
    assert image == by_hand()
    for name in NAMES:
        if name.startswith("imagenet-resnet50"):
            found = memory.memory(recipe(name), image)
            copies = 3 if "sgd" in name else 4
            assert found["weights, gradients, optimizer"] == pytest.approx(copies * 4 * 25_557_032 / 1e9)
            assert 20 < found["together"] * 1.2 < 80


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 images: with updates of one, a detector's warmup ends before its first cut."""
    pytest.importorskip("PIL")
    from image_folders import image_folder

    return image_folder(tmp_path_factory.mktemp("images") / "data", classes=3, train=16, val=2, side=33)


def small(read: Recipe, images: Path) -> Recipe:
    """The recipe with its own everything, but for a narrow model on small images of three classes."""
    from safetensors.torch import save_file

    from cadence.tasks.images.resnet_torch import resnet50
    from cadence.tasks.images.vit_torch import vit_small

    alone = "detection" in read.tags
    transformer = (read.model or "").endswith("vit_small")
    size: dict[str, Any] = {"size": 32, "width": 64, "depth": 2} if transformer else {"width": 4}
    arguments = {**read.model_args, "classes": 3, **size}
    if "weights" in arguments:
        arguments["weights"] = str(images.parent / ("vit.safetensors" if transformer else "resnet.safetensors"))
        begun = vit_small(7, **size) if transformer else resnet50(7, **size)
        save_file(begun.state_dict(), arguments["weights"])
    return read.changed(
        model=read.model or "cadence.tasks.images.resnet_torch:resnet50",
        model_args=arguments,
        # A batch of one needs more than one pixel where the network is deepest.
        task_args={**read.task_args, "folder": str(images), "size": 64 if alone else 32, "workers": 1, "tune": 0},
        batch_size=1 if alone else 16,
        update_size=None,
        precision="fp32",
        device="cpu",
        evaluate=2,
        checkpoint={"every": 100},
    )


class Enough(BaseException):
    """Ends a run after a few updates."""


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_trains(name: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from cadence.run.train import train

    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    losses: list[float] = []

    def tell(progress: Any) -> None:
        losses.append(progress.loss)
        if progress.t >= 3:
            raise Enough

    read = small(recipe(name), images)
    outlines: list[Any] = []
    with pytest.raises(Enough):
        train(read, out=tmp_path / "run", before=outlines.append, progress=tell)
    [outline] = outlines
    assert outline.steps_per_epoch == (48 if "detection" in read.tags else 3)
    assert all(map(math.isfinite, losses))
    rows = [json.loads(line) for line in (tmp_path / "run" / "updates.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    for row in rows:
        wanted = [outline.curve.at(row["t"], group=group) for group in outline.curve.groups]
        assert row["lr"] == pytest.approx(wanted)
    if name == "finetune-resnet50-layerwise":
        groups = dict(zip(outline.curve.groups, rows[0]["lr"], strict=True))
        assert groups["head"] / groups["rest"] == pytest.approx(2)
        assert outline.curve.at(30, group="head") == pytest.approx(0.001 * (0.01 + 0.99 * 1), rel=0.1)
