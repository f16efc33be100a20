"""The learning rate of a paddle optimizer, and the multiples of it that its groups have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter, truediv
from typing import Any, TypeAlias, final

from paddle.optimizer.lr import LRScheduler

from cadence._errors import DriverError
from cadence.drivers.paddle_groups import groups_of
from cadence.drivers.writer import Row, Write

Put: TypeAlias = Callable[[float], None]

multiple_of = itemgetter("learning_rate")

SAME = 1e-12
"""Ratios that differ by less are the same: the difference is rounding."""


@final
class Rate:
    """The learning rate of one optimizer, and the multiple of it that each group has.

    The rate is what the optimizer's own would be under the schedule of the group that stands highest; so no group's
    multiple is ever larger than it was, and a group at 0 stands in nobody's way.

    Attributes:
        wanted: the multiple that each group is to have; empty: whatever it has.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._set = rate_setter(optimizer)
        self._first = [_multiple(group) for group in groups_of(optimizer)]
        self.wanted: list[float] = []

    def read(self, index: int) -> float | None:
        """The rate of a group now."""
        now = float(self._optimizer.get_lr())
        groups = groups_of(self._optimizer)
        if not groups:
            return now
        return now * _multiple(groups[index]) if index < len(groups) else None

    def base(self, index: int, bases: Mapping[int, float]) -> float | None:
        """What the rate of a group would be at the beginning, where others say what theirs was.

        Args:
            index: of the group.
            bases: index of a group -> its rate at the beginning; where there is none, it begins now.
        """
        groups = groups_of(self._optimizer)
        shares = {i: base / self._first[i] for i, base in bases.items() if i < len(self._first) and self._first[i] > 0}
        if not groups or not shares:
            return self.read(index)
        # The rate is now that of the group that stands highest.
        rates = {i: (self.read(i) or 0.0) / self._first[i] for i in shares}
        return _multiple(groups[index]) * shares[max(shares, key=lambda i: rates[i])]

    def aim(self, places: Sequence[tuple[int, int]], ratios: Sequence[float] | None) -> Write:
        """A function that writes the rates of all groups.

        Args:
            places: (group, position in a row) of the groups that are governed; the others keep what they have.
            ratios: the ratio in which the numbers of every row will stand at these positions, where it is one.
        """
        groups = groups_of(self._optimizer)
        if not groups:
            return lambda values: self._set(values[places[0][1]])
        self._first += [_multiple(group) for group in groups[len(self._first) :]]
        for group in groups:
            group.setdefault("learning_rate", 1.0)
        if ratios is not None and max(ratios) > 0 and [index for index, _ in places] == list(range(len(groups))):
            return self._to_all([position for _, position in places], ratios)
        return self._to_each(places)

    def mend(self) -> None:
        """Give the groups their multiples again, where somebody else has written others."""
        groups = groups_of(self._optimizer)
        if self.wanted and list(map(multiple_of, groups)) != self.wanted:
            for group, multiple in zip(groups, self.wanted, strict=True):
                # Paddle looks at the parameters only; the group is what people look at.
                group["learning_rate"] = multiple
                for p in group["params"]:
                    p.optimize_attr["learning_rate"] = multiple

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _to_all(self, positions: Sequence[int], ratios: Sequence[float]) -> Write:
        """The groups keep their multiples, however many they are, and the one rate moves all of them."""
        _, self.wanted = self._split(ratios)
        highest = max(range(len(ratios)), key=ratios.__getitem__)
        position, multiple, set_rate = positions[highest], self.wanted[highest], self._set
        self.mend()
        return lambda values: set_rate(values[position] / multiple)

    def _to_each(self, places: Sequence[tuple[int, int]]) -> Write:
        rates = [self.read(index) or 0.0 for index in range(len(groups_of(self._optimizer)))]

        def write(values: Row) -> None:
            for index, position in places:
                rates[index] = values[position]
            top, self.wanted = self._split(rates)
            self._set(top)
            self.mend()

        return write

    def _split(self, rates: Sequence[float]) -> tuple[float, list[float]]:
        """The one rate and the multiples of it that give the groups these rates."""
        first = [x if x > 0 else 1.0 for x in self._first]
        shares = list(map(truediv, rates, first))
        top = max(shares)
        if min(shares) >= (1 - SAME) * top:
            return shares[0], first
        return top, [rate / top for rate in rates]


def _multiple(group: Mapping[str, Any]) -> float:
    return float(group.get("learning_rate", 1.0))


def rate_setter(optimizer: Any) -> Put:
    """A function that sets the optimizer's learning rate."""
    set_lr = optimizer.set_lr

    def put(rate: float) -> None:
        try:
            set_lr(rate)
        except RuntimeError:
            check_rate(optimizer)
            raise

    return put


def check_rate(optimizer: Any) -> None:
    """Refuse an optimizer whose rate somebody else governs.

    Raises:
        DriverError: it has a scheduler.
    """
    held = optimizer._learning_rate
    if isinstance(held, LRScheduler):
        raise DriverError(
            f"the {type(optimizer).__name__} has a {type(held).__name__} as its learning rate, which would govern it, "
            f"too; make it with a number, e.g. learning_rate={held.base_lr:g}, or use cadence.paddle_scheduler in its "
            f"place"
        )
