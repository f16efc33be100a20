"""Random arguments of schedulers, the same in every run."""

from __future__ import annotations

from typing import Any

import numpy as np


class Draws:
    """Arguments as people write them, and as they do not. A framework's tests say which, in a class on top of this."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def of(self, *choices: Any) -> Any:
        """One of these."""
        return choices[int(self.rng.integers(len(choices)))]

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` up to, but not `high`."""
        return int(self.rng.integers(low, high))

    def maybe(self, share: float = 0.5) -> bool:
        """True in this share of the draws."""
        return bool(self.rng.random() < share)

    def length(self) -> Any:
        """A number of steps: few, many, a whole one as a float, and a fraction."""
        return self.of(1, 2, 7, 30, 60, 61, 200, self.whole(1, 100), float(self.whole(1, 90)), 12.5)
