"""Which trainings a comparison consists of, which are done, and which comes next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

from cadence._errors import RecordError
from cadence.comparison.entries import Entry, Group, Intent
from cadence.comparison.settings import Contender, Contest, run_folder, tuning_folder
from cadence.recipe.recipe import Recipe
from cadence.record.files import read_json
from cadence.record.names import ENDED, RESULT, RUN

Phase: TypeAlias = Literal["tuning", "run"]


@dataclass
class Training:
    """One training of a comparison.

    Attributes:
        number: of the job.
        group, entry: what is trained on what.
        phase: ``"tuning"``, or ``"run"`` for those that are reported.
        seed: of weights and data.
        rate: base rate; None as long as tuning has not chosen it.
        folder: of the run.
        updates: it is planned to take.
        done: updates done, as far as is known.
        state: ``"waiting"``, ``"running"``, or how it ended.
        result: the content of its `result.json`, where it has one.
    """

    number: int
    group: Group
    entry: Entry
    phase: Phase
    seed: int
    rate: float | None
    folder: Path
    updates: int
    done: int = 0
    state: str = "waiting"
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def recipe(self) -> Recipe:
        """The recipe with this training's seed and rate."""
        assert self.rate is not None
        recipe = self.entry.recipe.changed(seed=self.seed)
        return recipe if self.rate == recipe.main.lr else recipe.at_rate(self.rate)

    @property
    def loss(self) -> float:
        """Loss at the end on the split that it was judged on; infinite where there is none."""
        final: Mapping[str, Any] = self.result.get("final") or {}
        found = final.get("val_loss")
        if self.state not in ("finished", "stopped") or not isinstance(found, int | float) or not math.isfinite(found):
            return math.inf
        return float(found)


@final
class Board:
    """All trainings of a comparison with their state; knows what may begin and what takes longest.

    Args:
        intent: what is compared.
        contests: the same groups as the settings hold them.
        root: the comparison's folder.
        updates: planned length by (index of the group, index of the recipe).
    """

    def __init__(
        self, intent: Intent, contests: tuple[Contest, ...], root: Path, updates: Mapping[tuple[int, int], int]
    ) -> None:
        self.trainings: list[Training] = []
        self._seconds: dict[str, tuple[float, int]] = {}
        for g, (group, contest) in enumerate(zip(intent.groups, contests, strict=True)):
            for e, (entry, contender) in enumerate(zip(group.entries, contest.recipes, strict=True)):
                self.trainings += _of(group, entry, contest, contender, root, updates[g, e], len(self.trainings))
        for training in self.trainings:
            if training.rate is not None:
                _recall(training)
        self.settle()

    @property
    def open(self) -> list[Training]:
        """Trainings that have not come to an end."""
        return [t for t in self.trainings if t.state in ("waiting", "running")]

    def next(self) -> Training | None:
        """The training that should begin now: that with the most work behind it, so that no core idles at the end."""
        ready = [t for t in self.trainings if t.state == "waiting" and t.rate is not None]
        return max(ready, key=self._behind, default=None)

    def ended(self, training: Training, state: str, result: Mapping[str, Any]) -> None:
        """Note how a training ended; what waited for it may begin."""
        training.state, training.result, training.done = state, result, training.updates
        seconds, updates = result.get("seconds"), result.get("updates")
        if isinstance(seconds, int | float) and isinstance(updates, int) and updates > 0:
            before = self._seconds.get(training.group.name, (0.0, 0))
            self._seconds[training.group.name] = (before[0] + seconds, before[1] + updates)
        self.settle()

    def settle(self) -> None:
        """Give the reported trainings the rate of the best tuning run, once all those of their recipe have ended."""
        for training in self.trainings:
            if training.phase == "run" and training.rate is None:
                tuned = _tuned(training.group, training.entry)
                tried = [t for t in self.trainings if t.phase == "tuning" and t.entry is tuned]
                if all(t.state not in ("waiting", "running") for t in tried):
                    training.rate = _chosen(tried, training.entry.recipe.main.lr)
                    _recall(training)

    def seconds_left(self, workers: int) -> float | None:
        """How long the rest will take; None as long as no training has told."""
        if not self._seconds:
            return None
        return sum(self._cost(t) * (1 - t.done / t.updates) for t in self.open) / workers

    def _cost(self, training: Training) -> float:
        """Seconds of a whole training: as others of its task took, else as those of any task."""
        known = self._seconds.get(training.group.name)
        if known is None:
            known = (sum(s for s, _ in self._seconds.values()), sum(u for _, u in self._seconds.values()))
        return training.updates * (known[0] / known[1] if known[1] else 1.0)

    def _behind(self, training: Training) -> tuple[float, int]:
        """Work on the longest way through this training, then those that were entered first."""
        own = self._cost(training)
        return own * (2 if training.phase == "tuning" else 1), -training.number


def _of(
    group: Group, entry: Entry, contest: Contest, contender: Contender, root: Path, updates: int, first: int
) -> Iterator[Training]:
    for rate in entry.rates:
        assert group.tuning_seed is not None
        folder = root / tuning_folder(contest, contender, rate)
        yield Training(first, group, entry, "tuning", group.tuning_seed, rate, folder, updates)
        first += 1
    for seed in group.seeds:
        rate = None if _tuned(group, entry).rates else entry.recipe.main.lr
        folder = root / run_folder(contest, contender, seed)
        yield Training(first, group, entry, "run", seed, rate, folder, updates)
        first += 1


def _tuned(group: Group, entry: Entry) -> Entry:
    """The recipe whose tuning chooses a recipe's rate: its own, but in a further framework that of the first."""
    return entry if entry.twin is None else group.entries[entry.twin]


def _recall(training: Training) -> None:
    """How the training ended in an earlier start. One that failed is waiting again: its reason may be gone."""
    if not (training.folder / RESULT).exists():
        return
    try:
        result, run = read_json(training.folder / RESULT), read_json(training.folder / RUN)
        if result["status"] in ENDED and _at_rate(training, _stated(run)):
            training.state, training.result, training.done = str(result["status"]), result, training.updates
    except (RecordError, KeyError, TypeError, AttributeError):
        return  # whatever it is, it is no record of this training; trained again, it says itself what is wrong


def _stated(run: dict[str, Any]) -> list[float | None]:
    """The base rates of a run as recipes state them: for the reference batch, where they are scaled from one."""
    scaled: dict[str, dict[str, float]] = run.get("scale_lr") or {}
    factor = next((one["factor"] for one in scaled.values()), 1.0)
    return [None if base is None else base / factor for base in run["bases"]["lr"]]


def _at_rate(training: Training, bases: list[float | None]) -> bool:
    """Whether a run was at this training's rate, and not at another one that tuning had chosen before.

    That happens where a tuning run had failed, and another start has brought it to its end.
    """

    def among(rate: float | None) -> bool:
        return rate is not None and any(base is not None and math.isclose(base, rate, rel_tol=1e-9) for base in bases)

    tried = _tuned(training.group, training.entry).rates
    others = {*tried, training.entry.recipe.main.lr} - {training.rate}
    return among(training.rate) or not any(among(rate) for rate in others)


def _chosen(tried: list[Training], own: float) -> float:
    """The rate with the lowest loss; the recipe's own where every one of them diverged or failed."""
    best = min(tried, key=lambda t: t.loss)
    return best.rate if best.rate is not None and math.isfinite(best.loss) else own
