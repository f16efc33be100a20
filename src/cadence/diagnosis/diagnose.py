"""What went wrong in a training, from its log."""

from __future__ import annotations

from dataclasses import dataclass

from cadence.diagnosis.detected import CannotTell, Detected, Looked
from cadence.diagnosis.log import Log
from cadence.diagnosis.rule import rules
from cadence.diagnosis.view import View


@dataclass(frozen=True)
class Diagnosis:
    """What a log says about its training.

    Attributes:
        log: what was read.
        findings: faults, the main cause first.
        sound: what was looked at and found sound.
        unjudged: what could not be judged, and why.
    """

    log: Log
    findings: tuple[Detected, ...]
    sound: tuple[Looked, ...]
    unjudged: tuple[Looked, ...]


def diagnosed(log: Log) -> Diagnosis:
    """Apply every rule to a log."""
    view = View(log)
    found: list[Detected] = []
    sound: list[Looked] = []
    unjudged: list[Looked] = []
    for each in rules():
        if any(d.fault in each.after for d in found):
            continue
        try:
            here = each.detected(view, log.source)
        except CannotTell as why:
            unjudged.append(Looked(each.fault, each.code, why.reason))
            continue
        found.extend(here)
        if not here:
            sound.append(Looked(each.fault, each.code, each.sound))
    return Diagnosis(log, tuple(found), tuple(sound), tuple(unjudged))
