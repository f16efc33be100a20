"""CyclicLR: up and down between two rates, the momentum against it."""

from __future__ import annotations

from typing import Any

from cadence._errors import ConversionError
from cadence.conversion.definition import native
from cadence.conversion.frameworks.torch.checks import begun, number, rate
from cadence.conversion.frameworks.torch.groups import per_group
from cadence.conversion.frameworks.torch.tables import table
from cadence.conversion.native import Native
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, exponential, formula, ramp
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan, plan
from cadence.spec.shown import shown
from cadence.spec.value import absolute, number_text

MODES = ("triangular", "triangular2", "exp_range")


@native("torch", "torch.optim.lr_scheduler.CyclicLR", note="The optimizer's own rate does not matter.")
@per_group("CyclicLR")
def cyclic_lr(
    on: Setting,
    base_lr: Any,
    max_lr: Any,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    scale_fn: Any = None,
    scale_mode: str = "cycle",
    cycle_momentum: bool = True,
    base_momentum: Any = 0.8,
    max_momentum: Any = 0.9,
    last_epoch: int = -1,
) -> Schedule | Plan:
    """Triangles from base_lr to max_lr, whose height may shrink; the momentum goes the other way."""
    given = {key: value for key, value in locals().items() if key != "on"}
    low, high = rate(base_lr, "base_lr"), rate(max_lr, "max_lr")
    up = number(step_size_up, "step_size_up")
    down = up if step_size_down is None else number(step_size_down, "step_size_down", least=0.0)
    if up <= 0:
        raise ConversionError(f"step_size_up is {up:g}, and torch divides by it; it must be more than 0")
    if mode not in MODES and scale_fn is None:
        raise ConversionError(f"mode is one of {', '.join(MODES)}, not {shown(mode)}; write one, or give scale_fn")
    if scale_fn is not None:
        return table(
            Native("torch", "CyclicLR", given), on, "scale_fn is a function, which is sampled over the whole run"
        )
    if begun(last_epoch):
        return table(
            Native("torch", "CyclicLR", given), on, "CyclicLR goes on from last_epoch, from the group's own rate"
        )
    if mode == "triangular2" and on.ticks is not None and on.ticks >= 1024 * (up + down):
        raise ConversionError(
            f"mode is 'triangular2', whose height torch halves with each cycle of {up + down:g} steps until, at step "
            f"{1024 * (up + down):g}, the number is too large for it; write longer cycles"
        )
    factor = number(gamma, "gamma") if mode == "exp_range" else 1.0
    shape = Triangles(up, down, mode, factor)
    rates = shape.between(on, low, high)
    if not cycle_momentum:
        return rates
    base, most = rate(base_momentum, "base_momentum"), rate(max_momentum, "max_momentum")
    return plan({"lr": rates, on.momentum: shape.between(on, most, base)})


class Triangles:
    """Triangles of one form, which any two values can be put into."""

    def __init__(self, up: float, down: float, mode: str, gamma: float) -> None:
        self.up, self.down, self.mode, self.gamma = up, down, mode, gamma

    def between(self, on: Setting, low: float, high: float) -> Schedule:
        """From `low` at the ends of a cycle to `high` at its tip."""
        if low == high:
            return constant(start=on.value(low))
        if not (self.up.is_integer() and self.down.is_integer()):
            return self.formula(on, low, high)
        if self.mode == "triangular" or (self.mode == "exp_range" and self.gamma == 1):
            return self._cycle(on, low, high).repeat()
        # Only the height shrinks, so the floor stands outside the cycle; a height below it is no value of its own.
        if high < low or self.gamma < 0:
            return self.formula(on, low, high)
        cycle = self._cycle(on, 0.0, high - low)
        if self.mode == "triangular2":
            shrinking = cycle.repeat(decay=0.5)
        else:
            shrinking = cycle.repeat() * exponential(gamma=self.gamma, every=on.span(1))
        return shrinking if not low else constant(start=absolute(low)) + shrinking

    def formula(self, on: Setting, low: float, high: float) -> Schedule:
        """The same as a formula, for any lengths and heights."""
        return constant(start=absolute(1)) * formula(self.text(on.clock, low, high - low), local=on.local)

    def text(self, t: str, low: float, height: float) -> str:
        """The formula itself."""
        up, down, size = (number_text(x) for x in (self.up, self.down, self.up + self.down))
        if self.up.is_integer() and self.down.is_integer():
            rise, count = f"({t} % {size}) / {up}", f"{t} // {size}"
            share = rise if not self.down else f"min({rise}, ({size} - {t} % {size}) / {down})"
        else:
            # As torch computes it, rounding included.
            ratio = f"{up} / {size}" if self.down else "1"
            x, count = f"((1 + {t} / {size}) % 1)", f"(1 + {t} / {size}) // 1 - 1"
            rise = f"{x} / ({ratio})" if self.down else f"{x} / 1"
            share = f"where({x} <= {ratio}, {rise}, ({x} - 1) / ({ratio} - 1))" if self.down else rise
        shrink = {"triangular": "", "triangular2": f" * 0.5 ** ({count})"}.get(
            self.mode, "" if self.gamma == 1 else f" * ({number_text(self.gamma)}) ** {t}"
        )
        return f"{number_text(low)} {'+' if height > 0 else '-'} {number_text(abs(height))} * {share}{shrink}"

    def _cycle(self, on: Setting, low: float, high: float) -> Schedule:
        a, b = on.value(low), on.value(high)
        rise = ramp(on.span(int(self.up)), shape="linear", start=a, to=b)
        return rise >> ramp(on.span(int(self.down)), shape="linear", start=b, to=a) if self.down else rise
