"""Writes into paddle optimizers.

A paddle optimizer has one learning rate, of which a parameter group has a multiple (its `learning_rate`). The plan's
rate of a group is the product of the two. As long as the groups keep their ratio, only the one rate is written.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from operator import is_, itemgetter, truediv
from typing import Any, TypeAlias, final

import paddle
from paddle.optimizer import Optimizer
from paddle.optimizer.lr import LRScheduler
from paddle.regularizer import L2Decay

from cadence._errors import DriverError, UnknownNameError, neighbours
from cadence.drivers.paddle_hooks import parameters_of, watch
from cadence.drivers.writer import Clock, Regroup, Row, Write, Writer, no_optimizer

Put: TypeAlias = Callable[[float], None]

NUMBERS = ("momentum", "beta1", "beta2", "rho", "epsilon", "momentum_decay")
"""What a paddle optimizer reads at every update, besides its rate and its weight decay, where it has it."""

REMEMBERED = "_initial_values"
"""Attribute of an optimizer that keeps what relative values are multiples of, as torch's groups keep `initial_lr`."""

multiple_of = itemgetter("learning_rate")

SAME = 1e-12
"""Ratios that differ by less are the same: the difference is rounding."""

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
        self._members: list[list[Any]] = []
        self._rates = [Rate(optimizer) for optimizer in self._optimizers]
        self._listener: weakref.WeakMethod[Regroup] | None = None

    @property
    def clock(self) -> Clock:
        return self._clock

    def attach(self, regroup: Regroup) -> None:
        self._listener = weakref.WeakMethod(regroup)
        # The optimizer must not keep the writer (and with it the driver) alive.
        here = weakref.ref(self)

        def look() -> None:
            writer = here()
            if writer is not None and writer.stale():
                writer._changed()

        watch(self._given[0], self._clock, look)

    def groups(self) -> list[str | None]:
        names = [None if group.options is None else group.options.get("name") for group in self._all()]
        return [None if name is None else str(name) for name in names]

    def base(self, group: int, value: str) -> float | None:
        here = self._all()[group]
        remembered = getattr(here.optimizer, REMEMBERED, {}).get((here.index, value))
        return self._read(here, value) if remembered is None else remembered

    def remember(self, group: int, value: str, base: float) -> None:
        here = self._all()[group]
        here.optimizer.__dict__.setdefault(REMEMBERED, {})[here.index, value] = base

    def aim(self, pairs: Sequence[tuple[int, str]]) -> Write:
        self._pairs = list(pairs)
        self._members = [list(groups_of(optimizer)) for optimizer in self._optimizers]
        if len(self._optimizers) == 1 and self._pairs == [(0, "lr")] and not groups_of(self._optimizers[0]):
            return self._to_one(self._optimizers[0])
        groups, rates = self._all(), dict[int, list[tuple[int, int]]]()
        puts: list[tuple[int, Put]] = []
        for position, (g, value) in enumerate(self._pairs):
            if value == "lr":
                rates.setdefault(groups[g].number, []).append((groups[g].index, position))
            else:
                puts.append((position, groups[g].writer(value)))
        aimed = [self._rates[number].aim(places) for number, places in rates.items()]
        grouped = any(self._members)

        def write(values: Row) -> None:
            if grouped and self.stale():
                return self._changed()
            for put_rates in aimed:
                put_rates(values)
            for position, put in puts:
                put(values[position])

        return write

    def write(self, values: Row) -> None:
        self.aim(self._pairs)(values)

    def read(self) -> list[float | None]:
        groups = self._all()
        return [self._read(groups[g], value) if g < len(groups) else None for g, value in self._pairs]

    def training(self) -> bool:
        return self._clock.graded or any(p.grad is not None for o in self._optimizers for p in parameters_of(o))

    def fault(self) -> str | None:
        # Paddle has no optimizer that is switched.
        return None

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _to_one(self, optimizer: Any) -> Write:
        set_rate = rate_setter(optimizer)

        def write(values: Row) -> None:
            set_rate(values[0])

        return write

    def _read(self, group: Group, value: str) -> float | None:
        return self._rates[group.number].read(group.index) if value == "lr" else group.read(value)

    def _all(self) -> list[Group]:
        found: list[Group] = []
        for number, optimizer in enumerate(self._optimizers):
            options = groups_of(optimizer) or [None]
            found += [Group(optimizer, number, index, entry) for index, entry in enumerate(options)]
        return found

    def stale(self) -> bool:
        """Whether groups were added or replaced since the writer was aimed."""
        for optimizer, known in zip(self._optimizers, self._members, strict=True):
            here = groups_of(optimizer)
            if len(here) != len(known) or not all(map(is_, here, known)):
                return True
        return False

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


# ---- the learning rate -----------------------------------------------------------------------------------------------


@final
class Rate:
    """The learning rate of one optimizer, and the multiple of it that each group has.

    The rate is what the optimizer's own would be under the schedule of the group that stands highest; so no group's
    multiple is ever larger than it was, and a group at 0 stands in nobody's way.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self._set = rate_setter(optimizer)
        self._first = [_multiple(group) for group in groups_of(optimizer)]

    def read(self, index: int) -> float | None:
        """The rate of a group now."""
        now = float(self._optimizer.get_lr())
        groups = groups_of(self._optimizer)
        if not groups:
            return now
        return now * _multiple(groups[index]) if index < len(groups) else None

    def aim(self, places: Sequence[tuple[int, int]]) -> Write:
        """A function that writes the rates of all groups.

        Args:
            places: (group, position in a row) of the groups that are governed; the others keep what they have.
        """
        groups = groups_of(self._optimizer)
        if not groups:
            return lambda values: self._set(values[places[0][1]])
        self._first += [_multiple(group) for group in groups[len(self._first) :]]
        first = [x if x > 0 else 1.0 for x in self._first]
        for group in groups:
            group.setdefault("learning_rate", 1.0)
        known = [self.read(index) or 0.0 for index in range(len(groups))]

        # All groups in their order, as mostly: their rates are a piece of the row.
        begin = places[0][1]
        whole = list(places) == [(index, begin + index) for index in range(len(groups))]

        def write(values: Row) -> None:
            rates: Sequence[float] = values[begin : begin + len(first)] if whole else known
            if not whole:
                for index, position in places:
                    known[index] = values[position]
            shares = list(map(truediv, rates, first))
            top = max(shares)
            if min(shares) >= (1 - SAME) * top:
                top, wanted = shares[0], first
            else:
                wanted = [rate / top for rate in rates]
            self._set(top)
            if list(map(multiple_of, groups)) != wanted:
                for group, multiple in zip(groups, wanted, strict=True):
                    # Paddle looks at the parameters only; the group is what people look at.
                    group["learning_rate"] = multiple
                    for p in group["params"]:
                        p.optimize_attr["learning_rate"] = multiple

        return write


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


# ---- one group -------------------------------------------------------------------------------------------------------


@final
class Group:
    """A parameter group, or an optimizer without groups as the only one.

    Args:
        optimizer: whose group it is.
        number: of the optimizer.
        index: of the group in it.
        options: the group's dictionary; None where the optimizer has none.
    """

    __slots__ = ("index", "number", "optimizer", "options")

    def __init__(self, optimizer: Any, number: int, index: int, options: dict[str, Any] | None) -> None:
        self.optimizer, self.number, self.index, self.options = optimizer, number, index, options

    def read(self, value: str) -> float | None:
        """What the group has for a value other than the rate; None where the optimizer has no such value."""
        if value == "weight_decay" and self._regularized():
            held = self._regularizer()
            return 0.0 if held is None else float(getattr(held, "_coeff", held))
        key = key_of(self.optimizer, value)
        if key is None:
            return None
        if self.options is None:
            return float(getattr(self.optimizer, f"_{key}"))
        return float(self.options.get(key, self.optimizer._default_dict[key]))

    def writer(self, value: str) -> Put:
        """A function that writes such a value."""
        if value == "weight_decay" and self._regularized():
            return self._decay_writer()
        key = key_of(self.optimizer, value)
        place = self.options if self.options is not None else vars(self.optimizer)
        before = "" if self.options is not None else "_"
        name = f"{before}{key}"
        if key == "regularization_coeff":
            # Where it was made without a decay, it does not look at the coefficient.
            place[f"{before}regularization_method"] = "l2_decay"

        def put(number: float) -> None:
            place[name] = number

        return put

    def _regularized(self) -> bool:
        """Whether paddle adds the decay to the gradient by a regularizer, instead of decaying the weights itself."""
        key = key_of(self.optimizer, "weight_decay")
        return key is None or (key == "regularization_coeff" and self._regularizer() is not None)

    def _regularizer(self) -> Any:
        return (
            getattr(self.optimizer, "regularization", None)
            if self.options is None
            else self.options.get("weight_decay")
        )

    def _decay_writer(self) -> Put:
        held = self._regularizer()
        # One that nobody else uses: a regularizer may be shared by several optimizers.
        kind: Any = L2Decay if held is None or isinstance(held, (int, float)) else type(held)
        own = kind(self.read("weight_decay"))
        if self.options is None:
            self.optimizer.regularization = own
        else:
            self.options["weight_decay"] = own
            for p in self.options["params"]:
                p.regularizer = own

        def put(number: float) -> None:
            own._coeff = number

        return put


def key_of(optimizer: Any, value: str) -> str | None:
    """Under what name an optimizer keeps a value: as an attribute with an underscore, and in its groups without."""
    names = {"weight_decay": ("weight_decay", "lamb_weight_decay", "regularization_coeff")}.get(value, (value,))
    if value != "weight_decay" and value not in NUMBERS:
        return None
    return next((name for name in names if hasattr(optimizer, f"_{name}")), None)


# ---- what is driven --------------------------------------------------------------------------------------------------


def plain(optimizer: Any) -> Any:
    """The optimizer inside wrappers, as fleet's, `LookAhead` and those that shard."""
    while True:
        found = [vars(optimizer).get(name) for name in ("_inner_opt", "inner_optimizer", "_optim")]
        inner = next((x for x in found if isinstance(x, Optimizer)), None)
        if inner is None:
            return optimizer
        optimizer = inner


def groups_of(optimizer: Any) -> list[dict[str, Any]]:
    """The parameter groups; none where the optimizer was given plain parameters."""
    groups = optimizer._param_groups
    return groups if groups and isinstance(groups[0], dict) else []


def values_of(optimizer: Any) -> list[str]:
    """Names of the values that an optimizer has and a plan can govern."""
    return ["lr", "weight_decay", *(name for name in NUMBERS if key_of(optimizer, name) is not None)]


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
