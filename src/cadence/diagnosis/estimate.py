"""Levels and slopes of noisy series, each with an interval that knows how dependent neighbours are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cadence.diagnosis.log import Floats, Series

Z = 1.959963984540054
"""Half the width of a 95 % interval, in standard errors of a normal estimate."""


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error.

    Attributes:
        value: the estimate.
        error: its standard error; infinite where there is too little to tell.
        n: how many numbers it is of.
    """

    value: float
    error: float
    n: int

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval."""
        return self.error * student(self.n - 1)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value - self.half

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.value + self.half

    def minus(self, other: Estimate) -> Estimate:
        """The difference of two independent estimates."""
        return Estimate(self.value - other.value, math.hypot(self.error, other.error), min(self.n, other.n))


def student(degrees: float) -> float:
    """The 97.5 % point of Student's t.

    Source:
        Abramowitz & Stegun 1964, 26.7.5 (the expansion about the normal), within 2 % from 3 degrees of freedom on.
    """
    if degrees < 1:
        return math.inf
    z, d = Z, degrees
    g1, g2 = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / d + g2 / d**2 + g3 / d**3


def tamed(residuals: Floats) -> Floats:
    """Residuals with outliers drawn in to 5 standard deviations, as the median of their sizes tells these."""
    size = 1.4826 * float(np.median(np.abs(residuals))) if len(residuals) else 0.0
    return np.clip(residuals, -5 * size, 5 * size) if size > 0 else residuals


def dependence(residuals: Floats) -> float:
    """By which factor positive dependence of neighbours widens an error, as of an autoregression of order 1."""
    if len(residuals) < 8:
        return 1.0
    r = residuals - residuals.mean()
    power = float(r @ r)
    rho = float(r[1:] @ r[:-1]) / power if power > 0 else 0.0
    # Of few numbers the estimate is low by about (1 + 3 rho) / n.
    rho = min(0.95, max(0.0, rho + (1 + 3 * rho) / len(r)))
    return math.sqrt((1 + rho) / (1 - rho)) if rho > 2 / math.sqrt(len(r)) else 1.0


def line(t: Floats, y: Floats) -> tuple[float, float, Floats]:
    """Slope, value at the middle of `t`, and residuals of a line that outliers do not pull."""
    middle = t - t.mean()
    power = float(middle @ middle)
    centre, slope = float(y.mean()), float(middle @ y) / power if power > 0 else 0.0
    for _ in range(2):
        fitted = centre + slope * middle
        drawn = fitted + tamed(y - fitted)
        centre, slope = float(drawn.mean()), float(middle @ drawn) / power if power > 0 else 0.0
    return slope, centre, y - centre - slope * middle


def level(series: Series, first: float, end: float, *, log: bool = False) -> Estimate:
    """Mean of a series between two updates, freed from its trend and outliers for the error."""
    t, y = _numbers(series, first, end, log)
    n = len(y)
    if n < 3:
        return Estimate(float(y.mean()) if n else math.nan, math.inf, n)
    _, centre, r = line(t, y)
    r = tamed(r)
    sd = math.sqrt(float(r @ r) / (n - 2)) if n > 2 else math.inf
    return Estimate(centre, sd / math.sqrt(n) * dependence(r), n)


def slope(series: Series, first: float, end: float, *, log: bool = False) -> Estimate:
    """Change of a series per update between two updates."""
    t, y = _numbers(series, first, end, log)
    n = len(y)
    if n < 4:
        return Estimate(math.nan, math.inf, n)
    rise, _, r = line(t, y)
    r = tamed(r)
    middle = t - t.mean()
    power = float(middle @ middle)
    error = math.sqrt(float(r @ r) / (n - 2) / power) * dependence(r) if power > 0 else math.inf
    return Estimate(rise, error, n - 1)


def improvement(series: Series, first: float, end: float, *, log: bool = False) -> Estimate | None:
    """How much lower the later half of a stretch lies than its earlier one."""
    half = (end - first) / 2
    a, b = level(series, first, first + half, log=log), level(series, first + half, end, log=log)
    return a.minus(b) if np.isfinite(a.error) and np.isfinite(b.error) else None


def roughness(y: Floats) -> float:
    """Standard deviation of what is independent from one number to the next, from second differences.

    A smooth trend leaves no trace in it, outliers little.
    """
    if len(y) < 3:
        return math.nan
    return 1.4826 * float(np.median(np.abs(y[2:] - 2 * y[1:-1] + y[:-2]))) / math.sqrt(6)


def _numbers(series: Series, first: float, end: float, log: bool) -> tuple[Floats, Floats]:
    part = series.between(first, end)
    y = part.values
    good = np.isfinite(y) & (y > 0) if log else np.isfinite(y)
    return part.t[good].astype(np.float64), np.log(y[good]) if log else y[good]
