"""What a range test suggests: several rates with their meaning, one of them recommended, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from cadence.finder.draws import DRAWS, drawn, errors
from cadence.finder.landmarks import Landmarks, landmarks
from cadence.finder.losses import BEGINNING, Losses, table
from cadence.finder.sentences import MEANINGS, SENTENCES, short
from cadence.finder.smoothing import Numbers, Smoother, choose_width, smoother

Reason: TypeAlias = Literal["clear", "disagree", "flat", "constant", "diverges", "nan"]
"""Why there is a recommendation, or why there is none."""

FINE = 40
"""Places in a decade at which the smooth curve is drawn."""

SURE = 3.0
"""Standard errors that a fall must be deep to be one: the deepest of a hundred places is two or three by chance."""

SAFE = 3.0
"""Times that a recommended rate lies below the edge: a training is longer than the test."""

TOO_FAR = 1.0
"""Decades between repeats, or within an interval, beyond which a single number would pretend to know."""

LEVEL = 0.95

PLACES = ("steepest", "middle", "valley", "edge")
"""Names of the suggestions."""


@dataclass(frozen=True)
class Suggestion:
    """One rate, with what it means.

    Attributes:
        name: ``"steepest"``, ``"middle"``, ``"valley"`` or ``"edge"``.
        rate: suggested.
        low, high: between which it lies with 95 % confidence, for this beginning of the training; `high` is infinite
            where the test does not reach it.
        repeats: what each repeat alone would suggest; NaN where it says nothing.
    """

    name: str
    rate: float
    low: float
    high: float
    repeats: tuple[float, ...]

    @property
    def meaning(self) -> str:
        """What it is, in half a sentence."""
        return MEANINGS[self.name]["en"]

    @property
    def factor(self) -> float:
        """By what factor it may be wrong: the interval is about ``rate / factor`` to ``rate * factor``."""
        return float(np.sqrt(self.high / self.low))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "rate": self.rate,
            "low": self.low,
            "high": self.high,
            "meaning": self.meaning,
            "repeats": list(self.repeats),
        }


@dataclass(frozen=True)
class Smooth:
    """The smoothed loss, for a picture.

    Attributes:
        rates: ascending, evenly spaced in decades.
        loss: there.
        low, high: between which it lies with 95 % confidence.
    """

    rates: Numbers
    loss: Numbers
    low: Numbers
    high: Numbers


@dataclass(frozen=True)
class Suggestions:
    """What a test says.

    Attributes:
        reason: why there is a recommendation (``"clear"``) or why not.
        tested: the least and greatest rate of a repeat.
        recommended: the rate to train with; None where the test does not tell.
        steepest: where the loss falls fastest; None, as the next three, where the curve has no such place.
        middle: where half of its fall lies behind.
        valley: where three quarters of it do.
        edge: just below divergence.
        start: the loss before any update.
        fall: of the smoothed loss from there to its bottom.
        noise: standard deviation of the loss from one batch to the next.
        width: half width that it was smoothed over, in decades.
        smooth: the smoothed loss; None where nothing could be smoothed.
    """

    reason: Reason
    tested: tuple[float, float]
    recommended: Suggestion | None = None
    steepest: Suggestion | None = None
    middle: Suggestion | None = None
    valley: Suggestion | None = None
    edge: Suggestion | None = None
    start: float = float("nan")
    fall: float = float("nan")
    noise: float = float("nan")
    width: float = float("nan")
    smooth: Smooth | None = field(default=None, repr=False)

    @property
    def all(self) -> tuple[Suggestion, ...]:
        """Those that there are."""
        return tuple(one for name in PLACES if (one := getattr(self, name)) is not None)

    @property
    def sentence(self) -> str:
        """What is recommended, how it follows and how sure it is; or why there is nothing to recommend."""
        return self.told("en")

    def told(self, lang: str) -> str:
        """The same in a language, ``"en"`` or ``"zh"``."""
        numbers = {"fall": short(self.fall, 3), "noise": short(self.noise), "start": short(self.start, 4)}
        numbers |= {"first": short(self.tested[0], 1), "last": short(self.tested[1], 1)}
        key: str = self.reason
        if self.middle is not None:
            numbers |= {"low": short(self.middle.low, 1), "high": short(self.middle.high, 1)}
            numbers["middle"] = short(self.middle.rate)
        if self.recommended is not None and self.middle is not None:
            sure = self.recommended.factor
            numbers |= {"rate": short(self.recommended.rate, 2 if sure < 2 else 1), "factor": short(sure)}
            if self.edge is not None and self.recommended.rate < self.middle.rate:
                key, numbers["edge"] = "near", short(self.edge.rate)
        return SENTENCES[key][lang].format(**numbers)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "reason": self.reason,
            "sentence": self.sentence,
            "recommended": None if self.recommended is None else self.recommended.to_json(),
            "suggestions": {one.name: one.to_json() for one in self.all},
            "start": self.start,
            "fall": self.fall,
            "noise": self.noise,
            "width_decades": self.width,
        }


def suggest(
    rates: Sequence[float] | Numbers, losses: Sequence[Sequence[float]] | Numbers, *, seed: int = 0
) -> Suggestions:
    """What the losses of a range test say about the learning rate.

    Nothing but numbers goes in: they may come from any framework, or from a file.

    Args:
        rates: of the updates of one repeat, ascending, positive; best evenly spaced in decades.
        losses: one row for each repeat, each begun from the same state: the loss of the batch of update k, as computed
            before that update. A row that is shorter than `rates`, or has a number that is not finite, has diverged
            there.
        seed: of the drawing that makes the intervals.

    Returns:
        The suggestions. What cannot be said is None, and the sentence says why.

    Raises:
        SpecError: rates that do not ascend, fewer than 8, or fewer than a repeat has losses.

    Example:
        >>> rates = 10.0 ** np.arange(-5.0, 0.01, 0.25)
        >>> clean = [2.0 - sum(r for r in rates[:k] if r < 0.1) * 10 for k in range(len(rates))]
        >>> found = suggest(rates, [clean, clean])
        >>> found.reason, 0.003 < found.recommended.rate < 0.06
        ('clear', True)
    """
    known = table(rates, losses)
    nothing = _nothing(known)
    if nothing is not None:
        return nothing
    x = np.log10(known.rates)
    width = choose_width(x, known.repeats)
    fine: Numbers = np.linspace(float(x[0]), float(x[-1]), max(2, round(float(x[-1] - x[0]) * FINE) + 1))
    curve = smoother(x, fine, width)
    at_x = smoother(x, x, width)
    mean = known.repeats.mean(axis=0)
    measured = _marks(fine, curve, mean[:, None], known.start)
    draws = drawn(x, mean, errors(x, known.repeats, at_x), len(known.repeats), seed)
    might = _marks(fine, curve, draws, known.start)
    alone = _marks(fine, curve, known.repeats.T, known.start)
    band = np.quantile(curve.values @ draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    found: dict[str, Any] = {
        "tested": known.tested,
        "start": known.start,
        "fall": float(measured.fall[0]),
        "noise": known.noise,
        "width": width,
        "smooth": Smooth(10.0**fine, curve.values @ mean, band[0], band[1]),
    }
    if not _falls(at_x, known, float(measured.fall[0])):
        return Suggestions("flat", **found)
    # Nobody knows a place between two steps better than by the step.
    step = float(np.median(np.diff(x))) / np.sqrt(12.0) * np.random.default_rng(seed).standard_normal(DRAWS)
    one = {
        name: _one(name, getattr(measured, name), getattr(might, name) + step, getattr(alone, name)) for name in PLACES
    }
    return _judged(one, found)


def _nothing(known: Losses) -> Suggestions | None:
    """Where there is nothing to be smoothed."""
    reason: Reason | None = None
    if not known.finite:
        reason = "nan"
    elif max(known.reached) < 2:
        reason = "diverges"
    elif not known.moved:
        reason = "constant"
    return None if reason is None else Suggestions(reason, known.tested, start=known.start, noise=known.noise)


def _marks(fine: Numbers, curve: Smoother, columns: Numbers, start: float) -> Landmarks:
    return landmarks(fine, curve.values @ columns, curve.slopes @ columns, start)


def _falls(at_x: Smoother, known: Losses, fall: float) -> bool:
    """Whether the loss falls by more than the noise of batches would have it somewhere."""
    count = len(known.repeats)
    bottom = int(np.argmin(at_x.values @ known.repeats.mean(axis=0)))
    shares = float(np.sum(at_x.values[bottom] ** 2)) / count + 1.0 / (count * max(2, len(known.rates) // BEGINNING))
    return fall > SURE * known.noise * float(np.sqrt(shares)) and fall > 0


def _one(name: str, here: Numbers, draws: Numbers, alone: Numbers) -> Suggestion | None:
    """A landmark with its interval; None where the curve has none."""
    if not np.isfinite(here[0]):
        return None
    # A draw that has no such place has it beyond the test.
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(np.where(np.isfinite(draws), draws, np.inf), ends, method="inverted_cdf")
    rates = tuple(float(10.0**a) for a in alone)
    return Suggestion(
        name, float(10.0 ** here[0]), float(10.0 ** min(low, here[0])), float(10.0 ** max(high, here[0])), rates
    )


def _judged(one: dict[str, Suggestion | None], found: dict[str, Any]) -> Suggestions:
    """The recommendation, or why there is none."""
    middle, edge = one["middle"], one["edge"]
    assert middle is not None
    if _apart(middle) > TOO_FAR:
        return Suggestions("disagree", **one, **found)
    recommended = middle
    if edge is not None and middle.rate > edge.rate / SAFE:
        share = edge.rate / SAFE / middle.rate
        recommended = Suggestion("middle", middle.rate * share, middle.low * share, middle.high * share, middle.repeats)
    return Suggestions("clear", recommended=recommended, **one, **found)


def _apart(middle: Suggestion) -> float:
    """Decades between the repeats, or of the interval where that is wider."""
    known = np.log10([rate for rate in middle.repeats if np.isfinite(rate)])
    return max(float(np.ptp(known)) if len(known) else 0.0, float(np.log10(middle.high / middle.low)))
