"""OneCycleLR: up to the peak, down to nearly nothing, the momentum against it."""

from __future__ import annotations

from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.torch.checks import begun, number, rate, whole
from cadence.conversion.frameworks.torch.groups import per_group
from cadence.conversion.frameworks.torch.ramps import strategy
from cadence.conversion.frameworks.torch.rates import one_cycle_ends, one_cycle_total
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan, plan
from cadence.spec.shown import shown
from cadence.spec.value import absolute, number_text


@native(
    "torch", "torch.optim.lr_scheduler.OneCycleLR",
    note="Stepped after its last update, torch's goes on beyond its end (its linear form below 0); here the end holds.",
)  # fmt: skip
@per_group("OneCycleLR")
def one_cycle_lr(
    on: Setting,
    max_lr: Any,
    total_steps: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
    base_momentum: Any = 0.85,
    max_momentum: Any = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
    last_epoch: int = -1,
) -> Schedule | Plan:
    """Up to max_lr, down again, and further down; the momentum goes the other way."""
    shape = Arc(length(total_steps, epochs, steps_per_epoch), pct_start, strategy(anneal_strategy), bool(three_phase))
    high = rate(max_lr, "max_lr")
    low = high / _divisor(div_factor, "div_factor")
    least = low / _divisor(final_div_factor, "final_div_factor")
    if begun(last_epoch):
        raise ConversionError(
            f"last_epoch is {last_epoch}, where OneCycleLR looks for the rates that an earlier one left in the "
            f"optimizer; leave it out, and say at which update the run goes on"
        )
    if on.ticks is not None and on.ticks > shape.total:
        raise ConversionError(
            f"OneCycleLR is made for {shape.total} steps, and the run has {on.ticks}; torch raises at step "
            f"{shape.total + 1}, so write total_steps={on.ticks}"
        )
    rates = shape.through(on, [low, high, low, least] if shape.three else [low, high, least])
    if not cycle_momentum:
        return rates
    base, most = rate(base_momentum, "base_momentum"), rate(max_momentum, "max_momentum")
    return plan({"lr": rates, on.momentum: shape.through(on, [most, base, most, most][: len(shape.ends) + 1])})


def length(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    """The number of steps, however it is said.

    Raises:
        ConversionError: not said, or no whole number.
    """
    if total_steps is not None:
        return whole(total_steps, "total_steps")
    if epochs is None or steps_per_epoch is None:
        raise ConversionError("OneCycleLR needs its length; write total_steps=..., or epochs= and steps_per_epoch=")
    return one_cycle_total(None, whole(epochs, "epochs"), whole(steps_per_epoch, "steps_per_epoch"))


def _divisor(x: Any, what: str) -> float:
    value = number(x, what)
    if value <= 0:
        raise ConversionError(f"{what} is {value:g}, and rates are divided by it; it must be more than 0")
    return value


class Arc:
    """One cycle of one form, which any values can be put into."""

    def __init__(self, total: int, pct_start: Any, along: str, three: bool) -> None:
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ConversionError(f"pct_start is a float from 0.0 to 1.0, not {shown(pct_start)}")
        self.total, self.along, self.three = total, along, three
        self.ends = one_cycle_ends(total, pct_start, three)
        # A boundary that is whole but for its last digits is whole.
        self.ends = [float(round(e)) if abs(e - round(e)) < 1e-9 and round(e) else e for e in self.ends]
        if self.ends[0] == 0:
            raise ConversionError(
                f"pct_start={pct_start:g} of {total} steps leaves the rise no length, and torch divides by zero at the "
                f"first step; write a larger one, e.g. pct_start={min(2 / total, 0.5):.2g}"
            )

    def through(self, on: Setting, values: list[float]) -> Schedule:
        """From each value to the next, at torch's boundaries."""
        begins = [0.0, *self.ends[:-1]]
        if all(e.is_integer() and e > b for b, e in zip(begins, map(float, self.ends), strict=True)):
            return self._phases(on, values, [int(e - b) for b, e in zip(begins, self.ends, strict=True)])
        text = formula(self.text(on.clock, values), on.span(self.total), local=on.local)
        return (constant(start=absolute(1)) * text).past_end("raise")

    def _phases(self, on: Setting, values: list[float], lengths: list[int]) -> Schedule:
        arc: Schedule | None = None
        for i, n in enumerate(lengths):
            a, b = on.value(values[i]), on.value(values[i + 1])
            # Torch's end is reached at the last update, not one after it.
            last = i == len(lengths) - 1
            built = ramp(on.span(n + last), shape=self.along, start=a, to=b, ends="closed" if last else "open")
            arc = built if arc is None else arc >> built
        assert arc is not None
        whole = arc if on.ticks == self.total else arc.cut(on.span(self.total))
        return whole.past_end("raise")

    def text(self, t: str, values: list[float]) -> str:
        """The same as a formula, for boundaries that lie between two steps."""
        pieces: list[tuple[float, str]] = []
        clock, begin = self._clock(t, values), 0.0
        for a, b, end in zip(values[:-1], values[1:], self.ends, strict=True):
            if end >= 0 and begin < self.total and begin != end:
                pieces.append((end, self._piece(clock, a, b, begin, end)))
            begin = end
        text = pieces[-1][1]
        for end, piece in reversed(pieces[:-1]):
            text = f"{piece} if {t} <= {number_text(end)} else {text}"
        return text

    def _clock(self, t: str, values: list[float]) -> str:
        """The clock, stopped at the last update where torch would go on below 0 or divide by zero."""
        (a, b), begin, end = values[-2:], self.ends[-2], self.ends[-1]
        last = begin < self.total
        below = last and self.along == "linear" and begin != end and a + (b - a) * (end + 1 - begin) / (end - begin) < 0
        return f"min({t}, {number_text(self.total - 1)})" if below or (last and begin == end) else t

    def _piece(self, clock: str, a: float, b: float, begin: float, end: float) -> str:
        passed = clock if not begin else f"({clock} {'-' if begin > 0 else '+'} {number_text(abs(begin))})"
        share = f"{passed} / {number_text(end - begin)}"
        start, to = number_text(a), number_text(b)
        if self.along == "linear":
            return f"{start} + ({to} - {start}) * {share}"
        return f"{to} + ({start} - {to}) * (1 + cos(pi * {share})) / 2"
