"""Patterns of parameters: by name, by the module that owns them, by what they are, by depth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from cadence._errors import SpecError, neighbours
from cadence.spec.shown import shown

ROLES = ("bias", "norm", "vector", "embedding", "matrix", "stem", "head")
"""What a parameter can be; see `docs/contract.md`."""

PREFIXES = ("re", "type", "role", "depth")

_PREFIX = re.compile(r"\s*([A-Za-z]+)\s*:\s*(.*?)\s*")
_DEPTH = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")


class Standing(IntEnum):
    """How closely a pattern points. Of two groups that claim a parameter the one that points closer gets it."""

    NAME = 0
    NAMES = 1
    TYPE = 2
    ROLE = 3


@dataclass(frozen=True, repr=False)
class Pattern:
    """One pattern. Made by `pattern`.

    Attributes:
        kind: ``"name"``, ``"glob"``, ``"re"``, ``"type"``, ``"role"`` or ``"depth"``.
        text: what stands behind the prefix.
    """

    kind: str
    text: str

    def __repr__(self) -> str:
        return repr(str(self))

    def __str__(self) -> str:
        return f"{self.kind}:{self.text}" if self.kind in PREFIXES else self.text

    @property
    def standing(self) -> Standing:
        """How closely it points."""
        return _STANDINGS[self.kind]

    @property
    def depths(self) -> range:
        """The depths that a pattern of the kind ``"depth"`` means."""
        first, last = _range(self.text)
        return range(first, last + 1)


_STANDINGS = {
    "name": Standing.NAME, "glob": Standing.NAMES, "re": Standing.NAMES, "type": Standing.TYPE,
    "role": Standing.ROLE, "depth": Standing.ROLE,
}  # fmt: skip


def pattern(text: object) -> Pattern:
    """Read a pattern.

    Args:
        text: a parameter's name; a glob over names, ``"head.*"``; a regular expression that the whole name matches,
            ``"re:blocks\\.[0-3]\\..*"``; a glob over the class name of the module that owns the parameter, and of those
            that it derives from, ``"type:LayerNorm"``; ``"role:bias"`` and the other `ROLES`; ``"depth:0"`` or
            ``"depth:0-3"``.

    Raises:
        SpecError: no text, an unknown prefix or role, no regular expression, or no range of depths.

    Example:
        >>> pattern("head.*").kind, pattern("head.weight").kind, pattern("role:bias").kind
        ('glob', 'name', 'role')
        >>> pattern("rolle:bias")
        Traceback (most recent call last):
        cadence._errors.SpecError: the pattern 'rolle:bias' begins with an unknown prefix; did you mean 'role'?
    """
    if not isinstance(text, str) or not text.strip():
        raise SpecError(
            f"a pattern of parameters is text such as 'head.*', 'type:LayerNorm' or 'role:bias', not {shown(text)}"
        )
    match = _PREFIX.fullmatch(text)
    if match is None:
        return Pattern("glob" if any(letter in text for letter in "*?[") else "name", text.strip())
    kind, rest = match.groups()
    if kind not in PREFIXES:
        raise SpecError(f"the pattern {shown(text)} begins with an unknown prefix; {neighbours(kind, PREFIXES)}")
    _CHECKS[kind](rest)
    return Pattern(kind, rest)


def _check_expression(text: str) -> None:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as fault:
        raise SpecError(f"the pattern {shown('re:' + text)} is no regular expression ({fault}); correct it") from None


def _check_type(text: str) -> None:
    if not text or re.search(r"\s", text):
        raise SpecError(f"the pattern {shown('type:' + text)} names no class; write e.g. 'type:LayerNorm'")


def _check_role(text: str) -> None:
    if text not in ROLES:
        raise SpecError(f"there is no role {shown(text)} of a parameter; {neighbours(text, ROLES)}")


def _range(text: str) -> tuple[int, int]:
    match = _DEPTH.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if last < first:
        raise SpecError(f"the pattern {shown('depth:' + text)} names no depths; write e.g. 'depth:0' or 'depth:0-3'")
    return first, last


_CHECKS = {"re": _check_expression, "type": _check_type, "role": _check_role, "depth": _range}
