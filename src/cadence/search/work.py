"""One start of a search: trials are begun, taken over, given up and ended until there are no more."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, final

from cadence._errors import CadenceError, SearchError
from cadence.comparison.pool import Happening
from cadence.recipe.recipe import Recipe
from cadence.search.claims import Claim, Claims
from cadence.search.confirm import PREFIX, Confirmation
from cadence.search.ends import end_of, last_of
from cadence.search.folder import drop_checkpoints, run_folder
from cadence.search.hands import Hands, Run
from cadence.search.settings import Settings
from cadence.search.study import STEPS, Outcome, Study, Trial

LOOK_SECONDS = 1.0
"""Between two looks at what others do, while there is nothing to begin."""

MOST_FAILURES = 5
"""Trials in a row from the first that may fail; with all of them it is not the values."""


@dataclass(frozen=True)
class Standing:
    """How far a search is.

    Attributes:
        trials: all of them so far, on whatever machine.
        done: number of a trial that is trained here -> share of its runs that is done.
        limit: how many there will be; None where a budget says so.
        higher: whether more of the objective is better.
        changed: the trial that something is to be said of; None: it is of the whole.
        what: ``"begins"``, ``"goes on"``, ``"ends"``, ``"again"`` (a process has died), ``"confirms"``, ``"waits"``
            (others are at work on the last trials).
        sentence: what is to be said.
    """

    trials: Sequence[Trial]
    done: Mapping[int, float]
    limit: int | None
    higher: bool
    changed: Trial | None
    what: str
    sentence: str = ""


Tell: TypeAlias = Callable[[Standing], object]


@dataclass
class _Open:
    """A trial that is trained here."""

    trial: Trial
    recipe: Recipe
    waiting: list[int]
    ended: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    steps: set[int] = field(default_factory=set[int])
    t: dict[int, float] = field(default_factory=dict[int, float])
    stopping: bool = False


@final
class Work:
    """One process at work on a search.

    Args:
        settings: of the search.
        study: opened.
        claims: of this process.
        hands: to train with.
        folder: of the search.
        tell: is called with the standing, or None.
    """

    def __init__(
        self, settings: Settings, study: Study, claims: Claims, hands: Hands, folder: Path, tell: Tell | None
    ) -> None:
        self._settings = settings
        self._study = study
        self._claims = claims
        self._hands = hands
        self._folder = folder
        self._tell = tell
        self._confirmation = Confirmation(settings, study, claims, folder)
        self._open: dict[str, _Open] = {}
        self._past: set[str] = set()
        self._confirming: list[Run] = []
        self._told_waiting = False
        self._looked = -math.inf
        self._trials: list[Trial] = []

    def do(self) -> None:
        """Work until every trial has ended, here or elsewhere, and the winner has been trained with new seeds."""
        self._check()
        while True:
            if self._claims.beat():
                self._drop_lost()
            began = self._begin()
            if not began and not self._hands.runs and not self._open and self._over():
                return
            told = self._hands.wait(LOOK_SECONDS)
            if told is not None:
                self._hear(*told)

    # ---- what to begin -------------------------------------------------------------------------------------------

    def _begin(self) -> bool:
        """Give free hands something to do; says whether anything was begun or ended."""
        began = False
        while self._hands.free:
            if not (self._next_run() or self._take_over() or self._new_trial() or self._confirm()):
                break
            began = True
        return began

    def _next_run(self) -> bool:
        """The next seed of a trial that is at work here."""
        for run in self._confirming:
            if self._hands.give(run):
                self._confirming.remove(run)
                return True
        for job, one in self._open.items():
            if not one.waiting or one.stopping:
                continue
            # The first seed decides whether the others are worth it.
            if one.ended or len(one.waiting) == len(self._settings.seeds):
                seed = one.waiting[0]
                run = self._run(job, one, seed)
                if self._hands.give(run):
                    one.waiting.pop(0)
                    return True
        return False

    def _take_over(self) -> bool:
        """A trial whose process is gone."""
        for claim in self._claims.open():
            if claim.job in self._open or any(run.job == claim.job for run in [*self._hands.runs, *self._confirming]):
                continue
            orphan = self._claims.abandoned(claim) or self._claims.mine(claim)
            if orphan and (self._claims.mine(claim) or self._claims.seize(claim)):
                self._resume(claim)
                return True
        return False

    def _resume(self, claim: Claim) -> None:
        kind, _, rest = claim.job.partition(" ")
        if kind == "trial":
            self._enter(int(rest))
            return
        if claim.job in self._study.remembered():
            self._claims.end(claim.job)
            return
        run = self._confirmation.run(claim.job)
        if run is None:  # of a winner that was overtaken since
            self._claims.end(claim.job)
        else:
            self._confirming.append(run)

    def _new_trial(self) -> bool:
        number = self._next_number()
        if number is None or not self._claims.take(f"trial {number}"):
            return False
        self._enter(number)
        return True

    def _next_number(self) -> int | None:
        """Of a trial that may begin now; None where there is none, or not yet."""
        numbers = [int(job.partition(" ")[2]) for job in self._claims.jobs() if job.startswith("trial ")]
        number, settings = len(numbers), self._settings
        if settings.trials is not None and number >= settings.trials:
            return None
        if settings.budget is not None:
            planned = int(self._study.about["total"]) * len(settings.seeds)
            trials = self._look()
            spent = sum(trial.updates if trial.ended else planned for trial in trials)
            spent += planned * max(0, number - len(trials))
            if spent + planned > settings.budget:
                return None
        return number

    def _enter(self, number: int) -> None:
        """Have a trial here, to be trained or, where it was only not said that it had ended, to be put away."""
        job = f"trial {number}"
        trial = self._study.trial(number)
        if trial.ended:
            self._claims.end(job)
            for run in trial.notes.get("runs") or ():
                drop_checkpoints(self._folder / run["folder"])
            return
        one = _Open(trial, self._settings.recipe, list(self._settings.seeds), steps=set(trial.reports))
        try:
            one.recipe = self._settings.space.recipe_at(trial.params)
        except (CadenceError, KeyError, TypeError) as fault:
            self._finish(job, one, "failed", None, f"These values are no recipe: {fault}")
            return
        if trial.notes.get("pruned_at") is not None:
            # It was given up before its process was killed.
            run = self._run(job, one, self._settings.seeds[0])
            sentence, t = str(trial.notes.get("sentence") or ""), trial.notes["pruned_at"]
            known = self._end_of(run, {"status": "interrupted", "updates": t, "sentence": sentence})
            one.ended[run.recipe.seed] = {"seed": run.recipe.seed, **known}
            self._finish(job, one, "pruned", last_of(trial), sentence)
            return
        self._open[job] = one
        self._say("begins", trial)

    # ---- what is heard -------------------------------------------------------------------------------------------

    def _hear(self, run: Run, told: Happening) -> None:
        if run.job.startswith(PREFIX):
            self._hear_confirmation(run, told)
            return
        one = self._open.get(run.job)
        if one is None:
            # Its trial has ended for another reason, or others have taken it over: then its checkpoints are theirs.
            if told.kind in ("done", "failed") and run.job in self._past:
                drop_checkpoints(run.folder)
            return
        seed = run.recipe.seed
        if told.kind == "again":
            self._say("again", one.trial, told.sentence)
        elif told.kind == "news":
            self._news(run, one, told.content)
        elif told.kind == "failed":
            self._finish(run.job, one, "failed", None, told.sentence)
        else:
            self._ended(run, one, {"seed": seed, **self._end_of(run, told.content)})

    def _news(self, run: Run, one: _Open, news: Mapping[str, Any]) -> None:
        t, total = int(news["t"]), max(1, int(news["total"]))
        one.t[run.recipe.seed] = t / total
        value = news.get("metrics", {}).get(self._settings.objective.metric)
        judged = run.recipe.seed == self._settings.seeds[0] and news.get("evaluated") and not one.stopping
        if judged and isinstance(value, int | float) and math.isfinite(value):
            step = round(STEPS * t / total)
            if step not in one.steps:
                one.steps.add(step)
                self._study.report(one.trial, t / total, value)
                if t < total and self._study.hopeless(one.trial):
                    sentence = (
                        f"Given up after {t} of {total} updates at {self._settings.objective.metric} {value:.4g}."
                    )
                    self._study.note(one.trial, pruned_at=t, sentence=sentence)
                    one.stopping = True
                    self._hands.stop(run)
        self._say("goes on", one.trial)

    def _ended(self, run: Run, one: _Open, result: dict[str, Any]) -> None:
        one.ended[result["seed"]] = result
        one.t[result["seed"]] = 1.0
        status = result["status"]
        if status in ("finished", "stopped") and result["value"] is not None:
            if one.stopping:
                # It was faster than the command to stop: it was not given up, whatever was noted.
                one.stopping = False
                self._study.note(one.trial, pruned_at=None, sentence="")
            if len(one.ended) == len(self._settings.seeds):
                values = [each["value"] for each in one.ended.values()]
                self._finish(run.job, one, "finished", math.fsum(values) / len(values), "")
        elif status == "interrupted":
            trial = self._study.trial(one.trial.number)
            sentence = trial.notes.get("sentence") or result["sentence"]
            self._finish(run.job, one, "pruned", last_of(trial), str(sentence))
        elif status in ("finished", "stopped", "diverged"):
            self._finish(run.job, one, "diverged", None, result["sentence"])
        else:
            self._finish(run.job, one, "failed", None, result["sentence"])

    def _end_of(self, run: Run, content: Mapping[str, Any]) -> dict[str, Any]:
        wanted, higher = self._settings.objective, self._study.higher
        return end_of(run.folder, content, wanted, higher=higher, root=self._folder)

    def _finish(self, job: str, one: _Open, outcome: Outcome, value: float | None, sentence: str) -> None:
        """End a trial: first what is known of it, then that it has ended, then that nobody need go on with it."""
        self._open.pop(job, None)
        self._past.add(job)
        runs = [one.ended[seed] for seed in self._settings.seeds if seed in one.ended]
        seconds = [run["seconds"] for run in runs if run["seconds"] is not None]
        for run in self._hands.runs:
            if run.job == job:
                self._hands.stop(run)
        self._study.end(
            one.trial, outcome, value, runs=runs, updates=sum(run["updates"] for run in runs), sentence=sentence,
            host=socket.gethostname(), train_seconds=math.fsum(seconds),
        )  # fmt: skip
        self._claims.end(job)
        for run in runs:
            drop_checkpoints(self._folder / run["folder"])
        self._looked = -math.inf
        self._say("ends", self._study.trial(one.trial.number), sentence)
        if outcome == "failed":
            self._check()

    def _check(self) -> None:
        """Stop where it leads nowhere.

        Raises:
            SearchError: so many trials failed, and none did anything else.
        """
        ended = [trial for trial in self._study.trials() if trial.ended]
        if len(ended) >= MOST_FAILURES and all(trial.state == "failed" for trial in ended):
            said = ended[-1].notes.get("sentence")
            raise SearchError(
                f"the first {len(ended)} trials all failed, the last one so: {said}; correct it, and begin anew with "
                f"--fresh (fresh=True)"
            )

    # ---- the winner ----------------------------------------------------------------------------------------------

    def _over(self) -> bool:
        """Whether there is nothing left to do, here or elsewhere."""
        if self._claims.open():
            if not self._told_waiting:
                self._told_waiting = True
                self._say("waits", None)
            return False
        return self._next_number() is None and not self._confirmation.left()

    def _confirm(self) -> bool:
        """Train the winner, or the given recipe, with a seed that no trial has had."""
        if self._next_number() is not None or any(c.job.startswith("trial") for c in self._claims.open()):
            return False
        for job in self._confirmation.left():
            run = self._confirmation.run(job)
            if run is not None and self._claims.take(job):
                self._confirming.append(run)
                return True
        return False

    def _hear_confirmation(self, run: Run, told: Happening) -> None:
        if told.kind not in ("done", "failed"):
            return
        empty = {"status": "failed", "sentence": told.sentence}
        result = self._end_of(run, told.content if told.kind == "done" else empty)
        self._study.remember(run.job, result)
        self._claims.end(run.job)
        _, what, seed = run.job.split(" ")
        value = result["status"] if result["value"] is None else f"{result['value']:.4g}"
        self._say("confirms", None, f"{what}, seed {seed}: {value}")

    # ---- the rest ------------------------------------------------------------------------------------------------

    def _run(self, job: str, one: _Open, seed: int) -> Run:
        folder = run_folder(self._folder, one.trial.number, seed)
        return Run(job, one.recipe.changed(seed=seed), "tune", folder)

    def _drop_lost(self) -> None:
        """Leave alone what others have taken over, because this process had given no sign of life for too long."""
        mine = {claim.job for claim in self._claims.open() if self._claims.mine(claim)}
        for job in [job for job in self._open if job not in mine]:
            del self._open[job]
            for run in self._hands.runs:
                if run.job == job:
                    self._hands.stop(run)

    def _look(self) -> list[Trial]:
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._trials, self._looked = self._study.trials(), time.monotonic()
        return self._trials

    def _say(self, what: str, trial: Trial | None, sentence: str = "") -> None:
        if self._tell is None:
            return
        n = len(self._settings.seeds)
        done = {one.trial.number: sum(one.t.values()) / n for one in self._open.values()}
        limit = self._settings.trials
        self._tell(Standing(self._look(), done, limit, self._study.higher, trial, what, sentence))
