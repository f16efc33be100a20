"""LambdaLR and MultiplicativeLR: a user's function of the step, which is no data and so becomes a table."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from operator import mul
from typing import Any

from cadence.conversion.definition import native
from cadence.conversion.frameworks.torch.checks import begun
from cadence.conversion.frameworks.torch.groups import per_group
from cadence.conversion.frameworks.torch.tables import sampled
from cadence.conversion.setting import Setting
from cadence.spec.nodes import Schedule


@native("torch", "torch.optim.lr_scheduler.LambdaLR", note="The function becomes a table of its values over the run.")
@per_group("LambdaLR", relative=True)
def lambda_lr(on: Setting, lr_lambda: Any, last_epoch: int = -1) -> Schedule:
    """The base times a function of the step."""
    first = begun(last_epoch)

    def values(f: Callable[[int], float], ticks: int) -> list[float]:
        return [f(first + k) for k in range(ticks + 1)]

    return sampled(lr_lambda, "lr_lambda", on, values)


@native(
    "torch", "torch.optim.lr_scheduler.MultiplicativeLR",
    note="The products of the function's values become a table over the run.",
)  # fmt: skip
@per_group("MultiplicativeLR", relative=True)
def multiplicative_lr(on: Setting, lr_lambda: Any, last_epoch: int = -1) -> Schedule:
    """The rate before, times a function of the step; the first is the base."""
    first = begun(last_epoch)

    def values(f: Callable[[int], float], ticks: int) -> list[float]:
        return list(accumulate((f(first + k) for k in range(1, ticks + 1)), mul, initial=1.0))

    return sampled(lr_lambda, "lr_lambda", on, values)
