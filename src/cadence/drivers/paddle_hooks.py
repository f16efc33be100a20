"""What a paddle optimizer tells of itself: updates done, gradients computed.

Paddle has no hooks around an update, so the optimizer's own methods are replaced, on this one object, by callables that
tell before and after. They do not keep the optimizer alive, and a copy of it does not have them.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, final

import paddle

from cadence.drivers.writer import Clock

ENTRANCES = ("step", "minimize", "apply_gradients")
"""The methods that do an update: in a loop, in `paddle.Model`, and where gradients are computed beforehand."""


def watch(optimizer: Any, clock: Clock, look: Callable[[], None]) -> None:
    """Count the updates that are really done, whoever asks for them, and look at the groups before each.

    Args:
        optimizer: whose methods the training calls.
        clock: counts.
        look: is called before every update.
    """
    handles: list[Any] = []
    for name in ENTRANCES:
        if callable(inner := getattr(optimizer, name, None)):
            optimizer.__dict__[name] = Watched(optimizer, inner, clock, look, handles)

    def graded(gradient: Any) -> None:
        del gradient
        clock.graded, clock.free = True, False

    # The first gradient is noticed even where it is gone again before anyone asks. (Paddle does not survive a hook
    # that removes itself: the first update does it.)
    handles += [p.register_hook(graded) for p in parameters_of(optimizer) if not p.stop_gradient]


def parameters_of(optimizer: Any) -> list[Any]:
    """All parameters of an optimizer."""
    listed: list[Any] = list(optimizer._parameter_list or [])
    nested = [list(entry["params"]) if isinstance(entry, Mapping) else [entry] for entry in listed]
    return [p for entry in nested for p in entry]


@final
class Watched:
    """A method of an optimizer that counts as an update.

    Args:
        optimizer: whose method it is.
        inner: the method as it was.
        clock: counts.
        look: is called before.
        handles: of hooks that have done their duty when the first update is done.
    """

    def __init__(
        self, optimizer: Any, inner: Callable[..., Any], clock: Clock, look: Callable[[], None], handles: list[Any]
    ) -> None:
        self._optimizer = weakref.ref(optimizer)
        self._clock, self._look, self._handles = clock, look, handles
        # A method holds its object, which would then hold itself.
        self._own = isinstance(inner, types.MethodType) and inner.__self__ is optimizer
        self._inner: Callable[..., Any] = inner.__func__ if isinstance(inner, types.MethodType) and self._own else inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        optimizer, clock = self._optimizer(), self._clock
        # An update that asks for another one, of its parent class or a method beside it, is one.
        outermost = not clock.begun
        clock.begun = True
        try:
            if outermost:
                self._look()
            done = self._inner(optimizer, *args, **kwargs) if self._own else self._inner(*args, **kwargs)
        finally:
            if outermost:
                clock.begun = False
        if outermost and paddle.in_dynamic_mode():
            self._count(optimizer)
        return done

    def _count(self, optimizer: Any) -> None:
        clock = self._clock
        clock.seen, clock.free = True, False
        while self._handles:
            self._handles.pop().remove()
        # The loss scaler calls the optimizer in any case, and leaves there what it has found.
        told = getattr(optimizer, "_get_auxiliary_var", None)
        found = None if told is None else told("found_inf")
        if found is None or not bool(found):
            clock.done += 1

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """In a copy of the optimizer stands the method as it was."""
        copied = memo.get(id(self._optimizer()))
        return types.MethodType(self._inner, copied) if self._own else deepcopy(self._inner, memo)
