"""Folders of images: the same arrays whoever decodes them, every kind of file handled or refused by name."""

from __future__ import annotations

import gc
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from cadence._errors import TaskError
from cadence.tasks.base import Batch
from cadence.tasks.images import folder
from cadence.tasks.images.__main__ import main
from cadence.tasks.images.checking import unreadable
from cadence.tasks.images.data import ImageData
from cadence.tasks.images.pictures import picture
from cadence.tasks.images.preparing import DEVIATION, MEAN, Preparation, middle, random_part
from image_folders import image_folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_folder(tmp_path_factory.mktemp("images") / "data", classes=3, train=9, val=5)


def data(root: Path, **settings: Any) -> ImageData:
    found = folder(root, **{"size": 16, "workers": 0, "batch_size": 8, **settings}).data
    assert isinstance(found, ImageData)
    return found


def same(a: Any, b: Any) -> None:
    """Batches to the bit."""
    a, b = list(a), list(b)
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        assert one.inputs.tobytes() == other.inputs.tobytes()
        assert one.targets.tolist() == other.targets.tolist()
        assert one[2:] == other[2:]


# ---- order and augmentation ----------------------------------------------------------------------------------------


def test_the_task_says_what_is_there(images: Path) -> None:
    task = folder(images, size=16, workers=0)
    assert task.about == "images of 3 classes: 27 to train on, 15 to report on; 16x16 pixels"
    assert task.loss_reference == pytest.approx(math.log(3))
    assert task.data.default_batch_size == 27
    assert task.data.batches_per_epoch(8) == 4


def test_an_epoch_sees_every_image_once_with_its_class(images: Path) -> None:
    found = data(images)
    targets = np.concatenate([batch.targets for batch in found.batches(0, 0, 8)])
    assert np.bincount(targets).tolist() == [9, 9, 9]
    # The colour that class c is strong in.
    for batch in found.batches(0, 0, 8):
        assert batch.inputs.shape == (len(batch.targets), 3, 16, 16)
        assert batch.inputs.dtype == np.float32
        brightness = batch.inputs.mean((2, 3)) * np.array(DEVIATION) + np.array(MEAN)
        assert (brightness.argmax(1) == batch.targets).all()


def test_a_batch_depends_on_seed_epoch_size_and_number_alone(images: Path) -> None:
    found = data(images)
    whole = list(found.batches(3, 1, 8))
    for start in range(5):
        same(found.batches(3, 1, 8, start=start), whole[start:])
    for seed, epoch in ((4, 1), (3, 2)):
        assert next(found.batches(seed, epoch, 8)).inputs.tobytes() != whole[0].inputs.tobytes()


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_that_share_an_epoch_read_each_batch_once(images: Path, workers: int) -> None:
    found = data(images, workers=workers)
    whole = list(data(images).batches(3, 1, 4))
    for start, step in ((0, 1), (0, 3), (2, 3), (4, 2), (6, 5), (7, 8)):
        same(found.share(3, 1, 4, start, step), whole[start::step])


def test_what_training_sees_of_an_image_does_not_depend_on_its_batch(images: Path) -> None:
    found = data(images)
    ones, eights = (np.concatenate([b.inputs for b in found.batches(3, 1, size)]) for size in (1, 8))
    assert ones.tobytes() == eights.tobytes()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("pixels", ["float32", "uint8"])
def test_worker_processes_give_the_same_arrays_as_none(images: Path, workers: int, pixels: str) -> None:
    here, there = data(images, pixels=pixels), data(images, pixels=pixels, workers=workers)
    for epoch in range(2):
        same(there.batches(7, epoch, 5), here.batches(7, epoch, 5))
        same(there.held_out("val"), here.held_out("val"))
    same(there.batches(7, 0, 5, start=4), here.batches(7, 0, 5, start=4))


def test_arrays_that_are_kept_are_not_written_over(images: Path) -> None:
    there = data(images, workers=2)
    kept = list(there.batches(0, 0, 4))
    views = [batch.inputs[1:, 0] for batch in there.batches(0, 0, 4)]
    gc.collect()
    for epoch in range(3):
        for batch in there.batches(1, epoch, 4):
            batch.inputs.fill(7)
    same(kept, data(images).batches(0, 0, 4))
    for view, batch in zip(views, kept, strict=True):
        assert view.tobytes() == batch.inputs[1:, 0].tobytes()


def test_readers_that_stop_half_way_and_come_together_do_not_disturb_each_other(images: Path) -> None:
    here, there = data(images), data(images, workers=2)
    first = there.batches(0, 0, 4)
    begun = [next(first)]
    left = [there.batches(0, epoch, 4) for epoch in range(1, 9)]
    for one in left:
        next(one)
    same(there.held_out("val"), here.held_out("val"))
    del left, one
    same([*begun, *first], here.batches(0, 0, 4))


def test_larger_batches_than_before_are_no_trouble(images: Path) -> None:
    here, there = data(images), data(images, workers=2)
    for size in (2, 27, 3, 9):
        same(there.batches(0, 0, size), here.batches(0, 0, size))


def test_memory_is_bounded_by_what_is_ahead(images: Path) -> None:
    there = data(images, workers=2, ahead=2)
    list(there.batches(0, 0, 4))
    crew = there._crew  # pyright: ignore[reportPrivateUsage]
    assert crew is not None
    assert len(crew._memory) <= (2 + 4) * (4 * 3 * 16 * 16 * 4 + 65536)  # pyright: ignore[reportPrivateUsage]


def test_the_fingerprint_follows_files_and_split_but_not_who_decodes(images: Path, tmp_path: Path) -> None:
    first = data(images).fingerprint()
    assert data(images, workers=3, ahead=4, batch_size=5).fingerprint() == first
    assert data(images, pixels="uint8").fingerprint() == first
    assert data(images, size=17).fingerprint() != first
    assert data(images, tune=3).fingerprint() != first
    other = shutil.copytree(images, tmp_path / "other")
    assert data(other).fingerprint() == first
    (other / "val" / "class1" / "0.jpg").rename(other / "val" / "class1" / "9.jpg")
    assert data(other).fingerprint() != first


def test_images_for_tuning_come_from_a_folder_or_are_set_aside(images: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"no images for tuning .*task_args: \{tune: 1\}"):
        data(images).held_out("tune")
    aside = data(images, tune=5)
    assert aside.train_examples == 22
    assert sum(batch.examples for batch in aside.held_out("tune")) == 5
    seen = {x.tobytes() for batch in data(images, area=(1, 1), flip=0).batches(0, 0, 8) for x in batch.inputs}
    less = {x.tobytes() for batch in data(images, area=(1, 1), flip=0, tune=5).batches(0, 0, 8) for x in batch.inputs}
    assert less < seen
    other = shutil.copytree(images, tmp_path / "other")
    shutil.copytree(images / "val", other / "tune")
    same(data(other).held_out("tune"), data(other).held_out("val"))
    with pytest.raises(TaskError, match="tune is 27, and there are 27 training images"):
        data(images, tune=27)


# ---- parts of an image ---------------------------------------------------------------------------------------------


def test_random_parts_lie_in_the_image_and_have_the_areas_and_forms_of_their_source() -> None:
    rng = np.random.default_rng(0)
    areas, forms = [], []
    for _ in range(4000):
        left, top, right, bottom = random_part(500, 400, (0.08, 1.0), (3 / 4, 4 / 3), rng)
        assert 0 <= left < right <= 500
        assert 0 <= top < bottom <= 400
        areas.append((right - left) * (bottom - top) / 200_000)
        forms.append((right - left) / (bottom - top))
    assert 0.075 < min(areas) < 0.09
    # Up to an area at which every form fits, the areas are drawn evenly: half of those below 0.48 are below 0.28.
    low = [a for a in areas if a < 0.48]
    assert np.mean([a < 0.28 for a in low]) == pytest.approx(0.5, abs=0.04)
    assert min(forms) > 0.74
    assert max(forms) < 1.35
    small = [f for a, f in zip(areas, forms, strict=True) if a < 0.48]
    assert np.mean(np.log(small)) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("width", "height", "box"), [(1, 1, (0, 0, 1, 1)), (1000, 10, (493.33, 0, 506.67, 10))])
def test_an_image_of_a_form_that_no_part_fits_gives_its_middle(width: int, height: int, box: Any) -> None:
    found = random_part(width, height, (1.0, 1.0), (3 / 4, 4 / 3), np.random.default_rng(0))
    assert found == pytest.approx(box, abs=0.01)


def test_an_evaluation_sees_the_middle_of_an_image_scaled_to_256() -> None:
    # The usual two steps, scale the shorter side to 256 and take the middle 224, are one part of the image.
    assert middle(256, 512, 0.875) == (16.0, 144.0, 240.0, 368.0)
    assert middle(500, 375, 224 / 256) == pytest.approx(((500 - 328.125) / 2, 23.4375, 250 + 328.125 / 2, 351.5625))


def test_flipping_mirrors_half_of_the_images(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[:, 4:] = 255
    Image.fromarray(pixels).save(tmp_path / "x.png")
    preparation = Preparation(size=8, area=(1, 1), ratio=(1, 1), pixels="uint8")
    out = np.empty((3, 8, 8), dtype=np.uint8)
    mirrored = 0
    for image in range(400):
        preparation.training(str(tmp_path / "x.png"), 0, 0, image, out)
        assert {int(out[0, 0, 0]), int(out[0, 0, 7])} == {0, 255}
        mirrored += out[0, 0, 0] == 255
    assert 160 < mirrored < 240


def test_colours_are_standardised_by_imagenets_mean_and_deviation(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), (255, 0, 51)).save(tmp_path / "x.png")
    out = np.empty((3, 4, 4), dtype=np.float32)
    Preparation(size=4).judging(str(tmp_path / "x.png"), out)
    wanted = [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225]
    np.testing.assert_allclose(out, np.broadcast_to(np.array(wanted)[:, None, None], out.shape), rtol=1e-5)


# ---- kinds of files ------------------------------------------------------------------------------------------------


def whole(path: Path, side: int = 8, gap: float | None = None) -> np.ndarray:
    return np.asarray(picture(str(path), lambda w, h: (0, 0, w, h), side, gap=gap))


RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


@pytest.mark.parametrize(
    ("name", "make", "wanted"),
    [
        ("grey.png", lambda: Image.fromarray(RAMP), RAMP),
        ("grey16.png", lambda: Image.fromarray(RAMP.astype(np.uint16) * 257), RAMP),
        ("grey16.tif", lambda: Image.fromarray(RAMP.astype(np.uint16) * 257), RAMP),
        ("bits.png", lambda: Image.fromarray(RAMP > 100), (RAMP > 100) * 255),
        ("palette.png", lambda: Image.fromarray(RAMP).convert("P"), RAMP),
        ("palette.gif", lambda: Image.fromarray(RAMP), RAMP),
        ("alpha.png", lambda: Image.fromarray(np.dstack([RAMP] * 3 + [RAMP])), RAMP),
        ("alpha.webp", lambda: Image.fromarray(np.dstack([RAMP] * 3 + [RAMP * 0 + 255])), None),
        ("cmyk.tif", lambda: Image.fromarray(np.dstack([255 - RAMP] * 3 + [RAMP * 0]), "CMYK"), RAMP),
        ("cmyk.jpg", lambda: Image.new("CMYK", (8, 8), (0, 255, 255, 0)), None),
        ("rgb.bmp", lambda: Image.fromarray(np.dstack([RAMP] * 3)), RAMP),
    ],
)
def test_every_kind_of_picture_becomes_red_green_and_blue(
    tmp_path: Path, name: str, make: Callable[[], Any], wanted: np.ndarray | None
) -> None:
    make().save(tmp_path / name)
    found = whole(tmp_path / name)
    assert found.shape == (8, 8, 3)
    assert found.dtype == np.uint8
    if wanted is not None:
        np.testing.assert_allclose(found.astype(int), np.dstack([wanted] * 3).astype(int), atol=4)
    if name == "cmyk.jpg":
        red, green, blue = found.reshape(-1, 3).mean(0)
        assert red > 200
        assert max(green, blue) < 60


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_an_image_is_turned_as_its_camera_was_held(tmp_path: Path, orientation: int, ending: str) -> None:
    upright = np.zeros((16, 8, 3), dtype=np.uint8)
    upright[:8, :4] = 255
    # What each orientation does to the upright picture on its way into the file, from the EXIF standard.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright.swapaxes(0, 1), 2),
        8: np.rot90(upright, 3),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{ending}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **({"quality": 100} if ending == "jpg" else {}))
    for gap in (None, 2.0):
        seen = []
        found = np.asarray(picture(str(path), lambda w, h: seen.append((w, h)) or (0, 0, w, h), 8, gap=gap))
        assert seen == [(8, 16)]
        assert found[:3, :3].min() > 200
        assert found[:, 5:].max() < 60
        assert found[5:].max() < 60


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(tmp_path: Path) -> None:
    y, x = np.mgrid[:800, :1200]
    smooth = np.dstack([x / 1200, y / 800, (x + y) / 2000]) * 255
    Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / "x.jpg", quality=95)
    small, exact = whole(tmp_path / "x.jpg", 32, gap=2.0), whole(tmp_path / "x.jpg", 32)
    assert np.abs(small.astype(int) - exact.astype(int)).max() <= 3
    sizes: list[Any] = []
    original = Image.Image.resize
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "resize", lambda self, *a, **k: sizes.append(self.size) or original(self, *a, **k))
        whole(tmp_path / "x.jpg", 32, gap=2.0)
    assert sizes[-1] == (150, 100)


def truncated(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    os.truncate(path, path.stat().st_size // 2)


def nonsense(path: Path) -> None:
    Image.new("RGB", (64, 64)).save(path)
    content = bytearray(path.read_bytes())
    content[30:] = bytes(len(content) - 30)
    path.write_bytes(content)


BROKEN: dict[str, Callable[[Path], Any]] = {
    "cut short": truncated,
    "zeros": nonsense,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no image"),
    "a folder": lambda path: path.mkdir(),
}


ENDINGS = ("jpg", "png", "gif", "bmp", "tif", "webp")
BLACK = {("zeros", "bmp"), ("zeros", "gif")}
"""For these formats, zeros after the head are a black picture."""


@pytest.mark.parametrize(("kind", "ending"), [(k, e) for k in BROKEN for e in ENDINGS if (k, e) not in BLACK])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str, ending: str) -> None:
    path = tmp_path / f"broken.{ending}"
    BROKEN[kind](path)
    with pytest.raises(TaskError) as told:
        whole(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_stops_whoever_reads_it_with_its_name(tmp_path: Path, workers: int) -> None:
    root = image_folder(tmp_path / "data")
    truncated(root / "train" / "class1" / "5.png")
    found = data(root, workers=workers)
    with pytest.raises(TaskError, match=r"class1/5\.png cannot be read \(.*\); replace it or take it out"):
        list(found.batches(0, 0, 8))
    # The others go on.
    assert sum(batch.examples for batch in found.held_out("val")) == 12


def test_a_folder_can_be_read_once_before_a_training_depends_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = image_folder(tmp_path / "data", train=40)
    assert list(unreadable(root, workers=2)) == []
    for path in ("train/class1/5.png", "train/class2/30.jpg", "val/class0/0.jpg"):
        truncated(root / path)
    told = list(unreadable(root, workers=2))
    assert [sentence.split(" cannot be read")[0].split("data/")[1] for sentence in told] == [
        "train/class1/5.png",
        "train/class2/30.jpg",
        "val/class0/0.jpg",
    ]
    assert main([str(root)]) == 1
    assert capsys.readouterr().out.splitlines() == told
    assert main([str(tmp_path / "none")]) == 2
    assert main(["--help"]) == 2
    assert "usage:" in capsys.readouterr().err


def test_pictures_without_a_known_black_and_white_are_refused(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(TaskError, match=r"x\.tif holds numbers of 32 bits"):
        whole(tmp_path / "x.tif")


def test_an_enormous_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "x.png")
    for limit in (500, 100):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(TaskError, match=rf"x\.png has more than {limit} pixels; scale it down before"):
            whole(tmp_path / "x.png")


# ---- folders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            shutil.rmtree,
            r"there is no folder .*data/train \(.*data is no folder either, .*images lie in <folder>/train",
        ),
        (lambda root: shutil.rmtree(root / "val"), r"there is no folder .*data/val \(.*data holds train, and"),
        (lambda root: shutil.rmtree(root / "train" / "class0"), "val/class0 is a class that .*train does not have"),
        (lambda root: (root / "train" / "empty").mkdir(), "class folder .*train/empty holds no images; fill it"),
        (lambda root: (root / "train" / "class0" / "a.txt").touch(), r"class0/a\.txt lies among images and is none"),
        (lambda root: (root / "val" / "class0" / "more").mkdir(), "class0/more lies among images and is none"),
        (lambda root: [shutil.rmtree(root / "train" / f"class{i}") for i in (0, 1, 2)], "train has no class folders"),
        (lambda root: [shutil.rmtree(root / "train" / f"class{i}") for i in (1, 2)], "has one class, 'class0', and"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path: Path, spoil: Callable[[Path], Any], said: str) -> None:
    root = image_folder(tmp_path / "data", train=2, val=1)
    spoil(root)
    with pytest.raises(TaskError, match=said) as told:
        folder(root)
    assert "\n" not in str(told.value)


def test_hidden_files_classes_nobody_judges_and_odd_names_are_no_trouble(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "data", train=2, val=1)
    (root / "train" / ".DS_Store").touch()
    (root / "train" / "class1" / ".DS_Store").touch()
    shutil.rmtree(root / "val" / "class2")
    (root / "train" / "class0" / "0.jpg").rename(root / "train" / "class0" / "a b\n'\"学\udcff.JPEG")
    here, there = data(root), data(root, workers=1)
    assert here.train_examples == 6
    same(there.batches(0, 0, 4), here.batches(0, 0, 4))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 0}, "size must be at least 1"),
        ({"size": 16.0}, "size must be a whole number"),
        ({"size": 5000}, "size is 5000; write at most 4096"),
        ({"area": [0.5, 0.2]}, r"area is \(0.5, 0.2\); write the smallest and the largest, above 0 and at most 1"),
        ({"area": 0.5}, "area is 0.5; write the smallest"),
        ({"ratio": [0, 1]}, r"ratio is \(0, 1\); write the smallest"),
        ({"flip": 2}, "flip is 2; write a number from 0 to 1"),
        ({"crop": 0}, "crop is 0; write a number above 0 to 1"),
        ({"pixels": "float16"}, "pixels is 'float16'; write float32, or uint8"),
        ({"workers": -1}, "workers must be at least 0"),
        ({"ahead": 0}, "ahead must be at least 1"),
    ],
)
def test_an_argument_out_of_its_range_is_named(images: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(TaskError, match=said):
        folder(images, **settings)


# ---- processes -----------------------------------------------------------------------------------------------------


def test_a_process_that_is_killed_is_told_of_and_replaced(images: Path) -> None:
    there = data(images, workers=2)
    reader = there.batches(0, 0, 2)
    next(reader)
    crew = there._crew  # pyright: ignore[reportPrivateUsage]
    assert crew is not None
    os.kill(crew._processes[1].pid, signal.SIGKILL)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(TaskError, match=r"has ended \(exit status -9\), killed or out of memory; .*workers: 1"):
        list(reader)
    same(there.batches(0, 0, 2), data(images).batches(0, 0, 2))


def test_memory_that_batches_lie_in_is_told_of_and_given_up_with_the_processes(images: Path) -> None:
    lent: list[range] = []

    def pin(memory: Any) -> Callable[[], object]:
        begin = np.frombuffer(memory, np.uint8).ctypes.data
        lent.append(range(begin, begin + len(memory)))
        return lambda: lent.remove(range(begin, begin + len(memory)))

    there = data(images, workers=2)
    there.lend(pin)
    batch = next(there.batches(0, 0, 4))
    assert len(lent) == 1
    assert batch.inputs.ctypes.data in lent[0]
    list(there.held_out("val"))  # whose batches are larger, so that the processes begin anew
    del there, batch
    gc.collect()
    assert not lent


def test_processes_end_with_the_data(images: Path) -> None:
    there = data(images, workers=2)
    list(there.held_out("val"))
    crew = there._crew  # pyright: ignore[reportPrivateUsage]
    assert crew is not None
    processes = crew._processes  # pyright: ignore[reportPrivateUsage]
    assert all(process.poll() is None for process in processes)
    del there, crew
    gc.collect()
    assert [process.poll() for process in processes] == [0, 0]


def test_processes_end_when_the_one_that_trains_is_killed(images: Path, tmp_path: Path) -> None:
    # A main script without a guard, too: it must not be run again by its workers.
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\n"
        "from cadence.tasks.images import folder\n"
        f"data = folder({str(images)!r}, size=16, workers=2).data\n"
        "reader = data.batches(0, 0, 4); next(reader)\n"
        "print(*[p.pid for p in data._crew._processes], flush=True)\n"
        "time.sleep(60)\n"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as main:
        assert main.stdout is not None
        workers = [int(pid) for pid in main.stdout.readline().split()]
        assert len(workers) == 2
        main.kill()
    end = time.monotonic() + 10
    while any(alive(pid) for pid in workers) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in workers)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked after does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_batch_is_what_others_expect(images: Path) -> None:
    batch = next(data(images, workers=1).held_out("val"))
    assert isinstance(batch, Batch)
    assert batch.inputs.flags.writeable
    assert batch.targets.dtype == np.int64
