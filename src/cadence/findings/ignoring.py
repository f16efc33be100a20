"""`# cadence: ignore CD101` in a source, and what the user selects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cadence._errors import UnknownNameError, neighbours
from cadence.findings.finding import Finding
from cadence.findings.rule import RULES

_COMMENT = re.compile(r"#\s*cadence:\s*ignore(?![\w-])(?P<codes>(?:[\s,:]+CD\d+)*)", re.IGNORECASE)


def ignored(finding: Finding, lines: Sequence[str]) -> bool:
    """Whether a comment on one of the finding's lines, or alone on the line before, silences it.

    Args:
        finding: with a spot in `lines`.
        lines: of its source.

    Example:
        >>> from cadence.findings.finding import Spot
        >>> one = Finding("CD101", "warning", "", "", "", "", spot=Spot(1, 1, 1, 5))
        >>> ignored(one, ["step()  # cadence: ignore CD101"]), ignored(one, ["step()  # cadence: ignore CD102"])
        (True, False)
    """
    if finding.spot is None:
        return False
    first, last = finding.spot.line, max(finding.spot.end_line, finding.spot.line)
    before = lines[first - 2].strip() if 2 <= first <= len(lines) + 1 else ""
    near = [*lines[first - 1 : last], *([before] if before.startswith("#") else [])]
    for line in near:
        comment = _COMMENT.search(line)
        if comment is not None:
            codes = re.findall(r"CD\d+", comment["codes"].upper())
            if not codes or finding.code in codes:
                return True
    return False


def chosen(findings: Iterable[Finding], select: Sequence[str], ignore: Sequence[str]) -> list[Finding]:
    """Those whose code begins as one of `select` (all where it is empty) and as none of `ignore`.

    Raises:
        UnknownNameError: a code that no rule's begins as.
    """
    for prefix in (*select, *ignore):
        if not prefix or not any(code.startswith(prefix.upper()) for code in RULES):
            raise UnknownNameError(f"no rule's code begins with {prefix!r:.40}; {neighbours(prefix.upper(), RULES)}")
    wanted = tuple(s.upper() for s in select)
    unwanted = tuple(s.upper() for s in ignore)
    return [
        f
        for f in findings
        if (not wanted or f.code.startswith(wanted)) and not (unwanted and f.code.startswith(unwanted))
    ]
