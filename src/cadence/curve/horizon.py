"""How long a run is, and how long its units are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from cadence._errors import HorizonError
from cadence.curve.journal import ENDING, acting
from cadence.spec.shown import shown
from cadence.spec.span import LONGEST, Span, SpanLike, span

_NEEDS = {
    "epochs": ("steps_per_epoch", "steps_per_epoch=len(loader)"),
    "samples": ("batch_size", "batch_size=64"),
    "tokens": ("tokens_per_step", "tokens_per_step=batch_size * context"),
}


@dataclass(frozen=True)
class Horizon:
    """The run in numbers; what it does not know it refuses to guess.

    Attributes:
        total: length of the run in updates; None where it is not known.
        steps_per_epoch: updates in one epoch.
        batch_size: samples in one update, over all ranks and micro-batches.
        tokens_per_step: tokens in one update, likewise.
    """

    total: int | None
    steps_per_epoch: int | None
    batch_size: int | None
    tokens_per_step: int | None

    def updates(self, length: Span) -> Fraction:
        """A length in updates, not rounded.

        Raises:
            HorizonError: the unit needs a number that the horizon does not have.
        """
        if length.unit == "steps":
            return length.amount
        if length.unit == "%":
            if self.total is None:
                raise HorizonError(
                    f"{length} of a run of unknown length cannot be placed; give total=, e.g. total='90 epochs'"
                )
            return length.amount * self.total / 100
        name, example = _NEEDS[length.unit]
        per_unit = getattr(self, name)
        if per_unit is None:
            raise HorizonError(f"'{length}' cannot be placed because {name} is not known; write {example}")
        return length.amount * per_unit if length.unit == "epochs" else length.amount / per_unit

    def to_json(self) -> dict[str, Any]:
        """The four numbers by name."""
        return {
            "total": self.total,
            "steps_per_epoch": self.steps_per_epoch,
            "batch_size": self.batch_size,
            "tokens_per_step": self.tokens_per_step,
        }


def horizon(
    total: SpanLike | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    tokens_per_step: int | None = None,
) -> Horizon:
    """A checked horizon.

    Args:
        total: length of the run: updates, or text with a unit that the other three resolve.
        steps_per_epoch: updates in one epoch.
        batch_size: samples in one update.
        tokens_per_step: tokens in one update.

    Raises:
        HorizonError: a length below one update, a unit that cannot be resolved, or a number out of its range.

    Example:
        >>> horizon("90 epochs", steps_per_epoch=5005).total
        450450
    """
    units = Horizon(
        None, _whole(steps_per_epoch, "steps_per_epoch"), _whole(batch_size, "batch_size"),
        _whole(tokens_per_step, "tokens_per_step"),
    )  # fmt: skip
    if total is None:
        return units
    length = span(total, "total")
    if length.unit == "%":
        raise HorizonError(f"total is {length}, but of what? Write it in steps, epochs, samples or tokens")
    updates = round_half_up(units.updates(length))
    if updates < 1:
        raise HorizonError(f"total={total!r} is {updates} updates; a run has at least 1")
    return Horizon(updates, units.steps_per_epoch, units.batch_size, units.tokens_per_step)


UNITS = ("steps_per_epoch", "batch_size", "tokens_per_step")
"""What an update is, in data."""


def as_much_data(t: int, total: int, was: Horizon, now: Horizon) -> int:
    """The length of a run whose updates take another number of samples from update `t` on, and which is to see as much
    data as before.

    Epochs decide where both know their length, because an epoch is the same data whatever becomes of its last, partial
    batch; else samples, else tokens.

    Args:
        t: updates done.
        total: length of the run so far planned, more than `t`.
        was: units until now.
        now: units from now on.

    Returns:
        Updates of the whole run, at least `t` + 1.

    Raises:
        HorizonError: they have no unit in common.

    Example:
        >>> as_much_data(500, 2000, horizon(steps_per_epoch=100), horizon(steps_per_epoch=50))
        1250
    """
    left = Fraction(total - t)
    if was.steps_per_epoch is not None and now.steps_per_epoch is not None:
        left *= Fraction(now.steps_per_epoch, was.steps_per_epoch)
    elif was.batch_size is not None and now.batch_size is not None:
        left *= Fraction(was.batch_size, now.batch_size)
    elif was.tokens_per_step is not None and now.tokens_per_step is not None:
        left *= Fraction(was.tokens_per_step, now.tokens_per_step)
    else:
        raise HorizonError(
            "how much data the rest of the run is cannot be said in other updates; say of both what an update is: "
            "steps_per_epoch, batch_size or tokens_per_step"
        )
    return max(t + 1, round_half_up(t + left))


def units_of(run: Horizon, journal: Sequence[Mapping[str, Any]]) -> Horizon:
    """What an update is, and how long the run is, after all that happened to it."""
    left = acting(journal)
    sizes = [e for e in left if e["kind"] == "resize"]
    lengths = [e for e in left if e["kind"] in ENDING]
    found = Horizon(run.total, *(sizes[-1].get(unit) for unit in UNITS)) if sizes else run
    return replace(found, total=int(lengths[-1]["total"])) if lengths else found


def epochs_done(t: int, run: Horizon, journal: Sequence[Mapping[str, Any]]) -> Fraction | None:
    """Epochs that the first `t` updates are, whatever their size was; None where epochs are not known.

    Args:
        t: updates done.
        run: the horizon as it is now.
        journal: of the run; ``resize`` and ``change`` entries say where an epoch became another number of updates.

    Example:
        >>> resize = {"t": 500, "kind": "resize", "steps_per_epoch": 50}
        >>> epochs_done(600, horizon(steps_per_epoch=100), [resize])
        Fraction(7, 1)
    """
    lengths = [e["was"]["horizon"]["steps_per_epoch"] for e in journal if e["kind"] == "change"]
    lengths.append(run.steps_per_epoch)
    now, begin, done = lengths.pop(0), 0, Fraction(0)
    for entry in journal:
        kind = str(entry["kind"]).removeprefix("earlier ")
        if kind not in ("resize", "change") or entry["t"] >= t:
            continue
        if now is None:
            return None
        done += Fraction(entry["t"] - begin, now)
        begin, now = entry["t"], lengths.pop(0) if kind == "change" else entry["steps_per_epoch"]
    return None if now is None else done + Fraction(t - begin, now)


def round_half_up(x: Fraction) -> int:
    """The nearest whole number, halves upwards (python's `round` takes them to the even one)."""
    return math.floor(x + Fraction(1, 2))


def _whole(x: object, name: str) -> int | None:
    if x is None:
        return None
    if isinstance(x, float) and x.is_integer():
        x = int(x)
    if isinstance(x, bool) or not hasattr(x, "__index__"):
        raise HorizonError(f"{name} is a whole number of at least 1, not {shown(x)}")
    whole = int(x)  # type: ignore[call-overload]
    if not 1 <= whole <= LONGEST:
        raise HorizonError(f"{name} is {shown(whole)}; it must be at least 1 (a loader without batches trains nothing)")
    return whole
