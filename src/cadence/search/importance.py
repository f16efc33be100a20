"""What made good trials good: how much each range has to do with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cadence._lazy import need
from cadence.search.database import quiet
from cadence.search.ranges import Range
from cadence.search.study import Trial
from cadence.search.values import distribution, stored

METHOD = "PED-ANOVA"
"""By which it is estimated."""

FEWEST = 10
"""Trials that say something about it."""

RANKS = {"finished": 0, "pruned": 1, "diverged": 2}
"""States that say something about values, the best first."""


def importances(trials: Sequence[Trial], ranges: Mapping[str, Range], *, higher: bool) -> dict[str, float] | None:
    """Share of each range in what makes good trials good; None where there are too few.

    Trials that were given up count as worse than those that finished, and those that diverged as worse still: with
    finished ones alone, what is bad would hardly be among them.

    Args:
        trials: of a search.
        ranges: name -> range that its values come from.
        higher: whether more of the objective is better.

    Source:
        Watanabe, Bansal & Hutter 2023, PED-ANOVA, arXiv:2304.10255: how far the values of the best trials are from
        those of all.
    """
    sign = -1.0 if higher else 1.0
    known = [t for t in trials if t.state in RANKS and len(t.params) == len(ranges)]
    known.sort(key=lambda t: (RANKS[t.state], sign * (t.value or 0.0)))
    if len(known) < FEWEST:
        return None
    optuna = need("optuna", extra="sweep")
    distributions = {name: distribution(one) for name, one in ranges.items()}
    with quiet():
        study = optuna.create_study()
        for place, t in enumerate(known):
            params = {name: stored(value) for name, value in t.params.items()}
            study.add_trial(optuna.trial.create_trial(value=place, params=params, distributions=distributions))
        best = min(0.5, max(0.1, FEWEST / 2 / len(known)))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=best)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {str(name): float(share) for name, share in found.items() if math.isfinite(share)}
