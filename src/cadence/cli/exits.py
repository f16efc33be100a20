"""What the exit statuses mean, and how a command ends with one."""

from __future__ import annotations

FINDINGS = 1
BAD_INPUT = 2
RUN_FAILED = 3
FAULT = 70
"""As BSD's sysexits.h has it: a fault of the program itself."""
INTERRUPTED = 130
"""As a shell says it of a process that Ctrl-C ended."""


class Interrupted(Exception):
    """Ctrl-C; the text says how to go on."""
