"""The embedded data are what they say they are, and the models learn them."""

from __future__ import annotations

import math
import sys
import sysconfig
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import TaskError
from cadence.tasks import Batch, Task, task
from cadence.tasks.embedded.bytes import as_ascii, part_of, read_library
from cadence.tasks.embedded.digits import Shift, stratified_order

DIGITS = "sha256:63345c1b139b3"


@pytest.fixture(scope="module")
def digits() -> Task:
    pytest.importorskip("sklearn")
    return task("digits")


@pytest.fixture(scope="module")
def library() -> Task:
    return task("bytes")


def held_out(made: Task, split: Any) -> Batch:
    batches = list(made.data.held_out(split))
    joined = [np.concatenate([b[i] for b in batches]) for i in (0, 1)]
    return Batch(joined[0], joined[1], sum(b.examples for b in batches), sum(b.tokens for b in batches))


# digits


def test_the_digits_are_those_of_scikit_learn_each_in_one_part(digits: Task) -> None:
    from sklearn.datasets import load_digits

    order = np.concatenate([b.targets for b in digits.data.batches(0, 0, 64)])
    parts = {split: held_out(digits, split) for split in ("tune", "val")}
    assert (len(order), parts["tune"].examples, parts["val"].examples) == (896, 300, 601)
    everything = np.concatenate([order, parts["tune"].targets, parts["val"].targets])
    assert Counter(everything.tolist()) == Counter(load_digits().target.tolist())
    originals = {image.tobytes() for image in load_digits().images.astype(np.uint8)}
    judged = {image.tobytes() for image in in_ink(digits, np.concatenate([p.inputs for p in parts.values()]))}
    assert len(judged) == 901
    assert judged <= originals
    assert len(unshifted(digits)) == 896


def in_ink(made: Task, images: np.ndarray) -> np.ndarray:
    """Standardised images as what was scanned: 0 to 16."""
    levels = np.unique(held_out(made, "val").inputs)
    assert len(levels) == 17
    return np.searchsorted(levels, images[:, 0]).astype(np.uint8)


def unshifted(made: Task) -> np.ndarray:
    """The training images as they are before they are shifted: those of scikit-learn that are in no held-out part."""
    from sklearn.datasets import load_digits

    levels = np.unique(held_out(made, "val").inputs)
    judged = np.concatenate([held_out(made, split).inputs for split in ("tune", "val")])
    known = {image.tobytes() for image in in_ink(made, judged)}
    rest = [image for image in load_digits().images.astype(np.uint8) if image.tobytes() not in known]
    return levels[np.array(rest)][:, None]


def test_the_split_of_the_digits_does_not_move_with_versions(digits: Task) -> None:
    assert digits.data.fingerprint().startswith(DIGITS)


def test_every_part_has_each_digit_in_its_share(digits: Task) -> None:
    for split, count in (("tune", 300), ("val", 601)):
        shares = np.bincount(held_out(digits, split).targets, minlength=10) / count
        assert np.abs(shares - 0.1).max() < 0.006


def test_the_training_images_are_standardised_without_looking_at_the_others(digits: Task) -> None:
    plain = unshifted(digits)
    assert plain.dtype == np.float32
    assert plain.shape == (896, 1, 8, 8)
    assert float(plain.astype(np.float64).mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(plain.astype(np.float64).std()) == pytest.approx(1.0, abs=1e-6)
    assert abs(float(held_out(digits, "val").inputs.mean())) > 1e-4


def test_an_epoch_of_digits_ends_in_a_whole_batch(digits: Task) -> None:
    assert digits.data.default_batch_size == 64
    assert [b.examples for b in digits.data.batches(3, 1, 64)] == [64] * 14


def test_training_images_come_shifted_and_blank_at_the_edge(digits: Task) -> None:
    blank = held_out(digits, "val").inputs.min()
    plain = unshifted(digits)
    (batch,) = digits.data.batches(0, 0, 896)
    assert batch.inputs.dtype == np.float32
    assert batch.inputs.min() == blank == plain.min()
    originals = {image.tobytes() for image in plain}
    moved = sum(image.tobytes() not in originals for image in batch.inputs)
    assert 0.8 < moved / 896 < 0.95  # eight of nine


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 6), channels=st.integers(1, 3))
def test_a_shift_moves_each_image_by_one_of_nine_steps(seed, rows, channels):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(rows, channels, 5, 4)).astype(np.float32)
    before = images.copy()
    moved = Shift(blank=-7.0)(images, rng)
    np.testing.assert_array_equal(images, before)
    wide = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-7.0)
    views = [wide[:, :, i : i + 5, j : j + 4] for i in range(3) for j in range(3)]
    for row in range(rows):
        assert any(np.array_equal(moved[row], view[row]) for view in views)


def test_all_nine_steps_are_equally_frequent() -> None:
    images = np.zeros((9000, 1, 3, 3), dtype=np.float32)
    images[:, 0, 1, 1] = 1
    places = Shift(blank=0.0)(images, np.random.default_rng(0)).reshape(9000, 9).argmax(axis=1)
    assert np.bincount(places, minlength=9).min() > 900
    assert np.bincount(places, minlength=9).max() < 1100


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 2**32 - 1))
def test_every_beginning_of_a_stratified_order_has_the_shares_of_the_whole(labels, seed):
    labels = np.array(labels)
    order = stratified_order(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    for stop in range(len(labels) + 1):
        for label in set(labels.tolist()):
            wanted = stop * (labels == label).mean()
            # Every class is at most half a row off its own pace, so the sum is off by less than their number.
            assert abs((labels[order[:stop]] == label).sum() - wanted) <= len(set(labels.tolist()))


# bytes


def test_the_bytes_are_the_sources_of_this_interpreter(library: Task) -> None:
    texts = read_library(Path(sysconfig.get_path("stdlib")))
    assert b'"""Random variable generators.\n' in texts["val"]  # random.py
    assert b"class ArgumentParser" in texts["train"]
    assert library.data.train_examples * 64 <= len(texts["train"]) < (library.data.train_examples + 2) * 64
    assert sum(map(len, texts.values())) > 3_000_000
    for name in ("val", "tune"):
        assert 0.05 < len(texts[name]) / sum(map(len, texts.values())) < 0.2


def test_the_held_out_windows_come_from_their_own_files(library: Task) -> None:
    texts = read_library(Path(sysconfig.get_path("stdlib")))
    for split in ("val", "tune"):
        batch = held_out(library, split)
        assert batch.inputs.shape == batch.targets.shape == (96, 64)
        assert batch.tokens == 96 * 64
        for window, target in zip(batch.inputs.astype(np.uint8), batch.targets.astype(np.uint8), strict=True):
            assert window.tobytes() + target[-1:].tobytes() in texts[split]


def test_every_token_is_a_character_of_ascii(library: Task) -> None:
    for batch in (held_out(library, "val"), next(library.data.batches(0, 0, 5000))):
        assert batch.inputs.dtype == batch.targets.dtype == np.int64
        assert 0 <= batch.inputs.min() <= batch.inputs.max() < 128


def write_library(folder: Path, sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        (folder / name).write_text("x = 1\n" * (size // 6), encoding="utf-8")


ENOUGH = {"argparse.py": 900_000, "heapq.py": 100_000, "random.py": 100_000}


def test_files_are_told_apart_by_their_names_alone(tmp_path: Path) -> None:
    write_library(tmp_path, ENOUGH)
    before = read_library(tmp_path)
    assert [part_of(name) for name in ENOUGH] == ["train", "tune", "val"]
    write_library(tmp_path, {"zzz.py": 60, "another.py": 60, "third.py": 60})
    after = read_library(tmp_path)
    assert all(before[part] in after[part] for part in before)


def test_generated_and_unreadable_files_are_left_out_and_line_ends_are_the_same_everywhere(tmp_path: Path) -> None:
    write_library(tmp_path, ENOUGH)
    before = read_library(tmp_path)
    (tmp_path / "_sysconfigdata__linux_.py").write_text("build = 1\n" * 10, encoding="utf-8")
    (tmp_path / "latin.py").write_bytes("name = 'é'\n".encode("latin-1"))
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "notes.txt").write_text("no source", encoding="utf-8")
    (tmp_path / "argparse.py").write_bytes((tmp_path / "argparse.py").read_bytes().replace(b"\n", b"\r\n"))
    assert read_library(tmp_path) == before


@given(st.text())
def test_other_characters_become_the_escapes_that_python_reads(text):
    escaped = as_ascii(text)
    assert max(escaped, default=0) < 128
    if "\\" not in text:
        assert escaped.decode("unicode_escape") == text


@pytest.mark.parametrize("sizes", [{}, {"argparse.py": 600}, {"argparse.py": 2_000_000, "random.py": 100_000}])
def test_a_library_without_its_sources_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int]
) -> None:
    write_library(tmp_path, sizes)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(TaskError, match=r"zipped or stripped Python.*'digits'"):
        task("bytes")


@pytest.mark.parametrize("kind", ["missing", "zip"])
def test_a_library_that_is_no_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    place = tmp_path / f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    if kind == "zip":
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("argparse.py", "x = 1\n")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(place))
    with pytest.raises(TaskError, match="holds 0 bytes"):
        task("bytes")


# models


def train(made: Task, steps: int, lr: float) -> tuple[Any, float, float]:
    """The trained model with its loss and metric on the reported part."""
    import torch

    torch.manual_seed(0)
    model, loss, metric = made.model("torch")(), made.loss("torch"), made.metric("torch")
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, steps)
    done = epoch = 0
    while done < steps:
        for batch in made.data.batches(0, epoch, made.data.default_batch_size):
            optimizer.zero_grad()
            loss(model(torch.from_numpy(batch.inputs)), torch.from_numpy(batch.targets)).backward()
            optimizer.step()
            schedule.step()
            done += 1
            if done == steps:
                break
        epoch += 1
    model.eval()
    batch = held_out(made, "val")
    with torch.no_grad():
        outputs, targets = model(torch.from_numpy(batch.inputs)), torch.from_numpy(batch.targets)
        return model, loss(outputs, targets).item(), metric(outputs, targets).item()


def test_the_residual_network_learns_the_digits(digits: Task) -> None:
    pytest.importorskip("torch")
    model, loss, accuracy = train(digits, 112, 5e-3)
    assert sum(p.numel() for p in model.parameters()) == 44_014
    assert accuracy > 0.95
    assert loss < 0.2
    assert digits.metric_better == "max"
    assert digits.loss_reference == pytest.approx(math.log(10))


def test_the_small_gpt_learns_more_than_how_often_each_byte_occurs(library: Task) -> None:
    pytest.importorskip("torch")
    model, loss, bits = train(library, 120, 3e-3)  # at 1e-2 some interpreters' libraries are hardly learnt
    assert sum(p.numel() for p in model.parameters()) == 71_136
    assert bits == pytest.approx(loss / math.log(2), rel=1e-6)
    assert library.loss_reference is not None
    assert loss < library.loss_reference - 0.1
    assert library.metric_better == "min"


def test_fresh_models_are_undecided_and_the_same_for_the_same_seed(digits: Task, library: Task) -> None:
    torch = pytest.importorskip("torch")
    for made, classes in ((digits, 10), (library, 128)):
        batch = held_out(made, "val")
        losses = []
        for _ in range(2):
            torch.manual_seed(7)
            model = made.model("torch")()
            with torch.no_grad():
                outputs = model.eval()(torch.from_numpy(batch.inputs))
                losses.append(made.loss("torch")(outputs, torch.from_numpy(batch.targets)).item())
            assert outputs.shape == (*batch.targets.shape, classes)
        assert losses[0] == losses[1] == pytest.approx(math.log(classes), rel=0.05)


def test_the_gpt_sees_no_byte_that_comes_later() -> None:
    torch = pytest.importorskip("torch")
    from cadence.tasks.bytes_torch import small_gpt

    torch.manual_seed(0)
    model = small_gpt().eval()
    tokens = torch.randint(0, 128, (2, 64))
    changed = tokens.clone()
    changed[:, 40:] = (changed[:, 40:] + 1) % 128
    with torch.no_grad():
        one, other = model(tokens), model(changed)
    torch.testing.assert_close(one[:, :40], other[:, :40])
    assert not torch.allclose(one[:, 40:], other[:, 40:])
    with torch.no_grad():
        torch.testing.assert_close(model(tokens[:, :10]), one[:, :10])


def test_the_gpt_knows_where_in_the_window_a_byte_stands() -> None:
    torch = pytest.importorskip("torch")
    from cadence.tasks.bytes_torch import small_gpt

    torch.manual_seed(0)
    with torch.no_grad():
        outputs = small_gpt().eval()(torch.zeros(1, 64, dtype=torch.int64))
    assert not torch.allclose(outputs[0, 1], outputs[0, 50])


def test_every_parameter_of_both_models_gets_a_gradient(digits: Task, library: Task) -> None:
    torch = pytest.importorskip("torch")
    for made in (digits, library):
        model = made.model("torch")()
        batch = next(made.data.batches(0, 0, 8))
        made.loss("torch")(model(torch.from_numpy(batch.inputs)), torch.from_numpy(batch.targets)).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
