"""A run to write, and rows for it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def run() -> dict[str, Any]:
    """The smallest description of a run."""
    horizon = {"total": 300, "steps_per_epoch": 30, "batch_size": 64, "tokens_per_step": None}
    return {
        "name": "mine",
        "spec": "warmup('5%') >> cosine(to=0.01)",
        "horizon": horizon,
        "groups": ["body", "head"],
        "values": ["lr"],
        "bases": {"lr": [0.1, 0.01]},
    }


@pytest.fixture
def here() -> dict[str, Any]:
    """An environment that need not be looked up."""
    return {"python": "3.11.7", "packages": {"cadence": "0.1.0", "numpy": "2.4.0"}, "git": None, "processor": "P"}
