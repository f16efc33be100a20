"""What went wrong in a training, from its record or from the log of another program."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cadence.diagnosis.attribution import MetricJump, Verdict, metric_jumps, verdicts
from cadence.diagnosis.detected import CannotTell, Detected, Looked
from cadence.diagnosis.events import RateEvent, rate_events
from cadence.diagnosis.log import Log
from cadence.diagnosis.reading.find import read_log
from cadence.diagnosis.rule import rules
from cadence.diagnosis.view import View
from cadence.findings.finding import SEVERITIES, Both

MOST_EVENTS = 200
"""Events of the rate that are judged one by one."""


@dataclass(frozen=True)
class Diagnosis:
    """What a log says about its training.

    Attributes:
        log: what was read.
        findings: faults, the worst first, and of those of a kind the earliest.
        verdicts: what each event of the rate did to the loss.
        jumps: sudden changes of metrics, each with the event it belongs to, or none.
        sound: what was looked at and found sound.
        unjudged: what could not be judged, and why.
    """

    log: Log
    findings: tuple[Detected, ...]
    verdicts: tuple[Verdict, ...]
    jumps: tuple[MetricJump, ...]
    sound: tuple[Looked, ...]
    unjudged: tuple[Looked, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `cadence diagnose --json` prints it; numbers that do not exist are null."""
        return _strict({
            "source": self.log.source,
            "kind": self.log.kind,
            "updates": self.log.updates,
            "notes": [{"kind": n.kind, "sentence": n.sentence.en} for n in self.log.notes],
            "findings": [each.to_json() for each in self.findings],
            "verdicts": [each.to_json() for each in self.verdicts],
            "jumps": [each.to_json() for each in self.jumps],
            "sound": [each.to_json() for each in self.sound],
            "unjudged": [each.to_json() for each in self.unjudged],
        })  # fmt: skip

    def lines(self, lang: str = "en") -> Iterator[str]:
        """All of it in sentences.

        Args:
            lang: ``"en"`` or ``"zh"``.
        """

        def said(both: Both) -> str:
            return both.zh if lang == "zh" else both.en

        for note in self.log.notes:
            yield said(note.sentence)
        if not self.findings:
            yield said(Both("Nothing is wrong that this log would show.", "从这份日志看不出任何问题。"))
        for each in self.findings:
            title, message, consequence, fix = each.finding.said(lang)
            yield f"{each.finding.code} {title}: {message} {consequence} {fix} {said(each.effect)}"
        for it in (*self.verdicts, *self.jumps, *self.sound):
            yield said(it.sentence)
        for each in self.unjudged:
            yield said(Both("Not judged: ", "未判断：")) + f"{each.fault}: {said(each.sentence)}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


def diagnose(source: str | os.PathLike[str] | Log, *, columns: Mapping[str, str] | None = None) -> Diagnosis:
    """Find out what went wrong in a training, and what each change of its learning rate did.

    Args:
        source: a run folder of cadence, a folder of TensorBoard or VisualDL files, a CSV file, JSON Lines, a
            ``trainer_state.json`` of Hugging Face; or a log that has been read.
        columns: role (``"step"``, ``"epoch"``, ``"loss"``, ``"lr"``, ``"val_loss"``, ``"grad_norm"``) -> name of a
            column, where names do not say it.

    Returns:
        Findings with evidence and one change to try each, verdicts on the events of the rate, jumps of metrics with the
        event they belong to, and what was found sound or could not be judged.

    Raises:
        RecordError: there is no log, or none that can be read.

    Example:
        >>> import tempfile, pathlib
        >>> rows = ["step,loss,lr"] + [f"{t},{2.5 * 1.1 ** max(0, t - 30):.6g},0.5" for t in range(100)]
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(folder.name) / "log.csv"
        >>> _ = path.write_text("\\n".join(rows))
        >>> [each.fault for each in diagnose(path).findings]
        ['divergence']
        >>> folder.cleanup()
    """
    log = source if isinstance(source, Log) else read_log(source, columns=columns)
    return diagnosed(log)


def diagnosed(log: Log) -> Diagnosis:
    """Apply every rule to a log, and judge the events of its rate."""
    # A log that has diverged holds numbers that overflow when they are squared; comparisons with what comes out of it
    # say no, which is right.
    with np.errstate(all="ignore"):
        return _diagnosed(log)


def _diagnosed(log: Log) -> Diagnosis:
    view = View(log)
    found: list[Detected] = []
    sound: list[Looked] = []
    unjudged: list[Looked] = []
    for each in rules():
        if any(d.fault in each.after for d in found):
            # What was found explains what this rule would see.
            continue
        try:
            here = each.detected(view, log.source)
        except CannotTell as why:
            unjudged.append(Looked(each.fault, each.code, why.reason))
            continue
        found.extend(here)
        if not here:
            sound.append(Looked(each.fault, each.code, each.sound))
    found.sort(key=lambda d: (SEVERITIES.index(d.finding.severity), d.evidence.first))
    events = events_of(log)
    return Diagnosis(
        log, tuple(found), verdicts(view, events), metric_jumps(log, events), tuple(sound), tuple(unjudged)
    )  # fmt: skip


def events_of(log: Log) -> list[RateEvent]:
    """The events of the rates of all groups, those that several groups share once."""
    found: dict[int, RateEvent] = {}
    for series in log.lr.values():
        for event in rate_events(series, steps_per_epoch=log.facts.steps_per_epoch):
            found.setdefault(event.t, event)
    return [found[t] for t in sorted(found)][:MOST_EVENTS]


def _strict(value: Any) -> Any:
    """Plain data without numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _strict(x) for key, x in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_strict(x) for x in value]  # pyright: ignore[reportUnknownVariableType]
    return value
