"""Logs as people's programs write them, made for tests of their readers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

UPDATES = 600


def losses(updates: int = UPDATES, seed: int = 0) -> list[float]:
    """A loss that falls, with noise, and no two numbers alike."""
    t = np.arange(updates)
    noise = np.random.default_rng(seed).normal(0, 0.03, updates)
    return (0.2 + 2.3 * np.exp(-t / 150) + noise).tolist()


def rates(updates: int = UPDATES, base: float = 1e-3) -> list[float]:
    """A warmup of a tenth and a cosine, by a formula of its own."""
    rise = updates // 10
    t = np.arange(updates)
    fall = 0.5 * (1 + np.cos(np.pi * (t - rise) / (updates - rise)))
    return (base * np.where(t < rise, t / rise, fall)).tolist()


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]], *, delimiter: str = ",") -> Path:
    """A table with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(head)
        writer.writerows(rows)
    return path


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
