"""ResNet-50 and ViT-S: sizes as published, names and numbers as in other libraries, weights from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch
from safetensors.torch import save_file

from cadence._errors import TaskError
from cadence.optim.groups.depth import depths
from cadence.optim.groups.torch_tree import torch_tree
from cadence.tasks.images.preparing import DEVIATION, MEAN
from cadence.tasks.images.resnet_torch import resnet50
from cadence.tasks.images.vit_torch import vit_small


def parameters(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


def test_models_have_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        # torchvision's and timm's tables; ViT: DeiT, arXiv:2012.12877, table 1, has 22M and 5M.
        assert parameters(resnet50()) == 25_557_032
        assert parameters(resnet50(10)) == 25_557_032 - 990 * 2049
        assert parameters(vit_small()) == 22_050_664
        assert parameters(vit_small(width=192)) == 5_717_416


def test_resnet_50_has_the_layers_of_published_weights() -> None:
    with torch.device("meta"):
        names = list(resnet50().state_dict())
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    wanted = ["conv1.weight", *(f"bn1.{x}" for x in norm)]
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(blocks):
            here = f"layer{stage}.{block}"
            for i in (1, 2, 3):
                wanted += [f"{here}.conv{i}.weight", *(f"{here}.bn{i}.{x}" for x in norm)]
            if block == 0:
                wanted += [f"{here}.downsample.0.weight", *(f"{here}.downsample.1.{x}" for x in norm)]
    assert names == [*wanted, "fc.weight", "fc.bias"]


@pytest.mark.filterwarnings("ignore")
def test_resnet_50_computes_what_paddles_does_with_the_same_weights() -> None:
    models = pytest.importorskip("paddle.vision.models")
    paddle = pytest.importorskip("paddle")
    torch.manual_seed(0)
    ours, theirs = resnet50(7).eval(), models.resnet50(num_classes=7)
    theirs.eval()
    renamed = {"_mean": "running_mean", "_variance": "running_var"}
    state = ours.state_dict()
    with torch.no_grad():
        for name, x in state.items():
            if name.endswith("running_var"):
                x.uniform_(0.5, 2)
            elif x.ndim == 1 and x.is_floating_point():
                x.add_(0.1 * torch.randn_like(x))
    for name, x in theirs.state_dict().items():
        stem, _, last = name.rpartition(".")
        mine = state[f"{stem}.{renamed.get(last, last)}"].numpy()
        x.set_value(mine.T if name == "fc.weight" else mine)
    # 65 pixels: whoever rounds half a stride another way, or pads elsewhere, has other numbers.
    images = np.random.default_rng(0).normal(size=(2, 3, 65, 65)).astype(np.float32)
    with torch.no_grad():
        found = ours(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(
        found, theirs(paddle.to_tensor(images)).numpy(), rtol=1e-3, atol=1e-3 * np.abs(found).max()
    )


@pytest.mark.parametrize("make", [lambda: resnet50(5, width=8), lambda: vit_small(5, size=32, width=64, depth=2)])
def test_bytes_are_standardised_by_the_model_as_the_data_would_be(make: Any) -> None:
    torch.manual_seed(0)
    model = make().eval()
    raw = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    mean, deviation = (torch.tensor(x)[:, None, None] for x in (MEAN, DEVIATION))
    torch.testing.assert_close(model(raw), model((raw / 255 - mean) / deviation), rtol=1e-4, atol=1e-4)


def test_blocks_may_begin_as_their_shortcuts() -> None:
    model = resnet50(2, width=8, zero_last=True)
    assert all(x.abs().max() == 0 for name, x in model.named_parameters() if name.endswith("bn3.weight"))
    assert sum(name.endswith("bn3.weight") for name, _ in model.named_parameters()) == 16


def test_each_block_is_a_depth_between_the_stem_and_the_head() -> None:
    with torch.device("meta"):
        for model, blocks, head in ((resnet50(), 16, "fc.weight"), (vit_small(), 12, "head.weight")):
            found = depths(torch_tree(model))
            assert found.last == blocks + 1
            assert found.of[head] == blocks + 1
    assert found.of["cls_token"] == found.of["pos_embed"] == found.of["patch_embed.proj.weight"] == 0


@pytest.mark.parametrize("prefix", ["", "model."])
def test_training_begins_from_published_weights_and_from_checkpoints(tmp_path: Path, prefix: str) -> None:
    torch.manual_seed(0)
    before = resnet50(9, width=8)
    more = {"average.fc.bias": torch.zeros(9)} if prefix else {}
    save_file({**{prefix + k: x for k, x in before.state_dict().items()}, **more}, tmp_path / "w.safetensors")
    path = str(tmp_path / "w.safetensors")
    same, other = resnet50(9, width=8, weights=path), resnet50(4, width=8, weights=path)
    for name, x in before.state_dict().items():
        assert torch.equal(same.state_dict()[name], x)
        assert name.startswith("fc.") or torch.equal(other.state_dict()[name], x)
    assert other.fc.weight.shape == (4, 256)


def test_weights_without_counters_or_without_a_head_will_do(tmp_path: Path) -> None:
    before = resnet50(9, width=8).state_dict()
    body = {k: x for k, x in before.items() if not k.startswith("fc.") and "tracked" not in k}
    save_file(body, tmp_path / "w.safetensors")
    model = resnet50(9, width=8, weights=str(tmp_path / "w.safetensors"))
    assert torch.equal(model.state_dict()["conv1.weight"], before["conv1.weight"])


def test_weights_that_do_not_fit_are_refused_with_the_first_that_does_not(tmp_path: Path) -> None:
    path = str(tmp_path / "w.safetensors")
    with pytest.raises(TaskError, match=r"w\.safetensors' cannot be read .*give a safetensors file"):
        resnet50(9, width=8, weights=path)
    Path(path).write_text("no weights")
    with pytest.raises(TaskError, match="cannot be read"):
        resnet50(9, width=8, weights=path)
    save_file(vit_small(9, size=32, width=64, depth=1).state_dict(), path)
    with pytest.raises(TaskError, match=r"for another model: 'bn1\.bias' is missing"):
        resnet50(9, width=8, weights=path)
    save_file({**resnet50(9, width=8).state_dict(), "more": torch.zeros(1)}, path)
    with pytest.raises(TaskError, match="for another model: 'more' is too much"):
        resnet50(9, width=8, weights=path)
    save_file(resnet50(9, width=8).state_dict(), path)
    with pytest.raises(
        TaskError, match=r"'bn1\.bias' has shape \(8,\), and this model \(16,\); give those of this one"
    ):
        resnet50(9, width=16, weights=path)


def test_sizes_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(TaskError, match="size is 225, which patches of 16 do not fill; write a multiple of 16"):
        vit_small(size=225)
    with pytest.raises(TaskError, match="width is 100; write a multiple of 64"):
        vit_small(width=100)


def test_with_channels_last_a_resnet_computes_the_same_in_another_layout() -> None:
    made = []
    for channels_last in (False, True):
        torch.manual_seed(0)
        made.append(resnet50(3, width=8, channels_last=channels_last).double())
    plain, other = made
    assert other.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert not plain.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), other.parameters(), strict=True))
    x = torch.rand(4, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(other(x), plain(x), rtol=1e-7, atol=1e-9, check_stride=False)
