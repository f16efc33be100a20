"""Loggers of a loop of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

import cadence as cd
from cadence._errors import DriverError


def updates(driver: Any, optimizer: Any, n: int) -> None:
    for _ in range(n):
        for p in optimizer.param_groups[0]["params"]:
            p.grad = torch.ones_like(p)
        optimizer.step()
        driver.log(loss=1 / (driver.t + 1))
        driver.step()


def made(folder: Path, **options: Any) -> tuple[Any, Any]:
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=0.1, weight_decay=0.01)
    return cd.drive(optimizer, "linear(to=0.5)", total=10, record=folder, **options), optimizer


def test_loggers_without_a_record_are_refused(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.raises(DriverError, match=r"loggers=\['tensorboard'\] write beside the record of a folder"):
        cd.drive(optimizer, "constant()", loggers=["tensorboard"])


@pytest.mark.filterwarnings("ignore")
def test_a_loop_that_goes_on_from_a_saved_state_has_every_update_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    driver, optimizer = made(tmp_path / "run", loggers=["tensorboard"])
    updates(driver, optimizer, 4)
    state = driver.state_dict()
    updates(driver, optimizer, 3)
    driver._record.close()
    driver, optimizer = made(tmp_path / "run", loggers=["tensorboard"])
    driver.load_state_dict(state)
    updates(driver, optimizer, 6)
    driver.observe({"val_loss": 0.5})
    driver.close()
    read = EventAccumulator(str(tmp_path / "run" / "tensorboard"), size_guidance={"tensors": 0})
    read.Reload()
    found = {
        tag: [(e.step, make_ndarray(e.tensor_proto).item()) for e in read.Tensors(tag)]
        for tag in ("lr", "loss", "val_loss", "weight_decay", "beta1")
    }
    rates = cd.place("linear(to=0.5)", total=10, base=0.1).values()
    assert found["lr"] == [(t, pytest.approx(rates[t])) for t in range(10)]
    assert [t for t, _ in found["loss"]] == list(range(10))
    assert found["val_loss"] == [(10, 0.5)]
    assert [t for t, _ in found["weight_decay"]] == [t for t, _ in found["beta1"]] == [0, 10]
