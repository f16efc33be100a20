"""Models that tests name by import path."""

from __future__ import annotations

import torch


def wide(width: int = 4) -> torch.nn.Module:
    """A square layer."""
    return torch.nn.Linear(width, width, bias=False)


def looks_at_itself() -> torch.nn.Module:
    """A model that cannot be made without its numbers."""
    layer = torch.nn.Linear(2, 2)
    if float(layer.weight.detach().abs().sum().item()) < 0:
        raise AssertionError
    return layer
