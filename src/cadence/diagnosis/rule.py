"""What a rule of diagnosis is: one function that looks at a log and yields what it found.

    @rule("CL101", "divergence", Both("the loss diverged", "损失发散"), severity="error", sound=Both(...))
    def divergence(view: View) -> Iterator[Found]:
        ...

A new rule needs a new file in `cadence.diagnosis.rules`, and its test; no list has to be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from cadence._registry import Registry
from cadence.diagnosis.detected import Detected, Evidence, Picture
from cadence.diagnosis.view import View
from cadence.findings.finding import Both, Finding, Severity


@dataclass(frozen=True)
class Found:
    """What a rule yields; all sentences in English and Chinese.

    Attributes:
        message: where and how strong.
        consequence: what it leads to.
        fix: one change to try.
        effect: what that is expected to bring.
        evidence, picture: see there.
    """

    message: Both
    consequence: Both
    fix: Both
    effect: Both
    evidence: Evidence
    picture: Picture


Look = Callable[[View], Iterator[Found]]
F = TypeVar("F", bound=Look)


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        code: ``"CL101"``.
        fault: what it looks for: ``"divergence"``.
        title: in a few words, in English and Chinese.
        severity: of its findings.
        sound: what to say where it finds nothing.
        after: faults that would explain the same thing: where one of them is found, this rule is silent.
        look: the function. It raises `CannotTell` where the log has too little for it.
    """

    code: str
    fault: str
    title: Both
    severity: Severity
    sound: Both
    after: tuple[str, ...]
    look: Look

    def detected(self, view: View, source: str) -> list[Detected]:
        """What the rule finds in a log.

        Raises:
            CannotTell: the log has too little.
        """
        return [
            Detected(self.fault, self._finding(f, source), f.evidence, f.picture, f.effect) for f in self.look(view)
        ]

    def _finding(self, found: Found, source: str) -> Finding:
        said = (self.title, found.message, found.consequence, found.fix)
        title, message, consequence, fix = (each.en for each in said)
        zh = (self.title.zh, found.message.zh, found.consequence.zh, found.fix.zh)
        return Finding(self.code, self.severity, title, message, consequence, fix, path=source, zh=zh)


RULES: Registry[Rule] = Registry("rule of diagnosis", package="cadence.diagnosis.rules")
"""All rules by code."""


def rule(
    code: str, fault: str, title: Both, *, severity: Severity, sound: Both, after: tuple[str, ...] = ()
) -> Callable[[F], F]:
    """Register the decorated function as a rule; the arguments are those of `Rule`."""

    def register(look: F) -> F:
        RULES.add(code, Rule(code, fault, title, severity, sound, after, look))
        return look

    return register


def rules() -> list[Rule]:
    """All rules, each behind those that it is silent after."""
    left = [RULES[code] for code in RULES]
    named = {each.fault for each in left}
    ordered: list[Rule] = []
    while left:
        done = {each.fault for each in ordered}
        ready = [each for each in left if all(f in done or f not in named for f in each.after)]
        ordered.extend(ready)
        left = [each for each in left if each not in ready]
    return ordered
