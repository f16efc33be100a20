"""Numbers along a line: brain waves and heights of a landscape. Both come with matplotlib."""

from __future__ import annotations

import numpy as np
import torch
from benchmarks.advice.more_images import SAMPLES
from benchmarks.advice.more_models import series
from benchmarks.advice.task import Task, passes, pieces, square_error
from torch import Tensor


def brain_waves() -> Task:
    """560 pieces of an electroencephalogram: how do its four channels go on, after 32 samples?"""
    waves = np.frombuffer((SAMPLES / "eeg.dat").read_bytes(), float).reshape(4, 800)
    waves = torch.tensor((waves - waves[:, :600].mean(1, keepdims=True)) / waves[:, :600].std(1, keepdims=True)).float()
    found = waves.unfold(1, 36, 1).transpose(0, 1)  # (765, 4, 36)
    x, y, vx, vy = found[:560, :, :32], found[:560, :, 32], found[600:, :, :32], found[600:, :, 32]
    return Task(
        "regression", 500, 32, 560, lambda: series(4, 32, 4), passes(x, y, 32), square_error, pieces(vx, vy),
        float(vy.square().mean()),
    )  # fmt: skip


def landscape() -> Task:
    """2,000 profiles of the hills of Jacksboro: after 48 heights, which are the next eight?"""
    heights = torch.tensor(np.load(SAMPLES / "jacksboro_fault_dem.npz")["elevation"].astype("f4"))
    x, y = _profiles(heights[:240], 2000, 61)
    vx, vy = _profiles(heights[250:], 500, 62)
    return Task(
        "regression", 600, 32, 2000, lambda: series(1, 48, 8), passes(x, y, 32), square_error, pieces(vx, vy),
        float(vy.square().mean()),
    )  # fmt: skip


def _profiles(heights: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """From the last height that is seen, in units of 60 metres."""
    random = np.random.RandomState(seed)
    lines = [
        heights[random.randint(len(heights)), (begin := random.randint(heights.shape[1] - 56)) : begin + 56]
        for _ in range(count)
    ]
    found = torch.stack(lines)
    found = (found - found[:, 47:48]) / 60
    return found[:, None, :48], found[:, 48:]
