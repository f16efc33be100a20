"""What a rule says: a finding with its evidence, what to look at, and what the change is expected to bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cadence.findings.finding import Both, Finding


@dataclass(frozen=True)
class Evidence:
    """What a finding rests on.

    Attributes:
        first, last: the updates that it is about.
        statistic: what was measured, in English and Chinese.
        value: of it.
        low, high: its 95 % interval; both `value` where it is exact.
        against: what it would be, or where it would begin to matter.
    """

    first: int
    last: int
    statistic: Both
    value: float
    low: float
    high: float
    against: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "first": self.first, "last": self.last, "statistic": self.statistic.en, "value": self.value,
            "low": self.low, "high": self.high, "against": self.against,
        }  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """What to look at.

    Attributes:
        series: names of what to draw: ``"loss"``, ``"lr"``, the name of a metric, of `Log.train`, or
            ``"update_ratio"``.
        first, last: stretch to shade.
        marks: updates to mark with a line.
        caption: what is to be seen, in English and Chinese.
    """

    series: tuple[str, ...]
    first: int
    last: int
    marks: tuple[int, ...]
    caption: Both

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "series": list(self.series), "first": self.first, "last": self.last, "marks": list(self.marks),
            "caption": self.caption.en,
        }  # fmt: skip


@dataclass(frozen=True)
class Detected:
    """One fault of a training.

    Attributes:
        fault: its name: ``"divergence"``, ``"rate_low"``, ...
        finding: what is said: message (where and how strong), consequence, fix (one change to try).
        evidence: the numbers.
        picture: what to look at.
        effect: what the change is expected to bring, in English and Chinese.
    """

    fault: str
    finding: Finding
    evidence: Evidence
    picture: Picture
    effect: Both

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `--json` prints it."""
        return {
            "fault": self.fault, **self.finding.to_json(), "effect": self.effect.en,
            "evidence": self.evidence.to_json(), "picture": self.picture.to_json(),
        }  # fmt: skip


@dataclass(frozen=True)
class Looked:
    """What was looked at without a finding: because there is nothing, or because the log cannot tell.

    Attributes:
        fault: name of what was looked for.
        code: of the rule.
        sentence: what was found in its place, or why nothing can be said; in English and Chinese.
    """

    fault: str
    code: str
    sentence: Both

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"fault": self.fault, "code": self.code, "sentence": self.sentence.en}


class CannotTell(Exception):
    """Raised by a rule that the log has too little for.

    Args:
        en, zh: the reason.
    """

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.reason = Both(en, zh)
