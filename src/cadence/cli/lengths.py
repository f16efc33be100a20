"""Lengths as they are typed: a bare number is updates."""

from __future__ import annotations


def length(text: str | None) -> int | str | None:
    """What a length on the command line means.

    Example:
        >>> length("600"), length("90 epochs"), length(None)
        (600, '90 epochs', None)
    """
    if text is None:
        return None
    return int(text) if text.strip().isdecimal() else text
