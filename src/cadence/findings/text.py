"""Findings for people: the source line with its caret, what is wrong, what it leads to, what to write."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from cadence.findings.finding import SEVERITIES, Finding
from cadence.findings.rule import Rule

WORDS = {
    "en": {
        "error": "error", "warning": "warning", "information": "information", "measured": "measured", "fix": "fix",
        "cell": "cell {cell}, line", "why": "Why", "write": "Instead", "source": "Source", "example": "Found in",
        "none": "no findings",
    },
    "zh": {
        "error": "错误", "warning": "警告", "information": "提示", "measured": "实测", "fix": "改法",
        "cell": "单元 {cell} 行", "why": "原因", "write": "改法", "source": "来源", "example": "例子",
        "none": "没有发现问题",
    },
}  # fmt: skip


def shown(finding: Finding, lines: Sequence[str], lang: str = "en") -> str:
    """One finding in a few lines.

    Args:
        finding: what to show.
        lines: of its source; empty where there is none.
        lang: ``"en"`` or ``"zh"``.
    """
    words, (title, message, consequence, fix) = WORDS[lang], finding.said(lang)
    place = finding.path
    if finding.spot is not None:
        cell = "" if finding.cell is None else words["cell"].format(cell=finding.cell) + " "
        place += f":{cell}{finding.line}:{finding.column}"
    told = f"{title}{'：' if lang == 'zh' else ': '}{message}"
    parts = [f"{place + ': ' if place else ''}{words[finding.severity]} {finding.code} {told}"]
    if finding.spot is not None and 1 <= finding.line <= len(lines):
        parts += _caret(finding, lines[finding.line - 1])
    parts += [f"    {words['measured']}: {consequence}"] if consequence else []
    parts += [f"    {words['fix']}: {fix}"] if fix else []
    return "\n".join(parts)


def _caret(finding: Finding, line: str) -> list[str]:
    assert finding.spot is not None
    begin = finding.spot.column - 1
    end = finding.spot.end_column - 1 if finding.spot.end_line == finding.line else len(line.rstrip())
    number = f"{finding.line:5} | "
    before = "".join("\t" if c == "\t" else " " * _width(c) for c in line[:begin])
    width = sum(map(_width, line[begin : max(end, begin + 1)])) or 1
    return [number + line.rstrip(), " " * (len(number) - 2) + "| " + before + "^" * width]


def _width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def counted(findings: Sequence[Finding], lang: str = "en") -> str:
    """How many there are of each severity."""
    if not findings:
        return WORDS[lang]["none"]
    kinds = [f.severity for f in findings]
    errors, warnings, told = (kinds.count(severity) for severity in SEVERITIES)
    if lang == "zh":
        return f"{errors} 个错误，{warnings} 个警告，{told} 条提示"
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}, {told} for information"


def explained(rule: Rule, lang: str = "en") -> str:
    """A rule's page."""
    words = WORDS[lang]
    title, why, fix = rule.zh if lang == "zh" else (rule.title, rule.why, rule.fix)
    example = "\n".join("    " + line for line in rule.example.splitlines())
    return "\n".join(
        [
            f"{rule.code} ({words[rule.severity]}): {title}", "", f"{words['why']}: {why}", f"{words['write']}: {fix}",
            f"{words['source']}: {rule.source}", "", f"{words['example']}:", example,
        ]
    )  # fmt: skip
