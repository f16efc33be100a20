"""Optimizers that keep two sets of weights, and must be switched: schedule-free methods, SPlus and their like.

Between updates such an optimizer has the weights that it trains with in the model, after `eval()` those that are to be
judged and saved. Which it is, it keeps in its groups (or itself) as ``train_mode``. One that was not switched trains or
judges the wrong weights, and nothing shows it but worse numbers.
"""

from __future__ import annotations

import weakref
from typing import Any, final

from torch.optim import Optimizer

from cadence._errors import DriverError
from cadence.drivers.torch_hooks import outside

FLAG = "train_mode"


def in_training(optimizer: Optimizer) -> bool | None:
    """Whether an optimizer stands in the mode for training, in all its groups; None where it has no modes."""
    if not callable(getattr(optimizer, "eval", None)) or not callable(getattr(optimizer, "train", None)):
        return None
    told = [bool(group[FLAG]) for group in optimizer.param_groups if FLAG in group]
    if told:
        return all(told)
    own = getattr(optimizer, FLAG, None)
    return None if own is None else bool(own)


@final
class Switch:
    """Watches whether an optimizer is switched in time.

    Args:
        optimizer: that has modes. It is not kept alive; its copies are not watched.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = weakref.ref(optimizer)
        self._trained = False

        def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            del args, kwargs
            if in_training(optimizer) is False:
                raise DriverError(
                    f"the {type(optimizer).__name__} is in evaluation mode, and a step would train the averaged "
                    f"weights; call optimizer.train() before going on, and optimizer.eval() before evaluating"
                )

        def after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            del optimizer, args, kwargs
            self._trained = True

        optimizer.register_step_pre_hook(outside(before))
        optimizer.register_step_post_hook(outside(after))
        self._watch_eval(optimizer)

    def fault(self) -> str | None:
        """What is wrong with metrics that are reported now; None where nothing is.

        After `eval()` they are of the right weights, even where the optimizer has gone on to training since.
        """
        optimizer = self._optimizer()
        if optimizer is None or not self._trained or not in_training(optimizer):
            return None
        return (
            f"the {type(optimizer).__name__} is still in training mode, so these metrics are of the weights that it "
            f"trains with, not of the averaged ones; call optimizer.eval() before evaluating, and optimizer.train() "
            f"before going on"
        )

    def _watch_eval(self, optimizer: Any) -> None:
        here, own = self._optimizer, "eval" in vars(optimizer)
        inner = vars(optimizer)["eval"] if own else type(optimizer).eval

        def switch(*args: Any, **kwargs: Any) -> Any:
            self._trained = False
            # A method holds its object, which would then hold itself.
            return inner(*args, **kwargs) if own else inner(here(), *args, **kwargs)

        optimizer.eval = switch


def switches_of(optimizers: list[Optimizer]) -> list[Switch]:
    """A watch for each of these that has modes."""
    return [Switch(optimizer) for optimizer in optimizers if in_training(optimizer) is not None]
