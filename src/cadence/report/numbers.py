"""Numbers as people read them: as many digits as are known, and no more."""

from __future__ import annotations

import math

from cadence.comparison.statistics import Estimate

MINUS = "\N{MINUS SIGN}"


def significant(x: float, digits: int = 3) -> str:
    """A number with so many significant digits, without a power of ten where it can be done.

    Args:
        x: any float.
        digits: at least 1.

    Example:
        >>> significant(0.0123456), significant(12345.6), significant(-2.0), significant(1e-7)
        ('0.0123', '12346', '−2.00', '1.00e−7')
    """
    if not math.isfinite(x):
        return str(x)
    if x != 0 and not 1e-5 <= abs(x) < 1e9:
        mantissa, _, exponent = f"{x:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    # Rounding may carry into one more digit (9.996), which is counted after rounding.
    size = 0 if x == 0 else math.floor(math.log10(abs(float(f"{x:.{digits - 1}e}"))))
    return fixed(x, max(0, digits - 1 - size))


def fixed(x: float, decimals: int) -> str:
    """A number with so many decimals, a real minus sign, and no negative zero.

    Args:
        x: a finite float.
        decimals: at least 0.

    Example:
        >>> fixed(-0.004, 2), fixed(-0.5, 1)
        ('0.00', '−0.5')
    """
    text = f"{x:.{decimals}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", MINUS)


def short(x: float) -> str:
    """A number such as a learning rate: three significant digits, no zeros at its end.

    Args:
        x: a float.

    Example:
        >>> short(0.1), short(0.033333), short(300.0), short(1e-7)
        ('0.1', '0.0333', '300', '1e-7')
    """
    mantissa, mark, exponent = f"{x:.3g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else mantissa


def decimals_of(width: float) -> int:
    """Decimals that show two significant digits of a width.

    Args:
        width: at least 0; 0 gives four decimals.

    Example:
        >>> decimals_of(0.0157), decimals_of(12.0), decimals_of(0.5)
        (3, 0, 2)
    """
    if width <= 0:
        return 4
    return min(8, max(0, 1 - math.floor(math.log10(float(f"{width:.1e}")))))


def plus_minus(value: Estimate, scale: float = 1.0) -> str:
    """A mean and half of its interval, both to two digits of the latter; the mean alone where there is no interval.

    Args:
        value: mean and interval.
        scale: multiplies both; 100 shows a share in percent.

    Example:
        >>> plus_minus(Estimate(3, 0.05671, 0.01, 0.0410, 0.0724)), plus_minus(Estimate(1, 2.0, None, None, None))
        ('0.057 ± 0.016', '2.000')
    """
    if value.half is None:
        return significant(value.mean * scale, 4)
    half = value.half * scale
    if half == 0:
        return f"{significant(value.mean * scale, 4)} ± 0"
    decimals = decimals_of(half)
    return f"{fixed(value.mean * scale, decimals)} ± {fixed(half, decimals)}"


def gap_and_interval(value: Estimate) -> tuple[str, str, str]:
    """Size of a difference and the ends of its interval, all positive where the difference has a sign.

    Args:
        value: a difference with an interval.

    Returns:
        Mean, nearer end and farther end of the interval, turned so that the mean is positive.

    Example:
        >>> gap_and_interval(Estimate(5, -0.12, 0.02, -0.151, -0.089))
        ('0.120', '0.089', '0.151')
    """
    decimals = decimals_of(value.half or 0.0)
    low, high = value.low or 0.0, value.high or 0.0
    ends = (-high, -low) if value.mean < 0 else (low, high)
    return fixed(abs(value.mean), decimals), fixed(ends[0], decimals), fixed(ends[1], decimals)


def probability(p: float) -> str:
    """A p value with its sign of comparison left to the reader where it is small.

    Args:
        p: in [0, 1].

    Example:
        >>> probability(0.00002), probability(0.0312), probability(0.5), probability(1.0)
        ('< 0.001', '0.031', '0.50', '1.00')
    """
    return "< 0.001" if p < 0.001 else fixed(p, 3 if p < 0.1 else 2)


def equals(p: float) -> str:
    """A p value for the inside of a sentence.

    Args:
        p: in [0, 1].

    Example:
        >>> equals(0.00002), equals(0.0312)
        ('< 0.001', '= 0.031')
    """
    text = probability(p)
    return text if text.startswith("<") else f"= {text}"
