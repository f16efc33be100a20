"""Training loops that stand in a framework instead of the script: Lightning, Trainer, fit."""

from __future__ import annotations

from typing import Any

from cadence.script.model import Script


def client_rates(script: Script, *, total: int | None, base: float | None) -> list[Any]:
    """What the optimizers of a framework's own loop run with; empty where the script has loops of its own."""
    return []
