"""Patches: put into a source, and shown as a diff."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from cadence.findings.finding import Edit, Finding


def patched(source: str, findings: Iterable[Finding]) -> tuple[str, list[Finding]]:
    """A source with the patches of findings put in.

    Args:
        source: text whose lines and columns the edits count.
        findings: those without a patch, or whose patch overlaps an earlier one, change nothing.

    Returns:
        The new text, and the findings whose patches are in it.

    Example:
        >>> from cadence.findings.finding import Spot
        >>> one = Finding("CD1", "error", "", "", "", "", edits=(Edit(Spot(1, 5, 1, 7), "90"),))
        >>> patched("f(T=10)", [one])[0]
        'f(T=90)'
    """
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def offsets(edit: Edit) -> tuple[int, int, str]:
        line, column, end_line, end_column = edit.spot
        return starts[line - 1] + column - 1, starts[end_line - 1] + end_column - 1, edit.text

    taken: list[tuple[int, int, str]] = []
    done: list[Finding] = []
    for finding in findings:
        wanted = [offsets(edit) for edit in finding.edits]
        new = [edit for edit in wanted if edit not in taken]
        if not wanted or any((a < d and c < b) or (a, b) == (c, d) for a, b, _ in new for c, d, _ in taken):
            continue
        taken += new
        done.append(finding)
    for start, end, text in sorted(taken, reverse=True):
        source = source[:start] + text + source[end:]
    return source, done


def diff(before: str, after: str, path: str) -> str:
    """The change as a unified diff."""
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}", n=2
        )
    )
