"""What the turns of loops do to rates, so that turns which do the same need not be followed one by one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

Effect = tuple[str, object] | None
"""``("update", optimizer)`` or ``("step", scheduler)``; None: something else that changes a rate."""

Effects = list[Effect]

LEFT: Effects = [None]
"""What stands for the effects of a turn in which the loop was left."""


class Log:
    """Effects in the order in which they come.

    Attributes:
        turns: of loops, so far.
    """

    def __init__(self) -> None:
        self.turns = 0
        self._open: list[Effects] = [[]]

    def note(self, effect: Effect) -> None:
        """One effect."""
        self._open[-1].append(effect)

    @contextmanager
    def turn(self) -> Generator[Effects]:
        """What comes inside is a turn of a loop; its effects are given."""
        effects: Effects = []
        self._open.append(effects)
        try:
            yield effects
        finally:
            self._open.pop()
            if effects:
                # For the loop around this one it is no simple effect.
                self.note(None)
