"""A search as an Optuna study: proposals, reports, ends. Everything that knows Optuna's trials is here."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, final

from cadence._errors import SearchError
from cadence._lazy import need
from cadence.search.database import checked, quiet
from cadence.search.ranges import Choices, Floats, Value, Wholes
from cadence.search.settings import Settings
from cadence.search.values import distribution, restored, stored

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

VERSION = 1
ABOUT = "cadence"
"""Attribute of a study that says which search it is of."""

NUMBER = "number"
"""Attribute of a trial: its number in the search. Optuna's own may differ where several processes begin at once."""

NOTES = "cadence"
"""Attribute of a trial that has what is known of its runs."""

STEPS = 1000
"""Reports are made at shares of a run, of which there are so many: runs of different lengths can be compared."""

Outcome: TypeAlias = Literal["finished", "pruned", "diverged", "failed"]


@dataclass(frozen=True)
class Trial:
    """One trial, as the study has it.

    Attributes:
        number: from 0.
        id: Optuna's.
        params: name of each range -> value; empty while they are being proposed.
        state: ``"running"``, or its outcome.
        value: of the objective; None where there is none.
        reports: thousandth of the run -> metric at that time, of the first seed.
        notes: what else is known: ``runs``, ``updates``, ``seconds``, ``host``, ``sentence``.
        seconds: from its beginning to its end, with all that came between; None while it runs.
    """

    number: int
    id: int
    params: Mapping[str, Value]
    state: str
    value: float | None
    reports: Mapping[int, float]
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seconds: float | None = None

    @property
    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self.state != "running"

    @property
    def updates(self) -> int:
        """Done by all its runs, as far as it is known."""
        return int(self.notes.get("updates") or 0)


@final
class Study:
    """The study of one search.

    Args:
        storage: Optuna's, of the database.
        name: of the study.
        settings: of the search.
        url: of the database, for messages.
    """

    def __init__(self, storage: BaseStorage, name: str, settings: Settings, url: str) -> None:
        self._optuna = need("optuna", extra="sweep")
        self._storage = storage
        self.name = name
        self._settings = settings
        self._url = url
        self._study: Any = None
        self.id = -1
        self.about: Mapping[str, Any] = {}
        self._distributions = {name: distribution(one) for name, one in settings.space.ranges.items()}

    def exists(self) -> bool:
        """Whether the study is in the database; if so, it is opened.

        Raises:
            SearchError: it is of another search, or of another program.
        """
        try:
            found = self._storage.get_study_id_from_name(self.name)
        except KeyError:
            return False
        about = self._storage.get_study_user_attrs(found).get(ABOUT)
        where = f"the study {self.name!r} in {checked(self._url)}"
        if about is None:
            if self._storage.get_n_trials(found):
                raise SearchError(f"{where} is not one of cadence's; name another one: --study {self.name}-2")
            return False
        if about.get("fingerprint") != self._settings.fingerprint:
            raise SearchError(
                f"{where} is of another search: {_difference(about.get('content', {}), self._settings.content)}; "
                f"put that back, or name another study: --study {self.name}-2"
            )
        self._open(about)
        return True

    def create(self, about: Mapping[str, Any]) -> None:
        """Make the study; where another process was first, it is the same one.

        Args:
            about: what is known of its runs: ``metric``, ``higher_is_better``, ``total``.
        """
        direction = "maximize" if about["higher_is_better"] else "minimize"
        with quiet():
            study = self._optuna.create_study(
                study_name=self.name, storage=self._storage, direction=direction, load_if_exists=True
            )
            whole = {"version": VERSION, "fingerprint": self._settings.fingerprint, **about}
            study.set_user_attr(ABOUT, {**whole, "content": self._settings.content})
        self.exists()

    def remove(self) -> None:
        """Take the study and all its trials out of the database."""
        with quiet():
            self._storage.delete_study(self.id)

    @property
    def higher(self) -> bool:
        """Whether more of the objective is better."""
        return bool(self.about["higher_is_better"])

    # ---- trials --------------------------------------------------------------------------------------------------

    def trials(self) -> list[Trial]:
        """All trials in the order of their numbers, each number once."""
        with quiet():
            found = self._storage.get_all_trials(self.id, deepcopy=False)
        # A process that was taken for dead while it began a trial, and was not, has begun the number once more: all
        # agree on the first.
        first: dict[int, Trial] = {}
        for trial in sorted((self._trial(t) for t in found if NUMBER in t.user_attrs), key=lambda trial: trial.id):
            first.setdefault(trial.number, trial)
        return [first[number] for number in sorted(first)]

    def trial(self, number: int) -> Trial:
        """One trial, with its values; it is begun where it has not been, and finished being proposed where it had not.

        The values of trial n of a grid, and of a random search, are a function of the search and n alone.
        """
        there = self._there(number)
        if there is None:
            with quiet():
                begun = self._begin(number)
            there = self._there(number)
            assert there is not None
            if there.id != begun:
                # Another process has begun it in this very moment; nothing may be learnt from a trial that never ends.
                self._storage.set_trial_state_values(begun, self._optuna.trial.TrialState.FAIL)
        if there.ended or len(there.params) == len(self._distributions):
            return there
        with quiet():
            self._propose(there.id, number)
            return self._trial(self._storage.get_trial(there.id))

    def report(self, trial: Trial, share: float, value: float) -> None:
        """Note how good a trial is at a share of its run."""
        # Whoever took the trial over, because this process had given no sign of life, may have ended it meanwhile.
        with contextlib.suppress(self._optuna.exceptions.UpdateFinishedTrialError):
            self._storage.set_trial_intermediate_value(trial.id, round(STEPS * share), value)

    def hopeless(self, trial: Trial) -> bool:
        """Whether successive halving gives a trial up, after the last report.

        Source:
            Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht & Talwalkar 2020, A System for Massively Parallel
            Hyperparameter Tuning, arXiv:1810.05934; in the form that stops trials and never takes one up again.
        """
        prune = self._settings.prune
        if prune is None:
            return False
        with quiet():
            pruner = self._optuna.pruners.SuccessiveHalvingPruner(
                min_resource=max(1, round(STEPS * prune.first)), reduction_factor=prune.factor
            )
            # Asked of the first ones too: those that come after are compared with them.
            return bool(pruner.prune(self._study, self._storage.get_trial(trial.id))) and trial.number >= prune.spare

    def note(self, trial: Trial, **notes: Any) -> None:
        """Write down what is known of a trial that has not ended, beside what was known."""
        with contextlib.suppress(self._optuna.exceptions.UpdateFinishedTrialError):
            self._note(trial, notes)

    def end(self, trial: Trial, outcome: Outcome, value: float | None, **notes: Any) -> bool:
        """End a trial; False where it had ended already. A trial ends once, whoever tries.

        Args:
            trial: that runs.
            outcome: how it ended.
            value: of the objective, where it finished; of one that was pruned its last report.
            notes: what else is known of it.
        """
        state = self._optuna.trial.TrialState
        # What diverged is the worst there is, so that nothing near it is proposed; what failed says nothing of values.
        worst = -math.inf if self.higher else math.inf
        values = {"finished": value, "pruned": value, "diverged": worst, "failed": None}[outcome]
        states = {"finished": state.COMPLETE, "pruned": state.PRUNED, "diverged": state.COMPLETE, "failed": state.FAIL}
        try:
            self._note(trial, {"outcome": outcome, **notes})
            self._storage.set_trial_state_values(trial.id, states[outcome], None if values is None else [values])
        except self._optuna.exceptions.UpdateFinishedTrialError:
            return False
        return True

    # ---- notes on the whole ----------------------------------------------------------------------------------------

    def remember(self, key: str, value: Any) -> None:
        """Write something down beside the trials."""
        self._storage.set_study_user_attr(self.id, key, value)

    def remembered(self) -> Mapping[str, Any]:
        """All that was written down beside the trials."""
        return cast("Mapping[str, Any]", self._storage.get_study_user_attrs(self.id))

    # ---- inside --------------------------------------------------------------------------------------------------

    def _there(self, number: int) -> Trial | None:
        return next((trial for trial in self.trials() if trial.number == number), None)

    def _note(self, trial: Trial, notes: Mapping[str, Any]) -> None:
        known = self._storage.get_trial(trial.id).user_attrs.get(NOTES, {})
        self._storage.set_trial_user_attr(trial.id, NOTES, {**known, **notes})

    def _open(self, about: Mapping[str, Any]) -> None:
        with quiet():
            self._study = self._optuna.load_study(study_name=self.name, storage=self._storage)
        self.id = self._storage.get_study_id_from_name(self.name)
        self.about = about

    def _begin(self, number: int) -> int:
        """Make the trial, with its values where they are known beforehand; all at once, or not at all."""
        space = self._settings.space
        known = space.point(number) if self._settings.sampler == "grid" else space.own if number == 0 else None
        state = self._optuna.trial.TrialState.RUNNING
        if known is None:
            template = self._optuna.trial.create_trial(state=state, user_attrs={NUMBER: number})
        else:
            template = self._optuna.trial.create_trial(
                state=state,
                params={name: stored(value) for name, value in known.items()},
                distributions=self._distributions,
                user_attrs={NUMBER: number},
            )
        return int(self._storage.create_new_trial(self.id, template_trial=template))

    def _propose(self, found: int, number: int) -> None:
        # Opened anew: a study keeps the trials that it saw when it was first asked, until it is told an end itself.
        study = self._optuna.load_study(
            study_name=self.name,
            storage=self._storage,
            sampler=self._sampler(number),
            pruner=self._optuna.pruners.NopPruner(),
        )
        trial = self._optuna.trial.Trial(study, found)
        for name, one in self._settings.space.ranges.items():
            if isinstance(one, Floats):
                trial.suggest_float(name, one.low, one.high, log=one.log)
            elif isinstance(one, Wholes):
                trial.suggest_int(name, one.low, one.high, step=one.step, log=one.log)
            else:
                assert isinstance(one, Choices)
                trial.suggest_categorical(name, [stored(value) for value in one.values])

    def _sampler(self, number: int) -> BaseSampler:
        # Of the search and the number: a process that is started again does not propose again what it had proposed.
        digest = hashlib.sha256(f"{self._settings.fingerprint} {number}".encode()).digest()
        seed = int.from_bytes(digest[:4], "big")
        if self._settings.sampler == "tpe":
            return self._optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        return self._optuna.samplers.RandomSampler(seed=seed)

    def _trial(self, found: FrozenTrial) -> Trial:
        ranges = self._settings.space.ranges
        notes = dict(cast("Mapping[str, Any]", found.user_attrs.get(NOTES, {})))
        states = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
        state = states.get(found.state.name, "running")
        value = found.values[0] if found.values else None
        if state == "finished":
            state = str(notes.get("outcome", state))
        return Trial(
            int(found.user_attrs[NUMBER]),
            found._trial_id,  # pyright: ignore[reportPrivateUsage] - it has no other name
            {name: restored(ranges[name], x) for name, x in found.params.items() if name in ranges},
            state,
            value if value is not None and math.isfinite(value) else None,
            dict(found.intermediate_values),
            notes,
            None if found.duration is None else found.duration.total_seconds(),
        )


def _difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The first thing in which two searches differ."""
    here = json.loads(json.dumps(here))
    for key in ("space", "recipe", "sampler", "seeds", "objective", "prune"):
        one, other = there.get(key), here[key]
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            old, new = cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", other)
            name = next(n for n in [*old, *new] if old.get(n) != new.get(n))
            return f"{name} is {old.get(name, 'not in it')!r:.60} there and {new.get(name, 'not in it')!r:.60} here"
        return f"{key} is {one!r:.60} there and {other!r:.60} here"
    return "the order of its fields is another"
