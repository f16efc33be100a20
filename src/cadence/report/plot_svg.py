"""A curve as an SVG drawing with its description inside; it follows the reader's light or dark scheme."""

from __future__ import annotations

from cadence.report.chart import path_of, style_of
from cadence.report.markup import Markup, join, tag
from cadence.report.messages import Phrases
from cadence.report.outline import Outline
from cadence.report.palette import css
from cadence.report.plot import Drawing

WIDTH, HEIGHT = 820, 400
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 62, 46
LINE = 20
"""Height of a line of text below."""

STYLE = """
text{font:14px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","PingFang SC","Microsoft YaHei",sans-serif}
text{fill:#17202a}.ground{fill:#fff}.soft{fill:#55616d;font-size:13px}.title{font-weight:600;font-size:15px}
.grid{stroke:#e6eaee;fill:none}.axis{stroke:#55616d;fill:none}
.curve{fill:none;stroke-width:2.4;stroke-linejoin:round}
.mark{stroke:#806000;stroke-dasharray:4 3;fill:none}.number{fill:#6b5000;font-size:13px;font-weight:600}
@media(prefers-color-scheme:dark){text{fill:#e8edf2}.ground{fill:#12171c}.soft{fill:#a9b5c0}.grid{stroke:#28313a}
.axis{stroke:#a9b5c0}.mark{stroke:#e3c14d}.number{fill:#e3c14d}}
"""


def as_svg(drawing: Drawing) -> str:
    """The whole file.

    Args:
        drawing: what to draw.
    """
    say = Phrases(drawing.lang)
    several = len(drawing.curves) > 1
    styles = [style_of(i, baseline=None) for i in range(len(drawing.curves))]
    below = list(drawing.labels) if several else []
    below += [say("mark", number=mark.number, t=mark.t, text=mark.text) for mark in drawing.marks]
    if drawing.more:
        below.append(say("more_marks", n=drawing.more))
    height = HEIGHT + LINE * len(below) + (8 if below else 0)
    svg = tag(
        "svg",
        tag("title", drawing.title),
        tag("desc", drawing.words),
        tag("style", Markup(STYLE + css())),
        tag("rect", width=WIDTH, height=height, class_="ground"),
        tag("text", _shortened(drawing.title, 96), x=LEFT, y=26, class_="title"),
        *_axes(drawing, say),
        *_marks(drawing),
        *(
            tag("path", d=path_of([_points(drawing, outline)]), class_=f"curve {style}")
            for outline, style in reversed(list(zip(drawing.outlines, styles, strict=True)))
        ),
        *(
            tag("text", _shortened(line, 92), x=LEFT + 52 * several, y=HEIGHT + LINE * i + 12, class_="soft")
            for i, line in enumerate(below)
        ),
        *(
            tag("path", d=f"M{LEFT},{HEIGHT + LINE * i + 8}h42", class_=f"curve {style}")
            for i, style in enumerate(styles)
            if several
        ),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        width=WIDTH,
        height=height,
        role="img",
    )
    return f"{svg}\n"


def _x(drawing: Drawing, t: float) -> float:
    return LEFT + drawing.x.share(t) * (WIDTH - LEFT - RIGHT)


def _y(drawing: Drawing, value: float) -> float:
    return HEIGHT - BOTTOM - drawing.y.share(value) * (HEIGHT - TOP - BOTTOM)


def _points(drawing: Drawing, outline: Outline) -> list[tuple[float, float]]:
    pairs = zip(outline.t.tolist(), outline.y.tolist(), strict=True)
    return [(round(_x(drawing, t), 2), round(_y(drawing, value), 2)) for t, value in pairs]


def _axes(drawing: Drawing, say: Phrases) -> list[Markup]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    made: list[Markup] = []
    for tick, label in zip(drawing.y.ticks, drawing.y.labels, strict=True):
        at = round(_y(drawing, tick), 1)
        made.append(tag("path", d=f"M{LEFT},{at:g}H{right}", class_="grid"))
        made.append(tag("text", label, x=LEFT - 8, y=at + 4.5, text_anchor="end", class_="soft"))
    for tick, label in zip(drawing.x.ticks, drawing.x.labels, strict=True):
        at = round(_x(drawing, tick), 1)
        made.append(tag("path", d=f"M{at:g},{bottom}v5", class_="axis"))
        made.append(tag("text", label, x=at, y=bottom + 20, text_anchor="middle", class_="soft"))
    made.append(tag("path", d=f"M{LEFT},{TOP}V{bottom}H{right}", class_="axis"))
    made.append(tag("text", drawing.name, x=LEFT, y=TOP - 10, class_="soft"))
    made.append(tag("text", say("axis_update"), x=right, y=bottom + 38, text_anchor="end", class_="soft"))
    return made


def _marks(drawing: Drawing) -> list[Markup]:
    made: list[Markup] = []
    for mark in drawing.marks:
        at = round(_x(drawing, mark.t), 1)
        line = tag("path", d=f"M{at:g},{TOP}V{HEIGHT - BOTTOM}", class_="mark")
        made.append(join(line, tag("text", str(mark.number), x=at, y=TOP - 6, text_anchor="middle", class_="number")))
    return made


def _shortened(text: str, most: int) -> str:
    """The title in one line; in full it stands in the file's own title."""
    return text if len(text) <= most else text[: most - 1] + "…"
