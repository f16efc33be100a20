"""Writes into torch optimizers."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch.optim import Optimizer

from cadence._errors import DriverError, UnknownNameError, neighbours
from cadence.drivers.effective import Gauge
from cadence.drivers.torch_hooks import after_loading, count_updates, notice_gradients, notice_groups
from cadence.drivers.torch_modes import Switch, switches_of
from cadence.drivers.writer import Clock, Ratios, Regroup, Row, Write, Writer, no_optimizer

Group: TypeAlias = dict[str, Any]

BETAS = {"beta1": 0, "beta2": 1}


class TorchWriter(Writer):
    """One row for all groups of one or several torch optimizers.

    Groups are looked up anew when an optimizer has replaced its list of them, as its `load_state_dict` does. A tensor
    is filled in place, and is put back where a loaded state has replaced it: compiled steps and captured graphs hold a
    reference to it.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        """Write into these; nothing is hooked to them before `attach`.

        Args:
            optimizers: at least one; the updates of the first are the clock, further ones step with it.
        """
        self._optimizers = [plain(optimizer) for optimizer in optimizers]
        self._clock = Clock()
        self._pairs: list[tuple[int, str]] = []
        # What was there when a row was last aimed: the lists themselves, what was in them, and their tensors.
        self._lists: list[list[Group]] = []
        self._members: list[list[Group]] = []
        self._tensors: dict[tuple[int, str], torch.Tensor] = {}
        self._says: list[Any] = []
        self._listener: weakref.WeakMethod[Regroup] | None = None
        self._switches: list[Switch] = []

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

        first, *others = self._optimizers
        count_updates(first, self._clock, look)
        after_loading(first, look)
        notice_gradients(first, self._clock)
        self._switches = switches_of(self._optimizers)
        for optimizer in others:
            notice_groups(optimizer, look)

    def groups(self) -> list[str | None]:
        return [None if (name := group.get("name")) is None else str(name) for group in self._all()]

    def base(self, group: int, value: str) -> float | None:
        here = self._all()[group]
        remembered = here.get(f"initial_{value}")
        return _read(here, value) if remembered is None else float(remembered)

    def remember(self, group: int, value: str, base: float) -> None:
        self._all()[group][f"initial_{value}"] = base

    def aim(self, pairs: Sequence[tuple[int, str]], ratios: Ratios) -> Write:
        self._pairs = list(pairs)
        self._lists = [optimizer.param_groups for optimizer in self._optimizers]
        self._members = [list(groups) for groups in self._lists]
        self._says = self.frozen()
        self._own_tensors()
        return self._fastest()

    def write(self, values: Row) -> None:
        groups = self._all()
        for (g, value), number in zip(self._pairs, values, strict=True):
            if g < len(groups):
                _put(groups[g], value, number)

    def read(self) -> list[float | None]:
        groups = self._all()
        return [_read(groups[g], value) if g < len(groups) else None for g, value in self._pairs]

    def settings(self) -> dict[str, list[float | None]]:
        values = dict.fromkeys(value for optimizer in self._optimizers for value in values_of(optimizer))
        return {value: [_read(group, value) for group in self._all()] for value in values}

    def frozen(self) -> list[Any]:
        return [group.get("frozen") for group in self._all()]

    def freeze(self, groups: Sequence[bool]) -> None:
        for group, frozen in zip(self._all(), groups, strict=True):
            if group.get("frozen") is None:
                continue
            for parameter in group["params"]:
                parameter.requires_grad_(not frozen)
                if frozen:
                    parameter.grad = None

    def training(self) -> bool:
        return self._clock.graded or any(p.grad is not None for group in self._all() for p in group["params"])

    def gauge(self) -> Gauge:
        from cadence.drivers.torch_effective import TorchGauge

        return TorchGauge(self._optimizers)

    def fault(self) -> str | None:
        return next((told for switch in self._switches if (told := switch.fault()) is not None), None)

    # ---- the fast ways -------------------------------------------------------------------------------------------

    def _fastest(self) -> Write:
        """A function without look-ups: what it writes to is bound to it, and checked to be still there."""
        groups = self._all()
        slots = [(groups[g], value) for g, value in self._pairs]
        if any(value in BETAS or not isinstance(group.get(value), (int, float)) for group, value in slots):
            return self.write
        names = {value for _, value in slots}
        if len(self._optimizers) > 1 or len(names) != 1 or len(slots) != len(groups):
            return self._to_slots(slots)
        return self._to_one(names.pop()) if len(groups) == 1 else self._to_each(names.pop())

    def _to_one(self, name: str) -> Write:
        optimizer, known = self._optimizers[0], self._lists[0]

        def write(values: Row) -> None:
            if optimizer.param_groups is not known:
                return self._changed()
            known[0][name] = values[0]

        return write

    def _to_each(self, name: str) -> Write:
        optimizer, known = self._optimizers[0], self._lists[0]

        def write(values: Row) -> None:
            if optimizer.param_groups is not known:
                return self._changed()
            # Assigned by the loop itself: with hundreds of groups a statement in its body would cost as much again.
            for group, group[name] in zip(known, values):  # noqa: B007, B905
                pass

        return write

    def _to_slots(self, slots: list[tuple[Group, str]]) -> Write:
        optimizer, known, several = self._optimizers[0], self._lists[0], len(self._optimizers) > 1

        def write(values: Row) -> None:
            if optimizer.param_groups is not known or (several and self.stale()):
                return self._changed()
            for (group, name), number in zip(slots, values):  # noqa: B905
                group[name] = number

        return write

    # ---- groups that come and go ---------------------------------------------------------------------------------

    def _all(self) -> list[Group]:
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]

    def stale(self) -> bool:
        """Whether groups were added or replaced since the writer was aimed."""
        for optimizer, known, members in zip(self._optimizers, self._lists, self._members):  # noqa: B905
            if optimizer.param_groups is not known or len(known) != len(members):
                return True
        return False

    def _changed(self) -> None:
        """Put tensors and lengths back where they were, and tell who writes that the groups are others now."""
        was, groups = self._former(), self._all()
        for former, group in zip(was, groups, strict=True):
            # A state from before the group was given a length knows nothing of it.
            if former is not None and self._says[former] is not None:
                group.setdefault("frozen", self._says[former])
        now = dict(zip(was, groups, strict=True))
        for (former, value), tensor in self._tensors.items():
            if former in now:
                _replace(now[former], value, tensor)
        listener = None if self._listener is None else self._listener()
        if listener is not None:
            listener(was)

    def _former(self) -> list[int | None]:
        """For each group now, which one it was before."""
        was: list[int | None] = []
        first = 0
        for optimizer, members in zip(self._optimizers, self._members, strict=True):
            place = {id(group): first + i for i, group in enumerate(members)}
            here = [place.get(id(group)) for group in optimizer.param_groups]
            if all(i is None for i in here):
                # All of them are new objects: a loaded state, whose groups are the former ones in the same order.
                here = [first + i if i < len(members) else None for i in range(len(here))]
            was += here
            first += len(members)
        return was

    def _own_tensors(self) -> None:
        """Give each pair a tensor of its own: an optimizer made with one tensor shares it among all of its groups."""
        self._tensors = {}
        groups, taken = self._all(), set[int]()
        for g, value in self._pairs:
            tensor = _held(groups[g], value)
            if isinstance(tensor, torch.Tensor):
                if id(tensor) in taken:
                    tensor = tensor.clone()
                    _replace(groups[g], value, tensor)
                taken.add(id(tensor))
                self._tensors[g, value] = tensor


# ---- one group -------------------------------------------------------------------------------------------------------


def _held(group: Group, value: str) -> Any:
    """What a group holds under a value's name; None where it has no such value."""
    if value in BETAS:
        betas = group.get("betas")
        return None if betas is None else betas[BETAS[value]]
    return group.get(value)


def _read(group: Group, value: str) -> float | None:
    held = _held(group, value)
    return None if held is None else float(held)


def _replace(group: Group, value: str, new: Any) -> None:
    if value in BETAS:
        group["betas"] = tuple(new if i == BETAS[value] else beta for i, beta in enumerate(group["betas"]))
    else:
        group[value] = new


def _put(group: Group, value: str, number: float) -> None:
    held = _held(group, value)
    if isinstance(held, torch.Tensor):
        held.fill_(number)
    else:
        _replace(group, value, number)


# ---- what is driven --------------------------------------------------------------------------------------------------


def plain(optimizer: Optimizer) -> Optimizer:
    """The optimizer inside a wrapper that has no hooks of its own, as Accelerate's."""
    while not hasattr(optimizer, "_optimizer_step_post_hooks") and isinstance(
        inner := getattr(optimizer, "optimizer", None), Optimizer
    ):
        optimizer = inner
    return optimizer


def values_of(optimizer: Optimizer) -> list[str]:
    """Names of the values that an optimizer's groups have and a plan can govern."""
    names: list[str] = []
    for group in optimizer.param_groups:
        for name, x in group.items():
            numeric = isinstance(x, (int, float)) and not isinstance(x, bool)
            if (numeric or isinstance(x, torch.Tensor)) and name != "frozen" and not name.startswith("initial_"):
                names.append(name)
        if group.get("betas") is not None:
            names += list(BETAS)
    return list(dict.fromkeys(names))


def check_optimizers(optimizers: Sequence[Any], values: Sequence[str]) -> None:
    """Refuse what is no torch optimizer, and a value that none of its groups has.

    Raises:
        DriverError: not an optimizer, or the same one twice.
        UnknownNameError: a value that no group has; the message lists its neighbours.
    """
    known: list[str] = []
    for i, optimizer in enumerate(optimizers):
        if not isinstance(optimizer, Optimizer):
            raise no_optimizer(optimizer)
        if any(plain(optimizer) is plain(other) for other in optimizers[:i]):
            raise DriverError(f"the list has the same {type(optimizer).__name__} twice; name each optimizer once")
        if not optimizer.param_groups:
            raise DriverError(f"the {type(optimizer).__name__} has no parameter groups; give it parameters first")
        known += values_of(optimizer)
    for value in values:
        if value not in known:
            raise UnknownNameError(f"the optimizer has no value {value!r}; {neighbours(value, known)}")
