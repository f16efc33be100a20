"""Phases that come again: restarts, triangles, mirrors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cadence.diagnosis.reversing.fits import Phase
from cadence.diagnosis.reversing.wording import Wording, sequence

ALIKE = 0.02
"""Ratios that differ by no more are meant to be the same."""


def cycles(phases: Sequence[Phase], words: Wording) -> Iterator[tuple[str, list[float]]]:
    """Texts that say phases as one cycle that comes again.

    Args:
        phases: of the whole column.
        words: for total, unit and base; its numbers are left alone.

    Yields:
        Text, and its numbers.
    """
    for period in (1, 2, 3):
        for first in (0, 1, 2):
            if len(phases) - first > period and _come_again(phases[first:], period):
                yield from _said(phases, first, period, words)
                return


def _come_again(phases: Sequence[Phase], period: int) -> bool:
    for a, b in zip(phases, phases[period:], strict=False):
        if a.kind != b.kind or a.kind == "constant":
            return False
        same_way = (a.to > a.start) == (b.to > b.start)
        # Two different decays after one another are no cycle: it jumps back, or to another height over one floor.
        back = abs(b.start - a.to) > ALIKE * max(a.start, a.to)
        one_floor = abs(a.to - b.to) <= ALIKE * max(a.start, a.to)
        if (period > 1 and not same_way) or (period == 1 and not (one_floor or (back and same_way))):
            return False
    return True


def _said(phases: Sequence[Phase], first: int, period: int, words: Wording) -> Iterator[tuple[str, list[float]]]:
    begins = [phase.begin for phase in phases[first::period]]
    lengths = [b - a for a, b in pairwise(begins)]
    last = phases[first + period * (len(begins) - 1)]
    if period == 1 and len(lengths) == 1:
        # The second cycle has an end of its own, whether it is seen or not.
        lengths.append(last.end - last.begin)
    # Of cycles that end between two updates, lengths differ by one.
    grow = _ratio(lengths, ALIKE + 1.5 / max(*lengths, 1.0))
    inner = list(phases[first : first + period])
    heading = list(phases[:first])
    low = min(inner[0].start, inner[0].to, inner[-1].to)
    peaks = [p.start if period == 1 else max(p.start, p.to) for p in phases[first::period]]
    decay, falling = _ratio(peaks, ALIKE), _ratio([peak - low for peak in peaks], ALIKE)
    if grow is None:
        return
    if decay is not None:
        yield from _mirrored(heading, inner, period, words)
        yield from _repeated(heading, inner, (grow, decay), words)
    if (height := decay if period == 1 else falling) is not None:
        mean = (begins[-1] - begins[0]) / (len(begins) - 1) if grow == 1 else lengths[0]
        yield from _named(heading, inner, period, (grow, height, low, mean), words)


def _named(
    heading: list[Phase], inner: list[Phase], period: int, said: tuple[float, float, float, float], words: Wording
) -> Iterator[tuple[str, list[float]]]:
    """`restarts` and `triangular`."""
    grow, decay, low, mean = said
    own = Wording(words.total, words.unit, words.base)
    before = sequence([*heading, inner[0]], own).rpartition(" >> ")[0] if heading else ""
    own.numbers = own.numbers[: before.count("{")]
    length = own.mean(mean)
    more = "".join(f", {name}={own.plain(x)}" for name, x in (("grow", grow), ("decay", decay)) if x != 1)
    kind = inner[0].kind
    if period == 1 and abs(inner[0].start - words.base) < ALIKE * words.base and not inner[0].parameters:
        shape = "" if kind == "cosine" else f", shape={kind!r}"
        to = own.value(max(inner[0].to, 0.0)) if kind != "exponential" else own.value(inner[0].to)
        yield _after(before, f"restarts({length}{more}, to={to}{shape})", words), own.numbers
    elif period == 2 and kind == inner[1].kind == "linear" and inner[0].to > inner[0].start and grow == 1:
        up, down = (own.length(p.end - p.begin) for p in inner)
        fall = "" if up == down else f", down={down}"
        text = f"triangular(up={up}{fall}, low={own.value(low)}{more})"
        yield _after(before, text, words), own.numbers


def _repeated(
    heading: list[Phase], inner: list[Phase], said: tuple[float, float], words: Wording
) -> Iterator[tuple[str, list[float]]]:
    grow, decay = said
    own = Wording(words.total, "", words.base)
    before = ""
    if heading:
        own.unit = words.unit
        before = sequence([*heading, inner[0]], own).rpartition(" >> ")[0]
        own.numbers = own.numbers[: before.count("{")]
    start = inner[0].begin
    moved = [
        Phase(p.kind, p.begin - start, p.end - start, p.start, p.to, p.parameters, p.miss, p.bound) for p in inner
    ]  # fmt: skip
    # One more phase behind them, so that each is written with its length.
    own.unit = words.unit
    text = sequence([*moved, Phase("constant", moved[-1].end, moved[-1].end + 1, -1.0, -1.0)], own)
    text = text.removesuffix(".staircase('1 epoch')").removeprefix("(").removesuffix(")") if words.unit else text
    text = text.rpartition(" >> ")[0]
    own.numbers = own.numbers[: before.count("{") + text.count("{")]
    more = ", ".join(f"{name}={own.plain(x)}" for name, x in (("grow", grow), ("decay", decay)) if x != 1)
    yield _after(before, f"({text}).repeat({more})", words), own.numbers


def _mirrored(
    heading: list[Phase], inner: list[Phase], period: int, words: Wording
) -> Iterator[tuple[str, list[float]]]:
    """A decay that goes back the way it came, as torch's cosine does past its length."""
    if period != 2 or heading or inner[0].kind != inner[1].kind or inner[0].kind == "linear":
        return
    own = Wording(words.total, words.unit, words.base)
    length = own.length(inner[0].end - inner[0].begin)
    if inner[0].to < inner[0].start and inner[0].kind.isidentifier():
        start, to = own.value(inner[0].start), own.value(max(inner[0].to, 0.0))
        yield _after("", f"{inner[0].kind}({length}, to={to}, start={start}).past_end('mirror')", words), own.numbers


def _after(before: str, text: str, words: Wording) -> str:
    whole = f"{before} >> {text}" if before else text
    return f"({whole}).staircase('1 epoch')" if words.unit else whole


def _ratio(numbers: Sequence[float], least: float) -> float | None:
    """The constant ratio of numbers, 1 where it differs from that by no more than `least`; None where it changes."""
    ratios = [b / a for a, b in pairwise(numbers) if a > 0]
    if not ratios:
        return 1.0
    if max(ratios) - min(ratios) > least * max(ratios):
        return None
    ratio = (numbers[-1] / numbers[0]) ** (1 / (len(numbers) - 1))
    return 1.0 if abs(ratio - 1) <= least else ratio
