"""The slider of a page, and the table with the values at the place where it stands."""

from __future__ import annotations

from collections.abc import Sequence

from cadence.report.chart import Chart
from cadence.report.markup import Markup, tag
from cadence.report.messages import Phrases


def reader(
    charts: Sequence[Chart], key: str, last: int, say: Phrases, *, rows: str = "recipe", name: str = "curves"
) -> Markup:
    """A slider over the updates and the table that it fills; hidden until the script is there to do so.

    Args:
        charts: one column of the table for each.
        key: makes ids of this slider its own.
        last: the last update.
        say: the language.
        rows: message that names what the rows are.
        name: message that names what is read.
    """
    label = tag("label", say("slider"), tag("span", say("slider_help")), for_=f"{key}-at")
    slider = tag("input", type="range", id=f"{key}-at", min=0, max=last, value=last, step=1)
    head = [tag("th", say(rows), scope="col")]
    head += [tag("th", chart.name, scope="col", class_="number") for chart in charts]
    table = tag(
        "table",
        tag("caption", tag("output", for_=f"{key}-at")),
        tag("thead", tag("tr", *head)),
        tag("tbody"),
    )
    box = tag("div", table, class_="box", role="region", tabindex=0, aria_label=say(name))
    return tag("div", label, slider, box, class_="reader", hidden=True)
