"""Handwritten digits: 1,797 real images that come with scikit-learn."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cadence._lazy import need
from cadence.tasks.arrays import ArrayData
from cadence.tasks.base import Task
from cadence.tasks.find import embedded
from cadence.tasks.later import ENGINES, Later

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAIN, TUNE, VAL = 896, 300, 601
"""Rows of each part. 896 are 14 batches of 64, so that no epoch ends in a batch of one image."""

_SPLIT_SEED = 2017
_SIDE = 8


@embedded("digits")
def digits() -> Task:
    """Which digit is written on an 8x8 image: a small residual network, reported by accuracy.

    1,797 images of scikit-learn's `load_digits`, split by a fixed seed and in equal shares of every digit into 896 to
    train on, 300 for tuning and 601 to report on; standardised by the training part; shifted by up to one pixel in
    training.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    return Task(
        name="digits",
        data=_data(),
        models={engine: Later(engine, f"cadence.tasks.digits_{engine}", "residual_network") for engine in ENGINES},
        losses={engine: Later(engine, f"cadence.tasks.losses_{engine}", "cross_entropy") for engine in ENGINES},
        metrics={engine: Later(engine, f"cadence.tasks.losses_{engine}", "accuracy") for engine in ENGINES},
        metric_name="accuracy",
        metric_better="max",
        loss_reference=float(np.log(10)),
        about=(
            f"1,797 images of handwritten digits, 8x8 pixels, from scikit-learn: {TRAIN} to train on, {TUNE} for "
            f"tuning, {VAL} to report on"
        ),
    )


@functools.cache
def _data() -> ArrayData:
    bunch = need("sklearn.datasets", extra="torch").load_digits()
    pixels: NDArray[np.int64] = np.asarray(bunch.images, dtype=np.int64)  # ink, 0 to 16
    labels: NDArray[np.int64] = np.asarray(bunch.target, dtype=np.int64)
    order = stratified_order(labels, _SPLIT_SEED)
    train, tune, val = np.split(order, [TRAIN, TRAIN + TUNE])
    mean, deviation = _mean_and_deviation(pixels[train])
    x = ((pixels / 16 - mean) / deviation).astype(np.float32)[:, None]
    return ArrayData(
        x[train],
        labels[train],
        val=(x[val], labels[val]),
        tune=(x[tune], labels[tune]),
        augment=Shift(blank=float(np.float32((0 - mean) / deviation))),
        default_batch_size=64,
        held_out_batch_size=VAL,
    )


def _mean_and_deviation(pixels: NDArray[np.int64]) -> tuple[float, float]:
    """Of the pixels on the scale [0, 1].

    From sums of whole numbers, which are exact in any order: a sum of floats may differ between machines in its last
    digit, and with it the fingerprint of the data.
    """
    total, squares, count = int(pixels.sum()), int((pixels * pixels).sum()), pixels.size
    mean = total / count
    return mean / 16, ((squares * count - total * total) ** 0.5 / count) / 16


def stratified_order(labels: NDArray[np.int64], seed: int) -> NDArray[np.intp]:
    """An order of rows in which every stretch holds the classes in nearly the same shares.

    Args:
        labels: class of each row.
        seed: of the order within a class.

    Returns:
        Row numbers.

    Example:
        >>> stratified_order(np.array([0, 0, 0, 0, 1, 1]), seed=0).tolist()
        [2, 5, 1, 3, 4, 0]
    """
    # RandomState, because numpy promises that its stream never changes; the split must not move with numpy's version.
    shuffled = np.random.RandomState(seed).permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels[shuffled] == label)
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return shuffled[np.argsort(place, kind="stable")]


class Shift:
    """Moves each image by -1, 0 or 1 pixel along each side, all nine equally often.

    Args:
        blank: value of what comes in over the edge.
    """

    def __init__(self, blank: float) -> None:
        self._blank = blank

    def __call__(self, inputs: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        rows, channels, height, width = inputs.shape
        wide = np.full((rows, channels, height + 2, width + 2), self._blank, dtype=inputs.dtype)
        wide[:, :, 1:-1, 1:-1] = inputs
        down, right = rng.integers(3, size=(2, rows))
        # All nine views of every image without a copy; picking one of each is the copy.
        views = sliding_window_view(wide, (height, width), axis=(2, 3))
        return views[np.arange(rows), :, down, right]
