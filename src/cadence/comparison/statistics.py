"""What a few seeds can say: means with intervals, paired tests, the smallest gap they could have shown, times.

Everything here is a pure function of numbers; which numbers they are, `cadence.comparison.summary` knows.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cadence._errors import RecordError
from cadence._lazy import need

LEVEL = 0.05
"""Share of wrong "better" or "worse" that a family of comparisons accepts; intervals cover with 1 - LEVEL."""

POWER = 0.8
"""How surely the smallest gap would have been seen."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds. With one value there is no spread, and `sd`, `low` and `high` are None."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None

    @property
    def half(self) -> float | None:
        """Half the width of the interval, the number after a plus-minus sign."""
        return None if self.high is None else self.high - self.mean


@dataclass(frozen=True)
class PairedTest:
    """One recipe against the baseline, seed by seed. `t` is None where all differences are the same number."""

    difference: Estimate
    t: float | None
    p: float
    smallest_gap: float


@dataclass(frozen=True)
class RestrictedMean:
    """Mean time until something happens, where for some it never did.

    `horizon` is None if it happened to all; else each time counts as at most `horizon`, so that the mean is a lower
    bound of the unrestricted one.
    """

    reached: int
    of: int
    horizon: int | None
    updates: Estimate


def estimate(values: Sequence[float]) -> Estimate:
    """Mean of independent values, with its interval by Student's t.

    Args:
        values: one finite number per seed, at least one.

    Returns:
        The mean, the sample standard deviation (n - 1), and the ends of the 95 % interval
        ``mean -+ t(0.975, n - 1) sd / sqrt(n)``.

    Raises:
        RecordError: no values, or one that is not finite.

    Source:
        Student 1908, Biometrika 6(1).

    Example:
        >>> e = estimate([1.0, 2.0, 3.0])  # t(0.975, 2) = 4.3027, sd = 1
        >>> e.mean, e.sd, e.low, e.high
        (2.0, 1.0, -0.484138, 4.484138)
    """
    _finite(values)
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(1, mean, None, None, None)
    sd = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (n - 1))
    # Equal values have a rounded mean and so a spread of some 1e-17: that is no spread.
    if sd <= _rounding(values):
        sd = 0.0
    half = float(need("scipy.stats", extra="torch").t.ppf(1 - LEVEL / 2, n - 1)) * sd / math.sqrt(n)
    return Estimate(n, mean, sd, mean - half, mean + half)


def paired_test(values: Sequence[float], baseline: Sequence[float], *, comparisons: int) -> PairedTest:
    """Student's t-test of the differences between two recipes that saw the same seeds.

    The seed fixes initial weights and data order, so what is common to both falls out of the difference.

    Args:
        values: final losses of the recipe, one per seed.
        baseline: final losses of the baseline, in the same order of seeds.
        comparisons: how many recipes are compared with this baseline; for `smallest_gap` alone. The p value here is
            that of this test by itself: correct all of them together with `holm`.

    Returns:
        `difference` is recipe minus baseline. If it is the same number for all seeds there is no spread to compare it
        with; the limit is taken: p = 1 where it is 0, else p = 0.

    Raises:
        RecordError: fewer than two seeds, or not the same number of both.

    Example:
        >>> test = paired_test([1.0, 1.3, 1.1], [2.0, 2.1, 2.2], comparisons=1)  # differences -1, -0.8, -1.1
        >>> test.difference.mean, test.t, test.p
        (-0.966667, -10.961, 0.008220)
    """
    if len(values) != len(baseline) or len(values) < 2:
        raise RecordError(
            f"a paired test needs two or more seeds of both recipes, and has {len(values)} and {len(baseline)}; "
            "compare with more seeds"
        )
    _finite(baseline)
    difference = estimate([a - b for a, b in zip(values, baseline, strict=True)])
    n, mean, sd = difference.n, difference.mean, difference.sd or 0.0
    # Subtracting leaves the rounding of the losses, which may be far larger than that of their difference.
    noise = _rounding([*values, *baseline])
    if sd <= noise:
        mean = 0.0 if abs(mean) <= noise else mean
        return PairedTest(Estimate(n, mean, 0.0, mean, mean), None, 0.0 if mean else 1.0, 0.0)
    t = mean / (sd / math.sqrt(n))
    p = 2 * float(need("scipy.stats", extra="torch").t.sf(abs(t), n - 1))
    return PairedTest(difference, t, p, smallest_gap(sd, n, level=LEVEL / comparisons))


def holm(p_values: Sequence[float], *, comparisons: int | None = None) -> tuple[float, ...]:
    """p values corrected so that all comparisons together err at most as often as one alone.

    Args:
        p_values: one per test that was made.
        comparisons: size of the family, if more comparisons were planned than could be tested; those that could not
            count as if their p value were 1.

    Returns:
        Corrected values in the order given: the k-th smallest times ``comparisons - k + 1`` (k from 1), never below a
        smaller one's, at most 1.

    Raises:
        RecordError: a family smaller than the number of tests.

    Source:
        Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        (0.03, 0.06, 0.06)
    """
    family = len(p_values) if comparisons is None else comparisons
    if family < len(p_values):
        raise RecordError(f"{len(p_values)} tests are more than the {family} comparisons that were planned")
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (family - rank) * p_values[i]))
        corrected[i] = largest
    return tuple(corrected)


def smallest_gap(sd: float, n: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """The smallest true mean difference that a two-sided paired t-test would have shown.

    Args:
        sd: standard deviation of the paired differences.
        n: number of pairs, at least 2.
        level: of the test, e.g. 0.05 / 3 for each of three comparisons (the strictest step of Holm's procedure).
        power: how surely it would have been shown, in (level, 1).

    Returns:
        In the unit of `sd`. The true spread is taken to be the one that was seen.

    Raises:
        RecordError: fewer than two pairs.

    Source:
        Cohen 1988, Statistical Power Analysis, ch. 2; power from the noncentral t distribution.

    Example:
        >>> smallest_gap(1.0, 34)  # Cohen's table: 34 pairs see half a standard deviation
        0.495
    """
    if n < 2:
        raise RecordError(f"no gap can be shown with {n} seed; compare with two or more")
    stats = need("scipy.stats", extra="torch")
    critical = float(stats.t.ppf(1 - level / 2, n - 1))

    def lacking(shift: float) -> float:
        # Only the tail on the gap's own side: a "difference" in the wrong direction would not have shown it. (The other
        # tail holds about 1e-6 at most, where scipy's noncentral t gives nan.)
        return float(stats.nct.sf(critical, n - 1, shift)) - power

    above = critical
    while lacking(above) < 0:
        above *= 2
    shift = float(need("scipy.optimize", extra="torch").brentq(lacking, 0.0, above, xtol=1e-12 * above))
    return shift * sd / math.sqrt(n)


def first_reach(t: Sequence[float], loss: Sequence[float], target: float) -> int | None:
    """Updates done at the first evaluation that was at or below the target; None if there was none.

    Example:
        >>> first_reach([25, 50, 75], [2.0, float("nan"), 1.4], target=1.5)
        75
    """
    return next((int(at) for at, value in zip(t, loss, strict=True) if value <= target), None)


def restricted_mean(times: Sequence[int], censored: Sequence[bool]) -> RestrictedMean:
    """Mean time to target with the seeds that never reached it kept in.

    A seed that never reached the target is known only to need longer than its run: its time is censored. Leaving it
    out would make a recipe look the faster the more of its seeds fail. So the mean is restricted to the horizon that
    every censored seed was followed for: each time counts as ``min(time, horizon)``, which is known for all seeds. If
    all runs have the same length, this is the area under the Kaplan-Meier curve up to that length.

    Args:
        times: updates until the target, or, where censored, the length of the run; at least one.
        censored: True where the target was never reached.

    Returns:
        The mean with its interval, and how many seeds reached the target.

    Source:
        Royston & Parmar 2013, BMC Medical Research Methodology 13:152 (restricted mean survival time).

    Example:
        >>> mean = restricted_mean([100, 140, 300], [False, False, True])
        >>> mean.updates.mean, mean.reached, mean.of, mean.horizon
        (180.0, 2, 3, 300)
    """
    followed = [time for time, open_end in zip(times, censored, strict=True) if open_end]
    horizon = min(followed, default=None)
    known = [time if horizon is None else min(time, horizon) for time in times]
    return RestrictedMean(len(times) - len(followed), len(times), horizon, estimate(known))


def _finite(values: Sequence[float]) -> None:
    """Refuse what has no mean."""
    if not values:
        raise RecordError("a mean needs at least one value")
    for value in values:
        if not math.isfinite(value):
            raise RecordError(f"a mean over {value} says nothing; leave runs without a finite result out by name")


def _rounding(values: Sequence[float]) -> float:
    """Differences below this are rounding."""
    return 8 * sys.float_info.epsilon * max(abs(value) for value in values)
