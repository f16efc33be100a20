"""Writes into paddle optimizers.

A paddle optimizer has one learning rate, of which a parameter group has a multiple (its `learning_rate`). The plan's
rate of a group is the product of the two. As long as the groups keep their ratio, only the one rate is written.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from operator import is_, itemgetter
from typing import Any

import paddle
from paddle.optimizer import Optimizer

from cadence._errors import DriverError, UnknownNameError, neighbours
from cadence.drivers.effective import Gauge
from cadence.drivers.paddle_groups import Group, groups_of, key_of, plain, values_of
from cadence.drivers.paddle_hooks import parameters_of, watch
from cadence.drivers.paddle_rate import Rate, check_rate, multiple_of, rate_setter
from cadence.drivers.writer import Clock, Ratios, Regroup, Row, Write, Writer, no_optimizer

REMEMBERED = "_initial_values"
"""Attribute of an optimizer that keeps what relative values are multiples of, as torch's groups keep `initial_lr`."""

OWN_RATES = {
    "Rprop": "keeps a step size of its own for each parameter, and reads its learning rate only to begin with",
    "LBFGS": "reads its learning rate from where paddle cannot set it",
}
"""Optimizers whose rate cannot be changed at run time, with the reason."""


class PaddleWriter(Writer):
    """One row for all groups of one or several paddle optimizers."""

    def __init__(self, optimizers: Sequence[Any]) -> None:
        """Write into these; nothing is hooked to them before `attach`.

        Args:
            optimizers: at least one; the updates of the first are the clock, further ones step with it.
        """
        self._given = list(optimizers)
        self._optimizers = [plain(optimizer) for optimizer in optimizers]
        self._clock = Clock()
        self._pairs: list[tuple[int, str]] = []
        # What was there when a row was last aimed: the lists themselves, and what was in them.
        self._lists: list[list[Any]] = []
        self._members: list[list[Any]] = []
        self._here: list[Group] = []
        self._rates = [Rate(optimizer) for optimizer in self._optimizers]
        self._listener: weakref.WeakMethod[Regroup] | None = None
        # Whether parameters are trained from the next update on that were not before.
        self._thawed = False

    @property
    def clock(self) -> Clock:
        return self._clock

    def attach(self, regroup: Regroup) -> None:
        self._listener = weakref.WeakMethod(regroup)
        # The optimizer must not keep the writer (and with it the driver) alive.
        here = weakref.ref(self)

        def look() -> None:
            writer = here()
            if writer is not None:
                writer._look()

        watch(self._given[0], self._clock, look)

    def groups(self) -> list[str | None]:
        names = [None if group.options is None else group.options.get("name") for group in self._all()]
        return [None if name is None else str(name) for name in names]

    def base(self, group: int, value: str) -> float | None:
        here = self._all()[group]
        remembered: dict[tuple[int, str], float] = getattr(here.optimizer, REMEMBERED, {})
        if (here.index, value) in remembered:
            return remembered[here.index, value]
        if value == "lr":
            # A group that was added is a multiple of the optimizer's rate, and stays so whatever the schedule does.
            bases = {index: base for (index, name), base in remembered.items() if name == "lr"}
            return self._rates[here.number].base(here.index, bases)
        return self._read(here, value)

    def remember(self, group: int, value: str, base: float) -> None:
        here = self._all()[group]
        here.optimizer.__dict__.setdefault(REMEMBERED, {})[here.index, value] = base

    def aim(self, pairs: Sequence[tuple[int, str]], ratios: Ratios) -> Write:
        self._pairs = list(pairs)
        self._lists = [optimizer._param_groups for optimizer in self._optimizers]
        self._members = [list(groups_of(optimizer)) for optimizer in self._optimizers]
        self._here = self._all()
        if len(self._optimizers) == 1 and self._pairs == [(0, "lr")] and not groups_of(self._optimizers[0]):
            return self._to_one(self._optimizers[0])
        writes = [*self._of_rates(ratios.get("lr")), *self._of_others()]
        grown = self._grown

        def write(values: Row) -> None:
            if grown():
                return self._changed()
            for put in writes:
                put(values)

        return write

    def write(self, values: Row) -> None:
        self.aim(self._pairs, {})(values)

    def read(self) -> list[float | None]:
        groups = self._all() if self._grown() else self._here
        return [self._read(groups[g], value) if g < len(groups) else None for g, value in self._pairs]

    def settings(self) -> dict[str, list[float | None]]:
        values = dict.fromkeys(value for optimizer in self._optimizers for value in values_of(optimizer))
        return {value: [self._read(group, value) for group in self._all()] for value in values}

    def frozen(self) -> list[Any]:
        return [None if group.options is None else group.options.get("frozen") for group in self._all()]

    def freeze(self, groups: Sequence[bool]) -> None:
        for group, frozen in zip(self._all(), groups, strict=True):
            if group.options is None or group.options.get("frozen") is None:
                continue
            self._thawed = self._thawed or not frozen
            for parameter in group.options["params"]:
                parameter.stop_gradient = frozen
                if frozen:
                    parameter.clear_gradient(set_to_zero=False)

    def training(self) -> bool:
        return self._clock.graded or any(p.grad is not None for o in self._optimizers for p in parameters_of(o))

    def fault(self) -> str | None:
        # Paddle has no optimizer that is switched.
        return None

    def gauge(self) -> Gauge:
        from cadence.drivers.paddle_effective import PaddleGauge

        def reader(group: Group, value: str) -> Callable[[], float | None]:
            return (lambda: self._read(group, value)) if value == "lr" else group.reader(value)

        return PaddleGauge(self._all, reader)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _to_one(self, optimizer: Any) -> Write:
        set_rate = rate_setter(optimizer)

        def write(values: Row) -> None:
            set_rate(values[0])

        return write

    def _of_rates(self, ratios: Sequence[float] | None) -> list[Write]:
        """Functions that write the rates, one for each optimizer."""
        groups, places = self._all(), dict[int, list[tuple[int, int]]]()
        shares = dict[int, list[float]]()
        governed = [(groups[g], position) for position, (g, value) in enumerate(self._pairs) if value == "lr"]
        for n, (group, position) in enumerate(governed):
            places.setdefault(group.number, []).append((group.index, position))
            if ratios is not None:
                shares.setdefault(group.number, []).append(ratios[n])
        return [self._rates[number].aim(listed, shares.get(number)) for number, listed in places.items()]

    def _of_others(self) -> list[Write]:
        """Functions that write the other values, one for each name under which they are kept."""
        groups, slots = self._all(), dict[str, list[tuple[dict[str, Any], int]]]()
        for position, (g, value) in enumerate(self._pairs):
            if value != "lr":
                place, name = groups[g].slot(value)
                slots.setdefault(name, []).append((place, position))
        return [into(name, [p for p, _ in placed], [i for _, i in placed]) for name, placed in slots.items()]

    def _read(self, group: Group, value: str) -> float | None:
        return self._rates[group.number].read(group.index) if value == "lr" else group.read(value)

    def _all(self) -> list[Group]:
        found: list[Group] = []
        for number, optimizer in enumerate(self._optimizers):
            options = groups_of(optimizer) or [None]
            found += [Group(optimizer, number, index, entry) for index, entry in enumerate(options)]
        return found

    def _grown(self) -> bool:
        """Whether groups were added or replaced since the writer was aimed, by the lists alone: paddle itself changes
        nothing else.
        """
        for optimizer, known, members in zip(self._optimizers, self._lists, self._members):  # noqa: B905
            if optimizer._param_groups is not known or (members and len(known) != len(members)):
                return True
        return False

    def _look(self) -> None:
        """Before an update: are the groups still there, and do they have their multiples?"""
        for optimizer, known, rate in zip(self._optimizers, self._members, self._rates):  # noqa: B905
            here = optimizer._param_groups if known else groups_of(optimizer)
            if len(here) != len(known) or not all(map(is_, here, known)):
                self._changed()
                break
            if rate.wanted and list(map(multiple_of, here)) != rate.wanted:
                rate.mend()
        if self._thawed:
            self._thawed = False
            for optimizer in self._optimizers:
                begin_state(optimizer)

    def _changed(self) -> None:
        """Tell who writes that the groups are others now."""
        was: list[int | None] = []
        first = 0
        for optimizer, members in zip(self._optimizers, self._members, strict=True):
            place = {id(group): first + i for i, group in enumerate(members)}
            was += [place.get(id(group)) for group in groups_of(optimizer)] if members else [first]
            first += max(len(members), 1)
        listener = None if self._listener is None else self._listener()
        if listener is not None:
            listener(was)


def begin_state(optimizer: Any) -> None:
    """Let an optimizer that a state was loaded into begin one for parameters that the state does not know.

    As long as anything of a loaded state is left over, paddle takes it for a fault when a parameter's state begins that
    is not in it: but one that was frozen when the state was saved has none. What is known is taken over first.
    """
    left: dict[str, Any] = getattr(optimizer, "_accumulators_holder", {})
    known = [p for p in parameters_of(optimizer) if any(key.startswith(f"{p.name}_") for key in left)]
    if left and len(known) < len(parameters_of(optimizer)):
        optimizer._create_accumulators(paddle.static.default_main_program().global_block(), known)
        left.clear()


def into(name: str, places: Sequence[dict[str, Any]], positions: Sequence[int]) -> Write:
    """A function that writes the numbers at some positions of a row under one name into dictionaries."""
    if len(places) == 1:
        (place,), (position,) = places, positions

        def write_one(values: Row) -> None:
            place[name] = values[position]

        return write_one
    chosen = itemgetter(*positions)

    def write(values: Row) -> None:
        # Assigned by the loop itself: with hundreds of groups a statement in its body would cost as much again.
        for place, place[name] in zip(places, chosen(values)):  # noqa: B007, B905
            pass

    return write


# ---- what is driven --------------------------------------------------------------------------------------------------


def check_optimizers(optimizers: Sequence[Any], values: Sequence[str]) -> None:
    """Refuse what is no paddle optimizer, what cannot be driven, and a value that none of its groups has.

    Raises:
        DriverError: not an optimizer, the same one twice, one with a scheduler, a static program, or a value that this
            optimizer does not let anyone change.
        UnknownNameError: a value that no group has; the message lists its neighbours.
    """
    if not paddle.in_dynamic_mode():
        raise DriverError(
            "a static program is run by its executor, which asks for the rate and tells nobody; give the optimizer "
            "learning_rate=cadence.paddle_scheduler(...) instead of driving it"
        )
    known: list[str] = []
    inner = [plain(optimizer) if hasattr(optimizer, "__dict__") else optimizer for optimizer in optimizers]
    for i, optimizer in enumerate(inner):
        if not isinstance(optimizer, Optimizer):
            raise no_optimizer(optimizers[i])
        if any(optimizer is other for other in inner[:i]):
            raise DriverError(f"the list has the same {type(optimizer).__name__} twice; name each optimizer once")
        _check_changeable(optimizer, values)
        known += values_of(optimizer)
    for value in values:
        if value not in known:
            raise UnknownNameError(
                f"the optimizer has no value {value!r}; {neighbours(value, list(dict.fromkeys(known)))}"
            )


def _check_changeable(optimizer: Any, values: Sequence[str]) -> None:
    kind = type(optimizer).__name__
    if "lr" in values:
        check_rate(optimizer)
        reason = next((OWN_RATES[cls.__name__] for cls in type(optimizer).__mro__ if cls.__name__ in OWN_RATES), None)
        if reason is not None:
            raise DriverError(f"paddle's {kind} {reason}; take another optimizer, or leave lr out of the plan")
    fused = key_of(optimizer, "weight_decay") == "regularization_coeff" and optimizer._use_multi_tensor
    if "weight_decay" in values and fused:
        raise DriverError(
            f"paddle's {kind} with use_multi_tensor=True reads its weight decay only once; make it without "
            f"use_multi_tensor, or leave weight_decay out of the plan"
        )
