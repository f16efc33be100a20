"""Measures what the updates of torch optimizers did."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from cadence._errors import DriverError
from cadence.drivers.effective import Column, Effect, Gauge
from cadence.drivers.torch_hooks import outside, skipped
from cadence.drivers.weight_decay import Rule, decay_rule

Group: TypeAlias = dict[str, Any]

PIECE_CPU, PIECE = 1 << 16, 1 << 24
"""Values that are worked on at a time: what fits into a core's cache, and, on an accelerator, few calls."""


class TorchGauge(Gauge):
    """Keeps the weights of a group before the optimizer's step, and takes norms after it, where the weights are.

    The copy is there during the step alone. Beside it there is memory for one piece of `PIECE` values.

    Args:
        optimizers: of the groups, in their order; none of them a wrapper.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = list(optimizers)
        self._watches = [_Watch(optimizer) for optimizer in self._optimizers]

    def check(self) -> None:
        for group in self._all():
            for x in group["params"]:
                _check_whole(x)

    def sizes(self) -> list[int]:
        return [sum(x.numel() for x in group["params"] if x.requires_grad) for group in self._all()]

    def watch(self, groups: Collection[int]) -> None:
        for watch, own, first in self._divided(groups):
            watch.hook(bool(own))
            watch.aim(own, first)

    def watch_anew(self, groups: Collection[int]) -> None:
        for watch, own, first in self._divided(groups):
            watch.aim(own, first)

    def _divided(self, groups: Collection[int]) -> Iterator[tuple[_Watch, list[int], int]]:
        """For each optimizer: its watch, its groups among these, and the number of its first group."""
        first = 0
        for watch, optimizer in zip(self._watches, self._optimizers, strict=True):
            n = len(optimizer.param_groups)
            yield watch, [g - first for g in groups if first <= g < first + n], first
            first += n

    def read(self) -> dict[int, Effect]:
        return {g: effect for watch in self._watches for g, effect in watch.read()}

    def rules(self) -> list[Rule | None]:
        return [decay_rule(optimizer, group) for optimizer in self._optimizers for group in optimizer.param_groups]

    def held(self, value: str) -> Column:
        return [None if (x := group.get(value)) is None else float(x) for group in self._all()]

    def _all(self) -> list[Group]:
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]


def _check_whole(x: Tensor) -> None:
    """Refuse a parameter of which this process holds a part: its norm would be that of the part."""
    if hasattr(x, "device_mesh") or hasattr(x, "_is_flat_param"):
        raise DriverError(
            f"a parameter of shape {tuple(x.shape)} is spread over several processes, and effective_rates measures "
            f"whole ones; leave it out here"
        )


class _Watch:
    """The measurement of one optimizer's next update.

    Args:
        optimizer: to be measured. It does not keep this alive.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._groups: list[int] = []
        self._first = 0
        self._depth = 0
        self._kept: list[_Kept] = []
        self._norms: list[Tensor] = []
        self._updated: list[int] = []
        self._handles: list[Any] = []
        here = weakref.ref(self)

        def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            del optimizer, args, kwargs
            watch = here()
            if watch is not None and watch._groups:
                watch._begin()

        def after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            del optimizer, args, kwargs
            watch = here()
            if watch is not None and watch._depth:
                watch._end()

        self._hooks = outside(before), outside(after)

    def hook(self, wanted: bool) -> None:
        """Be told of the optimizer's updates, or no longer. Not while it does one: it walks through its hooks then."""
        if wanted and not self._handles:
            before, after = self._hooks
            self._handles = [
                self._optimizer.register_step_pre_hook(before),
                self._optimizer.register_step_post_hook(after),
            ]
        while self._handles and not wanted:
            self._handles.pop().remove()

    def aim(self, groups: list[int], first: int) -> None:
        """Measure these of the optimizer's groups; the number of its first group is `first`."""
        self._groups, self._first = groups, first
        self._depth, self._kept, self._norms = 0, [], []

    def read(self) -> Iterator[tuple[int, Effect]]:
        """Number of each group that was measured, and what the update did to it."""
        if not self._norms:
            return
        home = self._norms[0].device
        numbers = torch.stack([norm.to(home, torch.float64) for norm in self._norms]).tolist()
        trust = self._trust()
        for g, weight, update in zip(self._groups, numbers[::2], numbers[1::2], strict=True):
            yield self._first + g, Effect(update, weight, trust[g] if trust else ())
        self._groups, self._norms = [], []

    def _begin(self) -> None:
        self._depth += 1
        if self._depth == 1 and not self._norms:
            with torch.no_grad():
                self._kept = [_Kept(self._optimizer.param_groups[g]["params"]) for g in self._groups]

    def _end(self) -> None:
        self._depth -= 1
        # An update that the loss scaler skipped is none: the next one is what was meant.
        if self._depth or not self._kept or skipped(self._optimizer):
            return
        with torch.no_grad():
            self._norms = [norm for kept in self._kept for norm in kept.norms()]
        self._kept = []
        self._updated = [sum(x.grad is not None for x in group["params"]) for group in self._optimizer.param_groups]

    def _trust(self) -> list[list[float]]:
        """The trust ratios of each group; empty where the method has none, or others than one for each tensor."""
        tell: Callable[[], list[float]] | None = getattr(self._optimizer, "trust_ratios", None)
        ratios = [] if tell is None else tell()
        if not ratios or len(ratios) != sum(self._updated):
            return []
        return [ratios[a:b] for a, b in pairwise([0, *accumulate(self._updated)])]


class _Kept:
    """The weights of one group before an update.

    Args:
        parameters: of the group.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._pieces = list(_pieces([x for x in parameters if x.requires_grad]))
        frozen = _pieces([x for x in parameters if not x.requires_grad])
        self._weights = [_norm(_joined(piece)) for piece in frozen]
        self._before: list[Tensor] = []
        for piece in self._pieces:
            # Its norm now, while it is in the cache.
            self._before.append(_joined(piece, copy=True))
            self._weights.append(_norm(self._before[-1]))

    def norms(self) -> tuple[Tensor, Tensor]:
        """Norm of the weights before, and of what was added to them since; scalars on their device."""
        # In place: the copy has served its purpose.
        added = [_norm(was.sub_(_joined(piece))) for piece, was in zip(self._pieces, self._before, strict=True)]
        return _together(self._weights), _together(added)


def _pieces(parameters: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The values of parameters as flat tensors of one device and type, few enough of them to be worked on at a time."""
    kinds: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for x in parameters:
        kinds.setdefault((x.device, x.dtype), []).append(_flat(x))
    for (device, _), flat in kinds.items():
        room = PIECE_CPU if device.type == "cpu" else PIECE
        piece: list[Tensor] = []
        size = 0
        for x in flat:
            for part in x.split(room) if x.numel() > room else (x,):
                if piece and size + part.numel() > room:
                    yield piece
                    piece, size = [], 0
                piece.append(part)
                size += part.numel()
        if piece:
            yield piece


def _flat(x: Tensor) -> Tensor:
    """All values of a tensor in the order in which they lie in memory; complex ones as pairs."""
    x = x.detach()
    if x.is_complex():
        x = torch.view_as_real(x)
    if not x.is_contiguous():
        x = x.permute(sorted(range(x.dim()), key=x.stride, reverse=True))
    return x.reshape(-1)


def _joined(piece: list[Tensor], *, copy: bool = False) -> Tensor:
    """A piece in one tensor."""
    if len(piece) == 1:
        return piece[0].clone() if copy else piece[0]
    return torch.cat(piece)


def _norm(x: Tensor) -> Tensor:
    """Norm of a flat tensor; in half precision it would overflow."""
    return torch.linalg.vector_norm(x, dtype=torch.float32 if x.dtype.itemsize < 4 else None)


def _together(norms: Sequence[Tensor]) -> Tensor:
    """The norm of several vectors as one."""
    if not norms:
        return torch.zeros(())
    home = norms[0].device
    return torch.linalg.vector_norm(torch.stack([norm.to(home, torch.float64) for norm in norms]))
