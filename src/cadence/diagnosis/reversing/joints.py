"""From pieces to phases that meet: where exactly one ends and the next begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cadence.diagnosis.log import Floats
from cadence.diagnosis.reversing.fits import FINE, Bounds, Phase, best_fit
from cadence.diagnosis.reversing.pieces import Piece

FAR = 20.0
"""A phase that the log does not see the end of is at most so many times as long as what is seen."""

BEHIND = 0.12
"""Rounding hides the beginning and the end of a gentle curve: up to this share of its length."""

EXACT = 1e-6
"""Columns that are more exact than this share of their values hide nothing."""


def phases_of(
    pieces: Sequence[Piece], t: Floats, values: Floats, tolerance: Floats, total: float | None
) -> list[Phase]:
    """The phases that explain the pieces, one after the other without gaps; none where too many are not explained.

    Args:
        pieces: of the column.
        t, values, tolerance: the column.
        total: length of the run, where it is known.
    """
    pieces, fits = _explained(list(pieces), t, values, tolerance, total)
    if not fits:
        return []
    knots = [0.0]
    for i in range(len(pieces) - 1):
        knots.append(_knot(fits[i], fits[i + 1], pieces[i], pieces[i + 1], t, values))
    until = total if total is not None else _end(fits[-1], t)
    return [_between(fit, knots[i], knots[i + 1] if i + 1 < len(knots) else None, until) for i, fit in enumerate(fits)]


def _end(fit: Phase, t: Floats) -> float:
    """Where a run of unknown length ends: behind its last row, or where its last line is at 0 just behind that."""
    every = float(np.median(np.diff(t))) if len(t) > 1 else 1.0
    last = float(t[-1])
    if fit.kind == "linear" and fit.to < fit.start:
        zero = fit.begin + (fit.end - fit.begin) * fit.start / (fit.start - fit.to)
        if last <= zero <= last + 1.5 * every:
            return float(round(zero))
    return last + 1


LOST = 4
"""A column more of whose pieces no phase explains was written by no schedule."""

SPLITS = 6
"""So many pieces that no single phase explains are cut in two."""


def _explained(
    pieces: list[Piece], t: Floats, values: Floats, tolerance: Floats, total: float | None
) -> tuple[list[Piece], list[Phase]]:
    """The phase of each piece; a piece that none explains is cut at its sharpest bend where that helps."""
    fits: list[Phase] = []
    for i in range(len(pieces)):
        fits.append(_fit(i, pieces, t, values, tolerance, total))
        if sum(fit.miss > FINE for fit in fits) > LOST:
            return pieces, []
    for _ in range(SPLITS):
        worst = max(range(len(fits)), key=lambda i: fits[i].miss)
        piece = pieces[worst]
        if fits[worst].miss <= FINE or piece.last - piece.first < 6:
            break
        bend = _bend(piece, t, values)
        parts = [Piece(piece.first, bend, piece.way, piece.jump), Piece(bend, piece.last, piece.way, jump=False)]
        others = [*pieces[:worst], *parts, *pieces[worst + 1 :]]
        two = [_fit(worst + k, others, t, values, tolerance, total) for k in range(2)]
        if max(fit.miss for fit in two) > 0.5 * fits[worst].miss:
            break
        pieces, fits = others, [*fits[:worst], *two, *fits[worst + 1 :]]
    return pieces, fits


def _bend(piece: Piece, t: Floats, values: Floats) -> int:
    """The row inside a piece at which its slope changes most, over a few rows on each side."""
    rows = np.arange(piece.first, piece.last + 1)
    reach = max(1, min(3, len(rows) // 6))
    middle = rows[reach:-reach]
    before = (values[middle] - values[middle - reach]) / (t[middle] - t[middle - reach])
    behind = (values[middle + reach] - values[middle]) / (t[middle + reach] - t[middle])
    return int(middle[int(np.argmax(np.abs(behind - before)))])


def _fit(i: int, pieces: Sequence[Piece], t: Floats, values: Floats, tolerance: Floats, total: float | None) -> Phase:
    piece = pieces[i]
    rows = slice(piece.first, piece.last + 1)
    if piece.way == "flat" or piece.first == piece.last:
        return Phase("constant", t[piece.first], t[piece.last], float(values[piece.first]), float(values[piece.first]))
    bounds = _bounds(i, pieces, t, values, tolerance, total)
    coarse = float(np.median(np.diff(t[rows]))) > 1
    ends = (coarse and i > 0 and not piece.jump, coarse and i + 1 < len(pieces) and not pieces[i + 1].jump)
    fit = best_fit(t[rows], values[rows], tolerance[rows], bounds, loose=ends)
    if fit.miss > FINE and i == 0 and bounds.begin == (0.0, 0.0) and t[0] > 0:
        # The log begins in the middle of a phase that did not begin with the run.
        wide = Bounds((-FAR * float(t[-1]), float(t[0])), bounds.end, bounds.likely)
        other = best_fit(t[rows], values[rows], tolerance[rows], wide, loose=ends)
        return other if other.miss < 0.5 * fit.miss else fit
    return fit


def _bounds(
    i: int, pieces: Sequence[Piece], t: Floats, values: Floats, tolerance: Floats, total: float | None
) -> Bounds:
    piece = pieces[i]
    span = float(t[piece.last] - t[piece.first])
    hidden = BEHIND * span if float((tolerance / np.maximum(np.abs(values), 1e-300))[piece.first]) > EXACT else 0.0
    if i == 0:
        begin = (0.0, 0.0) if t[piece.first] >= 0 else (float(t[0]), float(t[0]))
    elif piece.jump:
        begin = (float(t[piece.first - 1]) + 1, float(t[piece.first]))
        begin = (min(begin), float(t[piece.first]))
    else:
        low = t[piece.first] if pieces[i - 1].way == "flat" else t[max(piece.first - 1, 0)]
        begin = (float(low) - hidden, float(t[min(piece.first + 1, piece.last)]) - 1e-9)
        if t[piece.first + 1] - t[piece.first] <= 1 and not hidden:
            begin = (float(low), float(t[piece.first]))
    here, last = float(t[piece.last]), i == len(pieces) - 1
    if last:
        likely = [
            x for x in (total, here + 1, None if total is None else total - 1, here) if x is not None and x >= here
        ]
        return Bounds(begin, (here, here + FAR * max(span, 1.0)), tuple(likely))
    after = pieces[i + 1]
    if after.jump:
        following = float(t[after.first])
        return Bounds(begin, (here, here + FAR * max(span, 1.0)), (following, here))
    if after.way == "flat":
        return Bounds(begin, (float(t[piece.last - 1]), here + hidden), (here,))
    return Bounds(begin, (float(t[piece.last - 1]), float(t[after.first + 1])), (here,))


def _knot(a: Phase, b: Phase, before: Piece, after: Piece, t: Floats, values: Floats) -> float:
    """Where one phase ends and the next begins."""
    if after.jump:
        first, last = float(t[after.first - 1]), float(t[after.first])
        if a.bound and a.kind != "constant" and first <= a.end <= last:
            return a.end
        return last
    here = float(t[after.first])
    low = float(t[max(before.last - 1, before.first)])
    high = float(t[min(after.first + 1, after.last)])
    size = max(abs(float(values[after.first])), 1e-300)
    if b.bound and b.kind != "constant" and abs(float(a.at(b.begin)) - b.start) < 1e-3 * size:
        return b.begin
    if a.bound and a.kind != "constant" and abs(float(b.at(a.end)) - a.to) < 1e-3 * size:
        return a.end
    if "constant" in (a.kind, b.kind):
        low, high = (float(t[before.last]), high) if a.kind == "constant" else (low, float(t[after.first]))
    if high - low <= 1:
        return here
    choices: Floats = np.arange(float(np.floor(low)), float(np.ceil(high)) + 1, dtype=np.float64)
    apart = np.abs(np.asarray(a.at(choices)) - np.asarray(b.at(choices)))
    return float(choices[int(np.nanargmin(apart))]) if np.isfinite(apart).any() else here


def _between(fit: Phase, begin: float, end: float | None, total: float) -> Phase:
    """The phase on its own stretch of the run; one that has an end of its own keeps it, and is cut off there."""
    until = total if end is None else end
    if fit.kind == "constant":
        return replace(fit, begin=begin, end=until)
    if fit.kind == "inverse":
        start = float(fit.at(begin))
        scale = fit.parameters["timescale"] + begin - fit.begin
        parameters = {**fit.parameters, "timescale": scale}
        return replace(fit, begin=begin, end=until, start=start, to=float(fit.at(until)), parameters=parameters)
    if not fit.bound:
        if end is None and float(fit.at(until)) < -1e-6 * fit.start:
            # A line that would fall below 0 ends at its last row.
            until = fit.end
        return replace(fit, begin=begin, end=until, start=float(fit.at(begin)), to=float(fit.at(until)))
    if fit.kind == "1-sqrt" and until > begin:
        # A square root says where it begins, but has no end of its own.
        to = fit.start + (fit.to - fit.start) * ((until - begin) / (fit.end - fit.begin)) ** 0.5
        if to >= -1e-6 * fit.start:
            return replace(fit, begin=begin, end=until, to=max(to, 0.0))
    if end is not None and abs(fit.end - end) <= 1:
        return replace(fit, begin=begin, end=end)
    return replace(fit, begin=begin)
