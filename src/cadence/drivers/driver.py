"""The driver: counts updates, writes the curve, takes observations, keeps the journal. One for every framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from cadence._errors import DriverError, SpecError, UnknownNameError, neighbours
from cadence.curve.curve import Curve, named_groups
from cadence.curve.edits import Entry
from cadence.curve.horizon import round_half_up
from cadence.curve.place import lay_out
from cadence.drivers.state import restored, saved
from cadence.drivers.writer import Writer
from cadence.feedback.control import Control
from cadence.feedback.rules import Decision
from cadence.spec.span import Span, SpanLike, span
from cadence.spec.value import number_of

if TYPE_CHECKING:
    from cadence.record.writer import RunWriter

SMALLEST_BLOCK, LARGEST_BLOCK = 64, 4096
"""Updates computed ahead: few after a change, more as it goes on undisturbed."""


class Reduce(Protocol):
    """Makes metrics the same on every rank."""

    def __call__(self, metrics: dict[str, float], /) -> Mapping[str, float]: ...


class Driver:
    """Makes an optimizer obey a curve. Made by `drive`.

    Attributes:
        t: the update whose values are in force; also the number of updates done.
    """

    def __init__(
        self, curve: Curve, writer: Writer, *, reduce: Reduce | None, record: RunWriter | None, strict: bool
    ) -> None:
        """Bind a curve to a writer and write its first values at once.

        Args:
            curve: placed on the writer's groups.
            writer: of the optimizer.
            reduce: makes metrics the same on every rank.
            record: where rows, evaluations and events go.
            strict: whether an update that nobody saw is a skipped one in any case (a loss scaler is at work).
        """
        self.t = 0
        self._writer = writer
        self._write = writer.write
        self._clock = writer.clock
        self._reduce = reduce
        self._record = record
        self._strict = strict
        self._by_calls = not self._clock.hooked
        self._control = Control.over(curve)
        self._stopped = False
        self._past_end = False
        self._columns: dict[str, Any] = {}
        self._columns_ahead: list[list[float]] = []
        self._ahead: Iterator[tuple[float, ...]] = iter(())
        self._first = 0
        self._attach()

    # ---- what is read --------------------------------------------------------------------------------------------

    @property
    def curve(self) -> Curve:
        """The curve with all that has happened."""
        return self._control.curve

    @property
    def journal(self) -> tuple[Entry, ...]:
        """What has happened: decisions with their sentences, changes by hand, the end of the schedule."""
        return self.curve.journal

    @property
    def values(self) -> dict[str, list[float | None]]:
        """What is in force now: value -> one number for each group, None where the group is not governed."""
        table: dict[str, list[float | None]] = {v: [None] * len(self.curve.groups) for v in self.curve.plan.values()}
        for (g, value), column in zip(self.curve.pairs, self._columns_ahead, strict=True):
            table[value][g] = column[self.t - self._first]
        return table

    @property
    def should_stop(self) -> bool:
        """Whether an early stop has been decided."""
        return self._stopped

    def __repr__(self) -> str:
        return f"<Driver of {self.curve.spec} at update {self.t} of {self.curve.total or 'an open run'}>"

    # ---- the loop ------------------------------------------------------------------------------------------------

    def step(self, *unexpected: object) -> None:
        """Go on to the next update; call it after `optimizer.step()`.

        Where the optimizer tells which updates it really did, an update that a loss scaler skipped does not count.

        Raises:
            DriverError: a positional argument: metrics go to `observe`.
        """
        t = self.t + 1
        clock = self._clock
        if clock.done != t:
            if self._by_calls and not clock.seen:
                clock.done = t
            elif (t := self._counted(t)) == self.t:
                return
        if unexpected:
            raise DriverError(
                f"driver.step() takes no argument, and got {unexpected[0]!r:.60}; report metrics with "
                f"driver.observe({{'val_loss': ...}})"
            )
        if self._record is not None:
            self._write_row()
        self.t = t
        # Rows are computed ahead; where they end, or where updates were not told one by one, they are computed anew.
        for row in self._ahead:
            self._write(row)
            return
        self._fill(t)
        self._write(next(self._ahead))

    def _counted(self, t: int) -> int:
        """The update to go on to where the hook has not counted exactly one since the last call."""
        clock = self._clock
        if clock.done < t and self._skipped():
            return self.t
        if clock.done > t:
            self._ahead = iter(())
        clock.done = max(clock.done, t)
        return clock.done

    def _skipped(self) -> bool:
        """The hook saw no update before this call: was it skipped, or is nobody training?"""
        if self._clock.seen or self._strict or self._writer.training():
            return True
        # No update was ever seen and no gradient exists: the calls themselves are what is being tried out.
        self._by_calls = True
        return False

    def log(self, **columns: Any) -> None:
        """Add columns (loss, samples, grad_norm, ...) to the record's row of the current update.

        Raises:
            DriverError: there is no record.
        """
        if self._record is None:
            raise DriverError("driver.log needs a record; write drive(..., record='runs/mine')")
        self._columns.update(columns)

    def observe(self, metrics: Mapping[str, Any]) -> list[Decision]:
        """Report one evaluation. In any order with `step`; what is decided is in force from the next update.

        Args:
            metrics: name -> number, e.g. ``{"val_loss": 0.31}``.

        Returns:
            The decisions of the rules that listen now, each with its sentence.

        Raises:
            FeedbackError: a metric that a rule needs is missing at the first evaluation, or cannot be used.
        """
        if not isinstance(metrics, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DriverError(f"observe takes metrics by name, e.g. driver.observe({{'val_loss': 0.31}}), not {metrics!r:.60}")
        if self._reduce is not None:
            metrics = self._reduce({k: float(v) for k, v in metrics.items()})
        done = self._done()
        before = self.curve
        self._control, decisions = self._control.observe(metrics, done)
        self._stopped = self._stopped or any(d.kind == "stop" for d in decisions)
        if self._record is not None:
            self._record.evaluation({"t": done, **self._epoch(done), **metrics})
            for entry in self.curve.journal[len(before.journal) :]:
                self._record.event(dict(entry))
        if any(d.kind == "cut" for d in decisions):
            self._refresh()
        return decisions

    # ---- by hand -------------------------------------------------------------------------------------------------

    def set(self, group: str | int | None = None, /, **values: float) -> None:
        """Change values by hand from the next update on: the rest of the curve is scaled to go on from there.

        Args:
            group: name or index; without one, the first group gets the number and the others keep their ratio to it.
            values: ``lr=0.01``, ``weight_decay=0.1``, ...

        Raises:
            SpecError: a value that the plan does not govern, or one that stands at 0 and so cannot be scaled.

        Example:
            >>> driver.set(lr=0.01)  # doctest: +SKIP
        """
        if not values:
            raise SpecError("set changes nothing; write e.g. driver.set(lr=0.01)")
        now, factors = self._done(), dict[str, list[float | None]]()
        for value, number in values.items():
            factors[value] = self._factors(value, number_of(number, value), group, now)
        told = ", ".join(f"{v} = {x:g}" for v, x in values.items())
        where = "" if group is None else f" of group {group!r}"
        self._edit({"t": now, "kind": "set", "factors": factors, "sentence": f"Set by hand: {told}{where}."})

    def hold(self, length: SpanLike | None = None) -> None:
        """Keep all values as they are from the next update on; afterwards the curve goes on from there without a jump.

        Args:
            length: for how long; None: until `release`.
        """
        now = self._done()
        held: dict[str, list[float | None]] = {v: [None] * len(self.curve.groups) for v in self.curve.plan.values()}
        for g, value in self.curve.pairs:
            held[value][g] = self.curve.at(now, group=g, value=value)
        until = None if length is None else now + self._updates(length, "the length of hold")
        told = "until released" if until is None else f"until update {until}"
        self._edit({"t": now, "kind": "hold", "values": held, "until": until, "sentence": f"Held by hand {told}."})

    def release(self) -> None:
        """End a `hold` that was given no length.

        Raises:
            DriverError: nothing is held.
        """
        kinds = [e["kind"] for e in self.journal if e["kind"] == "release" or (e["kind"] == "hold" and e["until"] is None)]
        if not kinds or kinds[-1] == "release":
            raise DriverError("nothing is held, so there is nothing to release; write driver.hold() first")
        self._edit({"t": self._done(), "kind": "release", "sentence": "Released by hand."})

    def rewarm(self, length: SpanLike, *, start: float = 0.01) -> None:
        """Warm up again from the next update on: the learning rate is multiplied by a line from `start` to 1.

        Args:
            length: of the warmup.
            start: factor of its first update, in [0, 1].
        """
        now, n = self._done(), self._updates(length, "the length of rewarm")
        low = number_of(start, "start of rewarm")
        values = ["lr"] if "lr" in self.curve.plan.values() else self.curve.plan.values()[:1]
        told = f"Warmed up again by hand over {n} updates, from {low:g} of the plan."
        self._edit({"t": now, "kind": "rewarm", "updates": n, "start": low, "values": values, "sentence": told})

    # ---- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All there is to save, as plain JSON data. Loading it alone is enough."""
        return saved(self._control, self.t)

    def load_state_dict(self, state: Mapping[str, Any], *, change: str | None = None) -> None:
        """Go on from a saved state, before or after the optimizer's own is loaded; writes the values at once.

        Args:
            state: from `state_dict`. Its bases win over those that this driver was made with.
            change: ``"extend"``: the same schedule over this driver's length, scaled to go on from the saved values;
                ``"stretch"``: what is left of the saved curve takes until the end of this driver's length; ``"new"``:
                this driver's schedule and length, scaled likewise. None of them jumps; all go into the journal.

        Raises:
            StateError: no such state, or one of another schedule or length where `change` does not say what is wanted.
        """
        self._control, self.t = restored(state, self._control, change=change)
        self._stopped = any(e["kind"] == "stop" for e in self.journal)
        self._past_end = any(e["kind"] == "past_end" for e in self.journal)
        self._clock.done = self.t
        for g, value in self.curve.pairs:
            self._writer.remember(g, value, self.curve.bases[value][g] or 0.0)
        self._refresh()
        if self._record is not None:
            self._record.event({"t": self.t, "kind": "resume", "sentence": f"Resumed at update {self.t}."})

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Finish the record: write what is buffered, and `result.json`."""
        if self._record is not None:
            status = {"status": "stopped" if self._stopped else "finished", "updates": self.t}
            self._record.close({**status, **(result or {})})

    # ---- inside --------------------------------------------------------------------------------------------------

    def _attach(self) -> None:
        for g, value in self.curve.pairs:
            self._writer.remember(g, value, self.curve.bases[value][g] or 0.0)
        self._refresh()
        if self._record is not None:
            self._record.start(
                {
                    "spec": self.curve.spec,
                    "horizon": self.curve.horizon.to_json(),
                    "groups": list(self.curve.groups),
                    "values": self.curve.plan.values(),
                    "bases": {v: list(b) for v, b in self.curve.bases.items()},
                }
            )

    def regroup(self) -> None:
        """Take over parameter groups that were added, or that the optimizer's own `load_state_dict` replaced."""
        names = named_groups(self._writer.groups())
        known = len(self.curve.groups)
        if len(names) > known:
            bases = {
                value: (*numbers, *(self._writer.base(g, value) for g in range(known, len(names))))
                for value, numbers in self.curve.bases.items()
            }
            curve = lay_out(self.curve.plan, self.curve.horizon, names, bases, self.curve.journal)
            self._control = replace(self._control, curve=curve)
        for g, value in self.curve.pairs:
            self._writer.remember(g, value, self.curve.bases[value][g] or 0.0)
        self._refresh()

    def _refresh(self) -> None:
        """Compute and write the values anew: the curve, the groups or the update have changed."""
        self._writer.aim(self.curve.pairs)
        self._columns_ahead = []
        self._fill(self.t)
        self._write(next(self._ahead))

    def _fill(self, t: int) -> None:
        """Compute a block of rows from update `t` on."""
        before = len(self._columns_ahead[0]) if self._columns_ahead else 0
        size = min(max(4 * before, SMALLEST_BLOCK), LARGEST_BLOCK)
        end = self.curve.end
        if end is not None and t <= end < t + size:
            # A block ends with the curve, so that going past it comes by here.
            size = end - t + 1
        self._first, self._columns_ahead = t, self.curve.columns(t, t + size)
        self._ahead = zip(*self._columns_ahead, strict=True)
        if end is not None and t > end and not self._past_end:
            self._past_end = True
            self._note({"t": t, "kind": "past_end", "sentence": f"Update {t} lies past the end of the schedule at {end}; its end value is held."})

    def _done(self) -> int:
        """Updates done, those included that `step` has not been told of."""
        return max(self.t, self._clock.done)

    def _edit(self, entry: Entry) -> None:
        self._note(entry)
        self._refresh()

    def _note(self, entry: Entry) -> None:
        self._control = replace(self._control, curve=self.curve.with_entry(entry))
        if self._record is not None:
            self._record.event(dict(entry))

    def _factors(self, value: str, number: float, group: str | int | None, now: int) -> list[float | None]:
        governed = [g for g, v in self.curve.pairs if v == value]
        if not governed:
            raise UnknownNameError(f"the plan does not govern {value!r}; {neighbours(value, self.curve.plan.values())}")
        chosen = governed[0] if group is None else self._group(group, governed, value)
        current = self.curve.at(now, group=chosen, value=value)
        if current == 0:
            raise SpecError(f"{value} is 0 at update {now} and cannot be scaled to {number:g}; use driver.load_state_dict(..., change='new') with another schedule")
        touched = governed if group is None else [chosen]
        return [number / current if g in touched else None for g in range(len(self.curve.groups))]

    def _group(self, group: str | int, governed: list[int], value: str) -> int:
        names = {self.curve.groups[g]: g for g in governed}
        index = group if isinstance(group, int) else names.get(group, -1)
        if index not in governed:
            raise UnknownNameError(f"no group {group!r} has a governed {value!r}; {neighbours(str(group), names)}")
        return index

    def _updates(self, length: SpanLike, what: str) -> int:
        read: Span = span(length, what)
        updates = round_half_up(self.curve.horizon.updates(read))
        if updates < 1:
            raise SpecError(f"{what} is {read}, less than one update; write a longer one")
        return updates

    def _epoch(self, done: int) -> dict[str, float]:
        per_epoch = self.curve.horizon.steps_per_epoch
        return {} if per_epoch is None else {"epoch": done / per_epoch}

    def _write_row(self) -> None:
        assert self._record is not None
        self._record.update({"t": self.t, **self._columns, **self.values})
        self._columns = {}


