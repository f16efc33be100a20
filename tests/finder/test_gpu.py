"""The range test on a GPU: loss scaling, and random numbers of the device."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)

import cadence as cd  # noqa: E402


def test_weights_statistics_and_random_numbers_of_the_device_are_put_back() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(16, 64),
        torch.nn.BatchNorm1d(64),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(64, 1),
    ).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    scaler = torch.amp.GradScaler("cuda", init_scale=2.0**24)

    def update() -> torch.Tensor:
        inputs = torch.randn(32, 16, device="cuda")
        with torch.autocast("cuda", dtype=torch.float16):
            loss = (model(inputs) - inputs[:, :1]).square().mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    for _ in range(12):
        update()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state, scale = torch.cuda.get_rng_state(), scaler.get_scale()
    moments = [value["exp_avg"].clone() for value in optimizer.state.values()]
    scaler.update(2.0**40)
    finder = cd.find_lr(optimizer, model=model, updates=60, scaler=scaler)
    for _ in finder:
        finder.observe(update())
    assert finder.result.skipped >= 10
    assert finder.result.swept.updates <= 60
    assert scaler.get_scale() == 2.0**40
    scaler.update(scale)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert all(torch.equal(v["exp_avg"], m) for v, m in zip(optimizer.state.values(), moments, strict=True))


def test_a_recipe_in_half_precision_is_tested() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("safetensors")
    recipe = {
        "task": "digits", "optimizer": {"name": "adamw", "lr": 0.001}, "schedule": "cosine()", "total": 500,
        "precision": "fp16", "device": "cuda",
    }  # fmt: skip
    found = cd.find_lr(recipe, updates=60)
    assert found.swept.updates <= 60
    assert found.suggestions.reason in ("clear", "disagree")
