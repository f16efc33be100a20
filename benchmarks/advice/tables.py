"""Tables: classes and numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from benchmarks.advice.models import dense, dense_normed
from benchmarks.advice.task import Task, cross_entropy, passes, pieces, spread, square_error
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_classification
from torch import Tensor


def _split(data: Any, target: Any, held_out: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """So many rows held out; features, and targets that are no classes, standardised with the others."""
    order = np.random.RandomState(seed).permutation(len(data))
    rest, train = order[:held_out], order[held_out:]
    x = torch.tensor((data - data[train].mean(0)) / (data[train].std(0) + 1e-9), dtype=torch.float32)
    if np.issubdtype(target.dtype, np.integer):
        y = torch.tensor(target)
    else:
        y = torch.tensor((target - target[train].mean()) / target[train].std(), dtype=torch.float32)[:, None]
    return x[train], y[train], x[rest], y[rest]


def cancer_mlp() -> Task:
    """284 rows of the breast cancer table: malignant or not."""
    found = load_breast_cancer()
    x, y, vx, vy = _split(found.data, found.target, 285, 4)
    return Task(
        "classification", 450, 32, len(x), lambda: dense(30, 64, 64, 2), passes(x, y, 32), cross_entropy,
        pieces(vx, vy), entropy(y, vy),
    )  # fmt: skip


def iris_mlp() -> Task:
    """90 rows of the iris table."""
    found = load_iris()
    x, y, vx, vy = _split(found.data, found.target, 60, 3)
    return Task(
        "classification", 450, 16, len(x), lambda: dense(4, 32, 32, 3), passes(x, y, 16), cross_entropy,
        pieces(vx, vy), math.log(3),
    )  # fmt: skip


def noisy_class() -> Task:
    """1,500 drawn rows of four classes, 12 % of the labels drawn anew: the one task whose data are not real."""
    data, target = make_classification(
        3000, 20, n_informative=8, n_redundant=4, n_classes=4, n_clusters_per_class=2, flip_y=0.12, class_sep=1.2,
        random_state=3,
    )  # fmt: skip
    x, y, vx, vy = _split(data, target, 1500, 3)
    return Task(
        "classification", 700, 64, len(x), lambda: dense_normed(20, 64, 4), passes(x, y, 64), cross_entropy,
        pieces(vx, vy), math.log(4),
    )  # fmt: skip


def diabetes_mlp() -> Task:
    """221 rows of the diabetes table: how far the illness goes in a year."""
    found = load_diabetes()
    x, y, vx, vy = _split(found.data, found.target, 221, 5)
    return Task(
        "regression", 500, 16, len(x), lambda: dense(10, 64, 64, 1), passes(x, y, 16), square_error,
        pieces(vx, vy), spread(vy),
    )  # fmt: skip


def cancer_reg() -> Task:
    """369 rows of the breast cancer table: a cell's radius from six other columns."""
    found = load_breast_cancer().data
    x, y, vx, vy = _split(found[:, 4:10], found[:, 0], 200, 9)
    return Task(
        "regression", 700, 32, len(x), lambda: dense(6, 64, 64, 1), passes(x, y, 32), square_error,
        pieces(vx, vy), spread(vy),
    )  # fmt: skip


def diabetes_class() -> Task:
    """221 rows of the diabetes table: whether the illness goes further in a year than it mostly does."""
    found = load_diabetes()
    x, y, vx, vy = _split(found.data, (found.target > np.median(found.target)).astype(np.int64), 221, 15)
    return Task(
        "classification", 500, 16, len(x), lambda: dense(10, 64, 64, 2), passes(x, y, 16), cross_entropy,
        pieces(vx, vy), entropy(y, vy),
    )  # fmt: skip


def iris_width() -> Task:
    """90 rows of the iris table: how wide a petal is, from its length and the sepal."""
    found = load_iris().data
    x, y, vx, vy = _split(found[:, :3], found[:, 3], 60, 13)
    return Task(
        "regression", 500, 16, len(x), lambda: dense(3, 48, 48, 1), passes(x, y, 16), square_error,
        pieces(vx, vy), spread(vy),
    )  # fmt: skip


def entropy(trained: Tensor, held_out: Tensor) -> float:
    """Loss of the training rows' frequencies on the held-out rows."""
    shares = torch.bincount(trained).double() / len(trained)
    return float(-shares.log()[held_out].mean())
