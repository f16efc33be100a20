"""Ctrl-C and SIGTERM between two updates: a run leaves at a checkpoint, and the signal takes its course afterwards."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self, final

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM") if hasattr(signal, name))


@final
class Leaving:
    """Within the block, a first signal is noted and a second one acts at once.

    Signals are left alone where somebody ignores them (a worker that its parent ends), and outside the main thread,
    where python takes none.

    Attributes:
        signal: that came; None: none has.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether the run is to leave."""
        return self.signal is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                there = signal.getsignal(number)
                if there is not None and there is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def take_course(self) -> None:
        """Let the signal that came do what it would have done without this."""
        self._give_back()
        if self.signal is not None:
            signal.raise_signal(self.signal)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = number
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
