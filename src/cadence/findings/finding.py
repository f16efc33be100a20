"""One finding: what a rule says about one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "information"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "information")
"""From what breaks a training to what is only good to know."""


class Spot(NamedTuple):
    """A stretch of source, lines and columns counted from 1, the end column one past the last character."""

    line: int
    column: int
    end_line: int
    end_column: int


class Edit(NamedTuple):
    """A replacement of one stretch of source."""

    spot: Spot
    text: str


class Both(NamedTuple):
    """A sentence in English and in Chinese."""

    en: str
    zh: str


@dataclass(frozen=True)
class Finding:
    """What is wrong at one place, what it leads to, and what to write instead.

    Attributes:
        code: of the rule: ``"CD101"``.
        severity: ``"error"``: it fails, or trains something else than it says; ``"warning"``: it very likely is not
            what was meant; ``"information"``: good to know.
        title: of the rule, without this case's values.
        message: one sentence with the values.
        consequence: what it leads to, computed from this case's own numbers; empty where nothing can be measured.
        fix: one sentence.
        path: of the file; empty where there is none.
        spot: where; None where there is no source.
        cell: number of the notebook's cell, from 1, which the lines are counted in; None elsewhere.
        edits: the patch, where there is one right answer.
        zh: title, message, consequence and fix in Chinese.
    """

    code: str
    severity: Severity
    title: str
    message: str
    consequence: str
    fix: str
    path: str = ""
    spot: Spot | None = None
    cell: int | None = None
    edits: tuple[Edit, ...] = ()
    zh: tuple[str, str, str, str] = ("", "", "", "")

    @property
    def line(self) -> int:
        """Line from 1; 0 where there is no source."""
        return self.spot.line if self.spot else 0

    @property
    def column(self) -> int:
        """Column from 1; 0 where there is no source."""
        return self.spot.column if self.spot else 0

    @property
    def end(self) -> tuple[int, int]:
        """Line and column one past the end; (0, 0) where there is no source."""
        return (self.spot.end_line, self.spot.end_column) if self.spot else (0, 0)

    def said(self, lang: str) -> tuple[str, str, str, str]:
        """Title, message, consequence and fix in a language."""
        return self.zh if lang == "zh" else (self.title, self.message, self.consequence, self.fix)

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `--json` prints it."""
        return {
            "code": self.code, "severity": self.severity, "title": self.title, "message": self.message,
            "consequence": self.consequence, "fix": self.fix, "path": self.path, "cell": self.cell, "line": self.line,
            "column": self.column, "end": list(self.end),
            "edits": [{"from": list(e.spot[:2]), "to": list(e.spot[2:]), "text": e.text} for e in self.edits],
        }  # fmt: skip

    def __str__(self) -> str:
        where = f"{self.path or '<schedule>'}:{self.line}:{self.column}: " if self.spot else ""
        return f"{where}{self.severity} {self.code}: {self.message}"
