"""Whether a loss has gone for good."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from cadence.finder.losses import NORMAL

AGAIN = 2
"""Losses in a row beyond the limit that end a repeat: one may be an odd batch."""

BACK = 3
"""Losses in a row back at the beginning, after a clear fall, that end it too."""

NOISY = 4.0
"""Standard deviations of a batch beyond the loss at the beginning, from where on a loss may have diverged."""

FAR = 10.0
"""Times as far as the limit: one such loss is enough."""


BLOWN = 1000.0
"""Times the loss at the beginning that no training comes back from."""


@final
class Watch:
    """Looks at the losses of one repeat as they come.

    Whatever the sign and the size of a loss, it is measured by what is seen: how far it has fallen, and how much it
    differs from batch to batch.

    Example:
        >>> watch = Watch()
        >>> [watch.gone(loss) for loss in (2.3, 2.4, 2.2, 1.9, 1.5, 1.6, 9.0, 9.5)]
        [False, False, False, False, False, False, False, True]
    """

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._lowest = math.inf
        self._beyond = self._back = 0

    def gone(self, loss: float) -> bool:
        """Take one loss; says whether the training has diverged, so that there is nothing more to see."""
        losses = self._losses
        if not math.isfinite(loss) or (losses and loss > BLOWN * abs(losses[0]) > 0):
            return True
        losses.append(loss)
        self._lowest = min(self._lowest, loss)
        # Most losses lie below the first two, and are dealt with here.
        if len(losses) < 3 or loss < 0.5 * (losses[0] + losses[1]) - 0.1 * (losses[0] - self._lowest):
            self._beyond = self._back = 0
            return False
        return self._judged(loss)

    def _judged(self, loss: float) -> bool:
        start = 0.5 * (self._losses[0] + self._losses[1])
        fall = max(start - self._lowest, 0.0)
        noise = NORMAL * float(np.median(np.abs(np.diff(self._losses)))) / math.sqrt(2.0)
        margin = NOISY * noise + 0.5 * fall
        self._back = self._back + 1 if fall > NOISY * noise else 0
        self._beyond = self._beyond + 1 if loss > start + margin else 0
        # Nothing has moved yet: there is no measure.
        far = margin > 0 and loss > start + FAR * margin
        return far or self._beyond >= AGAIN or self._back >= BACK
