"""linear, cosine and poly: a warmup, then a decay, the same rate for every group.

All three leave the first update at min_lr: the rate of step 0 is set by the first call of `step()`.
"""

from __future__ import annotations

from dataclasses import dataclass

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.pytorch_optimizer.numbers import Part, rate, sequence, whole
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, ramp
from cadence.spec.nodes import Cut, Schedule
from cadence.spec.value import absolute, number_of

PATH = "pytorch_optimizer.lr_scheduler.linear_warmup."
NOTE = "The first update runs at min_lr: the warmup begins with the first step(). One rate for all groups."


@dataclass(frozen=True)
class Warmed:
    """Checked arguments.

    Attributes:
        decay: steps from the end of the warmup to t_max; negative where the warmup is longer.
        warmup: steps of the warmup.
        high, low, start: the rates at the end of the warmup, at t_max, at the beginning of the warmup.
    """

    decay: int
    warmup: int
    high: float
    low: float
    start: float

    def parts(self, on: Setting, before: float) -> list[Part]:
        """The first update at the rate `before`, and the warmup."""
        rise = ramp(on.span(self.warmup), shape="linear", start=on.value(self.start), to=on.value(self.high))
        return [(1, constant(on.span(1), start=on.value(before))), (self.warmup, rise)]

    def must_end(self, on: Setting) -> None:
        """Refuse a decay of no length, by which the peer divides."""
        if not self.decay and not (on.ticks is not None and not on.local and on.ticks <= self.warmup + 2):
            raise ConversionError(
                f"t_max and warmup_steps are both {self.warmup}; pytorch_optimizer divides by their difference after "
                f"the warmup, so make t_max larger"
            )


def checked(t_max: int, max_lr: float, min_lr: float, init_lr: float, warmup_steps: int) -> Warmed:
    """Arguments as pytorch_optimizer checks them."""
    high, low, start = rate(max_lr, "max_lr"), rate(min_lr, "min_lr"), rate(init_lr, "init_lr")
    steps, warmup = whole(t_max, "t_max"), whole(warmup_steps, "warmup_steps")
    return Warmed(steps - warmup, warmup, high, low, start)


@native(
    "pytorch_optimizer", PATH + "LinearScheduler", name="linear", note=NOTE + " After t_max it goes on below min_lr."
)
def linear(
    on: Setting, t_max: int, max_lr: float, min_lr: float = 0.0, init_lr: float = 0.0, warmup_steps: int = 0
) -> Schedule:
    """A warmup, then a straight line to min_lr at t_max, and on."""
    w = checked(t_max, max_lr, min_lr, init_lr, warmup_steps)
    return linear_after(on, w, w.low)


def linear_after(on: Setting, w: Warmed, before: float) -> Schedule:
    """`linear` with the rate `before` for the first update."""
    w.must_end(on)
    parts = w.parts(on, before)
    if not w.decay:
        return sequence(on, [*parts, (1, constant(on.span(1), start=on.value(w.high)))])
    known = on.ticks is not None and not on.local
    last = (on.ticks or 0) - 1 - 1 - w.warmup
    if not known or (last <= w.decay and w.decay > 0):
        if w.decay < 0:
            raise ConversionError(
                f"warmup_steps is {-w.decay} more than t_max, so that the rate rises for ever; give total=, or make "
                f"t_max larger"
            )
        line = ramp(on.span(w.decay), shape="linear", start=on.value(w.high), to=on.value(w.low))
        whole = sequence(on, [*parts, (w.decay, line)])
        if known:
            return whole
        # Behind its end the peer's line leads below min_lr, and soon below 0.
        inner = whole.inner if isinstance(whole, Cut) else whole
        return inner.cut(on.span(1 + w.warmup + w.decay)).past_end("raise")
    if last < 1:
        return sequence(on, [*parts, (None, constant(start=on.value(w.high)))])
    end = w.high + (w.low - w.high) * last / w.decay
    if end < 0:
        raise ConversionError(
            f"after t_max pytorch_optimizer's line goes on below min_lr, and is at {end:.3g} at the end of this run; "
            f"make the run at most {w.warmup + w.decay + 1} steps long"
        )
    line = ramp(on.span(last), shape="linear", start=on.value(w.high), to=on.value(end))
    return sequence(on, [*parts, (last, line)])


@native("pytorch_optimizer", PATH + "CosineScheduler", name="cosine", note=NOTE + " After t_max it rises again.")
def cosine(
    on: Setting, t_max: int, max_lr: float, min_lr: float = 0.0, init_lr: float = 0.0, warmup_steps: int = 0
) -> Schedule:
    """A warmup, then half a cosine to min_lr at t_max, then back up."""
    w = checked(t_max, max_lr, min_lr, init_lr, warmup_steps)
    return cosine_after(on, w, w.low)


def cosine_after(on: Setting, w: Warmed, before: float) -> Schedule:
    """`cosine` with the rate `before` for the first update."""
    w.must_end(on)
    parts = w.parts(on, before)
    if not w.decay:
        return sequence(on, [*parts, (1, constant(on.span(1), start=on.value(w.high)))])
    # A cosine does not care in which direction it is followed.
    down = ramp(on.span(abs(w.decay)), shape="cosine", start=on.value(w.high), to=on.value(w.low))
    return sequence(on, [*parts, (None, down.past_end("mirror"))])


@native(
    "pytorch_optimizer",
    PATH + "PolyScheduler",
    name="poly",
    note=NOTE + " After the warmup the rate rises: min_lr + (max_lr - min_lr) n ** poly_order, n steps later.",
)
def poly(
    on: Setting,
    poly_order: float = 0.5,
    *,
    t_max: int,
    max_lr: float,
    min_lr: float = 0.0,
    init_lr: float = 0.0,
    warmup_steps: int = 0,
) -> Schedule:
    """A warmup, then a power of the steps since, which rises above max_lr."""
    order = number_of(poly_order, "poly_order", least=float("-inf"))
    if order <= 0:
        raise ConversionError(f"poly_order is {order:g}; pytorch_optimizer wants more than 0")
    w = checked(t_max, max_lr, min_lr, init_lr, warmup_steps)
    return poly_after(on, w, order, w.low)


def poly_after(on: Setting, w: Warmed, order: float, before: float) -> Schedule:
    """`poly` with the rate `before` for the first update."""
    top: Part = (1, constant(on.span(1), start=on.value(w.high)))
    power = formula(f"({on.clock} + 1) ** {order!r}", local=True)
    if w.high >= w.low:
        rising = power * absolute(w.high - w.low)
        rising = rising if not w.low else constant(start=on.value(w.low)) + rising
    else:
        text = f"{w.low!r} - {w.low - w.high!r} * ({on.clock} + 1) ** {order!r}"
        rising = formula(text, local=True) * absolute(1.0)
    return sequence(on, [*w.parts(on, before), top, (None, rising)])
