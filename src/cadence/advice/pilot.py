"""The pilot: short races over a few rates, on copies of the very model.

A few rates a factor of 3 apart run for a small share of the budget; the better half goes on with fresh copies for
longer. Each run is a small whole: a climb, then a fall to 0, so that rates are compared as they will be used.

Short runs favour rates that are too high for long ones. Where the rules' rate was measured on trainings of the same
kind, the pilot therefore only looks whether this one is an exception: whether the rate diverges, is far behind a lower
one, or hardly moves where a higher one does; and whether there is more noise in the labels than a profile tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

from cadence._errors import AdviceError
from cadence.advice.choice import Source
from cadence.advice.outcome import Outcome, Rate, UserRun, outcome_of
from cadence.advice.practices.practice import Practice, Why
from cadence.advice.profile import Profile
from cadence.advice.rules.batch import factor_of
from cadence.advice.rules.rate import round_rate
from cadence.advice.setting import Making, Setting
from cadence.findings.finding import Both

FACTOR = 3.0
"""From one rate to the next."""

SHARE = 0.10
"""Of the run's updates: what a pilot takes where nobody says."""

LEAST = 24
"""Updates below which nothing can be told: three rates, four updates each, and as many again for the better ones."""

SHORTEST = 8
"""Updates that a first run has where the budget allows it."""

STATISTICS = 40
"""Updates after which running statistics of batch normalisation are those of the data; before, a loss on unused data
says more about them than about the weights."""

START = 1e-3
"""Where a race begins if no rule has a rate."""


BEHIND = 0.7
"""Loss of the lower rate, as a share of the measured rate's own, below which the measured one is too high here."""

AHEAD = 0.5
"""Loss of the higher rate, likewise, below which the measured one is too low."""

UNMOVED = 0.7
"""And the share of its first loss that the measured rate must have kept then: where both fit, the higher one only fits
faster."""

BESIDE = 0.15
"""Share of the budget for the rate beside the measured one, and the fewest updates of that run."""

FEWEST = 4

LEARNT, LEFT = 0.9, 0.3
"""Shares of the loss at the beginning: the most that is left in the second quarter of a run which has learnt something,
and the least that is left in its last quarter where that is not little."""

STAYED, STAYS, SLOWED = 0.6, 0.8, 3.0
"""Where the loss has stopped falling: the least that is left in the last quarter, as a share of the second and of the
third, and how many times as much it has fallen from the first to the third quarter as from there to the last.

Digits whose labels were right came to shares of 0.1 to 0.5 and 0.4 to 0.8, or fell faster at the end, or had a fifth
left; with a fifth to two fifths of the labels wrong, to 0.67 to 0.84 and 0.83 to 1, with two fifths and more left. A
tenth is not told from pictures that are shifted each time, and is not looked for.
"""

CLIMB = 4
"""Updates in which a confirming run reaches its rate."""


@dataclass(frozen=True)
class Trial:
    """One short training of a pilot.

    Attributes:
        rate: at its peak.
        updates: it was given.
        loss: mean of its last third; infinity where it diverged.
        probe: loss on training data that it has not used; None where the run does not tell.
        losses: of its updates.
    """

    rate: float
    updates: int
    loss: float
    probe: float | None
    losses: tuple[float, ...] = ()

    @property
    def first(self) -> float:
        """Loss of its first update."""
        return self.losses[0] if self.losses else math.nan

    def after(self, updates: int) -> float:
        """What its loss would be if it had ended after so many updates."""
        return Outcome(self.losses[:updates], None).tail()

    @property
    def diverged(self) -> bool:
        """Whether it came to no finite loss."""
        return not math.isfinite(self.score)

    @property
    def score(self) -> float:
        """What it is judged by: unused data where there are some, else its last losses."""
        return self.loss if self.probe is None or not math.isfinite(self.loss) else self.probe


@dataclass(frozen=True)
class Piloted:
    """What a pilot has found.

    Attributes:
        practice: with what it changed.
        trials: in order.
        budget: updates that it was given.
        used: updates that it took.
        words: what came of it.
    """

    practice: Practice
    trials: tuple[Trial, ...]
    budget: int
    used: int
    words: Both


def race(run: UserRun, budget: int, profile: Profile, practice: Practice) -> Piloted:
    """Race a few rates around the rules' own.

    Args:
        run: trains a copy of the initial model.
        budget: updates that may be spent, all runs together; at least `LEAST`.
        profile: of the training.
        practice: whose rate is in the middle.

    Returns:
        The practice with the rate that won.

    Raises:
        AdviceError: `run` returns something that is no losses. What `run` itself raises in its first training passes
            through; later on it ends the pilot.
    """
    course = _Course(run, budget, practice, batch_statistics=profile.model.batch_statistics)
    middle = _middle(profile, practice)
    if practice.settled:
        return _confirmed(course, practice, middle)
    # The first round takes half, and fewer rates rather than runs too short to tell anything.
    count = 5 if budget >= 10 * SHORTEST else 3
    rates = [middle * FACTOR ** (i - count // 2) for i in range(count)]
    each = max(1, budget // 2 // count)
    first = course.all(rates, each)
    best = sorted((trial for trial in first if not trial.diverged), key=lambda trial: trial.score)[:2]
    again = _again([trial.rate for trial in best], rates)
    last = course.all(again, (budget - course.used) // max(1, len(again)))
    return _concluded(course, practice, _judged(best, last, profile))


def _confirmed(course: _Course, practice: Practice, rate: float) -> Piloted:
    """Look whether a rate that was measured on such trainings is one for this training."""
    kept = math.sqrt(FACTOR)
    rest = max(FEWEST, int(BESIDE * course.budget))
    own = course.one(rate, course.budget - rest, _held)
    if own is None or own.diverged:
        low = course.one(rate / FACTOR, rest, _held)
        return _concluded(course, practice, low if low is not None and not low.diverged else None)
    then = own.after(rest)
    # A loss below 0 (a likelihood of densities) has no share: nothing is said against the measured rate by it.
    shared = min(own.loss, then) > 0
    if shared and UNMOVED * own.first < own.loss <= own.first:
        high = course.one(rate * FACTOR, rest, _held)
        if high is not None and high.loss < AHEAD * then:
            words = Both(
                f"the measured rate has hardly moved in the pilot ({own.first:.3g} to {own.loss:.3g}), and three times "
                f"as much has come to {high.loss:.3g} in {rest} updates, where it had come to {then:.3g}",
                f"试跑中实测学习率几乎没有进展（{own.first:.3g} 到 {own.loss:.3g}），三倍学习率在 {rest} 次更新后"
                f"达到 {high.loss:.3g}，而它为 {then:.3g}",
            )
            return _settled(course, practice, rate * kept, words)
    else:
        low = course.one(rate / FACTOR, rest, _held)
        if shared and low is not None and low.loss < min(BEHIND * then, own.loss):
            words = Both(
                f"a third of the measured rate is far ahead of it in the pilot ({low.loss:.3g} in {rest} updates, "
                f"against {then:.3g})",
                f"试跑中实测学习率的三分之一明显更好（{rest} 次更新后 {low.loss:.3g} 对 {then:.3g}）",
            )
            return _settled(course, practice, rate / kept, words)
    if practice.noisy is not None and practice.noisy.lr is not None and is_noisy(own.losses):
        words = Both(
            f"the loss has fallen soon in the pilot and then hardly any further ({own.first:.3g} to {own.loss:.3g}): "
            f"what is left is mostly noise, and this model could learn it by heart",
            f"试跑中损失很快下降，之后几乎停住（{own.first:.3g} 到 {own.loss:.3g}）：剩下的多是噪声，"
            f"而此模型足以把它记住",
        )
        return _settled(course, practice.noisy, practice.noisy.lr, words)
    words = Both(
        f"the pilot has found nothing against the rate that was measured on such trainings: "
        f"{', '.join(f'{t.rate:.2g} came to {t.loss:.3g}' for t in course.trials)}{course.early.en}",
        f"试跑没有发现与同类训练实测学习率相悖之处："
        f"{'，'.join(f'{t.rate:.2g} 达到 {t.loss:.3g}' for t in course.trials)}{course.early.zh}",
    )
    return _settled(course, practice, rate, words)


def is_noisy(losses: Sequence[float]) -> bool:
    """Whether a short training has soon learnt what there was, and much is left.

    Its rows are new to it, or nearly so: what it cannot learn of them is noise, until it begins to learn them by heart.

    Example:
        >>> is_noisy([2.3, 2.2, 1.6, 1.4, 1.2, 1.1, 1.0, 1.0, 0.9, 1.0, 0.9, 1.0, 0.9, 0.9, 1.0, 0.9])
        True
        >>> is_noisy([2.3 * 0.9**t for t in range(32)])
        False
    """
    quarter = len(losses) // 4
    if quarter < FEWEST:
        return False
    begin = math.fsum(losses[:2]) / 2
    first, second, third, last = (math.fsum(losses[i * quarter : (i + 1) * quarter]) / quarter for i in range(4))
    learnt = second <= LEARNT * begin and first - third >= SLOWED * (third - last)
    return last > 0 and learnt and last >= max(LEFT * begin, STAYED * second, STAYS * third)


def _settled(course: _Course, practice: Practice, rate: float, words: Both) -> Piloted:
    why = Why(words, Source("pilot", f"{len(course.trials)} short trainings of this model"), "medium")
    changed = replace(
        practice, lr=round_rate(rate), reference_batch=None, scaling=None, why={**practice.why, "learning_rate": why}
    )
    return Piloted(changed, tuple(course.trials), course.budget, course.used, words)


def _again(best: Sequence[float], rates: Sequence[float]) -> list[float]:
    """Which rates go on: the better two; where the best lies at an edge, it and the one beyond."""
    if not best:
        return []
    beyond = {rates[0]: best[0] / FACTOR, rates[-1]: best[0] * FACTOR}.get(best[0])
    return sorted(best if beyond is None else [best[0], beyond])


class _Course:
    """Counts what is spent."""

    def __init__(self, run: UserRun, budget: int, practice: Practice, *, batch_statistics: bool) -> None:
        self._run, self.budget, self._practice = run, budget, practice
        self._batch_statistics = batch_statistics
        self.used = 0
        self.trials: list[Trial] = []
        self.ended: str | None = None

    @property
    def early(self) -> Both:
        """That a run has ended the pilot, and with what; empty where none has."""
        if self.ended is None:
            return Both("", "")
        return Both(f"; it ended early ({self.ended})", f"；试跑提前结束（{self.ended}）")

    def all(self, rates: Sequence[float], updates: int) -> list[Trial]:
        """One training at each rate."""
        made: list[Trial] = []
        for rate in rates:
            trial = self.one(rate, updates, _whole)
            made += [] if trial is None else [trial]
        return made

    def one(self, rate: float, updates: int, course: Callable[[float, int], Rate]) -> Trial | None:
        """One training; None where there is no budget left for it, or the run has refused one before."""
        if self.ended is not None or not 0 < updates <= self.budget - self.used:
            return None
        own = self._practice
        making = Making(
            Setting(own.optimizer, rate, own.weight_decay, own.arguments, own.no_decay, own.layer_decay, own.groups)
        )
        try:
            found: Outcome = outcome_of(self._run(making, updates, Peak(rate, course(rate, updates))))
        except AdviceError:
            raise
        except Exception as fault:
            if not self.trials:
                raise
            self.ended = f"{type(fault).__name__}: {fault}"
            return None
        self.used += updates
        early = self._batch_statistics and updates < STATISTICS
        probe = None if early and not found.diverged else found.probe
        trial = Trial(rate, updates, found.tail(), probe, found.losses)
        self.trials.append(trial)
        return trial


@final
class Peak(float):
    """The rate of a short training: a number, its peak; called with an update, the rate of that update."""

    def __new__(cls, peak: float, at: Rate) -> Peak:
        made = super().__new__(cls, peak)
        made._at = at
        return made

    _at: Rate

    def __call__(self, t: int) -> float:
        return self._at(t)


def _held(rate: float, updates: int) -> Rate:
    """A climb over a few updates, then constant."""
    del updates
    return lambda t: rate * min(1.0, (t + 1) / CLIMB)


def _whole(rate: float, updates: int) -> Rate:
    """A climb over a fifth, then a straight line to 0 at the end."""
    climb = max(1, updates // 5)

    def at(t: int) -> float:
        return rate * min((t + 1) / (climb + 1), (updates - t) / max(1, updates - climb))

    return at


def _middle(profile: Profile, practice: Practice) -> float:
    if practice.lr is None:
        return START
    factor = 1.0 if practice.scaling is None else factor_of(practice.scaling, profile, practice)
    return practice.lr * factor


def _judged(first: Sequence[Trial], last: Sequence[Trial], profile: Profile) -> Trial | None:
    """The winner; of two that are close, the lower rate where rows are repeated."""
    alive = [trial for trial in (last or first) if not trial.diverged]
    if not alive:
        return min(first, key=lambda trial: trial.score, default=None)
    best = min(alive, key=lambda trial: trial.score)
    repeated = (profile.passes or 1.0) > 8
    close = [trial for trial in alive if trial.score <= best.score + (0.05 if repeated else 0.0) * abs(best.score)]
    return min(close, key=lambda trial: trial.rate, default=best)


def _concluded(course: _Course, practice: Practice, winner: Trial | None) -> Piloted:
    source = Source("pilot", f"{len(course.trials)} short trainings of this model, {course.used} updates")
    # Those that were tried: a budget may end before all that were meant to be.
    rates = sorted({trial.rate for trial in course.trials})
    low, high = f"{rates[0]:.2g}", f"{rates[-1]:.2g}"
    if winner is None:
        rate = round_rate(rates[0] / FACTOR)
        words = Both(
            f"every rate from {low} to {high} diverged in the pilot: look at the data and the loss before anything "
            "else; "
            f"{rate:g} lies below all of them",
            f"试跑中从 {low} 到 {high} 的所有学习率都发散：先检查数据和损失；{rate:g} 低于它们全部",
        )
        why = Why(words, source, "low")
    else:
        rate = round_rate(winner.rate)
        edge = rate in (round_rate(rates[0]), round_rate(rates[-1]))
        judged = "unused training data" if winner.probe is not None else "its own last losses"
        zh = "未使用的训练数据" if winner.probe is not None else "自身末尾的损失"
        words = Both(
            f"the best of {len(rates)} rates from {low} to {high}, judged by {judged}{course.early.en}"
            + ("; it lies at the edge of what was tried" if edge else ""),
            f"从 {low} 到 {high} 的 {len(rates)} 个学习率中最好的，以{zh}评判{course.early.zh}"
            + ("；它位于所试范围的边缘" if edge else ""),
        )
        why = Why(words, source, "low" if edge else "medium")
    changed = replace(
        practice, lr=rate, reference_batch=None, scaling=None, why={**practice.why, "learning_rate": why}
    )  # fmt: skip
    return Piloted(changed, tuple(course.trials), course.budget, course.used, words)
