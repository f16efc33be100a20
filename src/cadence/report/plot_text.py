"""A curve as text for the terminal."""

from __future__ import annotations

from collections.abc import Callable

from cadence.report.axis import Axis
from cadence.report.braille import braille, lettered
from cadence.report.messages import Phrases
from cadence.report.outline import Outline
from cadence.report.plot import Drawing

MARKS = "abcdefghijklmnop"
"""Letters that curves are drawn with where there are several, so that they can be told apart without colour."""


def as_text(drawing: Drawing, width: int, height: int, *, ascii_only: bool = False) -> str:
    """The curve in Braille dots, or several in letters, with axes, and what happens in words below.

    Args:
        drawing: with outlines of about two columns per character.
        width: characters between the axes.
        height: lines of the curve.
        ascii_only: for terminals without other characters.
    """
    say = Phrases(drawing.lang)
    y = drawing.y
    several = len(drawing.outlines) > 1
    dots = 1 if several or ascii_only else 2
    spans = [_spans(drawing, outline, dots * width) for outline in drawing.outlines]
    if several or ascii_only:
        rows = lettered(spans, height, MARKS if several else "*")
    else:
        rows = braille(*spans[0], height)
    labels = {round((1 - y.share(tick)) * (height - 1)): label for tick, label in zip(y.ticks, y.labels, strict=True)}
    margin = max(map(len, y.labels), default=0)
    bars = ("+", "|", "+", "-", "+") if ascii_only else ("┤", "│", "└", "─", "┬")
    lines = [drawing.title]
    marked = _marks_line(drawing, width)
    if marked:
        lines.append(f"{'':{margin + 2}}{marked}")
    for i, row in enumerate(rows):
        lines.append(f"{labels.get(i, ''):>{margin}} {bars[0] if i in labels else bars[1]}{row}")
    rule, numbers = _horizontal(drawing.x, width, bars[3], bars[4])
    lines += [f"{'':{margin + 1}}{bars[2]}{rule}", f"{'':{margin + 2}}{numbers}  {drawing.name}, {say('axis_update')}"]
    if several:
        lines += [f"{mark}  {label}" for mark, label in zip(MARKS, drawing.labels, strict=False)]
    lines += [say("mark", number=mark.number, t=mark.t, text=mark.text) for mark in drawing.marks]
    if drawing.more:
        lines.append(say("more_marks", n=drawing.more))
    return "\n".join(line.rstrip() for line in lines)


def _spans(drawing: Drawing, outline: Outline, columns: int) -> tuple[list[float], list[float]]:
    """Lower and upper ends in each column, as shares of the height; a curve that is shorter than others ends sooner."""
    own = max(1, columns * outline.end // drawing.end)
    low, high = _spread(outline.low.tolist(), own, min), _spread(outline.high.tolist(), own, max)
    return [drawing.y.share(v) for v in low], [drawing.y.share(v) for v in high]


def _spread(values: list[float], columns: int, choose: Callable[[list[float]], float]) -> list[float]:
    """Values over another number of columns; where several fall into one, the extreme of them."""
    n = len(values)
    return [
        choose(values[i * n // columns : max(i * n // columns + 1, (i + 1) * n // columns)]) for i in range(columns)
    ]


def _horizontal(x: Axis, width: int, line: str, tick_mark: str) -> tuple[str, str]:
    """The axis and the numbers under it; a number that would touch its neighbour is left out."""
    rule, numbers = [line] * width, [" "] * (width + 8)
    free = 0
    for tick, label in zip(x.ticks, x.labels, strict=True):
        at = min(width - 1, round(x.share(tick) * (width - 1)))
        rule[at] = tick_mark
        start = max(0, at - len(label) // 2)
        if start >= free and start + len(label) <= len(numbers):
            numbers[start : start + len(label)] = label
            free = start + len(label) + 1
    return "".join(rule), "".join(numbers).rstrip()


def _marks_line(drawing: Drawing, width: int) -> str:
    """The numbers of the marks above the places where they happen."""
    line = [" "] * width
    for mark in drawing.marks:
        at = min(width - 1, int(drawing.x.share(mark.t) * width))
        if line[at] == " ":
            line[at] = str(mark.number)
    return "".join(line).rstrip()
