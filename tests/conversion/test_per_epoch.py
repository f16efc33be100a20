"""A scheduler stepped once an epoch has in every epoch the value of its tick, whatever it is made of."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import ConversionError
from cadence.conversion.definition import owners
from cadence.conversion.doors import own_base, reading, setting
from cadence.conversion.epochs import per_epoch
from cadence.conversion.text import read_text
from cadence.spec.nodes import EarlyStop, Plateau, walk
from cadence.spec.plan import Plan

TOOL = Path(__file__).parents[2] / "tools" / "conversion.py"
TICKS, UPDATES = 100, 3


def examples() -> list[tuple[str, str]]:
    spec = importlib.util.spec_from_file_location("conversion_examples", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["conversion_examples"] = module
    spec.loader.exec_module(module)
    return [(owner, text) for owner in owners() for text in module.EXAMPLES[owner]]


def values(curve: Any, value: str) -> Any:
    return curve.values(value=value)


@pytest.mark.parametrize(("owner", "text"), examples())
def test_every_epoch_has_the_value_of_its_tick(owner: str, text: str) -> None:
    native = read_text(text, owner)
    base = own_base(native) if own_base(native) != 1.0 else 0.1
    try:
        ticked = reading(native, setting((base,), "step", TICKS, None))
        slow = reading(native, setting((base,), "epoch", f"{TICKS} epochs", UPDATES))
    except ConversionError:
        return  # refused by name, or (timm) told to count updates
    parts = [part for _, part in ticked.entries] if isinstance(ticked, Plan) else [ticked]
    if any(isinstance(node, Plateau | EarlyStop) for part in parts for node in walk(part)):
        return  # its values follow a metric
    by_tick = cd.place(ticked, total=TICKS, base=base)
    by_epoch = cd.place(slow, total=f"{TICKS} epochs", steps_per_epoch=UPDATES, base=base)
    for value in by_tick.plan.values():
        wanted, got = values(by_tick, value), values(by_epoch, value).reshape(TICKS, UPDATES)
        np.testing.assert_allclose(got, np.repeat(wanted[:, None], UPDATES, 1), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("ticked", "slow"),
    [
        ("linear('5 epochs')", "linear('5 epochs').staircase('1 epoch')"),
        ("linear('1 epoch', ends='closed', to=0.5)", "constant('1 epoch', start=0.5).staircase('1 epoch')"),
        (
            "constant('2 epochs') >> cosine('5 epochs', ends='closed') >> constant()",
            "(constant('2 epochs') >> cosine('4 epochs') >> constant('1 epoch', start=0) >> constant()).staircase('1 epoch')",
        ),
        (
            "0.5 + linear('5 epochs', ends='closed').repeat()",
            "(0.5 + (linear('4 epochs') >> constant('1 epoch', start=0)).repeat()).staircase('1 epoch')",
        ),
    ],
)
def test_closed_phases_reach_their_end_in_their_last_epoch(ticked: str, slow: str) -> None:
    assert per_epoch(cd.parse(ticked)) == cd.parse(slow)


def test_a_one_cycle_stepped_per_epoch_is_torch_s() -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, dtype=torch.float64)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=30, cycle_momentum=False)
    rates = []
    for _ in range(29):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    given = {"max_lr": 0.3, "total_steps": 30, "cycle_momentum": False}
    schedule = cd.from_native("torch", "OneCycleLR", given, base=0.1, total="29 epochs", per="epoch", steps_per_epoch=7)
    curve = cd.place(schedule, total="29 epochs", steps_per_epoch=7, base=0.1)
    np.testing.assert_allclose(curve.values()[::7], rates, rtol=1e-12)
