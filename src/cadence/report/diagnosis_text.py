"""A diagnosis as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from cadence.diagnosis.detected import Detected
from cadence.diagnosis.story import Story
from cadence.report.diagnosis_words import kind, said, word

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
        word("lead", lang, kind=kind(log.kind, lang), updates=log.updates, clock=word(log.facts.clock, lang)),
        *(f"- {said(note.sentence, lang)}" for note in log.notes),
    ]
    if diagnosis.findings:
        for found in diagnosis.findings:
            yield list(_finding(found, lang))
    else:
        yield [word("nothing", lang)]
    if story.rates:
        yield [f"{word('schedule', lang)}:", *_rates(story, lang)]
    events = [said(event.sentence, lang) for event in story.rates[0].events] if story.rates else []
    for key, texts in (
        ("events", events),
        ("verdicts", [said(v.sentence, lang) for v in diagnosis.verdicts]),
        ("jumps", [said(j.sentence, lang) for j in diagnosis.jumps]),
        ("milestones", [said(m.reason, lang) for m in story.milestones]),
        ("unjudged", [f"{u.fault}: {said(u.sentence, lang)}" for u in diagnosis.unjudged]),
    ):
        if texts:
            yield [f"{word(key, lang)}:", *_few(texts, lang)]
    if diagnosis.sound:
        yield [f"{word('sound', lang)}: {', '.join(looked.fault for looked in diagnosis.sound)}"]


def _finding(found: Detected, lang: str) -> Iterator[str]:
    title, message, consequence, fix = found.finding.said(lang)
    yield f"! {found.finding.code} {word(found.finding.severity, lang)}: {title}"
    yield f"  {message} {consequence}".rstrip()
    it = found.evidence
    numbers = word("interval", lang, value=it.value, low=it.low, high=it.high)
    yield f"  {word('evidence', lang)} {said(it.statistic, lang)}: {numbers}; {word('against', lang, x=it.against)}"
    yield f"  {word('try', lang)} {fix}"
    yield f"  {word('expect', lang)} {said(found.effect, lang)}"


def _rates(story: Story, lang: str) -> Iterator[str]:
    several = len(story.rates) > 1
    for rate in story.rates[:MOST]:
        yield f"- {rate.group}: {said(rate.sentence, lang)}" if several else f"- {said(rate.sentence, lang)}"
    if len(story.rates) > MOST:
        yield f"- {word('more', lang, n=len(story.rates) - MOST)}"


def _few(texts: Sequence[str], lang: str) -> Iterator[str]:
    yield from (f"- {text}" for text in texts[:MOST])
    if len(texts) > MOST:
        yield f"- {word('more', lang, n=len(texts) - MOST)}"
