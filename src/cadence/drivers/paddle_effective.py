"""Measures what the updates of paddle optimizers did."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from copy import deepcopy
from itertools import accumulate, pairwise
from math import prod
from typing import Any, TypeAlias, final

import paddle

from cadence._errors import DriverError
from cadence.drivers.effective import Column, Effect, Gauge
from cadence.drivers.paddle_groups import Group
from cadence.drivers.paddle_hooks import parameters_of
from cadence.drivers.paddle_norm import norm_of
from cadence.drivers.weight_decay import Rule, decay_rule

PIECE = 1 << 22
"""Values that are worked on at a time; of a larger tensor all."""

Reader: TypeAlias = Callable[[], float | None]
"""What a group holds now."""


@final
class PaddleGauge(Gauge):
    """Keeps the weights of a group before the optimizer's step, and takes norms after it, where the weights are.

    Paddle has no hooks around an update: the optimizer's `step` is replaced while a measurement is wanted.

    Args:
        groups: gives the groups as they are now, those of one optimizer after those of the one before.
        reader: of a value of a group.
    """

    def __init__(self, groups: Callable[[], list[Group]], reader: Callable[[Group, str], Reader]) -> None:
        self._groups = groups
        self._reader = reader
        self._readers: dict[str, list[Reader]] = {}
        self._watches: dict[int, _Watch] = {}

    def check(self) -> None:
        for group in self._groups():
            for x in _parameters(group):
                if x.is_dist():
                    raise DriverError(
                        f"a parameter of shape {tuple(x.shape)} is spread over several processes, and effective_rates "
                        f"measures whole ones; leave it out here"
                    )

    def sizes(self) -> list[int]:
        return [sum(_size(x) for x in _parameters(g) if not x.stop_gradient) for g in self._groups()]

    def watch(self, groups: Collection[int]) -> None:
        for watch, own in self._divided(groups):
            watch.hook(bool(own))
            watch.aim(own)

    def watch_anew(self, groups: Collection[int]) -> None:
        for watch, own in self._divided(groups):
            watch.aim(own)

    def read(self) -> dict[int, Effect]:
        return {g: effect for watch in self._watches.values() for g, effect in watch.read()}

    def rules(self) -> list[Rule | None]:
        # Asked for whenever the groups may have changed.
        self._readers.clear()
        return [decay_rule(g.optimizer, {**_settings(g), "weight_decay": 0.0}) for g in self._groups()]

    def held(self, value: str) -> Column:
        if value not in self._readers:
            self._readers[value] = [self._reader(group, value) for group in self._groups()]
        return [read() for read in self._readers[value]]

    def _divided(self, groups: Collection[int]) -> Iterator[tuple[_Watch, dict[int, list[Any]]]]:
        """For each optimizer: its watch, and the parameters of those of its groups that are among these."""
        own: dict[int, dict[int, list[Any]]] = {}
        for number, group in enumerate(self._groups()):
            if group.number not in own:
                self._watches.setdefault(group.number, _Watch(group.optimizer)).first = number
                own[group.number] = {}
            if number in groups:
                own[group.number][number] = _parameters(group)
        for number, mine in own.items():
            yield self._watches[number], mine


def _parameters(group: Group) -> list[Any]:
    return parameters_of(group.optimizer) if group.options is None else list(group.options["params"])


def _size(x: Any) -> int:
    # Paddle's own `size` asks numpy, for ten times as long.
    return prod(x.shape)


def _settings(group: Group) -> dict[str, Any]:
    """The settings of a group by name, as far as they say what its decay is."""
    if group.options is not None:
        return {**group.optimizer._default_dict, **group.options}
    return {name.removeprefix("_"): value for name, value in vars(group.optimizer).items()}


@final
class _Watch:
    """The measurement of one optimizer's next update.

    Args:
        optimizer: to be measured. It does not keep this alive.

    Attributes:
        first: number of its first group.
    """

    def __init__(self, optimizer: Any) -> None:
        self.first = 0
        self._optimizer = optimizer
        self._groups: dict[int, list[Any]] = {}
        self._kept: dict[int, _Kept] = {}
        self._norms: list[Any] = []
        self._updated: list[int] = []
        self._before: list[Any] | None = None

    def hook(self, wanted: bool) -> None:
        """Be told of the optimizer's updates, or no longer."""
        place = vars(self._optimizer)
        if wanted and self._before is None:
            self._before = [place["step"]] if "step" in place else []
            place["step"] = _Measured(self, self._optimizer.step)
        elif not wanted and self._before is not None:
            # Where somebody has replaced it since, ours stands in the middle, and does nothing.
            if isinstance(place.get("step"), _Measured):
                del place["step"]
                for step in self._before:
                    place["step"] = step
            self._before = None

    def aim(self, groups: dict[int, list[Any]]) -> None:
        """Measure these groups: number -> parameters."""
        self._groups, self._kept, self._norms = groups, {}, []

    def begin(self) -> None:
        """Before an update."""
        if self._groups and not self._norms:
            with paddle.no_grad():
                self._kept = {n: _Kept(parameters) for n, parameters in self._groups.items()}

    def end(self) -> None:
        """After it."""
        # An update that the loss scaler skipped is none: the next one is what was meant.
        if not self._kept or _skipped(self._optimizer):
            return
        with paddle.no_grad():
            self._norms = [norm for kept in self._kept.values() for norm in kept.norms()]
        self._kept = {}
        # Asked only where it matters: paddle makes a new object of a gradient whenever it is looked at.
        self._updated = self._with_gradient() if hasattr(self._optimizer, "trust_ratios") else []

    def read(self) -> Iterator[tuple[int, Effect]]:
        """Number of each group that was measured, and what the update did to it."""
        if not self._norms:
            return
        numbers: list[float] = [norm.item() for norm in self._norms]
        trust = self._trust()
        for n, weight, update in zip(self._groups, numbers[::2], numbers[1::2], strict=True):
            yield n, Effect(update, weight, trust[n - self.first] if trust else ())
        self._groups, self._norms = {}, []

    def _with_gradient(self) -> list[int]:
        """How many parameters of each group have been updated."""
        listed: Sequence[Any] = self._optimizer._param_groups
        groups = [entry["params"] for entry in listed] if isinstance(listed[0], dict) else [listed]
        return [sum(x.grad is not None for x in group) for group in groups]

    def _trust(self) -> list[list[float]]:
        """The trust ratios of each group; empty where the method has none, or others than one for each tensor."""
        tell: Callable[[], list[float]] | None = getattr(self._optimizer, "trust_ratios", None)
        ratios = [] if tell is None else tell()
        if not ratios or len(ratios) != sum(self._updated):
            return []
        return [ratios[a:b] for a, b in pairwise([0, *accumulate(self._updated)])]


@final
class _Measured:
    """An optimizer's `step` that tells before and after.

    Args:
        watch: is told; not kept alive.
        inner: the method as it was.
    """

    def __init__(self, watch: _Watch, inner: Callable[..., Any]) -> None:
        self._watch = weakref.ref(watch)
        self._inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        watch = self._watch()
        if watch is None:
            return self._inner(*args, **kwargs)
        watch.begin()
        done = self._inner(*args, **kwargs)
        watch.end()
        return done

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """In a copy of the optimizer stands the method as it was."""
        return deepcopy(self._inner, memo)


def _skipped(optimizer: Any) -> bool:
    """Whether the loss scaler has left word that the last update was to be none."""
    told = getattr(optimizer, "_get_auxiliary_var", None)
    found = None if told is None else told("found_inf")
    return found is not None and bool(found)


@final
class _Kept:
    """The weights of one group before an update.

    Args:
        parameters: of the group.
    """

    def __init__(self, parameters: Sequence[Any]) -> None:
        self._pieces = list(_pieces([x for x in parameters if not x.stop_gradient]))
        self._before = [_joined(piece) for piece in self._pieces]
        self._frozen = [x.detach() for x in parameters if x.stop_gradient]

    def norms(self) -> tuple[Any, Any]:
        """Norm of the weights before, and of what was added to them since; scalars."""
        added = [_joined(piece) - was for piece, was in zip(self._pieces, self._before, strict=True)]
        return norm_of([*self._frozen, *self._before]), norm_of(added)


def _pieces(parameters: Sequence[Any]) -> Iterator[list[Any]]:
    """Parameters of one type together, few enough of them to be worked on at a time: each call has its price."""
    kinds: dict[Any, list[Any]] = {}
    for x in parameters:
        kinds.setdefault(x.dtype, []).append(x)
    for listed in kinds.values():
        piece: list[Any] = []
        size = 0
        for x in listed:
            if piece and size + _size(x) > PIECE:
                yield piece
                piece, size = [], 0
            piece.append(x)
            size += _size(x)
        yield piece


def _joined(piece: Sequence[Any]) -> Any:
    """A copy of the values of some tensors in one; gradients are off."""
    return paddle.concat([x if x.ndim == 1 else x.reshape([-1]) for x in piece])
