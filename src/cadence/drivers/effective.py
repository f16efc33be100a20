"""What updates really did to each parameter group, as columns of a record."""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple, TypeAlias, final

from cadence._errors import DriverError
from cadence.drivers.weight_decay import Rule, decay_rate

Column: TypeAlias = list[float | None]
"""One number per parameter group, None where there is none."""

COLUMNS = (
    "update_norm", "weight_norm", "update_ratio", "trust_min", "trust_median", "trust_max", "decay_rate",
)  # fmt: skip
"""Of a row of updates, as `docs/formats.md` has them."""

LEEWAY = 1.05
"""What is kept at one time may be larger than the largest group by this: small groups are measured with the large."""

SMALL = 2**20
"""Values that may be kept in any case."""


class Effect(NamedTuple):
    """What one update did to one group.

    Attributes:
        update_norm: Euclidean norm of what was added to its weights, all tensors as one vector.
        weight_norm: of its weights before.
        trust: trust ratio of each tensor that was updated; empty where the method has none.
    """

    update_norm: float
    weight_norm: float
    trust: Sequence[float]


class Gauge(abc.ABC):
    """Measures updates of an optimizer. One per framework."""

    @abc.abstractmethod
    def sizes(self) -> list[int]:
        """How many values of each parameter group an update may change, as the groups are now."""

    @abc.abstractmethod
    def check(self) -> None:
        """Refuse parameters that cannot be measured.

        Raises:
            DriverError: there is one.
        """

    @abc.abstractmethod
    def watch(self, groups: Collection[int]) -> None:
        """Measure these groups at the next update that is really done, and no others; what was asked before is void.

        Nobody is kept alive by it, and an update that is not measured costs nothing.
        """

    @abc.abstractmethod
    def watch_anew(self, groups: Collection[int]) -> None:
        """The same where the groups have changed, maybe in the midst of an update: if none was watched, none is."""

    @abc.abstractmethod
    def read(self) -> dict[int, Effect]:
        """What the update that was watched did, by group; empty where there was none. This waits for the device."""

    @abc.abstractmethod
    def rules(self) -> list[Rule | None]:
        """What the weight decay of each group is."""

    @abc.abstractmethod
    def held(self, value: str) -> Column:
        """What each group holds under a value's name now."""


@final
class EffectiveRates:
    """Says which groups are measured at which update, and makes columns of it.

    Every group is measured once in `every` updates. The weights that are kept at one time are at most about as many
    as the largest group has (or a million): groups that together have more are measured at different updates. Where
    there would be more such portions than updates, they are larger.

    Args:
        gauge: of the optimizer.
        every: updates from one measurement of a group to its next, at least 1.

    Raises:
        DriverError: `every` is no such number.
    """

    def __init__(self, gauge: Gauge, every: int) -> None:
        if type(every) is not int or every < 1:
            raise DriverError(
                f"effective_rates={every!r:.60} is no distance between measurements; write a number of updates, e.g. "
                f"effective_rates=20, or None for no measurement"
            )
        self._gauge = gauge
        self._every = every
        self._portions: dict[int, list[int]] = {}
        self._rules: list[Rule | None] = []
        self._watching = False

    def expect(self, t: int) -> None:
        """Update `t` comes next."""
        place = t % self._every
        if place == 0 or not self._portions:
            self._look()
        watched = place in self._portions
        if watched or self._watching:
            self._gauge.watch(self._portions.get(place, ()))
            self._watching = watched

    def regroup(self, t: int) -> None:
        """The groups are others now, before update `t` or in the midst of it."""
        self._look()
        self._gauge.watch_anew(self._portions.get(t % self._every, ()))

    def columns(self, values: Mapping[str, Column]) -> dict[str, Column]:
        """Columns of the update that was done, after it and before anything is changed for the next.

        Args:
            values: what was in force: value -> one number per group, None where the driver does not govern it.
        """
        decays = self.decay_rates(values)
        found = {} if decays.count(None) == len(decays) else {"decay_rate": decays}
        if self._watching and (effects := self._gauge.read()):
            found |= _measured(effects, len(decays))
        return found

    def decay_rates(self, values: Mapping[str, Column]) -> Column:
        """What decay alone takes from the weights of each group in one update."""
        rates, decays = self._in_force("lr", values), self._in_force("weight_decay", values)
        return list(map(decay_rate, self._rules, rates, decays))

    def about(self) -> dict[str, Any]:
        """What ``run.json`` says of it."""
        return {"effective_rates": self._every, "decay": list(self._gauge.rules())}

    def _look(self) -> None:
        self._portions = portions(self._gauge.sizes(), self._every)
        self._rules = self._gauge.rules()

    def _in_force(self, name: str, values: Mapping[str, Column]) -> Column:
        governed = values.get(name)
        if governed is None:
            return self._gauge.held(name)
        if None not in governed:
            return governed
        return [own if x is None else x for x, own in zip(governed, self._gauge.held(name), strict=True)]


def portions(sizes: Sequence[int], every: int) -> dict[int, list[int]]:
    """Groups to measure at each update of a round.

    Args:
        sizes: values in each group.
        every: updates of a round.

    Returns:
        Number of the update in its round -> indices of groups. Every group is there once.

    Example:
        >>> million = 10**6
        >>> portions([100 * million, 3 * million], 20), portions([60 * million, 100 * million, 40 * million], 20)
        ({0: [0, 1]}, {0: [1], 10: [0, 2]})
        >>> portions([10 * million] * 4, every=2), portions([1000] * 4, every=20)
        ({0: [0, 1], 1: [2, 3]}, {0: [0, 1, 2, 3]})
    """
    room = max(SMALL, LEEWAY * max(sizes, default=0))
    while True:
        packed = _packed(sizes, room)
        if len(packed) <= every:
            return {i * every // len(packed): sorted(groups) for i, groups in enumerate(packed)}
        room *= 1.1


def _packed(sizes: Sequence[int], room: float) -> list[list[int]]:
    """The groups in portions that fit, the largest first, each into the first that has room for it."""
    packed: list[list[int]] = []
    left: list[float] = []
    for group in sorted(range(len(sizes)), key=lambda g: -sizes[g]):
        place = next((i for i, space in enumerate(left) if space >= sizes[group]), None)
        if place is None:
            packed.append([])
            left.append(room)
            place = len(packed) - 1
        packed[place].append(group)
        left[place] -= sizes[group]
    return packed


def _measured(effects: Mapping[int, Effect], groups: int) -> dict[str, Column]:
    """Columns of what was measured."""
    columns: dict[str, Column] = {name: [None] * groups for name in ("update_norm", "weight_norm", "update_ratio")}
    if any(effect.trust for effect in effects.values()):
        columns |= {name: [None] * groups for name in ("trust_min", "trust_median", "trust_max")}
    for g, effect in effects.items():
        columns["update_norm"][g], columns["weight_norm"][g] = effect.update_norm, effect.weight_norm
        # Weights at 0 have no size that a step could be compared with.
        columns["update_ratio"][g] = effect.update_norm / effect.weight_norm if effect.weight_norm else None
        if effect.trust:
            for name, of in (("trust_min", min), ("trust_median", median), ("trust_max", max)):
                columns[name][g] = float(of(effect.trust))
    return columns
