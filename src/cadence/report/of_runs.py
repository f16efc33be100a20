"""What the records of the runs of a comparison say beside their results: values off the plan, time that was lost."""

from __future__ import annotations

from collections.abc import Iterator

from cadence._errors import RecordError
from cadence.comparison.results import RunRow, Summary, TaskSummary
from cadence.comparison.settings import said
from cadence.findings.finding import Finding
from cadence.findings.of_record import check_record
from cadence.record.reader import Record, load_record
from cadence.record.time_spent import SPENT, TimeSpent, time_spent
from cadence.report.messages import Phrases


def faults(summary: Summary, lang: str) -> list[str]:
    """Sentences on runs whose record shows what should not be; one for each recipe and finding.

    Args:
        summary: of a comparison; the records are read from its folder.
        lang: ``"en"`` or ``"zh"``.
    """
    say, found = Phrases(lang), list[str]()
    for task in summary.tasks:
        for recipe in task.recipes:
            told: dict[str, tuple[str, list[str]]] = {}
            for run in recipe.runs:
                for finding in _findings(summary, run):
                    _, message, *_ = finding.said(lang)
                    told.setdefault(finding.code, (message, []))[1].append(str(run.seed))
            found += [
                say("mind_finding", task=task.name, recipe=said(recipe.label, lang), code=code, message=message,
                    seeds=say.list(seeds))
                for code, (message, seeds) in told.items()
            ]  # fmt: skip
    return found


def _findings(summary: Summary, run: RunRow) -> Iterator[Finding]:
    record = _record(summary, run)
    if record is not None:
        try:
            yield from check_record(record)
        except RecordError:
            return


def time_line(summary: Summary, lang: str) -> str:
    """Where the time of each task's runs went, in one line; empty where no record tells."""
    say = Phrases(lang)
    parts: list[str] = []
    for task in summary.tasks:
        spent = list(_spent(summary, task))
        whole = sum(s.whole for s in spent)
        if whole > 0:
            sums = {what: sum(s.seconds[what] for s in spent) for what in SPENT}
            shares = [say(f"spent_{what}", share=f"{seconds / whole:.0%}") for what, seconds in sums.items()]
            parts.append(say("labelled", label=task.name, text=say.list(shares)))
    return say("clause_join").join(parts)


def _spent(summary: Summary, task: TaskSummary) -> Iterator[TimeSpent]:
    for recipe in task.recipes:
        for run in recipe.runs:
            record = _record(summary, run)
            try:
                found = None if record is None else time_spent(record)
            except RecordError:
                continue
            if found is not None:
                yield found


def _record(summary: Summary, run: RunRow) -> Record | None:
    try:
        return load_record(summary.folder / run.folder)
    except RecordError:
        return None
