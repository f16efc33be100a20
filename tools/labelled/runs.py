"""Which trainings there are, and what is wrong with each."""

from __future__ import annotations

from labelled.faulty import faulty
from labelled.plans import HELD, Run
from labelled.severe import HELD_NOW, NEW, of_new_tasks, of_old_tasks
from labelled.sound import sound
from labelled.special import special


def runs() -> list[Run]:
    """All of them."""
    return [*sound(), *faulty(), *special(), *of_old_tasks(), *of_new_tasks()]


def seen(run: Run) -> str:
    """How far the faulty trainings of a run's task were looked at.

    Returns:
        ``"first"``: while the rules were written; ``"later"``: after they had been counted once; ``"never"``.
    """
    task = run.name.rpartition("-")[2]
    if task in HELD_NOW:
        return "never"
    return "later" if task in HELD or task in NEW else "first"
