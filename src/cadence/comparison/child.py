"""A python process that is spoken to in lines of JSON, and dies when its pipe closes. Nothing that it is sent is code.

It is started as a plain program, so it neither inherits the parent's state nor needs the parent's program to be
importable.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from typing import Any, TypeAlias, final

from cadence._errors import RecordError

_BOOT = (
    "import importlib, json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given['path']; "
    "sys.argv[:] = given['argv']; importlib.import_module(given['module']).serve(*given['arguments'])"
)
"""It looks for modules where its parent does, and what it writes names the command that was typed."""

Inbox: TypeAlias = "queue.SimpleQueue[tuple[Child, bytes | None]]"
"""Lines that children have said; None: this one says no more."""


@final
class Child:
    """The parent's end of one process.

    Args:
        module: whose `serve` it runs.
        inbox: where its lines go.
        environment: of the process.
        arguments: of `serve`, plain data.

    Raises:
        RecordError: no process can be started.
    """

    def __init__(self, module: str, inbox: Inbox, environment: Mapping[str, str], *arguments: Any) -> None:
        # What it prints is nobody's business while all goes well, and tells why where it does not.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        given = {"path": sys.path, "argv": sys.argv, "module": module, "arguments": arguments}
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, json.dumps(given)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=environment,
                # A group of its own: Ctrl-C in the terminal does not reach it, and what it starts ends with it.
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            raise RecordError(f"no worker process can be started ({error.strerror}); try fewer workers") from error
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one line. A process that has died meanwhile is noticed where its answers are read."""
        pipe = self.process.stdin
        assert pipe is not None
        try:
            pipe.write(json.dumps(message).encode() + b"\n")
            pipe.flush()
        except OSError:
            pass

    def leave(self, seconds: float) -> None:
        """Close its pipe, wait so long for it to end by itself, and end it."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=seconds)
        self.kill()

    def kill(self) -> None:
        """End the process and what it has started, now."""
        _kill_group(self.process)
        self.process.wait()
        self._close()

    def bury(self) -> str:
        """Why the process ended, in half a sentence, after its pipe was closed."""
        try:
            status = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
            return "its process closed its pipe and had to be stopped"
        last = last_line(self.printed)
        self._close()
        if status < 0:
            return f"its process was ended by {_signal_name(-status)}{_hint(-status)}"
        return f"its process ended with status {status}{f' ({last})' if last else ''}"

    @property
    def printed(self) -> str:
        """The end of what it has printed so far."""
        self._log.seek(max(self._log.seek(0, os.SEEK_END) - 4000, 0))
        return self._log.read().decode(errors="replace")

    def _listen(self, inbox: Inbox) -> None:
        pipe = self.process.stdout
        assert pipe is not None
        try:
            for line in pipe:
                inbox.put((self, line))
        except (OSError, ValueError):
            pass  # closed from this side
        pipe.close()
        inbox.put((self, None))

    def _watch(self) -> None:
        # What the process has started holds its pipe open, so that its end would go unnoticed.
        self.process.wait()
        _kill_group(self.process)

    def _close(self) -> None:
        for file in (self.process.stdin, self._log):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _hint(number: int) -> str:
    hints = {"SIGKILL": " (by the system for lack of memory, or by hand)", "SIGSEGV": " (a fault in compiled code)"}
    return hints.get(_signal_name(number), "")


def last_line(text: str) -> str:
    """The last of these lines that says anything, cut where it is long."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
