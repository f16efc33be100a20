"""The A/B of what articles claim: its page tells what its runs say, and its flatness is that of a known loss."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def ab() -> Any:
    path = Path(__file__).parents[1] / "benchmarks" / "ab.py"
    found = importlib.util.spec_from_file_location("ab", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    # Dataclasses look their module up.
    sys.modules["ab"] = module
    found.loader.exec_module(module)
    return module


def test_the_page_pairs_arms_by_seed(ab: Any, tmp_path: Path) -> None:
    runs = []
    for arm, better in zip(ab.SCHEDULES, (0.0, 0.1, 0.0, 0.3, 0.0), strict=True):
        for rate in ab.digits().rates:
            loss = 1.0 if rate == 0.1 else 2.0
            runs += [[f"digits/{arm}/tune/{rate}/{seed}", {"loss": loss}] for seed in ab.TUNING_SEEDS]
        for seed in ab.SEEDS:
            # Seeds differ by far more than arms do.
            numbers = {"loss": seed + 1 - better, "accuracy": 0.5 + better / 100, "rise": 1.0}
            runs.append([f"digits/{arm}/val/0.1/{seed}", {"rate": 0.1, **numbers}])
    path = tmp_path / "ab.jsonl"
    path.write_text("".join(json.dumps(run) + "\n" for run in runs), encoding="utf-8")
    text = ab.page(ab.Ledger(path))
    assert "| cosine | 0.1 | 4.4 | 50.1 | 1 |" in text
    assert "| cosine instead of steps | **-0.1 (-0.1 to -0.1)** | **+0.1 (+0.1 to +0.1)** | +0 (+0 to +0) | 8 |" in text
    assert "| a warmup before the cosine | **-0.2 (-0.2 to -0.2)**" in text


def test_the_rise_is_that_of_the_function_and_not_of_how_large_its_weights_are_written(ab: Any) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 16, bias=False), torch.nn.ReLU(), torch.nn.Linear(16, 10, bias=False)
    )
    subject = ab.digits()
    first = ab.rise(model, subject, 0)
    assert first > 0
    with torch.no_grad():
        model[1].weight *= 8
        model[3].weight /= 8
    kept = [p.clone() for p in model.parameters()]
    assert ab.rise(model, subject, 0) == pytest.approx(first, rel=1e-4)
    assert all(torch.equal(a, b) for a, b in zip(kept, model.parameters(), strict=True))
    with torch.no_grad():
        model[3].weight *= 0
    assert ab.rise(model, subject, 0) == 0
