"""What came of a range test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cadence.finder.sentences import short
from cadence.finder.suggest import Suggestions
from cadence.finder.sweeps import Swept


@dataclass(frozen=True)
class Found:
    """What came of a range test; `print` shows it in words.

    Attributes:
        suggestions: what its losses say; see `cadence.finder.suggest.Suggestions`.
        swept: what was measured.
        own: the rate that each parameter group had before: their ratios were kept.
        names: of the groups; None where a group has none.
        reference: index of the group whose rate is meant by every rate here.
        skipped: updates that were left out, by a loss scaler: they count nowhere.
        about: what was tested, in plain data: the recipe's name, or nothing.
    """

    suggestions: Suggestions
    swept: Swept
    own: tuple[float, ...]
    names: tuple[str | None, ...]
    reference: int
    skipped: int
    about: dict[str, Any]

    @property
    def rate(self) -> float | None:
        """The recommended learning rate of the first group; None where the test does not tell."""
        recommended = self.suggestions.recommended
        return None if recommended is None else recommended.rate

    @property
    def rates(self) -> tuple[float, ...] | None:
        """The recommended rate of each group."""
        return None if self.rate is None else tuple(self.rate * own / self.own[self.reference] for own in self.own)

    def __str__(self) -> str:
        said = self.suggestions
        lines = [said.sentence]
        for one in said.all:
            lines.append(f"{one.name:9} {short(one.rate)} ({short(one.low)} to {short(one.high)}): {one.meaning}")
        lines.append(
            f"{len(self.swept.losses)} repeats of {len(self.swept.rates)} updates, {self.swept.updates} updates "
            f"altogether."
        )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        rates = None if self.rates is None else list(self.rates)
        groups = [{"name": name, "own": own} for name, own in zip(self.names, self.own, strict=True)]
        return {
            **self.about,
            **self.suggestions.to_json(),
            "rates": rates,
            "groups": groups,
            "updates": self.swept.updates,
            "skipped": self.skipped,
            "sweep": {"rates": self.swept.rates.tolist(), "losses": [list(row) for row in self.swept.losses]},
            "scout": {"rates": self.swept.scout_rates.tolist(), "losses": list(self.swept.scout_losses)},
        }
