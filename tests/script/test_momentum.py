"""The momentum of a script, where its schedulers move it, against torch running the script."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from cadence.cli.curves import Units, script_curves
from cadence.script.rates import rates
from cadence.script.read import read_script
from script.corpus import BATCHES, PREAMBLE

LOOP = """
for epoch in range(4):
    for x, y in train_loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
        scheduler.step()
"""
SGD = "optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n"
GROUPS = '[{"params": model[0].parameters()}, {"params": model[1].parameters(), "lr": 0.3, "momentum": 0.5}]'

MOVING = {
    "one cycle": SGD + "scheduler = lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=13)\n" + LOOP,
    "one cycle of betas": "optimizer = optim.AdamW(model.parameters(), lr=1e-3, betas=(0.8, 0.99))\n"
    "scheduler = lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=13, base_momentum=0.7, max_momentum=0.92)\n"
    + LOOP,
    "one cycle in three phases": "optimizer = optim.RMSprop(model.parameters(), lr=1e-3)\n"
    "scheduler = lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=13, three_phase=True, anneal_strategy='linear')\n"
    + LOOP,
    "triangles": SGD
    + "scheduler = lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, step_size_up=2, step_size_down=3, mode='triangular2')\n"
    + LOOP,
    "groups with momenta of their own": f"optimizer = optim.SGD({GROUPS}, lr=0.1, momentum=0.9)\n"
    "scheduler = lr_scheduler.OneCycleLR(optimizer, [0.5, 1.0], total_steps=13, base_momentum=[0.8, 0.6], "
    "max_momentum=[0.95, 0.9])\n" + LOOP,
    "made in mid-run": SGD
    + """
for x, y in train_loader:
    criterion(model(x), y).backward()
    optimizer.step()
scheduler = lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, step_size_up=3)
"""
    + LOOP,
    "per epoch": SGD
    + "scheduler = lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=5)\n"
    + LOOP.replace("        scheduler.step()", "    scheduler.step()"),
    "by ignite": SGD
    + """
from ignite.engine import Events, create_supervised_trainer
from ignite.handlers import LinearCyclicalScheduler
trainer = create_supervised_trainer(model, optimizer, criterion)
LinearCyclicalScheduler(optimizer, "momentum", 0.9, 0.5, 6).attach(trainer)
trainer.run(train_loader, max_epochs=4)
""",
}
STILL = {
    "not asked for": SGD
    + "scheduler = lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=13, cycle_momentum=False)\n"
    + LOOP,
    "another scheduler": SGD + "scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 13)\n" + LOOP,
    "one value": SGD
    + "scheduler = lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, 3, base_momentum=0.9, max_momentum=0.9)\n"
    + LOOP,
}


def really(text: str, folder: Path) -> list[list[float]]:
    """The momentum (or first beta) of each group at each update; by running the script."""
    pytest.importorskip("torch")
    if "ignite" in text:
        pytest.importorskip("ignite")
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    rows: list[list[float]] = []

    def record(optimizer: object, args: object, kwargs: object) -> None:
        groups = optimizer.param_groups  # type: ignore[attr-defined]
        rows.append([float(g["betas"][0] if "betas" in g else g["momentum"]) for g in groups])

    path = folder / "train.py"
    path.write_text(text, encoding="utf-8")
    hook = register_optimizer_step_pre_hook(record)
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        hook.remove()
    return rows


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MOVING)
def test_a_momentum_that_moves_is_the_one_that_torch_runs(name: str, tmp_path: Path) -> None:
    text = PREAMBLE + MOVING[name]
    (rate,) = rates(read_script(text, steps_per_epoch=BATCHES))
    (beside,) = rate.beside
    assert beside.name == ("beta1" if "betas" in name else "momentum")
    ran = np.array(really(text, tmp_path))
    curve = rate.curve()
    assert len(ran) == rate.total
    for g in range(ran.shape[1]):
        np.testing.assert_allclose(curve.values(group=g, value=beside.name), ran[:, g], rtol=1e-9)


@pytest.mark.parametrize("name", STILL)
def test_a_momentum_that_stands_still_is_not_told(name: str) -> None:
    (rate,) = rates(read_script(PREAMBLE + STILL[name], steps_per_epoch=BATCHES))
    assert rate.beside == ()
    assert rate.curve().plan.values() == ["lr"]


def test_what_a_scheduler_says_of_the_momentum_is_told_in_its_words() -> None:
    (rate,) = rates(
        read_script(PREAMBLE + MOVING["one cycle"].replace("=13", "=4 * len(train_loader)"), steps_per_epoch=50)
    )
    (beside,) = rate.beside
    assert repr(beside.schedule) == (
        "(cosine(59, to=absolute(0.85), start=absolute(0.95)) >> cosine(141, to=absolute(0.95), start=absolute(0.85), "
        "ends='closed')).past_end('raise')"
    )


def test_a_plot_of_a_script_has_the_momentum_beside_the_rate(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(PREAMBLE + MOVING["groups with momenta of their own"], encoding="utf-8")
    drawn = script_curves(str(path), total=None, base=None, units=Units(BATCHES, None, None))
    assert [each.curve.plan.values() for each in drawn] == [["lr", "momentum"]] * 2
    assert [each.curve.at(0, value="momentum") for each in drawn] == [0.95, 0.9]
    assert "group 1" in (drawn[1].label or "")
