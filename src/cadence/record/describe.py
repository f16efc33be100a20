"""A run in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cadence.record.names import CLOCKS
from cadence.record.time_spent import time_spent

if TYPE_CHECKING:
    from cadence.record.effective import GroupEffect
    from cadence.record.reader import Record
    from cadence.record.table import Floats, Ints

_ENDS = {
    "finished": "finished after {}",
    "stopped": "was stopped after {}",
    "diverged": "diverged after {}",
    "failed": "failed after {}",
    "interrupted": "was interrupted after {}",
    "running or killed": "is running or was killed, and has come to {}",
}
_NO_METRICS = CLOCKS | {"t", "epoch"}
_MOST_EVENTS = 3
_MOST_GROUPS = 8


def describe(record: Record) -> str:
    """Sentences on a run: how it ended, what it was to do, its losses, its decisions, where it ran. One per line."""
    return "\n".join(_sentences(record))


def _sentences(record: Record) -> Iterator[str]:
    run, result = record.run, record.result or {}
    planned = record.total
    done = _count(record.t, "update") + (f" of {planned}" if planned is not None else "")
    seconds = result.get("seconds")
    time = f" in {seconds:.4g} s" if isinstance(seconds, int | float) else ""
    yield f"{run.get('name')} ({record.folder}) {_ENDS[record.status].format(done)}{time}."
    if result.get("sentence"):
        yield str(result["sentence"])
    yield f"Schedule: {run.get('spec')}; {_bases(run)}."
    if "loss" in record.updates:
        yield _training(record.series("loss")[1])
    for effect in record.effective_rates[:_MOST_GROUPS]:
        yield told(effect)
    if (more := len(record.effective_rates) - _MOST_GROUPS) > 0:
        yield f"And {_count(more, 'further group')}."
    table = record.evaluations
    for metric in table.columns:
        if metric not in _NO_METRICS and table[metric].ndim == 1:
            present = table.present(metric)
            yield _metric(metric, table["t"][present], table[metric][present])
    if (spent := time_spent(record)) is not None:
        yield spent.sentence
    if record.journal:
        yield _events(record.journal)
    if record.environment:
        yield _place(record.environment)


def _bases(run: Mapping[str, Any]) -> str:
    groups: Sequence[str] = run.get("groups") or ()
    table: Mapping[str, Sequence[float | None]] = run.get("bases") or {}
    parts: list[str] = []
    for value, bases in table.items():
        known = sorted({base for base in bases if base is not None})
        numbers = " to ".join(f"{base:.6g}" for base in ([known[0], known[-1]] if len(known) > 1 else known))
        parts.append(f"base of {value} {numbers}")
    return (
        f"{_count(len(groups), 'parameter group')}, {', '.join(parts)}"
        if parts
        else _count(len(groups), "parameter group")
    )


def _training(loss: Floats) -> str:
    """First and last twentieth, because one batch says little."""
    n = max(1, len(loss) // 20)
    # A mean over infinities is what it is, and no fault of the arithmetic.
    with np.errstate(invalid="ignore", over="ignore"):
        first, last = loss[:n].mean(), loss[-n:].mean()
    over = "in the first and the last update" if n == 1 else f"as means over the first and the last {n} updates"
    return f"Training loss went from {first:.4g} to {last:.4g}, {over}."


def told(effect: GroupEffect) -> str:
    """What the updates did to one group, in a sentence."""
    parts: list[str] = []
    if effect.update_ratio is not None:
        low, middle, high = effect.update_ratio
        parts.append(f"an update moved it by {middle:.2g} of its norm (median; {low:.2g} to {high:.2g})")
    if effect.trust is not None:
        low, middle, high = effect.trust
        parts.append(f"trust ratios {low:.2g} to {high:.2g} (median {middle:.2g})")
    if effect.decay_sum:
        epochs = "" if effect.half_life_epochs is None else f", {effect.half_life_epochs:.3g} epochs"
        parts.append(
            f"rates of decay add up to {effect.decay_sum:.3g}, with a half-life of {effect.half_life:.4g} updates"
            f"{epochs}"
        )
    return f"Group {effect.group!r}: {'; '.join(parts) or 'nothing was measured'}."


def _metric(name: str, t: Ints, values: Floats) -> str:
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return f"{name} was never a finite number in {_count(len(values), 'evaluation')}."
    low, high = finite[values[finite].argmin()], finite[values[finite].argmax()]
    unknown = len(values) - len(finite)
    return (
        f"{name} ended at {values[-1]:.4g} after {_count(len(values), 'evaluation')}; lowest {values[low]:.4g} at "
        f"t = {t[low]}, highest {values[high]:.4g} at t = {t[high]}"
        + (f"; no finite number in {unknown} of them." if unknown else ".")
    )


def _events(journal: Sequence[Mapping[str, Any]]) -> str:
    times: dict[str, list[Any]] = {}
    for entry in journal:
        times.setdefault(str(entry.get("kind")), []).append(entry.get("t"))
    parts = [
        f"{len(at)} {kind} (t = {', '.join(map(str, at[:_MOST_EVENTS]))}{', ...' if len(at) > _MOST_EVENTS else ''})"
        for kind, at in times.items()
    ]
    return f"Journal: {'; '.join(parts)}."


def _place(environment: Mapping[str, Any]) -> str:
    packages: Mapping[str, str] = environment.get("packages") or {}
    named = [
        f"{name} {packages[name]}" for name in ("cadence", "torch", "paddlepaddle", "jax", "numpy") if name in packages
    ]
    git: Mapping[str, Any] = environment.get("git") or {}
    changed = " with changes that are not committed" if git.get("dirty") else ""
    code = f"; code at {str(git['commit'])[:10]}{changed}" if git.get("commit") else ""
    where = f"{environment.get('processor')}, {environment.get('platform')}"
    return f"Ran with python {environment.get('python')}, {', '.join(named)} on {where}{code}."


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
