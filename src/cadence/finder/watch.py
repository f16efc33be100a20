"""Whether a loss has gone for good."""

from __future__ import annotations

import math
from bisect import insort
from typing import final

from cadence.finder.losses import NORMAL

AGAIN = 2
"""Losses in a row beyond the limit that end a repeat: one may be an odd batch."""

CLEAR = 6.0
"""Standard deviations of a batch that a fall must have for that."""

NEAR = 0.1
"""Of the fall: a loss that is no further below the beginning is back there."""

BACK = 3
"""Losses in a row back at the beginning, after a clear fall, that end it too."""

NOISY = 4.0
"""Standard deviations of a batch beyond the loss at the beginning, from where on a loss may have diverged."""

ROOT_2 = math.sqrt(2.0)
"""Times the noise of one loss is that of the difference of two."""

FAR = 10.0
"""Times as far as the limit: one such loss is enough."""

FIRST = 4
"""Losses that are the measure of all others."""

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
        self._first = self._start = self._last = math.nan
        self._seen = 0
        self._lowest = math.inf
        # Sorted, so that their median is at hand: this is done at every update.
        self._steps: list[float] = []
        self._beyond = self._back = 0

    def gone(self, loss: float) -> bool:
        """Take one loss; says whether the training has diverged, so that there is nothing more to see."""
        if not math.isfinite(loss) or loss > BLOWN * abs(self._first) > 0:
            return True
        seen, before = self._seen, self._last
        self._seen, self._last, self._lowest = seen + 1, loss, min(self._lowest, loss)
        if seen == 0:
            self._first = loss
        if seen < 2:
            self._start = loss if seen == 0 else 0.5 * (self._first + loss)
        gone = seen >= FIRST and self._judged(loss)
        if seen:
            insort(self._steps, abs(loss - before))
        return gone

    def _judged(self, loss: float) -> bool:
        noise = NORMAL * self._steps[len(self._steps) // 2] / ROOT_2
        fall = max(self._start - self._lowest, 0.0)
        margin = NOISY * noise + 0.5 * fall
        clear = fall > CLEAR * noise
        self._back = self._back + 1 if clear and loss > self._start - NEAR * fall else 0
        self._beyond = self._beyond + 1 if loss > self._start + margin else 0
        # Where nothing has moved yet there is no measure.
        far = margin > 0 and loss > self._start + FAR * margin
        return far or self._beyond >= AGAIN or self._back >= BACK
