"""A range test as text: the answer first, then the suggestions, then the curve."""

from __future__ import annotations

import math

import numpy as np

from cadence.finder.found import Found
from cadence.finder.sentences import MEANINGS
from cadence.finder.suggest import Smooth, Suggestion
from cadence.report.axis import Axis, axis
from cadence.report.braille import braille, lettered
from cadence.report.find_words import groups, measured, say
from cadence.report.numbers import significant

WIDTH, HEIGHT = 64, 12
"""Characters and lines of the curve."""

LETTERS = {"steepest": "s", "middle": "m", "valley": "v", "edge": "e"}
"""What stands above the places of the curve."""

OVER = 0.25
"""Of the fall: as much is seen above the beginning."""


def find_text(found: Found, lang: str = "en", *, ascii_only: bool = False) -> str:
    """Everything that a test says, as text.

    Args:
        found: by `cadence.find_lr`.
        lang: ``"en"`` or ``"zh"``.
        ascii_only: for terminals without other characters.
    """
    said = found.suggestions
    parts = [said.told(lang)]
    if said.all:
        parts.append("\n".join(_table(said.all, lang)))
    if said.smooth is not None:
        parts.append("\n".join(_curve(found, said.smooth, lang, ascii_only=ascii_only)))
        parts.append(measured(found, lang))
    if said.recommended is not None:
        parts.append("\n".join(line for line in (groups(found, lang), say(lang, "caution")) if line is not None))
    text = "\n\n".join(parts)
    return text.replace("\N{MINUS SIGN}", "-") if ascii_only else text


def _table(suggestions: tuple[Suggestion, ...], lang: str) -> list[str]:
    head = [say(lang, f"head_{name}") for name in ("name", "rate", "interval", "meaning")]
    rows = [head, *(_row(one, lang) for one in suggestions)]
    widths = [max(_columns(row[i]) for row in rows) for i in range(3)]
    return ["  ".join([*(_filled(row[i], widths[i]) for i in range(3)), row[3]]) for row in rows]


def _row(one: Suggestion, lang: str) -> list[str]:
    low, high = significant(one.low, 2), significant(one.high, 2)
    interval = say(lang, "interval", low=low, high=high)
    if not math.isfinite(one.high):
        interval = say(lang, "beyond", high=low)
    name = f"{LETTERS[one.name]}  {say(lang, f'name_{one.name}')}"
    return [name, significant(one.rate, 2), interval, MEANINGS[one.name][lang]]


def _columns(text: str) -> int:
    """Columns that a terminal takes for it: Chinese letters are two wide."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)


def _filled(text: str, width: int) -> str:
    return text + " " * (width - _columns(text))


def _curve(found: Found, smooth: Smooth, lang: str, *, ascii_only: bool) -> list[str]:
    """The smoothed loss over the rates, on a logarithmic axis."""
    said = found.suggestions
    least = float(smooth.loss.min())
    highest = min(float(smooth.loss.max()), said.start + OVER * max(said.fall, 0.0))
    x = axis(float(smooth.rates[0]), float(smooth.rates[-1]), log=True)
    y = axis(least, max(highest, least), most=4)
    columns = WIDTH * (1 if ascii_only else 2)
    places = np.geomspace(x.low, x.high, columns)
    height = [y.share(loss) for loss in np.interp(np.log(places), np.log(smooth.rates), smooth.loss)]
    seen = [min(max(share, -1.0), 2.0) for share in height]
    rows = lettered([(seen, seen)], HEIGHT, "*") if ascii_only else braille(seen, seen, HEIGHT)
    labels = {round((1 - y.share(t)) * (HEIGHT - 1)): text for t, text in zip(y.ticks, y.labels, strict=True)}
    margin = max(map(len, y.labels))
    tick, bar, corner, line = "+|+-" if ascii_only else "┤│└─"
    lines = [f"{'':{margin + 2}}{_marks(said.all, x)}".rstrip()]
    lines += [
        f"{labels.get(i, ''):>{margin}} {tick if i in labels else bar}{row}".rstrip() for i, row in enumerate(rows)
    ]
    rule, numbers = _horizontal(x, line, "+" if ascii_only else "┬")
    lines += [f"{'':{margin + 1}}{corner}{rule}", f"{'':{margin + 2}}{numbers}  {say(lang, 'axis_rate')}".rstrip()]
    return lines


def _marks(suggestions: tuple[Suggestion, ...], x: Axis) -> str:
    """The letters of the suggestions above their places."""
    line = [" "] * WIDTH
    for one in suggestions:
        at = min(max(round(x.share(one.rate) * (WIDTH - 1)), 0), WIDTH - 1)
        # Two in one place stand side by side.
        while at < WIDTH - 1 and line[at] != " ":
            at += 1
        line[at] = LETTERS[one.name]
    return "".join(line)


def _horizontal(x: Axis, line: str, tick: str) -> tuple[str, str]:
    """The axis and the numbers under it; a number that would touch its neighbour is left out."""
    rule, numbers, free = [line] * WIDTH, [" "] * (WIDTH + 8), 0
    for value, label in zip(x.ticks, x.labels, strict=True):
        at = min(WIDTH - 1, round(x.share(value) * (WIDTH - 1)))
        rule[at] = tick
        start = max(0, at - len(label) // 2)
        if start >= free and start + len(label) <= len(numbers):
            numbers[start : start + len(label)] = label
            free = start + len(label) + 1
    return "".join(rule), "".join(numbers).rstrip()
