"""Paddle's rule for a metric that has stopped improving."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.paddle.rates import Rates, at_least_zero, real, scaled
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant
from cadence.spec.constructors.rules import plateau
from cadence.spec.nodes import Schedule
from cadence.spec.shown import shown

METRIC = "metric"
"""What the metric is called: paddle's has no name."""


@native(
    "paddle",
    "paddle.optimizer.lr.ReduceOnPlateau",
    base="learning_rate",
    note="inside LinearWarmup the epoch is taken for the metric",
)
def reduce_on_plateau(
    on: Setting,
    learning_rate: float,
    mode: str = "min",
    factor: float = 0.1,
    patience: float = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: float = 0,
    min_lr: float = 0,
    epsilon: float = 1e-8,
    verbose: bool = False,
) -> Schedule:
    """The rate times factor whenever the metric was no better for more than patience observations."""
    rates = Rates.of(on, learning_rate)
    direction, kind = _one_of(mode, "mode", ("min", "max")), _one_of(threshold_mode, "threshold_mode", ("rel", "abs"))
    cut, borne = real(factor, "factor"), real(patience, "patience")
    if not 0 < cut < 1:
        raise ConversionError(f"factor of ReduceOnPlateau is {cut:g}; a cut needs one above 0 and below 1, e.g. 0.5")
    if borne < 0:
        raise ConversionError(
            f"patience of ReduceOnPlateau is {borne:g}, with which every observation cuts; write 0 or more"
        )
    if real(threshold, "threshold") < 0 or real(epsilon, "epsilon") < 0:
        raise ConversionError("threshold and epsilon of ReduceOnPlateau are at least 0; paddle would raise the rate")
    rest = max(math.ceil(real(cooldown, "cooldown")), 0)
    if on.local:
        return _told_epochs(
            rates, direction, cut, math.floor(borne), threshold, kind, rest, at_least_zero(min_lr, "min_lr"), epsilon
        )
    return constant(start=rates.times(1.0)) * plateau(
        METRIC, factor=cut, patience=math.floor(borne), threshold=threshold,
        threshold_mode="signed" if kind == "rel" else "abs", cooldown=rest, minimum=rates.number(min_lr, "min_lr"),
        mode=direction, nan="bad", least_change=epsilon, infinite="first", deaf=rest > 0,
    )  # fmt: skip


def _one_of(x: object, what: str, known: tuple[str, ...]) -> str:
    text = x.lower() if isinstance(x, str) else ""
    if text not in known:
        raise ConversionError(f"{what} of ReduceOnPlateau is {' or '.join(map(repr, known))}, not {shown(x)}")
    return text


def _told_epochs(
    rates: Rates,
    mode: str,
    factor: float,
    patience: int,
    threshold: float,
    kind: str,
    cooldown: int,
    low: float,
    least: float,
) -> Schedule:
    """What LinearWarmup makes of it: it hands on the number of epochs since its end, which is taken for the metric."""
    ticks = rates.on.need_ticks(
        "LinearWarmup tells its ReduceOnPlateau the number of the epoch, which that takes for the metric"
    )

    def rates_of_epochs() -> Iterator[float]:
        rate, best, bad, rest = rates.rate, 0.0, 0, 0
        for k in range(ticks + 1):
            if rest > 0:
                rest -= 1
            elif k == 0 or _better(k, best, mode, threshold, kind):
                best, bad = float(k), 0
            else:
                bad += 1
            if bad > patience:
                bad, rest = 0, cooldown
                if rate - max(rate * factor, low) > least:
                    rate = max(rate * factor, low)
            yield rate

    shares = (rate / rates.rate if rates.rate else 0.0 for rate in rates_of_epochs())
    return scaled(rates.times(1.0), rates.on.table(shares))


def _better(metric: float, best: float, mode: str, threshold: float, kind: str) -> bool:
    margin = best * threshold if kind == "rel" else threshold
    return metric < best - margin if mode == "min" else metric > best + margin
