"""What has happened to a run, as plain data: entries that say from which update on they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Entry: TypeAlias = Mapping[str, Any]

SLOWING = ("stretch", "resize")
"""Entries that change how many updates the rest of the curve takes."""

ENDING = (*SLOWING, "cooldown")
"""Entries that say when the run ends (`total`)."""


def acting(journal: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries that mean something after the last of them: those that a later change has ended are left out."""
    left: list[Entry] = []
    for entry in journal:
        ended = entry.get("ends", ())
        left = [*(e for e in left if e["kind"] not in ended), entry] if ended else [*left, entry]
    return tuple(left)
