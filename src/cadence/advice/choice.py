"""What one rule says: a value, why, on whose word, how sure, and what speaks for another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from cadence.findings.finding import Both

Confidence: TypeAlias = Literal["high", "medium", "low", "unknown"]
Kind: TypeAlias = Literal["article", "paper", "measured", "practice", "given", "pilot"]

CONFIDENCE: dict[Confidence, Both] = {
    "high": Both(
        "several sources agree, or trainings of this very kind were measured: expect a best value within a factor of 2",
        "多个来源一致，或实测过同类训练：最佳值大致在 2 倍以内",
    ),
    "medium": Both(
        "one source for trainings of this kind: expect a best value within a factor of 3",
        "有一个针对此类训练的来源：最佳值大致在 3 倍以内",
    ),
    "low": Both(
        "carried over from another kind of training: a factor of 10 is possible, and a pilot would tell",
        "由其他类型的训练推得：可能相差 10 倍，试跑可以判断",
    ),
    "unknown": Both("nothing is known, so no value is given", "没有依据，因此不给出数值"),
}
"""What each word means; of values that are no numbers, how surely they are the right ones."""


@dataclass(frozen=True)
class Source:
    """On whose word.

    Attributes:
        kind: ``"article"`` (a rule of thumb that tutorials teach), ``"paper"``, ``"measured"`` (runs in
            `docs/advice.md`), ``"practice"`` (what a framework or a library does by default), ``"given"`` (asked for),
            ``"pilot"`` (short trainings of this very model).
        text: which, with its number where it has one.
    """

    kind: Kind
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Alternative:
    """What another source says.

    Attributes:
        value: that it gives; text where it is more than a number.
        source: whose it is.
        decides: what would decide between the two.
    """

    value: Any
    source: Source
    decides: Both


@dataclass(frozen=True)
class Choice:
    """One field of a recipe, chosen.

    Attributes:
        field: which: ``"optimizer"``, ``"learning_rate"``, ...
        value: plain data; None where there is to be none of it, or where `confidence` is ``"unknown"``.
        reason: why.
        source: on whose word.
        confidence: how surely; see `CONFIDENCE`.
        alternatives: what else is said, and what would decide.
        pilot: the short training that would tell, where it would; None where nothing is open.
    """

    field: str
    value: Any
    reason: Both
    source: Source
    confidence: Confidence
    alternatives: tuple[Alternative, ...] = ()
    pilot: Both | None = None

    @property
    def known(self) -> bool:
        """Whether the rule has anything to say."""
        return self.confidence != "unknown"

    def to_dict(self) -> dict[str, Any]:
        """Plain data; reasons in English."""
        return {
            "field": self.field,
            "value": self.value,
            "reason": self.reason.en,
            "source": {"kind": self.source.kind, "text": self.source.text},
            "confidence": self.confidence,
            "alternatives": [
                {"value": a.value, "source": {"kind": a.source.kind, "text": a.source.text}, "decides": a.decides.en}
                for a in self.alternatives
            ],
            "pilot": None if self.pilot is None else self.pilot.en,
        }


def article(text: str) -> Source:
    """A rule of thumb as tutorials teach it."""
    return Source("article", text)


def paper(text: str) -> Source:
    """A paper, with its arXiv number and the place in it."""
    return Source("paper", text)


def practice(text: str) -> Source:
    """What a framework or a library does by default."""
    return Source("practice", text)


MEASURED = Source("measured", "docs/advice.md")
"""Trainings of the project's own, whose table is in the documents."""

GIVEN = Source("given", "asked for")
"""Nobody's advice."""
