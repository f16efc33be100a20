"""A curve: a plan placed on one run. A pure function of the update number and the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from cadence._errors import HorizonError, SpecError, UnknownNameError, neighbours
from cadence.curve.combined import PlacedRule
from cadence.curve.edits import MOVING, Aim, Entry, alike, cuts_of, edited
from cadence.curve.horizon import Horizon, epochs_done, units_of
from cadence.curve.journal import acting
from cadence.curve.layout import has_absolute
from cadence.curve.placed import MOST_EVENTS, Event, Placed, Scene
from cadence.spec.plan import Plan
from cadence.spec.shown import shown
from cadence.spec.span import LONGEST

Floats: TypeAlias = npt.NDArray[np.float64]

BLOCK = 16_384
"""Updates computed at once: small enough to stay in a core's cache."""

TEMPORARIES = 8
"""Half as many arrays of that size as a formula holds at once."""


@dataclass(frozen=True)
class Curve:
    """What every value of every parameter group is at every update. Made by `place`.

    Attributes:
        plan: the spec; a single schedule is a plan for ``"lr"``.
        horizon: the run.
        groups: names of the parameter groups.
        bases: value -> base of each group, None where the group does not have the value.
        journal: what has happened: decisions of rules, changes by hand.
        placed: one placed schedule for each entry of the plan.
        rules: the rules in it.
    """

    plan: Plan
    horizon: Horizon
    groups: tuple[str, ...]
    bases: Mapping[str, tuple[float | None, ...]]
    journal: tuple[Entry, ...]
    placed: tuple[Placed, ...] = field(compare=False, repr=False)
    rules: tuple[PlacedRule, ...] = field(compare=False, repr=False)

    @property
    def spec(self) -> str:
        """The text form of what was placed: a schedule where it governs the learning rate alone, else the plan."""
        (key, schedule), *others = self.plan.entries
        return repr(schedule) if key == "lr" and not others else repr(self.plan)

    @cached_property
    def total(self) -> int | None:
        """Length of the run in updates; None where it is not known."""
        return self.units.total

    @property
    def units(self) -> Horizon:
        """What an update is in data by now, and how long the run is; `horizon` is what it was placed on."""
        return units_of(self.horizon, self.journal)

    def epochs(self, t: int) -> float | None:
        """Epochs that the first `t` updates are; None where the length of an epoch is not known."""
        done = epochs_done(t, self.horizon, self.journal)
        return None if done is None else float(done)

    @cached_property
    def acting(self) -> tuple[Entry, ...]:
        """The entries of the journal that the curve stands under now; what came before the last change of schedule or
        length may be history.
        """
        return acting(self.journal)

    @cached_property
    def former(self) -> tuple[int, Curve] | None:
        """The first update of the last change of schedule or length, and the curve before it; None without one."""
        from cadence.curve.former import former

        return former(self)

    @property
    def end(self) -> int | None:
        """The update at which the run is over: its length, or else that of its longest schedule."""
        if self.total is not None:
            return self.total
        ends = [p.end for p in self.placed]
        return None if None in ends else max(e for e in ends if e is not None)

    @cached_property
    def pairs(self) -> list[tuple[int, str]]:
        """All (index of the group, value) that the plan governs, groups outermost."""
        return [(g, value) for g, value, _, _ in self._governed]

    @cached_property
    def ratios(self) -> dict[str, tuple[float, ...]]:
        """The values whose groups keep their ratio at every update, each with one number for each of its pairs.

        The numbers are the bases; what is missing here may change its ratio.
        """
        found: dict[str, tuple[float, ...]] = {}
        for value in self.plan.values():
            entries = {entry for _, v, entry, _ in self._governed if v == value}
            bases = {g: base for g, v, _, base in self._governed if v == value}
            if len(entries) == 1 and self._relative[entries.pop()] and alike(self.acting, value, bases):
                found[value] = tuple(bases.values())
        return found

    @cached_property
    def _governed(self) -> list[tuple[int, str, int, float]]:
        """(group, value, entry of the plan, base) for every pair."""
        values = self.plan.values()
        found: list[tuple[int, str, int, float]] = []
        for g, group in enumerate(self.groups):
            for value in values:
                entry, base = self.plan.governing(group, value), self.bases[value][g]
                if entry is not None and base is not None:
                    found.append((g, value, entry, base))
        return found

    # A whole number is an ArrayLike too, and the first overload is meant for it.
    @overload
    def at(self, t: int, *, group: str | int | None = ..., value: str | None = ...) -> float: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def at(self, t: npt.ArrayLike, *, group: str | int | None = ..., value: str | None = ...) -> Floats: ...
    def at(self, t: Any, *, group: str | int | None = None, value: str | None = None) -> Any:
        """The value in force during update `t`. Any update at once, without replay.

        Args:
            t: update number from 0, or an array of them in any order.
            group: name or index; the first that the plan governs where it is left out.
            value: ``"lr"``, ``"weight_decay"``, ...; ``"lr"`` (or the plan's first) where it is left out.

        Returns:
            A float, or float64 of the shape of `t`.

        Raises:
            HorizonError: a negative or fractional update number.
        """
        times = _times(t)
        whole = times.ravel()
        order = np.argsort(whole, kind="stable")
        values: Floats = np.empty(whole.shape)
        values[order] = self._compute(whole[order], *self._pair(group, value))
        return float(values[0]) if times.ndim == 0 else values.reshape(times.shape)

    def values(
        self, start: int = 0, stop: int | None = None, *, group: str | int | None = None, value: str | None = None
    ) -> Floats:
        """The values of updates `start` to before `stop`, by default of the whole run.

        Returns:
            float64 [stop - start].

        Raises:
            HorizonError: the run has no known length and `stop` is left out.
        """
        end = self._stop(stop)
        if start < 0:
            raise HorizonError(f"update {start} lies before the run; updates count from 0")
        pair = self._pair(group, value)
        try:
            result = np.empty(max(end - start, 0))
        except MemoryError:
            raise HorizonError(
                f"{end - start} values do not fit into memory; ask for a part of them, e.g. "
                f"values(0, 1000000), or use at()"
            ) from None
        # glibc gives freed blocks back to the system, page by page, until it has seen a larger one come and go; with
        # temporaries of a block's size that doubles the time.
        np.empty(TEMPORARIES * BLOCK)
        for a in range(start, end, BLOCK):
            b = min(a + BLOCK, end)
            result[a - start : b - start] = self._compute(np.arange(a, b), *pair)
        return result

    def traced(self, t: Any, xp: Any, *, group: str | int | None = None, value: str | None = None) -> Any:
        """The value in force during update `t` as code that a compiler reads: `t` and the result are traced.

        Args:
            t: whole numbers from 0, any shape; of 64 bits (int64, or float64 where a framework mixes no kinds).
            xp: the number namespace to compute in, in 64 bits: then the numbers are those of `at`.
            group, value: as for `at`.

        Raises:
            HorizonError: more growing cycles than can be written out.
        """
        index, chosen = self._pair(group, value)
        if any(e["kind"] in MOVING for e in self.acting):
            raise HorizonError("a curve that was changed by hand cannot be traced; sample it with values()")
        return self._plain(t, index, chosen, xp)

    def columns(self, start: int, stop: int) -> list[list[float]]:
        """For each of `pairs` its values at updates `start` to before `stop`, as a driver writes them."""
        times = np.arange(start, stop)
        if any(e["kind"] in MOVING for e in self.acting):
            return [self._compute(times, g, value).tolist() for g, value in self.pairs]
        # Nobody changed a group by hand: a schedule is computed once for all its groups, a column once for each base.
        factors: dict[tuple[int, float], Any] = {}
        columns: dict[tuple[int, float], list[float]] = {}
        for _, _, entry, base in self._governed:
            if (entry, base) in columns:
                continue
            unit = 1.0 if self._relative[entry] else base
            if (entry, unit) not in factors:
                factors[entry, unit] = self._scheduled(times, entry, unit)
            values = factors[entry, unit] * base if self._relative[entry] else factors[entry, unit]
            columns[entry, base] = values.tolist()
        return [columns[entry, base] for _, _, entry, base in self._governed]

    @property
    def events(self) -> list[Event]:
        """What happens, in order: phases, the end of the warmup, milestones, restarts, the cooldown.

        Of a run without end, and of one with very many, the first 10,000.
        """
        end = self.end
        merged: list[Event] = []
        for placed in self.placed:
            merged += placed.events_before(end)
        unique = sorted(set(merged), key=lambda e: (e.t, e.kind, e.text))[:MOST_EVENTS]
        return unique if end is None else [*unique, Event(end, "end", "the run ends")]

    def describe(self) -> str:
        """The curve in words and numbers, for people who do not look at it."""
        from cadence.curve.words import describe

        return describe(self)

    def with_entry(self, *entries: Entry) -> Curve:
        """The curve after further entries of the journal."""
        return replace(self, journal=(*self.journal, *entries))

    def __str__(self) -> str:
        return self.describe()

    def _repr_html_(self) -> str:
        from cadence.curve.sketch import curve_html

        return curve_html(self)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _compute(self, times: Any, group: int, value: str) -> Any:
        """Values of rising times."""
        aim = Aim(value, group, self.bases[value][group] or 0.0)
        values = edited(lambda t: self._plain(t, group, value, np), self.acting, aim)(times)
        if self.former is None or not times.size or times[0] >= self.former[0]:
            return values
        since, earlier = self.former
        if (group, value) not in earlier.pairs:
            return values
        return np.where(times < since, earlier._compute(times, group, value), values)

    def _plain(self, times: Any, group: int, value: str, xp: Any) -> Any:
        """Values without what was changed by hand."""
        entry = self.plan.governing(self.groups[group], value)
        base = self.bases[value][group]
        if entry is None or base is None:
            names = ", ".join(f"{self.groups[g]}/{v}" for g, v in self.pairs)
            raise SpecError(f"the plan does not govern {value!r} of group {self.groups[group]!r}; it governs {names}")
        if not self._relative[entry]:
            return self._scheduled(times, entry, base, xp)
        with np.errstate(all="ignore"):
            # 0 times what has grown beyond every number is no number, which is said as such.
            return self._scheduled(times, entry, 1.0, xp) * base

    @cached_property
    def _relative(self) -> list[bool]:
        """Whether an entry's schedule says nothing absolute: the base times one factor, the same in every group."""
        return [not has_absolute(schedule) for _, schedule in self.plan.entries]

    @cached_property
    def _cuts(self) -> dict[int, tuple[float, ...]]:
        return cuts_of(self.acting)

    def _scheduled(self, times: Any, entry: int, base: float, xp: Any = np) -> Any:
        """One entry of the plan at rising times, without what was changed by hand."""
        with np.errstate(all="ignore"):
            return self.placed[entry].at(times, Scene(base, self._cuts, xp))

    def _pair(self, group: str | int | None, value: str | None) -> tuple[int, str]:
        names = self.plan.values()
        chosen = value if value is not None else ("lr" if "lr" in names else names[0])
        if chosen not in names:
            raise UnknownNameError(f"the plan does not govern {chosen!r}; {neighbours(chosen, names)}")
        if group is None:
            return next((g for g, v in self.pairs if v == chosen), 0), chosen
        if isinstance(group, str) and group not in self.groups:
            raise UnknownNameError(f"there is no parameter group {group!r}; {neighbours(group, self.groups)}")
        index = self.groups.index(group) if isinstance(group, str) else group
        if not 0 <= index < len(self.groups):
            raise UnknownNameError(f"there is no parameter group {index}; there are {len(self.groups)}, from 0")
        return index, chosen

    def _stop(self, stop: int | None) -> int:
        if stop is not None:
            return stop
        if self.end is None:
            raise HorizonError(
                "this curve goes on for ever; say how much of it: values(0, 1000), or place it with total="
            )
        return self.end


def _times(t: Any) -> Any:
    """Update numbers as int64, checked."""
    try:
        given = np.asarray(t)
        # Beyond 64 bits numpy keeps python's integers, which compare and round as floats do.
        fractional = given.dtype.kind not in "iu" and bool((given.astype(float) != np.floor(given.astype(float))).any())
        beyond = given.size and (given.max() > LONGEST or given.min() < 0)
    except (TypeError, ValueError, OverflowError):
        raise HorizonError(f"update numbers are whole numbers from 0, not {shown(t)}") from None
    if fractional:
        raise HorizonError(f"update numbers are whole, not {shown(t)}; for times between updates there is no value")
    if beyond:
        raise HorizonError(f"update numbers run from 0 to 1e15, and {shown(t)} lies outside; a run begins at update 0")
    return given.astype(np.int64)


def check_values(curve: Curve) -> None:
    """Refuse a curve with values that no optimizer can use, before a run meets them.

    Raises:
        SpecError: a value that is not finite, or negative; the sentence names the first such update looked at.
    """
    for g, value in _distinct(curve):
        entry = curve.plan.governing(curve.groups[g], value) or 0
        times = _looked_at(curve, entry)
        values = curve._compute(times, g, value)  # pyright: ignore[reportPrivateUsage]
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            i = int(np.argmax(bad))
            raise SpecError(
                f"{curve.plan.entries[entry][1]} gives {value} = {values[i]:g} at update {int(times[i])}; a value "
                f"is finite and at least 0, so change the schedule there, e.g. with .clip(0)"
            )


def _distinct(curve: Curve) -> Iterator[tuple[int, str]]:
    seen: set[tuple[int | None, str]] = set()
    for g, value in curve.pairs:
        key = (curve.plan.governing(curve.groups[g], value), value)
        if key not in seen:
            seen.add(key)
            yield g, value


def _looked_at(curve: Curve, entry: int) -> Any:
    """All updates of a short run; of a long one its ends, its events and an even net."""
    end = curve.end if curve.end is not None else 10**6
    if end <= 10_000:
        return np.arange(end + 1)
    near = [e.t + d for e in curve.placed[entry].events_before(end, 500) for d in (-1, 0, 1)]
    net = np.linspace(0, end, 4001).astype(np.int64)
    times = np.unique(np.concatenate([net, np.array([0, 1, end - 1, end, *near], dtype=np.int64)]))
    return times[(times >= 0) & (times <= end)]


def named_groups(names: Sequence[str | None]) -> tuple[str, ...]:
    """Names of parameter groups, the index where there is none.

    Raises:
        SpecError: two groups of one name.
    """
    result = tuple(str(i) if name is None else str(name) for i, name in enumerate(names))
    if not result:
        raise SpecError("there is no parameter group; a schedule governs at least one")
    for name in result:
        if result.count(name) > 1:
            raise SpecError(f"two parameter groups are called {name!r}; give each a name of its own")
    return result
