"""A diagnosis as one page that needs no network."""

from __future__ import annotations

from collections.abc import Sequence

from cadence.diagnosis.detected import Detected
from cadence.diagnosis.story import Story
from cadence.report.diagnosis_picture import STYLE, Panel, picture, series_named
from cadence.report.diagnosis_words import about, evidence, lead, said, word
from cadence.report.markup import Markup, join, tag
from cadence.report.shell import document

MARKS = 20
"""Events that are drawn with their numbers."""

WIDE = 4
"""Around a short finding, its picture shows so many times its length on either side."""


def diagnosis_page(stories: Sequence[Story], *, lang: str = "en", version: str = "") -> str:
    """The whole file.

    Args:
        stories: one for each log.
        lang: ``"en"`` or ``"zh"``.
        version: of cadence, for the last line; may be empty.
    """
    sources = ", ".join(story.diagnosis.log.source for story in stories)
    title = word("title", lang, source=sources)
    body = join(
        tag("style", Markup(STYLE)),
        tag("a", word("findings", lang), class_="skip", href="#main"),
        tag("header", tag("h1", title)),
        tag("main", *(_story(story, i, lang, alone=len(stories) == 1) for i, story in enumerate(stories)), id="main"),
        tag("footer", word("made", lang, version=version) if version else ""),
    )
    return document(title, body, lang=lang)


def _story(story: Story, i: int, lang: str, *, alone: bool) -> Markup:
    diagnosis = story.diagnosis
    log = diagnosis.log
    parts = [] if alone else [tag("h2", log.source, id=f"log-{i}")]
    parts.append(tag("p", lead(log, lang), class_="lead"))
    notes = [tag("li", sentence) for sentence in about(log, lang)]
    if notes:
        parts.append(
            tag("section", tag("h2", word("notes", lang)), tag("ul", *notes, class_="plain"), class_="mind")
        )  # fmt: skip
    parts.append(tag("h2", word("findings", lang)))
    if not diagnosis.findings:
        parts.append(tag("p", word("nothing", lang), class_="conclusion"))
    parts += [_finding(found, story, lang) for found in diagnosis.findings]
    parts += [tag("h2", word("course", lang)), _course(story, lang)]
    events = [said(event.sentence, lang) for event in story.rates[0].events] if story.rates else []
    if events:
        # The numbers of the list are those of the lines in the picture.
        parts += [tag("h3", word("events", lang)), tag("ol", *(tag("li", text) for text in events), class_="plain")]
    if story.rates:
        rates = [
            tag(
                "li",
                word("heading", lang, label=rate.group) + " " if len(story.rates) > 1 else "",
                _schedule(said(rate.sentence, lang)),
            )
            for rate in story.rates
        ]
        parts += [tag("h3", word("schedule", lang)), tag("ul", *rates, class_="plain")]
    for key, texts in (
        ("verdicts", [said(v.sentence, lang) for v in diagnosis.verdicts]),
        ("jumps", [said(j.sentence, lang) for j in diagnosis.jumps]),
        ("milestones", [said(m.reason, lang) for m in story.milestones]),
    ):
        if texts:
            parts += [tag("h3", word(key, lang)), tag("ul", *(tag("li", text) for text in texts), class_="plain")]
    parts += _looked(story, lang)
    return tag("section", *parts)


def _schedule(text: str) -> Markup:
    """The notation as code, and the rest of the sentence."""
    code, mark, rest = text.partition(", base ")
    if not mark:
        code, mark, rest = text.partition("，基准 ")
    return join(tag("code", code), f"{mark}{rest}") if mark else join(text)


def _labelled(label: str, text: str, lang: str) -> Markup:
    return join(tag("strong", word("heading", lang, label=label)), "" if lang == "zh" else " ", text)


def _finding(found: Detected, story: Story, lang: str) -> Markup:
    title, message, consequence, fix = found.finding.said(lang)
    texts = (("evidence", evidence(found, lang)), ("try", fix), ("expect", said(found.effect, lang)))
    shown = found.picture
    log = story.diagnosis.log
    panels = [Panel(_named(name, lang), tuple(series_named(log, name)[:4])) for name in shown.series]
    first, last = _stretch(found, log.updates)
    panels = [
        Panel(panel.name, tuple((name, series.between(first, last + 1)) for name, series in panel.lines))
        for panel in panels
        if panel.lines
    ]
    caption = said(shown.caption, lang)
    return tag(
        "article",
        tag("h3", f"{found.finding.code} · {title} ({word(found.finding.severity, lang)})"),
        tag("p", f"{message}{'' if lang == 'zh' else ' '}{consequence}".rstrip(), class_="text"),
        picture(
            panels, marks=[(t, str(t)) for t in shown.marks[:MARKS] if first <= t <= last],
            shade=(max(shown.first, first), min(shown.last, last)), title=caption,
            update=word(f"axis_{log.facts.clock}", lang),
        ),
        tag("p", caption, class_="lead"),
        tag(
            "ul",
            *(tag("li", _labelled(word(key, lang), text, lang)) for key, text in texts),
            class_="plain",
        ),
    )  # fmt: skip


def _stretch(found: Detected, updates: int) -> tuple[int, int]:
    """What part of the run the picture of a finding shows: all, or the neighbourhood of something short."""
    first, last = found.picture.first, found.picture.last
    length = max(last - first, 1)
    if length * 3 * WIDE > updates or updates < 200:
        return 0, updates
    room = max(WIDE * length, updates // 20)
    return max(first - room, 0), min(last + room, updates)


def _named(name: str, lang: str) -> str:
    return word(name, lang) if name in {"loss", "lr"} else name.replace("_", " ")


def _course(story: Story, lang: str) -> Markup:
    log = story.diagnosis.log
    losses = [("train", log.loss)] if log.loss is not None else []
    if log.val_loss is not None:
        losses.append((log.val_loss, log.metrics[log.val_loss]))
    panels = [Panel(word("loss", lang), tuple(losses))] if losses else []
    if log.lr:
        panels.append(Panel(word("lr", lang), tuple(log.lr.items())))
    events = story.rates[0].events if story.rates else ()
    marks = [(event.t, str(i + 1)) for i, event in enumerate(events[:MARKS])]
    return picture(panels, marks=marks, title=word("course", lang), update=word(f"axis_{log.facts.clock}", lang))


def _looked(story: Story, lang: str) -> list[Markup]:
    parts: list[Markup] = []
    for key, looked in (("unjudged", story.diagnosis.unjudged), ("sound", story.diagnosis.sound)):
        if looked:
            items = [tag("li", _labelled(each.fault, said(each.sentence, lang), lang)) for each in looked]
            summary = tag("summary", tag("h3", word(key, lang)))
            parts.append(tag("details", summary, tag("ul", *items, class_="plain"), class_="runs"))
    return parts
