"""A diagnosis as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from cadence.diagnosis.detected import Detected
from cadence.diagnosis.story import Story
from cadence.report.diagnosis_words import about, evidence, lead, said, word

MOST = 12
"""Events and verdicts that are written out; of more the number is said."""


def diagnosis_text(story: Story, *, lang: str = "en", width: int = 100) -> str:
    """What a log tells, the findings first.

    Args:
        story: of a log.
        lang: ``"en"`` or ``"zh"``.
        width: columns of the text.
    """
    lines = [part for section in _sections(story, lang) for part in (*section, "")]
    # Chinese is broken by the terminal, anywhere; only words need care.
    wrapped = [line if lang == "zh" else _wrapped(line, width) for line in lines]
    return "\n".join(wrapped).rstrip() + "\n"


def _wrapped(line: str, width: int) -> str:
    inner = line.lstrip(" ")
    before = line[: len(line) - len(inner)]
    hang = before + ("  " if inner.startswith(("- ", "! ")) else "")
    return textwrap.fill(
        inner, width, initial_indent=before, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip


def _sections(story: Story, lang: str) -> Iterator[list[str]]:
    diagnosis = story.diagnosis
    log = diagnosis.log
    yield [
        word("title", lang, source=log.source),
        lead(log, lang),
        *(f"- {sentence}" for sentence in about(log, lang)),
    ]
    if diagnosis.findings:
        for found in diagnosis.findings:
            yield list(_finding(found, lang))
    else:
        yield [word("nothing", lang)]
    if story.rates:
        yield [word("heading", lang, label=word("schedule", lang)), *_rates(story, lang)]
    events = [said(event.sentence, lang) for event in story.rates[0].events] if story.rates else []
    for key, texts in (
        ("events", events),
        ("verdicts", [said(v.sentence, lang) for v in diagnosis.verdicts]),
        ("jumps", [said(j.sentence, lang) for j in diagnosis.jumps]),
        ("milestones", [said(m.reason, lang) for m in story.milestones]),
        ("unjudged", [_labelled(u.fault, said(u.sentence, lang), lang) for u in diagnosis.unjudged]),
    ):
        if texts:
            yield [word("heading", lang, label=word(key, lang)), *_few(texts, lang)]
    if diagnosis.sound:
        yield [_labelled(word("sound", lang), ", ".join(looked.fault for looked in diagnosis.sound), lang)]


def _finding(found: Detected, lang: str) -> Iterator[str]:
    title, message, consequence, fix = found.finding.said(lang)
    yield f"! {found.finding.code} {_labelled(word(found.finding.severity, lang), title, lang)}"
    yield f"  {message}{'' if lang == 'zh' else ' '}{consequence}".rstrip()
    texts = (("evidence", evidence(found, lang)), ("try", fix), ("expect", said(found.effect, lang)))
    yield from (f"  {_labelled(word(key, lang), text, lang)}" for key, text in texts)


def _labelled(label: str, text: str, lang: str) -> str:
    return word("labelled", lang, label=label, text=text)


def _rates(story: Story, lang: str) -> Iterator[str]:
    several = len(story.rates) > 1
    for rate in story.rates[:MOST]:
        text = said(rate.sentence, lang)
        yield f"- {_labelled(rate.group, text, lang) if several else text}"
    if len(story.rates) > MOST:
        yield f"- {word('more', lang, n=len(story.rates) - MOST)}"


def _few(texts: Sequence[str], lang: str) -> Iterator[str]:
    yield from (f"- {text}" for text in texts[:MOST])
    if len(texts) > MOST:
        yield f"- {word('more', lang, n=len(texts) - MOST)}"
