"""What a run of a search came to: what is kept of its result, and its objective."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from cadence._errors import RecordError
from cadence.record.reader import load_record
from cadence.search.settings import Objective
from cadence.search.study import Trial


def end_of(
    folder: Path, content: Mapping[str, Any], objective: Objective, *, higher: bool, root: Path
) -> dict[str, Any]:
    """What is kept of a run's result.

    Args:
        folder: of the run.
        content: of its `result.json`; of a run that has none, as much of it as is known.
        objective: of the search.
        higher: whether more of it is better.
        root: folder of the search.
    """
    final = cast("Mapping[str, float]", content.get("final") or {})
    return {
        "status": str(content.get("status", "failed")),
        "value": _value(folder, final, objective, higher=higher),
        "updates": int(content.get("updates") or 0),
        "seconds": content.get("seconds"),
        "final": {name: value for name, value in final.items() if math.isfinite(value)},
        "folder": str(folder.relative_to(root)),
        "sentence": str(content.get("sentence", "")),
    }


def _value(folder: Path, final: Mapping[str, Any], objective: Objective, *, higher: bool) -> float | None:
    """The objective of a run; None where it has none that is a finite number."""
    found: Any = final.get(objective.metric)
    if objective.when == "best" and found is not None:
        with contextlib.suppress(RecordError, KeyError):
            seen: list[float] = load_record(folder).evaluations[objective.metric].tolist()
            found = (max if higher else min)((x for x in seen if math.isfinite(x)), default=found)
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None


def best_of(trials: Sequence[Trial], *, higher: bool) -> Trial | None:
    """The trial with the best objective; of equal ones the first. None where none has finished."""
    done = [trial for trial in trials if trial.state == "finished" and trial.value is not None]
    sign = -1.0 if higher else 1.0
    return min(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def last_of(trial: Trial) -> float | None:
    """What a trial reported last; None where it has not reported."""
    return trial.reports[max(trial.reports)] if trial.reports else None
