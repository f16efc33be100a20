"""Where a rate jumps: between two logged values, out of the course of its neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cadence.diagnosis.log import Series

ABRUPT = 0.05
"""Share by which a rate must leave its course in one step."""


class RateJump(NamedTuple):
    """A change of a rate at once.

    Attributes:
        t: the first update with the new rate, as far as the log shows.
        since: the last one with the old rate.
        before, after: the rates.
    """

    t: int
    since: int
    before: float
    after: float

    @property
    def factor(self) -> float:
        """After over before."""
        return self.after / self.before if self.before else np.inf


def rate_jumps(rate: Series) -> list[RateJump]:
    """All abrupt changes of a rate, a warmup's and a cosine's steps left out.

    Args:
        rate: of one parameter group.
    """
    series = rate.finite()
    y = series.values
    if len(y) < 4:
        return []
    peak = float(np.abs(y).max())
    if peak <= 0:
        return []
    change = np.diff(y)
    # What a smooth curve does here: the change before, or the one after, whichever is nearer.
    before = np.concatenate([change[1:2], change[:-1]])
    after = np.concatenate([change[1:], change[-2:-1]])
    own = np.minimum(np.abs(change - before), np.abs(change - after))
    size = np.maximum(np.maximum(np.abs(y[1:]), np.abs(y[:-1])), 1e-4 * peak)
    smooth = np.maximum(np.minimum(np.abs(before), np.abs(after)), 1e-12 * peak)
    # The first logged values of a warmup stand wherever the log happens to look at it.
    own[:2] = np.where(change[:2] > 0, 0.0, own[:2])
    jump = (own > ABRUPT * size) & (np.abs(change) > 3 * smooth) & (np.abs(change) > 1e-3 * peak)
    # Where the rate ends near 0 each step is large in proportion; a restart, a cut or a write is large in itself.
    return [
        RateJump(int(series.t[i + 1]), int(series.t[i]), float(y[i]), float(y[i + 1]))
        for i in np.flatnonzero(jump).tolist()
    ]
