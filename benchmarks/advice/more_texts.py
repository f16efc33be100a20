"""Further texts: Chinese, lines to be told apart, places to be told apart, and Chinese after English.

Sources and documentation come with the interpreter, the Chinese is this project's own documentation.
"""

from __future__ import annotations

import gzip
import math
import sysconfig
from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import torch
from benchmarks.advice.models import Gpt
from benchmarks.advice.more_models import LineReader
from benchmarks.advice.task import Task, cross_entropy, passes, pieces
from benchmarks.advice.texts import next_token, windows
from torch import Tensor, nn

SIGNS = 600
"""Characters of Chinese that are told apart, the most frequent ones; the last stands for all others."""

PACKAGES = ("asyncio", "email", "unittest", "ctypes", "multiprocessing")
"""Whose lines are told apart."""


def chinese_gpt() -> Task:
    """The next character of this project's Chinese documentation: 600 kinds, most of them seldom; a GPT."""
    text = _chinese()
    cut = len(text) * 9 // 10
    known = {sign: i for i, (sign, _) in enumerate(Counter(text[:cut]).most_common(SIGNS - 1))}
    signs = torch.tensor([known.get(sign, SIGNS - 1) for sign in text])
    return next_token(signs[:cut], signs[cut:], 450, 32, SIGNS, lambda: Gpt(SIGNS, 32, 32))


def from_prose_to_chinese() -> Task:
    """The next byte of this project's Chinese documentation, by a GPT that has learnt on Python's English one."""
    data = _all_bytes(_chinese())
    task = next_token(data[:60_000], data[-30_000:], 450, 32, 256, lambda: deepcopy(_of_prose()))
    return Task(**{**vars(task), "fine_tuning": True})


def lines_lstm() -> Task:
    """2,000 lines of Python: from which of five packages? An LSTM over their characters."""
    lines = [(line, i) for i, name in enumerate(PACKAGES) for line in _lines(name)]
    order = np.random.RandomState(81).permutation(len(lines))
    x, y = torch.stack([lines[i][0] for i in order]), torch.tensor([lines[i][1] for i in order])
    return Task(
        "classification", 500, 32, 2000, lambda: LineReader(128, len(PACKAGES)), passes(x[:2000], y[:2000], 32),
        cross_entropy, pieces(x[2000:3000], y[2000:3000]), math.log(len(PACKAGES)),
    )  # fmt: skip


def _chinese() -> str:
    """The documentation of November 2026, kept beside this file: it grows, and results would change with it."""
    return gzip.decompress(Path(__file__).with_name("chinese.txt.gz").read_bytes()).decode()


def _all_bytes(text: str) -> Tensor:
    return torch.from_numpy(np.frombuffer(text.encode(), np.uint8).astype(np.int64))


@cache
def _of_prose() -> nn.Module:
    """600 updates on Python's documentation."""
    torch.manual_seed(124)
    model = Gpt(256, 32, 48)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=601, pct_start=0.07)
    prose = _all_bytes("".join(topics[name] for name in sorted(topics)))
    for _, (x, y) in zip(range(600), windows(prose, 16, 32)(124), strict=False):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        falling.step()
    model.zero_grad()
    return model


def _sources(package: str) -> list[str]:
    folder = Path(sysconfig.get_path("stdlib")) / package
    return [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py"))]


def _lines(package: str) -> list[Tensor]:
    """Lines of at least 20 characters, the last 40 of each; shorter ones begin with spaces."""
    found = {line.strip() for text in _sources(package) for line in text.splitlines() if len(line.strip()) >= 20}
    kept = sorted(found)
    order = np.random.RandomState(83).permutation(len(kept))[:800]
    return [_ascii(kept[i][-40:].rjust(40)) for i in order]


def _ascii(text: str) -> Tensor:
    return torch.tensor([min(ord(sign), 127) for sign in text])
