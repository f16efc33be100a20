"""Where the tasks of a cluster leave what they have to say, and find what they are told: an actor beside its head."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal, final

from cadence.comparison.cluster.mirror import Piece

MOST_BYTES = 64 << 20
"""Of letters that lie here; whoever brings more waits until they were fetched."""

FETCHED = 16 << 20
"""Bytes that are fetched at once, about."""


@dataclass(frozen=True)
class Letter:
    """Something that a task has to say.

    Attributes:
        task: that says it.
        kind: ``"begins"``: `content` is where; ``"news"``: of the job; ``"piece"``: a `Piece` of its run folder.
        content: see `kind`.
    """

    task: str
    kind: Literal["begins", "news", "piece"]
    content: Any

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.content.data) if isinstance(self.content, Piece) else 500


@final
class Mailbox:
    """The actor. All methods are coroutines of one loop, so that none is interrupted but where it waits."""

    def __init__(self) -> None:
        self._letters: deque[Letter] = deque()
        self._bytes = 0
        self._orders: dict[str, list[Piece]] = {}
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, task: str, letters: list[Letter]) -> list[Piece]:
        """Leave letters, in order; wait for room if there is none.

        Returns:
            Commands for the task.
        """
        self._letters.extend(letters)
        self._bytes += sum(letter.size for letter in letters)
        if letters:
            self._arrived.set()
        if self._bytes > MOST_BYTES:
            self._room.clear()
            await self._room.wait()
        return self._orders.pop(task, [])

    async def take(self, seconds: float) -> list[Letter]:
        """Fetch letters, in order; wait so long for the first, or for `wake`."""
        if not self._letters and seconds > 0:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), seconds)
            except TimeoutError:
                return []
        taken: list[Letter] = []
        size = 0
        while self._letters and size < FETCHED:
            taken.append(self._letters.popleft())
            size += taken[-1].size
        self._bytes -= size
        if self._bytes <= MOST_BYTES:
            self._room.set()
        return taken

    async def wake(self) -> None:
        """Let who waits for letters wait no longer."""
        self._arrived.set()

    async def order(self, task: str, commands: list[Piece]) -> None:
        """Leave commands for a task."""
        self._orders.setdefault(task, []).extend(commands)
