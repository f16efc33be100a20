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

    Most losses change nothing: of one between `floor` and `ceiling` it is enough that it is appended to `losses`, by
    whoever has no time for a call.

    Attributes:
        losses: taken so far.
        floor, ceiling: what `gone` need not be asked of, the floor included. NaN is never between them.

    Example:
        >>> watch = Watch()
        >>> [watch.gone(loss) for loss in (2.3, 2.4, 2.2, 1.9, 1.5, 1.6, 9.0, 9.5)]
        [False, False, False, False, False, False, False, True]
    """

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.floor, self.ceiling = math.inf, -math.inf
        self._start = self._lowest = math.inf
        # Losses below this are well.
        self._well = -math.inf
        # Sorted, of all losses but the last.
        self._steps: list[float] = []
        self._beyond = self._back = 0

    def gone(self, loss: float) -> bool:
        """Take one loss; says whether the training has diverged, so that there is nothing more to see."""
        self.losses.append(loss)
        if loss < self._well:
            self._beyond = self._back = 0
            if loss < self._lowest:
                self._lowest = loss
                self._well = min(self._well, self._start - NEAR * (self._start - loss))
            over = False
        else:
            over = self._judged(loss)
        # While losses beyond a limit are counted, one that is well ends the count.
        self.floor, self.ceiling = self._lowest, -math.inf if self._beyond or self._back else self._well
        return over

    def _judged(self, loss: float) -> bool:
        losses, count = self.losses, len(self.losses)
        first = losses[0]
        if not math.isfinite(loss) or (count > 1 and loss > BLOWN * abs(first) > 0):
            return True
        self._lowest = min(self._lowest, loss)
        if count <= FIRST:
            self._start = 0.5 * (first + losses[min(count - 1, 1)])
            return False
        steps = self._steps
        for k in range(len(steps) + 1, count - 1):
            insort(steps, abs(losses[k] - losses[k - 1]))
        noise = NORMAL * steps[len(steps) // 2] / ROOT_2
        fall = max(self._start - self._lowest, 0.0)
        margin = NOISY * noise + 0.5 * fall
        clear = fall > CLEAR * noise
        back = self._start - NEAR * fall
        self._well = back if clear else self._start + 0.5 * margin
        self._back = self._back + 1 if clear and loss > back else 0
        self._beyond = self._beyond + 1 if loss > self._start + margin else 0
        # Where nothing has moved yet there is no measure.
        far = margin > 0 and loss > self._start + FAR * margin
        return far or self._beyond >= AGAIN or self._back >= BACK
