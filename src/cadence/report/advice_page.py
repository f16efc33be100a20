"""A recommendation as a page of its own: one file, no network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cadence._errors import AdviceError
from cadence.advice.advice import Advice
from cadence.advice.choice import Choice
from cadence.advice.code import loop_code
from cadence.advice.shown import (
    alternative_value,
    confidence_words,
    cost,
    headline,
    open_questions,
    source_text,
)
from cadence.advice.words import CONFIDENCE_NAMES, FIELD_NAMES, pick, value_text
from cadence.report.advice_facts import facts_list
from cadence.report.advice_words import WORDS
from cadence.report.chart import Chart, chart_data, chart_html, style_of
from cadence.report.curves import Line
from cadence.report.markup import Markup, join, tag
from cadence.report.messages import Phrases
from cadence.report.plot import draw
from cadence.report.reader import reader
from cadence.report.shell import asset, document

if TYPE_CHECKING:
    from collections.abc import Sequence

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def advice_page(advice: Advice, *, lang: str = "en", version: str = "") -> str:
    """The recommendation as one HTML file.

    Args:
        advice: what is recommended.
        lang: ``"en"`` or ``"zh"``.
        version: of cadence, for the last line; may be empty.

    Returns:
        The text of the file. It loads nothing, works without scripts, from 320 pixels of width on, and in light and
        dark.
    """
    words = _Words(lang)
    title = words("title", kind=_called(advice))
    curve, data = _curve(advice, words)
    sections = [
        _section("glance", _glance(advice, words), words),
        _section("rate", curve, words),
        _section("why", join(*(_choice(choice, words) for choice in advice.choices)), words),
        _pilot(advice, words),
        _items("open", open_questions(advice, lang), words),
        _items("assumed", [pick(text, lang) for text in advice.profile.assumed], words),
        _items("words", confidence_words(advice, lang), words),
        _section("cost", tag("p", cost(advice, lang), class_="text"), words),
        _as_text(advice, words),
    ]
    named = [(name, part) for name, part in zip(_ORDER, sections, strict=True) if part]
    links = [tag("li", tag("a", words(name), href=f"#{name}")) for name, _ in named]
    body = join(
        tag("a", words("skip"), class_="skip", href="#glance"),
        tag(
            "header", tag("h1", title), tag("p", headline(advice, lang), class_="lead"), facts_list(advice, words.lang)
        ),
        tag("nav", tag("ul", *links), aria_label=words("contents")),
        tag("main", _notes(advice, words), *(part for _, part in named), id="main"),
        tag("footer", words("made_by", version=version) if version else ""),
    )
    return document(title, body, lang=lang, data=data, style=asset("advice.css"))


_ORDER = ("glance", "rate", "why", "pilot", "open", "assumed", "words", "cost", "code")


class _Words:
    """The words of the page in one language."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self.say = Phrases(lang)

    def __call__(self, key: str, **values: Any) -> str:
        text = pick(WORDS[key], self.lang)
        return text.format(**values) if values else text


def _called(advice: Advice) -> str:
    """What is trained, in a word: the recipe's task, else the model."""
    return str((advice.origin or {}).get("task") or advice.profile.model.kind)


def _section(name: str, body: Markup, words: _Words) -> Markup:
    return tag("section", tag("h2", words(name)), body, id=name)


def _items(name: str, items: Sequence[str], words: _Words) -> Markup:
    if not items:
        return Markup()
    return _section(name, tag("ul", *(tag("li", _linked(item)) for item in items), class_="plain text"), words)


def _notes(advice: Advice, words: _Words) -> Markup:
    if not advice.notes:
        return Markup()
    items = [tag("li", pick(note, words.lang)) for note in advice.notes]
    return tag("section", tag("h2", words("notes")), tag("ul", *items, class_="plain"), class_="mind")


def _box(*rows: Markup, label: str, class_: str | None = None) -> Markup:
    return tag("div", tag("table", *rows, class_=class_), class_="box", role="region", tabindex=0, aria_label=label)


def _glance(advice: Advice, words: _Words) -> Markup:
    head = tag("tr", *(tag("th", words(key), scope="col") for key in ("field", "value", "sure", "source")))
    body = [
        tag(
            "tr",
            tag("th", tag("a", _name(choice, words), href=f"#{choice.field}"), scope="row"),
            tag("td", _value(choice, words)),
            tag("td", _sure(choice, words)),
            tag("td", _linked(source_text(choice, words.lang))),
        )
        for choice in advice.choices
    ]
    return _box(tag("thead", head), tag("tbody", *body), label=words("glance"), class_="glance")


def _choice(choice: Choice, words: _Words) -> Markup:
    lang = words.lang
    parts = [
        tag("p", _value(choice, words), class_="value"),
        tag("p", _linked(pick(choice.reason, lang))),
    ]
    if choice.source.kind != "given":
        parts.append(tag("p", _linked(source_text(choice, lang)), class_="from"))
    if choice.alternatives:
        others = [
            tag(
                "li",
                tag("b", alternative_value(choice.field, other.value, lang)),
                "：" if lang == "zh" else ": ",
                _linked(pick(other.decides, lang)),
                " ",
                tag("small", "— ", _linked(source_text(other, lang))),
            )
            for other in choice.alternatives
        ]
        parts.append(tag("div", tag("p", words("others")), tag("ul", *others), class_="others"))
    head = tag("h3", _name(choice, words), " ", _sure(choice, words))
    return tag("section", head, tag("div", *parts), class_="choice", id=choice.field)


def _name(choice: Choice, words: _Words) -> str:
    return pick(FIELD_NAMES[choice.field], words.lang)


def _value(choice: Choice, words: _Words) -> str:
    return value_text(choice.field, choice.value, known=choice.known, lang=words.lang)


def _sure(choice: Choice, words: _Words) -> Markup:
    return tag("span", pick(CONFIDENCE_NAMES[choice.confidence], words.lang), class_=f"sure {choice.confidence}")


def _linked(text: str) -> Markup:
    """A text whose arXiv numbers lead to the papers."""
    made, at = list[str](), 0
    for found in _ARXIV.finditer(text):
        made.append(text[at : found.start()])
        made.append(tag("a", found.group(), href=f"https://arxiv.org/abs/{found.group(1)}"))
        at = found.end()
    return join(*made, text[at:])


def _curve(advice: Advice, words: _Words) -> tuple[Markup, Any]:
    """The rate over the run, and what the script is told of it."""
    try:
        curve = advice.curve()
    except AdviceError:
        return tag("p", words("no_rate")), None
    say = words.say
    drawing = draw([curve], lang=words.lang)
    lines = tuple(
        Line(i, None, tuple(outline.t.tolist()), tuple(outline.y.tolist()), mean=True)
        for i, outline in enumerate(drawing.outlines)
    )
    marks = tuple(mark.t for mark in drawing.marks)
    styles = (style_of(0, baseline=None),)
    chart = Chart("value", drawing.name, advice.schedule, drawing.x, drawing.y, lines, styles, "", marks)
    made = tag(
        "div",
        tag("div", chart_html(chart, prefix="curve", update=say("axis_update"), described_by="told"), class_="wide"),
        reader([chart], "curve", drawing.end, say, rows="schedule"),
        tag("pre", drawing.words, id="told", lang="en"),
        data_curves="curve",
    )
    told = {"recipes": [advice.schedule], "seeds": 1, "main": "value", "charts": [chart_data(chart)]}
    return made, {
        "sets": {"curve": told},
        "words": {"update": say("axis_update"), "mean": say("mean_word"), "seed": say("seed_n", n="#")},
    }


def _pilot(advice: Advice, words: _Words) -> Markup:
    found = advice.piloted
    if found is None:
        return Markup()
    share = f"{100 * found.used / advice.profile.updates:.3g}"
    lead = words("pilot_lead", n=len(found.trials), used=found.used, budget=found.budget, share=share)
    keys = ("trial_rate", "trial_updates", "trial_loss", "trial_probe")
    head = tag(
        "tr", *(tag("th", words(key), scope="col", class_="number" if i else None) for i, key in enumerate(keys))
    )
    rows: list[Markup] = []
    for one in sorted(found.trials, key=lambda trial: (trial.updates, trial.rate)):
        probe = "" if one.probe is None or one.diverged else f"{one.probe:.4g}"
        loss = words("diverged") if one.diverged else f"{one.loss:.4g}"
        cells = [tag("td", text, class_="number") for text in (str(one.updates), loss, probe)]
        rows.append(tag("tr", tag("th", f"{one.rate:.3g}", scope="row"), *cells))
    table = _box(tag("thead", head), tag("tbody", *rows), label=words("pilot"))
    told = tag("p", _linked(pick(found.words, words.lang)))
    return _section("pilot", join(tag("p", lead, class_="text"), told, table), words)


def _as_text(advice: Advice, words: _Words) -> Markup:
    """What to write: code, and the recipe where its task is known."""
    if not advice["learning_rate"].known:
        return Markup()
    parts = [tag("h2", words("code")), tag("pre", loop_code(advice), class_="code", lang="en")]
    if advice.origin is not None:
        parts += [tag("h3", words("recipe")), tag("pre", advice.recipe(comments=False), class_="code", lang="en")]
    return tag("section", *parts, id="code")
