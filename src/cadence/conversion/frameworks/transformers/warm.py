"""What transformers' schedules share: a warmup, lengths of any kind, and the optimizer's own rate."""

from __future__ import annotations

from collections.abc import Callable

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import less, real, whole, written
from cadence.conversion.joined import Part, joined
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import formula, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.value import Value


def steps(x: object, what: str) -> float:
    """A number of steps as transformers takes it: fractions and negative ones too.

    Raises:
        ConversionError: none, or no number.
    """
    if x is None:
        raise ConversionError(f"this schedule requires {what}; write e.g. {what}=100")
    return real(x, what)


def warmed(
    on: Setting, warmup: float, text: str, main: Callable[[], Schedule] | None, *, jumps: bool = False
) -> Schedule:
    """A schedule after a line from 0 to the base.

    Args:
        on: the run.
        warmup: steps of the line.
        text: formula of the factor after the warmup.
        main: the same in the algebra; None where that cannot say it.
        jumps: whether it begins elsewhere than at the base.
    """
    # A part of a sequence may be cut anywhere; a formula can be.
    if main is None or on.local or warmup < 0 or not whole(warmup):
        rising = f"{on.clock} / {written(max(1, warmup))} if {on.clock} < {written(warmup)} else "
        return formula((rising if warmup > 0 else "") + text, local=on.local)
    if not warmup:
        return main()
    rise = ramp(on.span(warmup), shape="linear", start=0.0, to=1.0)
    return joined(on, [Part(int(warmup), rise), Part(None, main(), jumps)])


def progress_text(on: Setting, warmup: float, length: float) -> str:
    """The share that is done after the warmup."""
    return f"({less(on.clock, warmup)} / {written(length)})"


def wave_text(cycles: float, progress: str) -> str:
    """A cosine from 1, `cycles` of it, in transformers' own order of operations."""
    return f"0.5 * (1 + cos(pi * {written(cycles)} * 2 * {progress}))"


def raised(text: str, floor: float) -> str:
    """A factor between 1 and 0 as one between 1 and `floor`."""
    return text if floor == 0 else f"{text} * {written(1 - floor)} + {written(floor)}"


def own_rate(on: Setting, lr_init: object) -> float:
    """The optimizer's default rate, which transformers divides absolute rates by: the first group's base.

    Raises:
        ConversionError: 0 or less.
    """
    rate = on.base if lr_init is None else float(real(lr_init, "lr_init"))
    if rate <= 0:
        raise ConversionError(
            f"the optimizer's default learning rate is {rate:g}, and transformers divides by it; write base=, e.g. 5e-5"
        )
    return rate


def absolute_or_multiple(on: Setting, number: float, rate: float) -> Value:
    """An absolute rate, which the division by the default rate makes a multiple in groups with other rates."""
    return on.value(number) if all(base == rate for base in on.bases) else number / rate
