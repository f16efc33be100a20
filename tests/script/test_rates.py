"""The rate that a script will really run, against torch running the script."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from cadence.script.rates import rates
from cadence.script.read import read_script
from script.corpus import BATCHES, PREAMBLE, SCRIPTS


def really(text: str, folder: Path) -> list[list[list[float]]]:
    """For each optimizer, in the order of their making, the rates of its groups at each update; by running the script."""
    torch = pytest.importorskip("torch")
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    made: dict[int, list[list[float]]] = {}
    kept: list[object] = []

    def record(optimizer: object, args: object, kwargs: object) -> None:
        kept.append(optimizer)  # so that no other one gets its id
        made.setdefault(id(optimizer), []).append([float(g["lr"]) for g in optimizer.param_groups])  # type: ignore[attr-defined]

    path = folder / "train.py"
    path.write_text(text, encoding="utf-8")
    hook = register_optimizer_step_pre_hook(record)
    try:
        torch.manual_seed(0)
        runpy.run_path(str(path), run_name="__main__")
    finally:
        hook.remove()
    return list(made.values())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_rate_of_a_script_is_the_one_that_torch_runs(name: str, tmp_path: Path) -> None:
    text = PREAMBLE + SCRIPTS[name]
    told = rates(read_script(text, steps_per_epoch=BATCHES))
    ran = really(text, tmp_path)
    if name == "two optimizers":
        ran.reverse()  # the second is stepped first
    assert len(told) == len(ran)
    for rate, values in zip(told, ran, strict=True):
        assert rate.total == len(values)
        curve = rate.curve()
        for g in range(len(values[0])):
            expected = np.array([row[g] for row in values])
            np.testing.assert_allclose(
                curve.values(group=g, value="lr"), expected, rtol=1e-9, atol=1e-12 * expected.max()
            )
