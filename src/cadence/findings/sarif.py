"""Findings as SARIF 2.1.0, which editors and continuous integration read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cadence.findings.finding import Finding, Spot
from cadence.findings.rule import RULES, Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "information": "note"}


def sarif(findings: Sequence[Finding], version: str) -> dict[str, Any]:
    """One SARIF log with one run.

    Args:
        findings: in any order.
        version: of cadence.

    Returns:
        Plain data.

    Source: OASIS 2023, Static Analysis Results Interchange Format (SARIF) version 2.1.0 plus errata 01.
    """
    codes = sorted({f.code for f in findings})
    driver = {
        "name": "cadence", "version": version, "semanticVersion": version,
        "rules": [_rule(RULES[code]) for code in codes],
    }  # fmt: skip
    results = [_result(f, codes.index(f.code)) for f in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.fix} ({rule.source})"},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    text = ". ".join(_sentence(part) for part in (finding.message, finding.consequence, finding.fix) if part) + "."
    result: dict[str, Any] = {
        "ruleId": finding.code, "ruleIndex": index, "level": LEVELS[finding.severity], "message": {"text": text},
    }  # fmt: skip
    if finding.path:
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.path)}}
        # The lines of a notebook's cell are not those of its file.
        if finding.spot is not None and finding.cell is None:
            place["region"] = _region(finding.spot)
        location: dict[str, Any] = {"physicalLocation": place}
        if finding.cell is not None:
            location["logicalLocations"] = [{"name": f"cell {finding.cell}, line {finding.line}"}]
        result["locations"] = [location]
        if finding.edits and finding.cell is None:
            changes = [{"deletedRegion": _region(e.spot), "insertedContent": {"text": e.text}} for e in finding.edits]
            change = {"artifactLocation": {"uri": _uri(finding.path)}, "replacements": changes}
            result["fixes"] = [{"description": {"text": finding.fix}, "artifactChanges": [change]}]
    return result


def _region(spot: Spot) -> dict[str, int]:
    return {
        "startLine": spot.line, "startColumn": spot.column, "endLine": spot.end_line, "endColumn": spot.end_column,
    }  # fmt: skip


def _uri(path: str) -> str:
    from urllib.parse import quote

    file = Path(path)
    return file.as_uri() if file.is_absolute() else quote(file.as_posix())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")
