"""Writes into torch optimizers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch

from cadence._errors import DriverError, UnknownNameError, neighbours
from cadence.drivers.writer import Clock, Row, Writer

BETAS = {"beta1": 0, "beta2": 1}


class TorchWriter(Writer):
    """One row for all groups of one or several torch optimizers.

    Groups are looked up anew whenever the optimizer replaced its list of them, as its `load_state_dict` does. A tensor
    rate is filled in place: compiled steps hold a reference to it.
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer], *, count: bool = True) -> None:
        """Hook the clock to the first optimizer (further ones step with it), unless somebody else counts."""
        self._optimizers = list(optimizers)
        self._optimizer = self._optimizers[0]
        self._clock = Clock(hooked=count)
        self._pairs: list[tuple[int, str]] = []
        self._known: list[Any] = []
        self._lists: list[Any] = []
        self._total = -1
        self._plain: str | None = None
        self._only: str | None = None
        self._regroup: Callable[[], None] = _nothing
        if count:
            self._hook()

    @property
    def clock(self) -> Clock:
        return self._clock

    def on_regroup(self, call: Callable[[], None]) -> None:
        """Call this when groups were added or replaced, before the next update is done."""
        self._regroup = call

    def groups(self) -> list[str | None]:
        return [None if (name := group.get("name")) is None else str(name) for group in self._all()]

    def base(self, group: int, value: str) -> float | None:
        here = self._all()[group]
        remembered = here.get(f"initial_{value}")
        return _read(here, value) if remembered is None else float(remembered)

    def remember(self, group: int, value: str, base: float) -> None:
        self._all()[group][f"initial_{value}"] = base

    def aim(self, pairs: Sequence[tuple[int, str]]) -> None:
        self._pairs = list(pairs)
        self._lists = [optimizer.param_groups for optimizer in self._optimizers]
        self._total = len(self._all())
        self._look()

    def write(self, values: Row) -> None:
        groups = self._optimizer.param_groups
        if groups is not self._known:
            self._look()
        # The two common cases first: this runs once an update.
        if self._only is not None:
            groups[0][self._only] = values[0]
        elif self._plain is not None:
            name = self._plain
            # Assigned by the loop itself: with hundreds of groups a statement in its body would cost as much again.
            for group, group[name] in zip(groups, values):  # noqa: B007, B020, B905
                pass
        else:
            self._write_each(values)

    def training(self) -> bool:
        return any(p.grad is not None for group in self._all() for p in group["params"])

    # ---- inside --------------------------------------------------------------------------------------------------

    def _all(self) -> list[dict[str, Any]]:
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]

    def _look(self) -> None:
        """See what kind of numbers the groups hold: plain floats of one name take the short way."""
        self._known = self._optimizer.param_groups
        count = len(self._known)
        names = {value for _, value in self._pairs}
        name = next(iter(names)) if len(names) == 1 else None
        in_order = [g for g, _ in self._pairs] == list(range(count)) and len(self._optimizers) == 1
        floats = name is not None and name not in BETAS and all(isinstance(g.get(name), (int, float)) for g in self._known)
        self._plain = name if in_order and floats else None
        self._only = self._plain if count == 1 else None

    def _write_each(self, values: Row) -> None:
        groups = self._all()
        for (g, value), number in zip(self._pairs, values, strict=True):
            if g < len(groups):
                _put(groups[g], value, number)

    def _hook(self) -> None:
        # The optimizer must not keep the writer (and with it the driver) alive.
        here = weakref.ref(self)
        clock = self._clock

        @torch.compiler.disable  # a compiled step would otherwise take the count for a constant and compile anew
        def count(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            del args, kwargs
            # Fused optimizers are called by the loss scaler in any case, and skip the update inside.
            found_inf = getattr(optimizer, "found_inf", None)
            if found_inf is not None and float(found_inf) > 0:
                return
            clock.done += 1
            clock.seen = True

        @torch.compiler.disable
        def look(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            del args, kwargs
            writer = here()
            if writer is not None and writer._stale():
                writer._regroup()

        self._optimizer.register_step_post_hook(count)
        for optimizer in self._optimizers:
            optimizer.register_step_pre_hook(look)

    def _stale(self) -> bool:
        """Whether groups were added or replaced since the writer was aimed."""
        replaced = any(o.param_groups is not known for o, known in zip(self._optimizers, self._lists, strict=True))
        return replaced or sum(len(o.param_groups) for o in self._optimizers) != self._total


def _nothing() -> None:
    """No driver listens yet."""


def _read(group: dict[str, Any], value: str) -> float | None:
    """A value of a group as a float; None where it has no such value."""
    if value in BETAS:
        betas = group.get("betas")
        return None if betas is None else float(betas[BETAS[value]])
    return None if group.get(value) is None else float(group[value])


def _put(group: dict[str, Any], value: str, number: float) -> None:
    if value in BETAS:
        i, betas = BETAS[value], group["betas"]
        if isinstance(betas[i], torch.Tensor):
            betas[i].fill_(number)
        else:
            group["betas"] = tuple(number if j == i else b for j, b in enumerate(betas))
    elif isinstance(group.get(value), torch.Tensor):
        group[value].fill_(number)
    else:
        group[value] = number


def numbers_of(optimizer: torch.optim.Optimizer) -> list[str]:
    """Names of the values that an optimizer's groups have and a plan can govern."""
    names: list[str] = []
    for group in optimizer.param_groups:
        for name, x in group.items():
            numeric = isinstance(x, (int, float)) and not isinstance(x, bool)
            if (numeric or isinstance(x, torch.Tensor)) and not name.startswith("initial_"):
                names.append(name)
        if group.get("betas") is not None:
            names += list(BETAS)
    return list(dict.fromkeys(names))


def check_optimizers(optimizers: Sequence[Any], values: Sequence[str]) -> None:
    """Refuse what is no torch optimizer, and a value that none of its groups has.

    Raises:
        DriverError: not an optimizer.
        UnknownNameError: a value that no group has; the message lists its neighbours.
    """
    known: list[str] = []
    for optimizer in optimizers:
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise DriverError(f"drive takes a torch optimizer (or a list of them), not a {type(optimizer).__name__}")
        if not optimizer.param_groups:
            raise DriverError(f"the {type(optimizer).__name__} has no parameter groups; give it parameters first")
        known += numbers_of(optimizer)
    for value in values:
        if value not in known:
            raise UnknownNameError(f"the optimizer has no value {value!r}; {neighbours(value, known)}")
