"""What a check is: a rule about a machine. `cadence env` runs them.

    @check(
        "CE201", "build without CUDA beside a GPU", "warning",
        why="...", fix="...", source="...", example="...", zh=("...", "...", "..."),
    )
    def no_cuda(machine: Machine) -> Iterator[Found]:
        ...

A new check needs a new function in a module of `cadence.findings.checks`, and its test; no list has to be told. It is a
pure function of a `Machine`, which a test makes by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from cadence._registry import Registry
from cadence.findings.finding import SEVERITIES, Finding, Severity
from cadence.findings.rule import Found, Rule
from cadence.record.machine.facts import Machine

F = TypeVar("F", bound=Callable[[Machine], Iterator[Found]])

CHECKS: Registry[Rule] = Registry("check", package="cadence.findings.checks")
"""All checks by code. First digit: 1 packages, 2 GPU and driver, 3 what a process may use, 4 several processes, 5 what
frameworks say when they are loaded."""


def check(
    code: str,
    title: str,
    severity: Severity,
    *,
    why: str,
    fix: str,
    source: str,
    example: str,
    zh: tuple[str, str, str],
) -> Callable[[F], F]:
    """Register the decorated function as a check; the arguments are those of `Rule`."""

    def register(look: F) -> F:
        CHECKS.add(code, Rule(code, title, severity, "machine", why, fix, source, example, zh, look))
        return look

    return register


def misfits(machine: Machine, *, at_least: Severity = "information") -> list[Finding]:
    """What does not fit together on a machine.

    Args:
        machine: what is known about it.
        at_least: leave out what is milder.

    Returns:
        Findings, the worst first.

    Example:
        >>> from cadence.record.machine.facts import Build, Driver, Machine
        >>> driver = Driver(present=True, cuda="12.4")
        >>> here = Machine("3.11.9", driver=driver, builds=(Build("torch", "2.13.0", "13.0"),), compiler="/usr/bin/cc")
        >>> [finding.code for finding in misfits(here)]
        ['CE202']
    """
    found = [finding for code in CHECKS for finding in CHECKS[code].findings(machine)]
    wanted = SEVERITIES[: SEVERITIES.index(at_least) + 1]
    kept = [finding for finding in found if finding.severity in wanted]
    return sorted(kept, key=lambda finding: (SEVERITIES.index(finding.severity), finding.code))
