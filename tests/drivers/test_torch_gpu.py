"""Drivers of loops on a GPU: fused optimizers, loss scaling, captured graphs."""

from __future__ import annotations

from typing import Any

import pytest

import cadence as cd

torch = pytest.importorskip("torch")


def test_replays_of_a_captured_update_are_counted_by_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a graph is captured with is told by torch alone, so that this needs no GPU.
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.is_current_stream_capturing", lambda: False)
    x = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([x], lr=0.1)
    driver = cd.drive(optimizer, "linear()", total=10)
    x.grad = torch.ones(3)
    for _ in range(2):
        optimizer.step()
        driver.step()
    with monkeypatch.context() as during:
        during.setattr("torch.cuda.is_current_stream_capturing", lambda: True)
        optimizer.step()
    assert driver.t == 2
    for _ in range(3):
        driver.step()  # after each replay
    assert driver.t == 5
    optimizer.step()  # a last batch of another size is computed without the graph
    driver.step()
    assert driver.t == 6
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.04)


on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@on_gpu
@pytest.mark.parametrize("how", ["fused", "foreach"])
@pytest.mark.parametrize("name", ["AdamW", "SGD", "Adam"])
def test_an_update_that_the_scaler_skips_does_not_count(name: str, how: str) -> None:
    model = torch.nn.Linear(4, 1).cuda()
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1, **{how: True})
    scaler = torch.amp.GradScaler("cuda")
    driver = cd.drive(optimizer, "linear()", total=20, scaler=scaler)
    rates: list[float] = []
    for i in range(12):
        x = torch.randn(8, 4, device="cuda") * (float("inf") if i in (0, 5, 6) else 1.0)
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.float16):
            loss = model(x).square().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        driver.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert driver.t == 9
    assert rates == pytest.approx([0.1 * (1 - n / 20) for n in (0, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 9)])


@on_gpu
@pytest.mark.parametrize("fused", [True, False])
def test_a_rate_that_is_a_tensor_on_the_gpu_is_filled_in_place(fused: bool) -> None:
    x = torch.nn.Parameter(torch.ones(3, device="cuda"))
    rate = torch.tensor(0.1, device="cuda")
    optimizer = torch.optim.AdamW([x], lr=rate, fused=fused, capturable=True)
    driver = cd.drive(optimizer, "linear()", total=10)
    held = optimizer.param_groups[0]["lr"]
    for _ in range(5):
        x.grad = torch.ones_like(x)
        optimizer.step()
        driver.step()
    assert optimizer.param_groups[0]["lr"] is held
    assert held.item() == pytest.approx(0.05)
    state: dict[str, Any] = driver.state_dict()
    driver.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"].is_cuda


@on_gpu
def test_effective_rates_are_measured_where_the_weights_are(tmp_path: Any) -> None:
    def measured(device: str) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Linear(300, 200).to(device)
        optimizer = cd.optimizer("lamb", model, lr=0.01)
        driver = cd.drive(optimizer, "linear()", total=10, record=tmp_path / device, effective_rates=1)
        for _ in range(4):
            optimizer.zero_grad()
            model(torch.ones(5, 300, device=device)).square().mean().backward()
            optimizer.step()
            driver.step()
        driver.close()
        return cd.load_record(tmp_path / device).updates["update_norm"]

    assert measured("cuda") == pytest.approx(measured("cpu"), rel=1e-4)
