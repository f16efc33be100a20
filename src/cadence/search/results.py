"""What a search has found: its trials, the best of them, what its new seeds say, and what mattered."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from cadence.comparison.statistics import LEVEL, Estimate, PairedTest, estimate, paired_test
from cadence.recipe.recipe import Recipe
from cadence.search.database import checked
from cadence.search.ends import best_of
from cadence.search.importance import FEWEST, METHOD, importances
from cadence.search.settings import Settings
from cadence.search.study import Study, Trial

SPREADS = 2 * math.sqrt(2.0)
"""Standard deviations of one run within which two single runs are often apart by their seeds alone."""


@dataclass(frozen=True)
class Confirmed:
    """A recipe that was trained with seeds that no trial had, and judged on the data that reports are made of.

    Attributes:
        values: of the objective by seed; only runs that came to their end.
        of: how many seeds there were to be.
        estimate: of their mean; None where there are none.
    """

    values: Mapping[int, float]
    of: int

    @property
    def estimate(self) -> Estimate | None:
        """Mean with its interval; None where no run came to its end."""
        return estimate(list(self.values.values())) if self.values else None

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "values": {str(k): v for k, v in self.values.items()},
            "of": self.of,
            "estimate": _estimate(self.estimate),
        }


@dataclass(frozen=True)
class Results:
    """All that is known of a search.

    Attributes:
        settings: as it was asked for.
        folder: of the search.
        study: name of the study.
        database: it is in, without the password.
        higher: whether more of the objective is better.
        trials: in the order of their numbers.
        best: the trial with the best objective; None where none finished.
        recipe: to go on with: of the best trial, or the given one where new seeds say that it is better.
        kept: whether that is the given one.
        confirmed: the best recipe with new seeds; None where that was not asked for, or there is no best.
        given: the recipe as it was given, with the same seeds; None where it is the best one, or as above.
        difference: best minus given, seed by seed; None where fewer than two seeds have both.
        ties: numbers of the trials that cannot be told from the best; None where nothing is known of the spread.
        importance: share of each range in what makes the best trials good; None where too few trials finished.
    """

    settings: Settings
    folder: Path
    study: str
    database: str
    higher: bool
    trials: tuple[Trial, ...]
    best: Trial | None
    recipe: Recipe | None
    kept: bool
    confirmed: Confirmed | None
    given: Confirmed | None
    difference: PairedTest | None
    ties: tuple[int, ...] | None
    importance: Mapping[str, float] | None

    @property
    def counts(self) -> dict[str, int]:
        """State -> number of trials in it."""
        return dict(Counter(trial.state for trial in self.trials))

    @property
    def updates(self) -> int:
        """Of all trials together."""
        return sum(trial.updates for trial in self.trials)

    @property
    def order(self) -> list[Trial]:
        """The trials, the best first; those without a value last."""
        rank = {"finished": 0, "pruned": 1, "running": 2, "diverged": 3, "failed": 4}
        sign = -1.0 if self.higher else 1.0

        def key(trial: Trial) -> tuple[int, float, int]:
            return rank.get(trial.state, 5), sign * (trial.value if trial.value is not None else 0.0), trial.number

        return sorted(self.trials, key=key)

    def to_json(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        s = self.settings
        return {
            "version": 1,
            "name": s.recipe.name,
            "folder": str(self.folder),
            "study": self.study,
            "database": self.database,
            "objective": str(s.objective),
            "higher_is_better": self.higher,
            "sampler": s.sampler,
            "seeds": list(s.seeds),
            "prune": None if s.prune is None else s.prune.model_dump(),
            "space": s.space.said,
            "counts": self.counts,
            "updates": self.updates,
            "best": None if self.best is None else _trial(self.best),
            "recipe": None if self.recipe is None else self.recipe.model_dump(),
            "kept": self.kept,
            "confirmed": None if self.confirmed is None else self.confirmed.to_json(),
            "given": None if self.given is None else self.given.to_json(),
            "difference": None if self.difference is None else _difference(self.difference),
            "ties": None if self.ties is None else list(self.ties),
            "importance": {"method": METHOD, "needs": FEWEST, "shares": self.importance},
            "trials": [_trial(trial) for trial in self.trials],
        }

    def to_csv(self) -> str:
        """The content of `trials.csv`: one row per trial."""
        names = list(self.settings.space.ranges)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["number", "state", "value", *names, "updates", "seconds", "host", "folder", "sentence"])
        for trial in self.trials:
            runs: Sequence[Mapping[str, Any]] = trial.notes.get("runs") or ()
            cells = [trial.params.get(name) for name in names]
            seconds = trial.notes.get("train_seconds")
            row = [trial.number, trial.state, trial.value, *cells, trial.updates, seconds, trial.notes.get("host")]
            folder = str(Path(runs[0]["folder"]).parent) if runs else None
            writer.writerow([*row, folder, trial.notes.get("sentence")])
        return text.getvalue()


def results_of(settings: Settings, study: Study, folder: Path, url: str) -> Results:
    """Read what a search has found.

    Args:
        settings: of the search.
        study: opened.
        folder: of the search.
        url: of the database.
    """
    trials = tuple(study.trials())
    best = best_of(trials, higher=study.higher)
    recipe = None
    if best is not None:
        recipe = settings.space.recipe_at(best.params).changed(name=f"{settings.recipe.name}-best")
    remembered = study.remembered()
    confirmed = None if best is None else _confirmed(settings, remembered, f"trial-{best.number}")
    same = recipe is not None and recipe.content_hash == settings.recipe.content_hash
    given = None if best is None or same else _confirmed(settings, remembered, "given")
    kept = _better(given, confirmed, higher=study.higher)
    chosen = settings.recipe if kept else recipe
    ranges = settings.space.ranges
    made = Results(
        settings, folder, study.name, checked(url), study.higher, trials, best, chosen, kept,
        confirmed, given,
        _gap(confirmed, given), None, importances(trials, ranges, higher=study.higher) if len(ranges) > 1 else None,
    )  # fmt: skip
    return replace(made, ties=_ties(made))


def _confirmed(settings: Settings, remembered: Mapping[str, Any], what: str) -> Confirmed | None:
    if not settings.confirm:
        return None
    values: dict[int, float] = {}
    for seed in settings.confirm:
        result = cast("Mapping[str, Any]", remembered.get(f"confirm {what} {seed}") or {})
        value = result.get("value")
        if isinstance(value, int | float) and result.get("status") in ("finished", "stopped"):
            values[seed] = float(value)
    return Confirmed(values, len(settings.confirm))


def _better(one: Confirmed | None, other: Confirmed | None, *, higher: bool) -> bool:
    """Whether the mean of the first is better than that of the second."""
    if one is None or other is None or not one.values:
        return False
    if len(other.values) < len(one.values):
        return True  # some of its runs did not come to their end
    first, second = one.estimate, other.estimate
    assert first is not None
    assert second is not None
    return first.mean > second.mean if higher else first.mean < second.mean


def _gap(one: Confirmed | None, other: Confirmed | None) -> PairedTest | None:
    if one is None or other is None:
        return None
    both = [seed for seed in one.values if seed in other.values]
    if len(both) < 2:
        return None
    return paired_test([one.values[s] for s in both], [other.values[s] for s in both], comparisons=1)


def _ties(made: Results) -> tuple[int, ...] | None:
    """Trials whose distance from the best is no more than seeds make."""
    best = made.best
    if best is None or best.value is None:
        return None
    others = [t for t in made.trials if t.state == "finished" and t.value is not None and t.number != best.number]
    first = run_values(best)
    if len(first) > 1:
        alike: list[int] = []
        for trial in others:
            values = run_values(trial)
            if len(values) == len(first) and paired_test(values, first, comparisons=1).p > LEVEL:
                alike.append(trial.number)
        return tuple(alike)
    sd = None if made.confirmed is None or made.confirmed.estimate is None else made.confirmed.estimate.sd
    if sd is None:
        return None
    return tuple(t.number for t in others if t.value is not None and abs(t.value - best.value) <= SPREADS * sd)


def run_values(trial: Trial) -> list[float]:
    """The objective of each seed of a trial that finished, in the order of the seeds."""
    runs: Sequence[Mapping[str, Any]] = trial.notes.get("runs") or ()
    return [float(run["value"]) for run in runs if run.get("value") is not None]


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "value": trial.value,
        "params": dict(trial.params),
        "updates": trial.updates,
        "seconds": trial.notes.get("train_seconds"),
        "host": trial.notes.get("host"),
        "sentence": trial.notes.get("sentence"),
        "reports": {str(step): value for step, value in trial.reports.items()},
        "runs": list(trial.notes.get("runs") or ()),
    }


def _estimate(one: Estimate | None) -> dict[str, Any] | None:
    return None if one is None else {"n": one.n, "mean": one.mean, "sd": one.sd, "low": one.low, "high": one.high}


def _difference(one: PairedTest) -> dict[str, Any]:
    return {"difference": _estimate(one.difference), "t": one.t, "p": one.p, "smallest_gap": one.smallest_gap}
