"""Versions of packages and ranges of them, compared as installers do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Key: TypeAlias = tuple[int, tuple[int, ...], tuple[int, int, int, int, int]]
"""Epoch, numbers without zeros at the end, and what tells a draft from a release: rank, its number, whether and which
later issue, the number of a development snapshot."""

_VERSION = re.compile(
    r"\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_n>\d*))?"
    r"(?:-(?P<post_i>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_n>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_n>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*",
    re.IGNORECASE,
)

_RANKS = {"a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}
_RELEASE = 4
_ALWAYS = 1 << 62


def key(version: str) -> Key | None:
    """What versions are ordered by, without what stands behind a plus; None for what is no version.

    Source: PEP 440, "Summary of permitted suffixes and relative ordering".

    Example:
        >>> key("2.13.0+cpu") == key("2.13") > key("2.13.0rc1") > key("2.13.0.dev1")
        True
    """
    m = _VERSION.fullmatch(version)
    if m is None:
        return None
    release = tuple(int(n) for n in m["release"].split("."))
    while len(release) > 1 and release[-1] == 0:
        release = release[:-1]
    post = int(m["post_i"] or m["post_n"] or 0) if m["post_i"] or m["post"] else -1
    rank = _RANKS[m["pre"].lower()] if m["pre"] else _RELEASE
    if m["dev"] and rank == _RELEASE and post < 0:
        rank = 0  # a snapshot of what has no draft yet lies before every draft
    dev = int(m["dev_n"] or 0) if m["dev"] else _ALWAYS
    return int(m["epoch"] or 0), release, (rank, int(m["pre_n"] or 0), post, dev, 0)


def within(version: str, wanted: str) -> bool | None:
    """Whether a version lies in a range.

    Args:
        version: ``"2.13.0+cpu"``.
        wanted: ``">=2.6,<3"``; an empty one takes everything.

    Returns:
        None where either cannot be read.

    Example:
        >>> within("2.13.0+cpu", "==2.13.0"), within("2.14.1", ">=2.6,!=2.14.*")
        (True, False)
    """
    answers = [_one(version, clause.strip()) for clause in wanted.split(",") if clause.strip()]
    return None if None in answers else all(answers)


def _one(version: str, clause: str) -> bool | None:
    m = re.fullmatch(r"(~=|===|==|!=|<=|>=|<|>)\s*(\S+)", clause)
    if m is None:
        return None
    operator, other = m[1], m[2]
    if other.endswith(".*") and operator in ("==", "!="):
        inside = _begins(version, other[:-2])
        return None if inside is None else inside == (operator == "==")
    mine, theirs = key(version), key(other)
    if mine is None or theirs is None:
        return None
    if operator == "~=":
        return mine >= theirs and bool(_begins(version, other.rpartition(".")[0]))
    if operator in ("==", "===", "!="):
        # What stands behind a plus counts only where the range names one.
        same = version.strip() == other if "+" in other else mine == theirs
        return same != (operator == "!=")
    if operator in ("<", ">") and mine[:2] == theirs[:2]:
        # Neither a draft of 3 nor a later issue of it is meant by <3 or >3.
        draft, later = theirs[2][0] < _RELEASE, theirs[2][2] >= 0
        if (operator == "<" and not draft and mine[2][0] < _RELEASE) or (
            operator == ">" and not later and mine[2][2] >= 0
        ):
            return False
    return {"<=": mine <= theirs, ">=": mine >= theirs, "<": mine < theirs, ">": mine > theirs}[operator]


def _begins(version: str, beginning: str) -> bool | None:
    mine, theirs = _numbers(version), _numbers(beginning)
    if mine is None or theirs is None:
        return None
    return (mine + (0,) * len(theirs))[: len(theirs)] == theirs


def _numbers(version: str) -> tuple[int, ...] | None:
    m = _VERSION.fullmatch(version)
    return (int(m["epoch"] or 0), *(int(n) for n in m["release"].split("."))) if m else None


def requirement(text: str, variables: Mapping[str, str]) -> tuple[str, str] | None:
    """The name and the range of a requirement, if it applies.

    Args:
        text: ``'triton==3.7.1; platform_system == "Linux" and python_version < "3.15"'``.
        variables: of the place, as markers name them.

    Returns:
        None where it does not apply, or where its condition is more than comparisons joined by `and`.

    Example:
        >>> requirement("torch (==2.13.0)", {})
        ('torch', '==2.13.0')
        >>> requirement('torch<2; sys_platform == "darwin"', {"sys_platform": "linux"})
    """
    what, _, marker = text.partition(";")
    m = re.fullmatch(r"\s*([\w.-]+)\s*(?:\[[^\]]*\])?\s*\(?([^()]*)\)?\s*", what)
    if m is None or not all(_holds(part, variables) for part in re.split(r"\band\b", marker) if part.strip()):
        return None
    return re.sub(r"[-_.]+", "-", m[1]).lower(), m[2].strip()


def _holds(comparison: str, variables: Mapping[str, str]) -> bool:
    m = re.fullmatch(r"\s*(\w+)\s*(==|!=|<=|>=|<|>)\s*(['\"])(.*?)\3\s*", comparison)
    if m is None or m[1] not in variables:
        return False
    if "version" in m[1]:
        return bool(_one(variables[m[1]], m[2] + m[4]))
    return (variables[m[1]] == m[4]) == (m[2] == "==") if m[2] in ("==", "!=") else False
