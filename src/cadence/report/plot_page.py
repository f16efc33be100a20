"""A curve as a page of its own: one file, no network."""

from __future__ import annotations

from cadence.report.chart import Chart, chart_data, chart_html, legend, style_of
from cadence.report.curves import Line
from cadence.report.markup import join, tag
from cadence.report.messages import Phrases
from cadence.report.plot import Drawing
from cadence.report.reader import reader
from cadence.report.shell import document


def as_page(drawing: Drawing) -> str:
    """The whole file.

    Args:
        drawing: what to draw.
    """
    say = Phrases(drawing.lang)
    lines = tuple(
        Line(i, None, tuple(outline.t.tolist()), tuple(outline.y.tolist()), mean=True)
        for i, outline in enumerate(drawing.outlines)
    )
    styles = tuple(style_of(i, baseline=None) for i in range(len(lines)))
    updates = tuple(mark.t for mark in drawing.marks)
    chart = Chart("value", drawing.name, drawing.name, drawing.x, drawing.y, lines, styles, "", updates)
    happens = [tag("li", say("mark_at", t=mark.t, text=mark.text)) for mark in drawing.marks]
    if drawing.more:
        happens.append(tag("li", say("more_marks", n=drawing.more)))
    words = tag("pre", drawing.words, id="words", lang="en")
    curves = tag(
        "div",
        legend(drawing.labels, styles, say("schedules_shown")) if len(lines) > 1 else "",
        tag("div", chart_html(chart, prefix="curve", update=say("axis_update"), described_by="words"), class_="wide"),
        reader([chart], "curve", drawing.end, say, rows="schedule"),
        data_curves="curve",
    )
    sections = [curves, tag("h2", say("in_words_one")), words]
    if happens:
        sections += [tag("h2", say("events")), tag("ul", *happens, class_="plain")]
    body = join(
        tag("header", tag("h1", drawing.title)),
        tag("main", *sections, id="main"),
    )
    data = {
        "sets": {
            "curve": {"recipes": list(drawing.labels), "seeds": 1, "main": "value", "charts": [chart_data(chart)]}
        },
        "words": {"update": say("axis_update"), "mean": say("mean_word"), "seed": say("seed_n", n="#")},
    }
    return document(drawing.title, body, lang=drawing.lang, data=data)
