"""`report.html` of a search: one file that needs no network."""

from __future__ import annotations

from cadence.report import sweep_text as text
from cadence.report.markup import Markup, join, tag
from cadence.report.rows import Table
from cadence.report.shell import document
from cadence.report.sweep_picture import STYLE, importance_bars, parallel
from cadence.report.sweep_words import SweepPhrases
from cadence.search.results import Results

SHOWN = 20
"""Trials that are seen at once; the others are folded away."""


def sweep_page(results: Results, *, lang: str = "en", version: str = "") -> str:
    """The report as one HTML file.

    Args:
        results: of the search.
        lang: ``"en"`` or ``"zh"``.
        version: of cadence, for the last line; may be empty.
    """
    say = SweepPhrases(lang)
    title = say("title", name=results.settings.recipe.name)
    sections = [
        ("result", _result(results, say)),
        ("confirmed", _whole(text.confirmed_table(results, lang))),
        ("picture", [parallel(results, lang)] if results.best is not None else []),
        ("importance", [tag("p", text.importance(results, lang)), importance_bars(results, lang)]),
        ("trials", _trials(results, say)),
        ("about", [tag("p", sentence) for sentence in text.method(results, lang)]),
        ("where", [_where(results, say)]),
    ]
    there = [(key, parts) for key, parts in sections if parts]
    links = [tag("li", tag("a", say(key), href=f"#{key}")) for key, _ in there]
    body = join(
        tag("style", Markup(STYLE)),
        tag("a", say("skip"), class_="skip", href="#main"),
        tag("header", tag("h1", title), tag("p", text.lead(results, say), class_="lead")),
        tag("nav", tag("ul", *links), aria_label=say("contents")),
        tag("main", _mind(results, say), *(_section(key, parts, say) for key, parts in there), id="main"),
        tag("footer", f"cadence {version}" if version else ""),
    )
    return document(title, body, lang=lang)


def _section(key: str, parts: list[Markup], say: SweepPhrases) -> Markup:
    kind = "text" if key == "about" else None
    return tag("section", tag("h2", say(key), id=key), *parts, class_=kind, aria_labelledby=key)


def _mind(results: Results, say: SweepPhrases) -> Markup:
    found = text.minded(results, say.lang)
    if not found:
        return Markup()
    items = [tag("li", sentence) for sentence in found]
    heading = tag("h2", say("attention"), id="mind")
    return tag("section", heading, tag("ul", *items, class_="plain"), class_="mind", aria_labelledby="mind")


def _result(results: Results, say: SweepPhrases) -> list[Markup]:
    first, *others = text.conclusion(results, say.lang)
    parts = [tag("p", first, class_="conclusion")]
    if others:
        parts.append(tag("ul", *(tag("li", sentence) for sentence in others), class_="plain text"))
    return [*parts, *_whole(text.best_table(results, say.lang))]


def _trials(results: Results, say: SweepPhrases) -> list[Markup]:
    parts = [tag("p", text.states(results, say))]
    if len(results.trials) > SHOWN:
        parts += _whole(text.trial_table(results, say.lang, SHOWN))
        rest = text.trial_table(results, say.lang)
        n = len(results.trials)
        fold = tag("summary", say("trials"), f" ({n})")
        return [*parts, tag("details", fold, *_whole(rest), class_="runs")]
    return [*parts, *_whole(text.trial_table(results, say.lang))]


def _where(results: Results, say: SweepPhrases) -> Markup:
    pairs = [
        ("at_folder", str(results.folder)),
        ("at_study", results.study),
        ("at_database", results.database),
        ("at_updates", f"{results.updates:,}"),
    ]
    return tag("dl", *(join(tag("dt", say(key)), tag("dd", value)) for key, value in pairs))


def _whole(table: Table | None) -> list[Markup]:
    """A table in a box of its own that scrolls where the window is narrow; nothing for none."""
    if table is None:
        return []
    head = [tag("th", table.head[0], scope="col")]
    head += [
        tag("th", name, scope="col", class_="number" if numeric else None)
        for name, numeric in zip(table.head[1:], table.numeric[1:], strict=True)
    ]
    body: list[Markup] = []
    kinds = ["number" if numeric else None for numeric in table.numeric[1:]]
    kinds[-1] = kinds[-1] or "status"
    for number, cells in enumerate(table.rows):
        made = [tag("th", cells[0], scope="row")]
        made += [tag("td", cell, class_=kind) for cell, kind in zip(cells[1:], kinds, strict=True)]
        body.append(tag("tr", *made, class_="strong" if number in table.strong else None))
    inner = tag(
        "table", tag("caption", tag("span", table.caption)), tag("thead", tag("tr", *head)), tag("tbody", *body)
    )
    return [tag("div", inner, class_="box", role="region", tabindex=0, aria_label=table.caption)]
