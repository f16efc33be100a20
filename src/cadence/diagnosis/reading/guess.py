"""What the columns of a table may be, told from their numbers, where no name says it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cadence.diagnosis.log import Floats, Note
from cadence.diagnosis.reading import noted
from cadence.diagnosis.reading.numbers import MISSING


def guess(columns: Mapping[str, Floats]) -> tuple[dict[str, str], list[Note]]:
    """Roles for columns whose names say nothing.

    Args:
        columns: name -> the first numbers of each.

    Returns:
        Role -> name, as far as the numbers tell; a note for each.
    """
    usable = {
        name: values[(values != MISSING) & np.isfinite(values)]
        for name, values in columns.items()
        if ((values != MISSING) & np.isfinite(values)).sum() >= 3
    }
    found: dict[str, str] = {}
    notes: list[Note] = []

    def take(role: str, name: str | None, why: str, zh: str) -> None:
        if name is not None:
            found[role] = name
            notes.append(noted.assumed(name, role, why, zh))
            del usable[name]

    take("step", _first(usable, _counts), "it counts up in whole numbers", "步数")
    take("lr", _first(usable, _like_a_rate), "it is positive, small and without noise", "学习率")
    take("loss", _first(usable, _like_a_loss), "it is positive and scatters", "损失")
    return found, notes


def _first(columns: Mapping[str, Floats], fits: object) -> str | None:
    return next((name for name, values in columns.items() if fits(values)), None)  # type: ignore[operator]


def _counts(values: Floats) -> bool:
    steps = np.diff(values)
    return bool((values == np.round(values)).all() and values[0] >= 0 and (steps > 0).mean() > 0.9)


def _like_a_rate(values: Floats) -> bool:
    if (values < 0).any() or values.max() > 2 or values.max() == 0:
        return False
    turns = (np.diff(np.sign(np.diff(values))) != 0).mean() if len(values) > 2 else 0.0
    return bool(turns < 0.1)


def _like_a_loss(values: Floats) -> bool:
    return bool((values > 0).mean() > 0.95 and np.ptp(values) > 0)
