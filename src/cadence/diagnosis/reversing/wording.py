"""Phases as text of cadence's notation, with places for the numbers that are still to be rounded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import final

from cadence.diagnosis.reversing.fits import Phase

CLOSE = 1e-3
"""Values that differ by a smaller share of the largest meet."""


@final
@dataclass
class Wording:
    """A text under construction.

    Attributes:
        total: length of the run, on the clock of the phases.
        unit: ``""`` for updates, else ``" epochs"``.
        base: what values are multiples of.
        numbers: those that stand at the places ``{0}``, ``{1}``, ... of texts.
    """

    total: float
    unit: str
    base: float
    numbers: list[float] = field(default_factory=list[float])

    def value(self, x: float) -> str:
        """A place for a value, as a multiple of the base."""
        return self.plain(x / self.base)

    def plain(self, x: float) -> str:
        """A place for a number that is no value."""
        self.numbers.append(x)
        return f"{{{len(self.numbers) - 1}}}"

    def length(self, x: float) -> str:
        """A length or a position; whole, because updates and epochs are counted."""
        count = max(round(x), 1)
        return f"'{count}{self.unit}'" if self.unit else str(count)

    def mean(self, x: float) -> str:
        """A length that is the mean of several, and so need not be whole."""
        return self.length(x) if abs(x - round(x)) < 0.01 else f"'{x:.6g}{self.unit or ' steps'}'"

    def meets(self, a: float, b: float) -> bool:
        """Whether two values are the same joint."""
        return abs(a - b) <= CLOSE * max(abs(a), abs(b), CLOSE * self.base)


def sequence(phases: Sequence[Phase], words: Wording) -> str:
    """Phases one after the other.

    Args:
        phases: without gaps.
        words: takes the numbers.
    """
    held = len(phases)
    phases = _without_tail(phases, words)
    texts: list[str] = []
    i = 0
    while i < len(phases):
        run = i
        while run + 1 < len(phases) and phases[run].kind == phases[run + 1].kind == "constant":
            run += 1
        if run > i:
            texts.append(_levels(phases[i : run + 1], words, last=run == len(phases) - 1))
        else:
            texts.append(_one(phases, i, words))
        i = run + 1
    if len(phases) == 1 < held and phases[0].to > phases[0].start and words.meets(phases[0].to, words.base):
        # It rises to the base and stays there.
        texts = [_rise(phases[0], words.length(phases[0].end - phases[0].begin) + ", ", words), "constant()"]
    text = " >> ".join(texts)
    smooth = any(phase.kind != "constant" for phase in phases)
    return f"({text}).staircase('1 epoch')" if words.unit and smooth else text


def _without_tail(phases: Sequence[Phase], words: Wording) -> list[Phase]:
    """Without a last level that the phase before ends at: it holds by itself."""
    if len(phases) > 1 and phases[-1].kind == "constant":
        before = phases[-2]
        ends_there = before.kind not in {"constant", "inverse"} and before.end <= phases[-1].begin + 1
        if ends_there and words.meets(before.to, phases[-1].start):
            return list(phases[:-1])
    return list(phases)


def _levels(phases: Sequence[Phase], words: Wording, *, last: bool) -> str:
    """Levels with jumps between."""
    length = "" if last else words.length(phases[-1].end - phases[0].begin) + ", "
    values = [phase.start for phase in phases]
    ratios = [b / a if a else 0.0 for a, b in pairwise(values)]
    if all(abs(r - ratios[0]) <= 2 * CLOSE * abs(ratios[0]) for r in ratios) and ratios[0] > 0:
        places = [phase.begin for phase in phases[1:]]
        apart = {round(b - a) for a, b in pairwise([phases[0].begin, *places])}
        ratio = (values[-1] / values[0]) ** (1 / len(ratios))
        where = f"at=[{', '.join(words.length(place) for place in places)}]"
        if len(apart) == 1 and len(places) > 1 and last:
            where = f"every={words.length(places[0] - phases[0].begin)}"
        return f"steps({length}{where}, gamma={words.plain(ratio)}, start={words.value(values[0])})"
    points = ", ".join(
        f"({words.length(p.begin) if round(p.begin) else 0}, {words.value(p.start)})" for p in phases
    )  # fmt: skip
    return f"piecewise([{points}]{', ' + length.rstrip(', ') if length else ''})"


def _one(phases: Sequence[Phase], i: int, words: Wording) -> str:
    phase = phases[i]
    before = phases[i - 1] if i else None
    after = phases[i + 1] if i + 1 < len(phases) else None
    whole = phase.end - phase.begin
    own = (after.begin if after is not None else words.total) - phase.begin
    cut = ""
    if after is None and abs(phase.end - words.total) < 0.51 and not _open_before(phases, words):
        length = ""
    elif after is not None and whole > own + 0.51 and phase.bound:
        length, cut = words.length(whole) + ", ", f".cut({words.length(own)})"
    else:
        length = words.length(whole if phase.bound and phase.kind != "constant" else own) + ", "
        length = "" if after is None and (phase.kind in {"constant", "inverse"}) else length
    if i == 0 and phase.to > phase.start and after is not None and words.meets(phase.to, after.start):
        return _rise(phase, length, words) + cut
    return _named(phase, before, length, words) + cut


def _rise(phase: Phase, length: str, words: Wording) -> str:
    return f"warmup({length}start={words.value(max(phase.start, 0.0))}{_shape(phase, 'linear', words)})"


def _open_before(phases: Sequence[Phase], words: Wording) -> bool:
    """Whether an earlier phase has no length already."""
    return any(p.kind == "constant" and p is phases[-1] for p in phases[:-1])


def _named(phase: Phase, before: Phase | None, length: str, words: Wording) -> str:
    start = words.value(phase.start)
    match phase.kind:
        case "constant":
            return f"constant({length}start={start})"
        case "inverse":
            scale = words.length(phase.parameters["timescale"])
            return f"inverse({length}timescale={scale}, power={words.plain(phase.parameters['power'])}, start={start})"
        case "exponential" if phase.to < phase.start:
            gamma = (phase.to / phase.start) ** (1 / max(phase.end - phase.begin, 1e-9))
            every = ", every='1 epoch'" if words.unit else ""
            return f"exponential({length}gamma={words.plain(gamma)}{every}, start={start})"
        case _:
            to = words.value(max(phase.to, 0.0))
            if not phase.kind.isidentifier() or phase.kind == "exponential":
                return f"ramp({length}{_shape(phase, '', words)[2:]}, to={to}, start={start})"
            more = _parameters(phase, words)
            return f"{phase.kind}({length}to={to}, start={start}{more})"


def _shape(phase: Phase, usual: str, words: Wording) -> str:
    kind = phase.kind
    return "" if kind == usual else f", shape={kind!r}{_parameters(phase, words)}"


def _parameters(phase: Phase, words: Wording) -> str:
    return "".join(f", {name}={words.plain(x)}" for name, x in phase.parameters.items())


def count(text: str) -> int:
    """How many numbers a text has."""
    return len(re.findall(r"(?<![\w.'])-?\d[\d.]*(?:e-?\d+)?|'\d[\d.]* epochs?'", text.replace("'1 epoch'", "")))
