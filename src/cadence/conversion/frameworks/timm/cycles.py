"""timm's schedules in cycles: cosine, hyperbolic tangent, polynomial."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cadence._errors import ConversionError
from cadence.conversion.arithmetic import least, less, real, whole, written
from cadence.conversion.definition import native
from cadence.conversion.frameworks.timm.falls import Cosine, Fall, Poly, Tanh
from cadence.conversion.frameworks.timm.warm import Scale, Warmup, checked, scaled, warmup
from cadence.conversion.joined import Part, joined, last_tick
from cadence.conversion.setting import MOST_SAMPLES, Setting
from cadence.spec.constructors.phases import constant, formula
from cadence.spec.nodes import Schedule
from cadence.spec.plan import Plan
from cadence.spec.span import LONGEST
from cadence.spec.value import Value

MOST_PIECES = 100
"""Cycles of odd lengths that are written out one by one; a schedule with more is a table."""

MOST_CYCLES = 10**9
"""Whole cycles that are counted; more of them never end."""

FAR = 10**12
"""No run is as long as this; cycles after it are not written out."""


@native("timm", "timm.scheduler.CosineLRScheduler")
def CosineLRScheduler(
    on: Setting, t_initial: int, lr_min: float = 0.0, cycle_mul: float = 1.0, cycle_decay: float = 1.0,
    cycle_limit: int = 1, warmup_t: int = 0, warmup_lr_init: float = 0.0, warmup_prefix: bool = False,
    t_in_epochs: bool = True, noise_range_t: object = None, noise_pct: float = 0.67, noise_std: float = 1.0,
    noise_seed: int = 42, k_decay: float = 1.0, initialize: bool = True, *, lr_scale: Scale = None,
) -> Schedule | Plan:  # fmt: skip
    """Cosines down to lr_min, each cycle_mul times as long and cycle_decay times as high as the one before."""
    checked(on, noise_range_t, t_in_epochs)
    cycles = _cycles(t_initial, cycle_mul, cycle_decay, cycle_limit, lr_min)
    line = warmup(warmup_t, warmup_lr_init, prefix=warmup_prefix)
    return scaled(on, _Course(on, cycles, line, Cosine(_k(k_decay))).schedule(), lr_scale)


@native(
    "timm", "timm.scheduler.TanhLRScheduler",
    note="Neither begins at the base nor ends at lr_min: tanh(lb) and tanh(ub) are not -1 and 1.",
)  # fmt: skip
def TanhLRScheduler(
    on: Setting, t_initial: int, lb: float = -7.0, ub: float = 3.0, lr_min: float = 0.0, cycle_mul: float = 1.0,
    cycle_decay: float = 1.0, cycle_limit: int = 1, warmup_t: int = 0, warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False, t_in_epochs: bool = True, noise_range_t: object = None, noise_pct: float = 0.67,
    noise_std: float = 1.0, noise_seed: int = 42, initialize: bool = True, *, lr_scale: Scale = None,
) -> Schedule | Plan:  # fmt: skip
    """The same along a hyperbolic tangent; without warmup_prefix its warmup ends where the schedule then is."""
    checked(on, noise_range_t, t_in_epochs)
    low, high = real(lb, "lb"), real(ub, "ub")
    if not low < high:
        raise ConversionError(f"lb is {low:g} and must be smaller than ub, which is {high:g}; exchange them")
    cycles = _cycles(
        t_initial, cycle_mul, cycle_decay, least(real(cycle_limit, "cycle_limit"), 0, "cycle_limit"), lr_min
    )
    line = warmup(least(real(warmup_t, "warmup_t"), 0, "warmup_t"), warmup_lr_init, prefix=warmup_prefix)
    least(line.init, 0, "warmup_lr_init")
    return scaled(on, _Course(on, cycles, line, Tanh(low, high)).schedule(), lr_scale)


@native("timm", "timm.scheduler.PolyLRScheduler")
def PolyLRScheduler(
    on: Setting, t_initial: int, power: float = 0.5, lr_min: float = 0.0, cycle_mul: float = 1.0,
    cycle_decay: float = 1.0, cycle_limit: int = 1, warmup_t: int = 0, warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False, t_in_epochs: bool = True, noise_range_t: object = None, noise_pct: float = 0.67,
    noise_std: float = 1.0, noise_seed: int = 42, k_decay: float = 1.0, initialize: bool = True, *,
    lr_scale: Scale = None,
) -> Schedule | Plan:  # fmt: skip
    """The same along a power of what is left."""
    checked(on, noise_range_t, t_in_epochs)
    cycles = _cycles(t_initial, cycle_mul, cycle_decay, cycle_limit, lr_min)
    line = warmup(warmup_t, warmup_lr_init, prefix=warmup_prefix)
    exponent = least(real(power, "power"), 0, "power")
    return scaled(on, _Course(on, cycles, line, Poly(exponent, _k(k_decay))).schedule(), lr_scale)


@dataclass(frozen=True)
class _Cycles:
    """Lengths and heights of the cycles.

    Attributes:
        first: ticks of the first one.
        grow, decay: each is so many times as long and as high as the one before.
        limit: how many there are; after them the floor.
        floor: absolute.
    """

    first: float
    grow: float
    decay: float
    limit: float
    floor: float

    def of(self, x: float) -> tuple[int, float, float]:
        """(number, beginning, length) of the cycle at time x, with timm's own rounding.

        Raises:
            ConversionError: x lies where cycles that shrink never come.
        """
        if self.grow == 1:
            i = int(x // self.first)
            return i, self.first * i, self.first
        try:
            i = math.floor(math.log(1 - x / self.first * (1 - self.grow), self.grow))
        except (ValueError, ZeroDivisionError):
            raise ConversionError(
                f"with cycle_mul={self.grow:g} timm takes a logarithm of 0 or less at {x:g}: all its cycles together "
                f"are {self.first / (1 - self.grow):g} long; give a shorter total=, or write cycle_mul=1"
            ) from None
        return i, (1 - self.grow**i) / (1 - self.grow) * self.first, self.grow**i * self.first


def _cycles(first: object, grow: object, decay: object, limit: object, floor: object) -> _Cycles:
    length, factor, low = real(first, "t_initial"), real(grow, "cycle_mul"), real(floor, "lr_min")
    if length <= 0:
        raise ConversionError(f"t_initial is {length:g}; it must be above 0")
    if factor <= 0:
        raise ConversionError(f"cycle_mul is {factor:g}, and timm takes its logarithm; write a number above 0")
    height = least(real(decay, "cycle_decay"), 0, "cycle_decay")
    return _Cycles(length, factor, height, real(limit, "cycle_limit"), least(low, 0, "lr_min"))


def _k(k_decay: object) -> float:
    return least(real(k_decay, "k_decay"), 0, "k_decay")


@dataclass(frozen=True)
class _Piece:
    """A cycle, or what is left of it after the warmup.

    Attributes:
        i: number of the cycle.
        begin, end: ticks; end None: not looked for.
        start: time on the schedule's clock at which the cycle begins.
        length: of the whole cycle.
    """

    i: int
    begin: int
    end: int
    start: float
    length: float


@dataclass(frozen=True)
class _Course:
    """A schedule in cycles on one run."""

    on: Setting
    cycles: _Cycles
    line: Warmup
    fall: Fall

    def schedule(self) -> Schedule:
        """Warmup, cycles, floor."""
        main = self._regular() if self._is_regular() else self._odd()
        whole_run = joined(self.on, [*self._rise(), *main])
        dead = self._dead()
        return whole_run if dead is None else whole_run.cut(self.on.span(dead - 1)).past_end("raise")

    def _rise(self) -> list[Part]:
        if self.line.prefix or not isinstance(self.fall, Tanh) or not self.line.length:
            return self.line.parts(self.on)
        # This one of timm's looks where its schedule will be when the warmup is over.
        i, start, length = self.cycles.of(self.line.length)
        if i >= self.cycles.limit:
            return self.line.parts(self.on, to=0.0, floor=self.cycles.floor)
        factor = self.fall.factor(self.line.length - start, length)
        return self.line.parts(self.on, to=factor * self.cycles.decay**i, floor=self.cycles.floor * (1 - factor))

    def _at(self, tick: int) -> tuple[int, float, float]:
        return self.cycles.of(tick - self.line.shift)

    def _floor(self, length: int | None = None) -> list[Part]:
        span = None if length is None else self.on.span(length)
        return [Part(length, constant(span, start=self.on.value(self.cycles.floor)), jumps=True)]

    def _dead(self) -> int | None:
        """The tick at which cycles that shrink are all over, and timm fails; None where there is none such.

        Raises:
            ConversionError: the run reaches it.
        """
        last = last_tick(self.on)
        if self.cycles.grow >= 1 or (last is not None and last < self.line.ticks):
            return None
        if last is not None:
            self._at(last)
            return None
        dead = max(self.line.ticks, math.ceil(self.cycles.first / (1 - self.cycles.grow) + self.line.shift) - 3)
        while self._lives(dead):
            dead += 1
        if dead < 2:
            self._at(dead)
        return dead

    def _lives(self, tick: int) -> bool:
        try:
            self._at(tick)
        except ConversionError:
            return False
        return True

    # ---- lengths that are whole ------------------------------------------------------------------------------------

    def _is_regular(self) -> bool:
        """Whether every cycle is of whole length and timm's rounding lets it begin when it should."""
        cycles = self.cycles
        if not whole(cycles.first, cycles.grow, self.line.length) or self.line.length < 0:
            return False
        i = 0
        while cycles.grow != 1 and i <= cycles.limit:
            start = int(cycles.first) * (int(cycles.grow) ** i - 1) // (int(cycles.grow) - 1)
            if start > LONGEST:
                break
            if cycles.of(start)[:2] != (i, start) or (start and cycles.of(start - 1)[0] != i - 1):
                return False
            i += 1
        return True

    def _regular(self) -> list[Part]:
        cycles, ticks = self.cycles, self.line.ticks
        i, start, length = self._at(ticks)
        parts: list[Part] = []
        if i < cycles.limit and ticks - self.line.shift > start:
            # The warmup has taken the beginning of this one.
            piece = _Piece(i, ticks, int(start + length), start, length)
            parts.append(Part(piece.end - ticks, self._text(piece), jumps=True))
            i, length = i + 1, length * cycles.grow
        n = max(0, math.ceil(cycles.limit - i))
        if n:
            total = length * (n if cycles.grow == 1 else (cycles.grow ** min(n, 100) - 1) / (cycles.grow - 1))
            if total > LONGEST or n > MOST_CYCLES:
                return [*parts, Part(None, self._whole(i, int(length), None), jumps=True)]
            at_base = i == 0 and self.fall.factor(0.0, 1.0) == 1
            parts.append(Part(int(total), self._whole(i, int(length), n), jumps=not at_base))
        # What ends at the floor stays there.
        return parts if parts and not self.fall.at_end() else [*parts, *self._floor()]

    def _whole(self, i: int, length: int, n: int | None) -> Schedule:
        """n whole cycles from number i on."""
        on, cycles, height = self.on, self.cycles, float(self.cycles.decay**i)
        # In cycles that grow, epochs of the first one are no whole epochs of the run.
        clock = on.clock if n == 1 or on.per == "step" else "epoch_float"
        local = n == 1 and self.line.ticks > 0
        if height == 1 and (n == 1 or cycles.decay == 1):
            one = self.fall.phase(on, length, cycles.floor, local=local, clock=clock)
            return one if n == 1 else one.repeat(n, grow=cycles.grow)
        fall = self.fall.falling(on, length, local=local, clock=clock)
        fall = fall if n == 1 else fall.repeat(n, grow=cycles.grow, decay=cycles.decay)
        fall = fall if height == 1 else fall * height
        if not cycles.floor:
            return fall
        rise = self.fall.rising(on, length, cycles.floor, local=local, clock=clock)
        return fall + (rise if n == 1 else rise.repeat(n, grow=cycles.grow))

    # ---- lengths of any kind ---------------------------------------------------------------------------------------

    def _odd(self) -> list[Part]:
        if self.cycles.grow == 1 and self.cycles.limit > 1:
            return [Part(None, self._wheel(), jumps=True)]
        pieces: list[_Piece] = []
        for piece in self._pieces():
            if len(pieces) == MOST_PIECES:
                return [Part(None, self._table(), jumps=True)]
            pieces.append(piece)
        parts = [Part(p.end - p.begin, self._text(p), jumps=True) for p in pieces]
        begin, dead = pieces[-1].end if pieces else self.line.ticks, self._dead()
        # What is cut off has no phase that goes on.
        length = None if dead is None else max(0, dead - begin)
        return [*parts, *self._floor(length)]

    def _wheel(self) -> Schedule:
        """Cycles of equal length as one formula."""
        clock, cycles = less(self.on.clock, self.line.shift), self.cycles
        i = f"({clock} // {written(cycles.first)})"
        factor = self.fall.text(f"({clock} - {written(cycles.first)} * {i})", cycles.first)
        high = factor if cycles.decay == 1 else f"{written(cycles.decay)} ** {i} * {factor}"
        limit = written(cycles.limit)
        falling = formula(f"{high} if {i} < {limit} else 0")
        if not cycles.floor:
            return falling
        return falling + formula(f"1 - {factor} if {i} < {limit} else 1") * constant(start=self.on.value(cycles.floor))

    def _pieces(self) -> Iterator[_Piece]:
        """The cycles one by one, up to the limit or the end of the run."""
        begin, dead, last = self.line.ticks, self._dead(), last_tick(self.on)
        if last is None:
            last = FAR if dead is None else dead - 1
        while begin <= last:
            i, start, length = self._at(begin)
            if i >= self.cycles.limit:
                return
            # About where it should end, and there exactly where timm lets it.
            end = min(max(begin + 1, math.ceil(start + length + self.line.shift) - 2), last + 1)
            while end <= last and self._at(end)[0] <= i:
                end += 1
            yield _Piece(i, begin, end, start, length)
            begin = end

    def _text(self, piece: _Piece) -> Schedule:
        """A cycle, or a part of it, as a formula on the run's clock."""
        span, height = self.on.span(piece.end - piece.begin), self.cycles.decay**piece.i
        text = self.fall.text(less(self.on.clock, piece.start + self.line.shift), piece.length)
        falling: Schedule = formula(text if height == 1 else f"{written(height)} * {text}", span)
        if not self.cycles.floor:
            return falling
        return falling + formula(f"1 - {text}", span) * constant(start=self.on.value(self.cycles.floor))

    def _table(self) -> Schedule:
        """Every value of the run."""
        dead, last = self._dead(), last_tick(self.on)
        if dead is not None:
            ticks = dead - 1
        elif last is not None:
            ticks = last
        else:
            ticks = self.on.need_ticks(f"more than {MOST_PIECES} cycles of uneven length are read as a table")
        if ticks > MOST_SAMPLES:
            raise ConversionError(f"{ticks} values of cycles of uneven length are too many for a table; at most 1e7")
        relative: list[Value] = []
        floors: list[Value] = []
        for k in range(ticks + 1):
            tick = max(k, self.line.ticks)
            i, start, length = self._at(tick)
            past = i >= self.cycles.limit
            factor = 0.0 if past else self.fall.factor(tick - self.line.shift - start, length)
            relative.append(factor * self.cycles.decay**i if factor else 0.0)
            floors.append(self.on.value(self.cycles.floor * (1 - factor)))
        table = self.on.table(relative)
        return table + self.on.table(floors) if self.cycles.floor else table
