"""timm's warmup-stable-decay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import least, less, real, whole, written
from cadence.conversion.definition import native
from cadence.conversion.frameworks.timm.falls import Called, Cosine, Fall, Ratio, Root
from cadence.conversion.frameworks.timm.warm import Scale, Warmup, checked, scaled, warmup
from cadence.conversion.joined import Part, joined, room
from cadence.conversion.setting import Setting
from cadence.spec.constructors.phases import constant, formula, inverse
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.shown import shown

STABLE = ("constant", "rsqrt", "power")
DECAY = ("linear", "1-sqrt", "cosine", "power", "exp")


@native(
    "timm", "timm.scheduler.WSDLRScheduler",
    note="lr_min is reached one tick after the last; the rate never falls below it.",
)  # fmt: skip
def WSDLRScheduler(
    on: Setting, t_initial: int, decay_t: int, lr_min: float = 0.0, stable_fn: str = "constant",
    stable_timescale: float | None = None, stable_power: float = 0.5,
    decay_fn: str | Callable[[float], float] = "1-sqrt", decay_power: float = 0.5, decay_ratio: float = 0.1,
    warmup_t: int = 0, warmup_lr_init: float = 0.0, t_in_epochs: bool = True, noise_range_t: object = None,
    noise_pct: float = 0.67, noise_std: float = 1.0, noise_seed: int = 42, initialize: bool = True, *,
    lr_scale: Scale = None,
) -> Schedule | Plan:  # fmt: skip
    """A line up, a stable part that may fall as a power of time, a decay to lr_min."""
    checked(on, noise_range_t, t_in_epochs)
    length, decay = real(t_initial, "t_initial"), real(decay_t, "decay_t")
    if length <= 0:
        raise ConversionError(f"t_initial is {length:g}; it must be above 0")
    if not 0 < decay <= length:
        raise ConversionError(f"decay_t is {decay:g}; it must be above 0 and at most t_initial, which is {length:g}")
    low = least(real(lr_min, "lr_min"), 0, "lr_min")
    line = warmup(warmup_t, warmup_lr_init, prefix=True)
    power = _power(stable_fn, stable_power)
    scale = _timescale(stable_timescale, line) if power else 1
    fall = _fall(decay_fn, decay_power, decay_ratio)
    stable = _Stable(on, length, decay, fall, power, scale, low)
    regular = whole(length, decay, line.length) and line.length >= 0
    parts = [*line.parts(on), *(stable.phases(line) if regular else [stable.formula(line)])]
    return scaled(on, joined(on, parts), lr_scale)


def _power(stable_fn: object, stable_power: object) -> float:
    """The power of time with which the stable part falls."""
    if stable_fn not in STABLE:
        raise ConversionError(f"stable_fn is {shown(stable_fn)}; it is 'constant', 'rsqrt' or 'power'")
    power = real(stable_power, "stable_power")
    if power <= 0:
        raise ConversionError(f"stable_power is {power:g}; it must be above 0")
    return {"constant": 0.0, "rsqrt": 0.5, "power": power}[str(stable_fn)]


def _timescale(stable_timescale: object, line: Warmup) -> float:
    scale = line.length if stable_timescale is None else real(stable_timescale, "stable_timescale")
    if scale <= 0:
        raise ConversionError(
            f"stable_timescale is {scale:g} (where it is left out, warmup_t); it must be above 0, so write it"
        )
    return scale


def _fall(decay_fn: object, decay_power: object, decay_ratio: object) -> Fall:
    power, ratio = real(decay_power, "decay_power"), real(decay_ratio, "decay_ratio")
    if power <= 0:
        raise ConversionError(f"decay_power is {power:g}; it must be above 0")
    if not 0 < ratio < 1:
        raise ConversionError(f"decay_ratio is {ratio:g}; it must be above 0 and below 1")
    if callable(decay_fn):
        return Called(cast("Callable[[float], float]", decay_fn))
    if decay_fn not in DECAY:
        raise ConversionError(f"decay_fn is {shown(decay_fn)}; it is one of {', '.join(DECAY)}, or a function")
    kinds: dict[object, Fall] = {
        "linear": Root(1.0), "1-sqrt": Root(0.5), "cosine": Cosine(), "power": Root(power), "exp": Ratio(ratio),
    }  # fmt: skip
    return kinds[decay_fn]


@dataclass(frozen=True)
class _Stable:
    """What follows the warmup.

    Attributes:
        on: the run.
        length, decay: ticks of the whole, and of the decay at its end.
        fall: the decay.
        power, scale: the stable part falls as (1 + time / scale) ** -power.
        low: the rate never falls below it; absolute.
    """

    on: Setting
    length: float
    decay: float
    fall: Fall
    power: float
    scale: float
    low: float

    def phases(self, line: Warmup) -> list[Part]:
        """In the algebra, for lengths that are whole."""
        on, flat, last = self.on, int(self.length - self.decay), int(self.decay)
        if not self.power and not self._below(1.0):
            falling = self.fall.phase(on, last, self.low, local=True, clock=on.clock)
            return [Part(flat, constant(on.span(flat))), Part(last, falling)]
        root = inverse(timescale=on.span(Fraction(self.scale)), power=self.power) if self.power else None
        end = room(on)
        if end is not None and line.ticks + flat >= end:
            # The run ends before the decay.
            return [Part(None, self._kept(constant() if root is None else root), jumps=self._below(1.0))]
        fall = self.fall.falling(on, last, local=True, clock=on.clock)
        main = constant(on.span(flat)) >> fall if flat else fall
        main = main if root is None else root * main
        if self.low:
            rise = self.fall.rising(on, last, self.low, local=True, clock=on.clock)
            main = main + (constant(on.span(flat), start=0.0) >> rise if flat else rise)
        parts = [Part(int(self.length), self._kept(main), jumps=self._below(1.0))]
        return [*parts, *self._rest(line)]

    def formula(self, line: Warmup) -> Part:
        """The same for lengths of any kind."""
        decay = written(self.decay)
        done = f"max(0, min({less(self.on.clock, line.length + self.length - self.decay)}, {decay}))"
        factor = self.fall.text(done, self.decay)
        falling = formula(f"{self._steady(line)} * {factor}" if self.power else factor)
        if not self.low:
            return Part(None, falling)
        both = falling + formula(f"1 - {factor}") * constant(start=self.on.value(self.low))
        return Part(None, self._kept(both), jumps=self._below(1.0))

    def _rest(self, line: Warmup) -> list[Part]:
        """A function that does not end at 0 leaves the stable part falling."""
        end = self.fall.at_end()
        if not self.power or not end:
            return []
        rest = formula(f"{written(end)} * {self._steady(line)}")
        return [
            Part(None, rest + constant(start=self.on.value(self.low * (1 - end))) if self.low else rest, jumps=True)
        ]

    def _steady(self, line: Warmup) -> str:
        return f"(1 + {less(self.on.clock, line.length)} / {written(self.scale)}) ** {written(-self.power)}"

    def _kept(self, main: Schedule) -> Schedule:
        """Above the minimum, where the stable part falls below it."""
        if not self._below((1 + self.length / self.scale) ** -self.power):
            return main
        if isinstance(self.fall, Called):
            raise ConversionError(
                f"the stable part falls below lr_min={self.low:g}, and how timm goes on from there with a function as "
                f"decay_fn no schedule says; lower lr_min"
            )
        return main.clip(self.on.value(self.low))

    def _below(self, factor: float) -> bool:
        """Whether some group's rate, so many times its base, lies below the minimum."""
        return any(base * factor < self.low for base in self.on.bases)
