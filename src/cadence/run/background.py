"""One piece of work at a time beside the training."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import final


@final
class Background:
    """Work in a thread. What it raises is raised by the next call that waits for it.

    Example:
        >>> done = []
        >>> background = Background()
        >>> background.start(lambda: done.append("written"))
        >>> background.wait()
        >>> done
        ['written']
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None

    def start(self, work: Callable[[], object]) -> None:
        """Begin, when what was begun before has ended.

        Raises:
            BaseException: what that one has raised; then nothing is begun.
        """
        self.wait()

        def run() -> None:
            try:
                work()
            except BaseException as fault:
                self._fault = fault

        # No daemon: a program that ends waits for it.
        self._thread = threading.Thread(target=run, name="cadence-checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is going on.

        Raises:
            BaseException: what it has raised, once.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def end(self) -> None:
        """Wait, where another error is on its way already: what is raised here is not told."""
        with contextlib.suppress(Exception):
            self.wait()
