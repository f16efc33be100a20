"""Schedulers of paddle that follow a python function."""

from __future__ import annotations

from collections.abc import Callable

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.paddle.rates import Rates, began, scaled
from cadence.conversion.setting import Setting
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown


@native("paddle", "paddle.optimizer.lr.LambdaDecay", base="learning_rate", note="a table of the function's values")
def lambda_decay(
    on: Setting,
    learning_rate: float,
    lr_lambda: Callable[[int], float],
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """learning_rate * lr_lambda(n)."""
    rates, first = Rates.of(on, learning_rate), began(on, last_epoch)
    function = _callable(lr_lambda)

    # Without a shift it stays the function it is, which may be one that was given as text.
    def later(k: int) -> float:
        return function(k + first)

    return scaled(rates.times(1.0), on.sampled(later if first else function, "lr_lambda"))


@native(
    "paddle", "paddle.optimizer.lr.MultiplicativeDecay", base="learning_rate", note="a table of the function's products"
)
def multiplicative_decay(
    on: Setting,
    learning_rate: float,
    lr_lambda: Callable[[int], float],
    last_epoch: int = -1,
    verbose: bool = False,
) -> Schedule:
    """learning_rate * lr_lambda(1) * ... * lr_lambda(n)."""
    rates, first = Rates.of(on, learning_rate), began(on, last_epoch)
    function, products = _callable(lr_lambda), [1.0]

    def product(k: int) -> float:
        while len(products) <= k + first:
            products.append(products[-1] * float(function(len(products))))
        return products[k + first]

    return scaled(rates.times(1.0), on.sampled(product, "lr_lambda"))


def _callable(function: Callable[[int], float]) -> Callable[[int], float]:
    if not callable(function):
        raise ConversionError(f"lr_lambda is a function of the epoch, not {shown(function)}")
    return function
