"""Further tables: several numbers to predict, and columns that hold names."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import torch
from benchmarks.advice.models import dense
from benchmarks.advice.more_models import Columns
from benchmarks.advice.tables import entropy
from benchmarks.advice.task import Task, cross_entropy, passes, pieces, spread, square_error
from benchmarks.advice.texts import frequencies
from sklearn.datasets import load_breast_cancer, load_wine
from torch import Tensor


def cancer_worst() -> Task:
    """369 rows of the breast cancer table: the worst cells' ten numbers, from those of the mean."""
    found = load_breast_cancer().data
    order = np.random.RandomState(71).permutation(len(found))
    found = (found - found[order[200:]].mean(0)) / found[order[200:]].std(0)
    rows = torch.tensor(found, dtype=torch.float32)
    x, y = rows[order[200:], :10], rows[order[200:], 20:]
    vx, vy = rows[order[:200], :10], rows[order[:200], 20:]
    return Task(
        "regression", 600, 32, len(x), lambda: dense(10, 64, 64, 10), passes(x, y, 32), square_error, pieces(vx, vy),
        spread(vy),
    )  # fmt: skip


def wine_class() -> Task:
    """60 rows of the wine table, three growers, all rows in two updates."""
    wine = load_wine()
    order = np.random.RandomState(72).permutation(len(wine.target))
    train, rest = order[:60], order[60:]
    data = torch.tensor((wine.data - wine.data[train].mean(0)) / wine.data[train].std(0), dtype=torch.float32)
    target = torch.tensor(wine.target)
    return Task(
        "classification", 450, 30, 60, lambda: dense(13, 32, 3), passes(data[train], target[train], 30), cross_entropy,
        pieces(data[rest], target[rest]), entropy(target[train], target[rest]),
    )  # fmt: skip


KINDS = 6
"""Columns of the table of characters."""


def characters() -> Task:
    """3,000 characters of Unicode: letter, mark, number, ...? From six columns of names."""
    rows, kinds = _characters()
    order = np.random.RandomState(73).permutation(len(rows))
    train, rest = order[:3000], order[3000:5000]
    columns: list[Tensor] = []
    sizes: list[int] = []
    for i in range(KINDS):
        often = Counter(rows[j][i] for j in train).most_common(150)
        known = {name: k + 1 for k, (name, _) in enumerate(often)}
        columns.append(torch.tensor([known.get(row[i], 0) for row in rows]))
        sizes.append(len(known) + 1)
    names = {kind: k for k, kind in enumerate(sorted(set(kinds)))}
    x, y = torch.stack(columns, 1), torch.tensor([names[kind] for kind in kinds])
    return Task(
        "classification", 600, 64, 3000, lambda: Columns(sizes, len(names)), passes(x[train], y[train], 64),
        cross_entropy, pieces(x[rest], y[rest]), frequencies(y[train], y[rest], len(names)),
    )  # fmt: skip


def _characters() -> tuple[list[tuple[str, ...]], list[str]]:
    """Of each character with a name, but ideographs: three words of its name, its block of 128, width, first letters of
    its name; and its general category."""
    rows, kinds = list[tuple[str, ...]](), list[str]()
    for code in range(0x30000):
        name = unicodedata.name(chr(code), "")
        if not name or "IDEOGRAPH" in name or "HANGUL SYLLABLE" in name:
            continue
        words = name.split()
        rows.append(
            (
                words[0], words[len(words) // 2], words[-1], str(code >> 7), unicodedata.east_asian_width(chr(code)),
                str(len(words)),
            )
        )  # fmt: skip
        kinds.append(unicodedata.category(chr(code)))
    return rows, kinds
