"""What a torch optimizer tells of itself: updates done, gradients computed, groups replaced.

None of these hooks keeps its listener alive, and a copy of the optimizer does not have them. They are kept out of
compiled code, which would take the count for a constant and compile anew for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from cadence.drivers.writer import Clock

_dynamo: Any = torch._C._dynamo  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
_COMPILER: Callable[[], object] | None = getattr(_dynamo.eval_frame, "get_eval_frame_callback", None)
"""What compiles the functions that are called now; it gives None in plain python, where nobody does."""


def count_updates(optimizer: Optimizer, clock: Clock, look: Callable[[], None] = lambda: None) -> list[RemovableHandle]:
    """Count the updates that are really done, whoever calls `step`.

    Args:
        optimizer: whose updates count.
        clock: counts.
        look: is called before every update.

    Returns:
        What ends it.
    """

    in_use = torch.cuda.is_initialized

    def begin(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        del optimizer, args, kwargs
        clock.begun = True
        look()

    def end(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        # A class whose step calls its parent's fires the hooks for both; it is one update.
        if not clock.begun:
            return
        clock.begun = False
        clock.seen = True
        if in_use() and torch.cuda.is_current_stream_capturing():
            # Nothing was updated; each replay of the graph will, and none of them is seen here.
            clock.captured = True
        elif not skipped(optimizer):
            clock.done += 1
        clock.free = clock.captured

    return [
        optimizer.register_step_pre_hook(outside(begin)),
        optimizer.register_step_post_hook(outside(end)),
    ]


def count_quickly(optimizer: Optimizer, clock: Clock) -> list[RemovableHandle]:
    """Count the updates that are really done, and note nothing else: with one hook where one is enough.

    Args:
        optimizer: whose updates count.
        clock: counts.

    Returns:
        What ends it.
    """
    # A step that may call another one fires the hooks of both. (Torch's own base class has a step, too.)
    if sum("step" in vars(cls) for cls in type(optimizer).__mro__) > 2:
        return count_updates(optimizer, clock)

    def count(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        # As `skipped`, without a call: between two updates of somebody else's each takes half a microsecond.
        found_inf = getattr(optimizer, "found_inf", None)
        if found_inf is None or float(found_inf) == 0:
            clock.done += 1

    return [optimizer.register_step_post_hook(outside(count))]


def skipped(optimizer: Optimizer) -> bool:
    """Whether the update that was just called for was not done: the loss scaler calls fused optimizers in any case, and
    they skip it inside."""
    found_inf = getattr(optimizer, "found_inf", None)
    return found_inf is not None and float(found_inf) != 0


def notice_groups(optimizer: Optimizer, look: Callable[[], None]) -> None:
    """Look at the groups where they may have changed: when a state was loaded, and before every update."""

    def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        del optimizer, args, kwargs
        look()

    optimizer.register_step_pre_hook(outside(before))
    after_loading(optimizer, look)


def notice_gradients(optimizer: Optimizer, clock: Clock) -> None:
    """Notice the first gradient, even where it is gone again before anyone asks.

    A loss scaler may skip the first updates, and `zero_grad` then leaves no trace of them; without this they would look
    like calls of a loop that trains nothing.
    """
    handles: list[Any] = []

    def first(parameter: torch.Tensor) -> None:
        del parameter
        clock.graded, clock.free = True, clock.captured
        while handles:
            handles.pop().remove()

    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.requires_grad and p.is_leaf:
                handles.append(p.register_post_accumulate_grad_hook(first))


def after_loading(optimizer: Optimizer, call: Callable[[], None]) -> None:
    """Call this after a state was loaded into the optimizer."""

    def loaded(optimizer: Optimizer) -> None:
        del optimizer
        call()

    optimizer.register_load_state_dict_post_hook(loaded)


def after_updates(optimizer: Optimizer, call: Callable[[], None]) -> None:
    """Call this after every `step` of the optimizer, after the hooks that were there before."""

    def after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        del optimizer, args, kwargs
        call()

    optimizer.register_step_post_hook(outside(after))


def outside(hook: Callable[[Optimizer, Any, Any], None]) -> Callable[[Optimizer, Any, Any], None]:
    """A hook that compiled code leaves to python.

    What `torch.compiler.disable` returns takes several microseconds around real work, so it is called only where
    something is being compiled, or might be: while code runs that was.
    """
    left = cast("Callable[[Optimizer, Any, Any], None]", torch.compiler.disable(hook))
    compiling, compiler = torch.compiler.is_dynamo_compiling, _COMPILER
    if compiler is None:
        return left

    def either(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if compiling() or compiler() is not None:
            left(optimizer, args, kwargs)
        else:
            hook(optimizer, args, kwargs)

    return either
