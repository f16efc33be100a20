"""`report.html`: the whole comparison in one file that needs no network."""

from __future__ import annotations

from typing import Any

from cadence.comparison.results import RecipeSummary, Summary, TaskSummary
from cadence.comparison.settings import folder_name, said
from cadence.report import rows, text
from cadence.report.chart import Chart, chart_data, chart_html, legend
from cadence.report.charts import in_words, ratio_charts, ratios_in_words, task_charts
from cadence.report.curves import TaskCurves, read_curves
from cadence.report.effects import effects_table
from cadence.report.markup import Markup, join, tag
from cadence.report.messages import Phrases
from cadence.report.reader import reader
from cadence.report.rows import Table
from cadence.report.shell import document

LOUD = frozenset({"better", "worse", "diverged", "failed", "baseline"})
"""Verdicts that are set off."""


def page(summary: Summary, *, lang: str = "en", version: str = "") -> str:
    """The report as one HTML file.

    Args:
        summary: of a comparison; the curves are read from its folder.
        lang: ``"en"`` or ``"zh"``.
        version: of cadence, for the last line; may be empty.

    Returns:
        The text of the file. It loads nothing, works without scripts, from 320 pixels of width on, and in light and
        dark.
    """
    say = Phrases(lang)
    title = said(summary.title, lang) if summary.title is not None else say("title")
    sections: list[Markup] = []
    sets: dict[str, Any] = {}
    names: list[str] = []
    for task, curves in zip(summary.tasks, read_curves(summary), strict=True):
        key = folder_name(task.name, names)
        names.append(key)
        charts = task_charts(task, curves, lang)
        sections.append(_task_section(task, curves, charts, key, say))
        if charts:
            sets[key] = _set(task, charts, lang)
        measured = ratio_charts(task, curves, lang)
        if measured:
            sets[f"{key}-groups"] = _group_set(task, curves, measured)
    words = {"update": say("axis_update"), "mean": say("mean_word"), "seed": say("seed_n", n="#")}
    body = join(
        tag("a", say("results"), class_="skip", href="#main"),
        tag("header", tag("h1", title), tag("p", _lead(summary, say), class_="lead")),
        _contents(summary, names, say),
        tag("main", _mind(summary, say), *sections, *_last_sections(summary, say), id="main"),
        tag("footer", say("made_by", version=version) if version else ""),
    )
    return document(title, body, lang=lang, data={"sets": sets, "words": words})


# ---- parts of the page -----------------------------------------------------------------------------------------------


def _lead(summary: Summary, say: Phrases) -> str:
    """One line: what was compared."""
    parts = [
        say(
            "labelled",
            label=task.name,
            text=f"{say('recipes', n=len(task.recipes))} × {say('seeds', n=len(task.seeds))}",
        )
        for task in summary.tasks
    ]
    return say("clause_join").join(parts)


def _contents(summary: Summary, names: list[str], say: Phrases) -> Markup:
    links = [(f"task-{key}", task.name) for key, task in zip(names, summary.tasks, strict=True)]
    links += [("about", say("about")), ("environment", say("environment"))]
    items = [tag("li", tag("a", label, href=f"#{anchor}")) for anchor, label in links]
    return tag("nav", tag("ul", *items), aria_label=say("contents"))


def _mind(summary: Summary, say: Phrases) -> Markup:
    warnings = text.warnings(summary, say.lang)
    if not warnings:
        return Markup()
    items = [tag("li", warning) for warning in warnings]
    heading = tag("h2", say("attention"), id="mind")
    return tag("section", heading, tag("ul", *items, class_="plain"), class_="mind", aria_labelledby="mind")


def _task_section(task: TaskSummary, curves: TaskCurves, charts: list[Chart], key: str, say: Phrases) -> Markup:
    lang = say.lang
    verdicts = [
        tag("li", say("labelled", label=said(recipe.label, lang), text=text.verdict(task, recipe, lang)))
        for recipe in task.recipes
    ] + [tag("li", sentence) for sentence in text.side_by_side(task, lang)]
    parts = [
        tag("h2", said(task.label, lang), id=f"task-{key}"),
        tag("p", text.conclusion(task, lang), class_="conclusion"),
        _table(rows.results(task, lang), task),
        tag("ul", *verdicts, class_="plain text"),
    ]
    if charts:
        parts += [tag("h3", say("curves")), _curves(task, curves, charts, key, say)]
    tests = rows.paired_tests(task, lang)
    if tests is not None:
        parts += [tag("h3", say("tests")), _tests_table(task, tests, say)]
    tuned = rows.tuning(task, lang)
    if tuned is not None:
        parts += [tag("h3", say("tuning")), _table(tuned)]
    done = effects_table(task, lang)
    if done is not None:
        parts += [tag("h3", say("effects")), *_ratios(task, curves, f"{key}-groups", say), _table(done)]
    summary = tag("summary", tag("h3", say("every_run")))
    parts.append(tag("details", summary, _table(rows.runs(task, lang), paths=True), class_="runs"))
    return tag("section", *parts, aria_labelledby=f"task-{key}")


def _last_sections(summary: Summary, say: Phrases) -> list[Markup]:
    paragraphs = [tag("p", paragraph) for paragraph in text.method(summary, say.lang)]
    listed = [join(tag("dt", name), tag("dd", value)) for name, value in text.environment(summary, say.lang)]
    return [
        tag("section", tag("h2", say("about"), id="about"), *paragraphs, class_="text", aria_labelledby="about"),
        tag(
            "section",
            tag("h2", say("environment"), id="environment"),
            tag("dl", *listed),
            aria_labelledby="environment",
        ),
    ]


# ---- tables ----------------------------------------------------------------------------------------------------------


def _table(table: Table, task: TaskSummary | None = None, *, paths: bool = False) -> Markup:
    """A table in a box of its own that scrolls where the window is narrow."""
    head = _head(table)
    body: list[Markup] = []
    for number, cells in enumerate(table.rows):
        last = len(cells) - 1
        made: list[Markup] = [tag("th", cells[0], scope="row")]
        for i, cell in enumerate(cells[1:], 1):
            if task is not None and i == last:
                made.append(tag("td", cell, class_=_verdict_class(task.recipes[number])))
            else:
                made.append(_cell(cell, "number" if table.numeric[i] else "path" if paths and i == last else None))
        body.append(tag("tr", *made, class_="strong" if number in table.strong else None))
    return _box(table.caption, tag("thead", tag("tr", *head)), tag("tbody", *body))


def _head(table: Table) -> list[Markup]:
    return [
        tag("th", name, scope="col", class_="number" if numeric else None)
        for name, numeric in zip(table.head, table.numeric, strict=True)
    ]


def _box(caption: str, *parts: Markup) -> Markup:
    # It can be reached and scrolled by the keyboard, so it needs a name.
    inner = tag("table", tag("caption", tag("span", caption)), *parts)
    return tag("div", inner, class_="box", role="region", tabindex=0, aria_label=caption)


def _cell(cell: str, kind: str | None = None) -> Markup:
    first, *rest = cell.split("\n")
    return tag("td", first, *(tag("small", line) for line in rest), class_=kind)


def _verdict_class(recipe: RecipeSummary) -> str:
    return f"verdict {recipe.verdict if recipe.verdict in LOUD else 'quiet'}"


def _tests_table(task: TaskSummary, table: Table, say: Phrases) -> Markup:
    """The tests, with each difference and its interval drawn beside its numbers."""
    others = [recipe for recipe in task.recipes if recipe.name != task.baseline]
    ends = [
        end
        for recipe in others
        if recipe.test is not None
        for end in (recipe.test.paired.difference.low, recipe.test.paired.difference.high)
        if end is not None
    ]
    low, high = min(0.0, *ends), max(0.0, *ends)
    pad = 0.06 * (high - low) or 1.0
    head = _head(table)
    # The drawing says nothing that the numbers beside it do not.
    head.insert(1, tag("td", aria_hidden="true"))
    body: list[Markup] = []
    for recipe, cells in zip(others, table.rows, strict=True):
        made = [tag("th", cells[0], scope="row"), _gap(recipe, low - pad, high + pad)]
        made += [_cell(cell, "number") for cell in cells[1:-1]]
        body.append(tag("tr", *made, tag("td", cells[-1], class_=_verdict_class(recipe))))
    return _box(table.caption, tag("thead", tag("tr", *head)), tag("tbody", *body))


def _gap(recipe: RecipeSummary, low: float, high: float) -> Markup:
    def at(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    marks = [tag("i", style=f"left:{at(0.0)}")]
    if recipe.test is not None:
        d = recipe.test.paired.difference
        left, right = d.low if d.low is not None else d.mean, d.high if d.high is not None else d.mean
        marks.append(tag("b", style=f"left:{at(left)};width:{100 * (right - left) / (high - low):.2f}%"))
        marks.append(tag("u", style=f"left:{at(d.mean)}"))
    kind = recipe.verdict if recipe.verdict in {"better", "worse"} else None
    return tag("td", tag("div", *marks, class_=kind), class_="gap", aria_hidden="true")


# ---- curves ----------------------------------------------------------------------------------------------------------


def _curves(task: TaskSummary, curves: TaskCurves, charts: list[Chart], key: str, say: Phrases) -> Markup:
    lang = say.lang
    labels = [said(recipe.label, lang) for recipe in task.recipes]
    figures = [
        chart_html(chart, prefix=key, update=say("axis_update"), described_by=f"{key}-{chart.key}-words")
        for chart in charts
    ]
    words = [
        join(
            tag("h4", chart.title),
            tag(
                "ul",
                *(tag("li", s) for s in in_words(task, chart, lang)),
                class_="plain",
                id=f"{key}-{chart.key}-words",
            ),
        )
        for chart in charts
    ]
    return tag(
        "div",
        legend(labels, charts[0].styles, say("show_recipes")),
        tag("div", *figures, class_="charts"),
        reader(charts, key, curves.total, say),
        tag("details", tag("summary", say("in_words")), *words),
        data_curves=key,
    )


def _ratios(task: TaskSummary, curves: TaskCurves, key: str, say: Phrases) -> list[Markup]:
    """How far updates moved each group: a small chart for each recipe, all with the same axes."""
    charts = ratio_charts(task, curves, say.lang)
    if not charts:
        return []
    several = len(curves.groups) > 1
    figures = [
        chart_html(chart, prefix=key, update=say("axis_update"), described_by=f"{key}-{chart.key}-words")
        for chart in charts
    ]
    words: list[Markup] = []
    for chart in charts:
        told = (tag("li", sentence) for sentence in ratios_in_words(chart, curves.groups, say.lang))
        words += [tag("h4", chart.title), tag("ul", *told, class_="plain", id=f"{key}-{chart.key}-words")]
    lead = [say("effects_figure"), say("log_scale_note") if charts[0].y.log else ""]
    lead.append(say("curves_caption") if len(task.seeds) > 1 else "")
    every = {effect.group for recipe in task.recipes for effect in recipe.effects if effect.update_ratio}
    if len(every) > len(curves.groups):
        lead.append(say("some_groups", n=len(curves.groups), of=len(every)))
    parts = [
        tag("p", say("sentence_join").join(sentence for sentence in lead if sentence)),
        legend(curves.groups, charts[0].styles, say("groups_shown")) if several else Markup(),
        tag("div", *figures, class_="charts small"),
        reader(charts, key, curves.total, say, rows="group", name="effects"),
        tag("details", tag("summary", say("effects_in_words")), *words),
    ]
    return [tag("div", *parts, data_curves=key)]


def _group_set(task: TaskSummary, curves: TaskCurves, charts: list[Chart]) -> dict[str, Any]:
    """What the script is told of the charts of groups, where groups take the place of recipes."""
    return {
        "recipes": list(curves.groups),
        "seeds": len(task.seeds),
        "main": charts[0].key,
        "charts": [chart_data(chart) for chart in charts],
    }


def _set(task: TaskSummary, charts: list[Chart], lang: str) -> dict[str, Any]:
    """What the script is told of a task."""
    return {
        "recipes": [said(recipe.label, lang) for recipe in task.recipes],
        "seeds": len(task.seeds),
        "main": next((chart.key for chart in charts if chart.key == "val"), charts[0].key),
        "charts": [chart_data(chart) for chart in charts],
    }
