"""What a rule is: one function that looks at one subject and yields what it found.

    @rule(
        "CD212", "LR 0 during the run", "warning", about="course",
        why="...", source="...", example="...", zh=("...", "...", "..."),
    )
    def rate_zero(course: Course) -> Iterator[Found]:
        ...

A new rule needs a new function in a module of `cadence.findings.rules`, and its test; no list has to be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from cadence._registry import Registry
from cadence.findings.finding import Both, Edit, Finding, Severity, Spot

About: TypeAlias = Literal["script", "course", "recipe", "config", "machine"]
"""What a rule looks at: a training script; the rate over one run, wherever it comes from; a recipe; a YAML
configuration of the Paddle suites; a machine with its environment, which `cadence env` looks at."""

F = TypeVar("F", bound=Callable[[Any], "Iterator[Found]"])


class Found(NamedTuple):
    """What a rule yields.

    Attributes:
        at: where, None for the whole subject.
        message: what is wrong with the values.
        consequence: what it leads to, measured.
        fix: what to write instead; the rule's own where it is empty.
        edits: the patch.
        severity: where this case is milder or worse than the rule's others.
    """

    at: Spot | None
    message: str | Both
    consequence: str | Both = ""
    fix: str | Both = ""
    edits: tuple[Edit, ...] = ()
    severity: Severity | None = None


@dataclass(frozen=True)
class Rule:
    """One rule and its page.

    Attributes:
        code: ``"CD101"``.
        title: what is wrong, in a few words.
        severity: of its findings, unless one says otherwise.
        about: what it looks at.
        why: what goes wrong and how; a few sentences.
        fix: what to write instead.
        source: where the facts are from.
        example: a few lines that it finds.
        zh: title, why and fix in Chinese.
        look: the function.
    """

    code: str
    title: str
    severity: Severity
    about: About
    why: str
    fix: str
    source: str
    example: str
    zh: tuple[str, str, str]
    look: Callable[[Any], Iterator[Found]]

    def findings(self, subject: Any) -> Iterator[Finding]:
        """What the rule finds in a subject of its kind."""
        for found in self.look(subject):
            message, consequence, fix = found.message, found.consequence, found.fix or Both(self.fix, self.zh[2])
            yield Finding(
                self.code, found.severity or self.severity, self.title, _en(message), _en(consequence), _en(fix),
                spot=found.at, edits=found.edits, zh=(self.zh[0], _zh(message), _zh(consequence), _zh(fix)),
            )  # fmt: skip


RULES: Registry[Rule] = Registry("rule", package="cadence.findings.rules")
"""All rules by code."""


def rule(
    code: str,
    title: str,
    severity: Severity,
    *,
    about: About,
    why: str,
    fix: str,
    source: str,
    example: str,
    zh: tuple[str, str, str],
) -> Callable[[F], F]:
    """Register the decorated function as a rule; the arguments are those of `Rule`."""

    def register(look: F) -> F:
        RULES.add(code, Rule(code, title, severity, about, why, fix, source, example.strip("\n"), zh, look))
        return look

    return register


def rules(about: About | None = None) -> list[Rule]:
    """All rules, or those about one kind of subject, by code."""
    return [RULES[code] for code in RULES if about in (None, RULES[code].about)]


def findings_of(about: About, subject: Any) -> Iterable[Finding]:
    """What all rules about a kind of subject find in one."""
    for each in rules(about):
        yield from each.findings(subject)


def _en(text: str | Both) -> str:
    return text.en if isinstance(text, Both) else text


def _zh(text: str | Both) -> str:
    return text.zh if isinstance(text, Both) else text
