"""The driver: counts updates, writes the curve, takes observations, keeps the journal. One for every framework."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, final

from cadence._errors import DriverError, HorizonError
from cadence.curve.curve import Curve, named_groups
from cadence.curve.edits import Entry
from cadence.curve.horizon import UNITS, as_much_data, horizon
from cadence.curve.place import as_plan
from cadence.drivers.changes import branched, change
from cadence.drivers.effective import COLUMNS, EffectiveRates
from cadence.drivers.freezing import Freezing, freezing
from cadence.drivers.recording import Recorder
from cadence.drivers.state import regrouped, restored, saved, since_change
from cadence.drivers.writer import Write, Writer
from cadence.feedback.control import Control, as_numbers
from cadence.feedback.ending import cooled_until
from cadence.feedback.rules import Decision
from cadence.spec.nodes import PastEnd, Schedule
from cadence.spec.plan import Plan
from cadence.spec.span import SpanLike

SMALLEST_BLOCK, LARGEST_BLOCK = 64, 4096
"""Updates computed ahead: few after a change, more as it goes on undisturbed."""

MOST_AHEAD = 2**18
"""Numbers computed ahead at most, over all groups: about 8 MB."""

SAME = 1e-6
"""Numbers that differ by a smaller share are the same: an optimizer may keep them in float32."""

MOST_QUIET = 20
"""Calls of `step` without an update that are nothing to wonder about: so many a loss scaler may skip."""

MOST_UNSEEN = 1000
"""Calls of `step` that may come before the optimizer's first update."""


class Reduce(Protocol):
    """Makes metrics the same on every rank."""

    def __call__(self, metrics: dict[str, float], /) -> Mapping[str, float]:
        """The metrics that all ranks shall go by."""
        ...


class Meet(Protocol):
    """Where ranks meet at an evaluation: makes metrics the same, and may see that everything else still is."""

    def __call__(
        self, metrics: dict[str, float], t: int, values: Mapping[str, list[float | None]], /
    ) -> Mapping[str, float]:
        """The metrics that all ranks shall go by; `t` updates are done, `values` are in force."""
        ...


class Listener(Protocol):
    """Follows what the run is told from outside."""

    def look(self, *, ending: bool) -> object:
        """Follow what has come, if it is time to look; `ending`: the run is about to end, so it is."""
        ...


@final
class Driver:
    """Makes an optimizer obey a curve. Made by `drive`.

    Attributes:
        t: the update whose values are in force; also the number of updates done.
        followed: ids of the commands from outside that the run has followed.
    """

    def __init__(
        self,
        curve: Curve,
        writer: Writer,
        *,
        meet: Meet,
        record: Recorder | None,
        strict: bool,
        effective: EffectiveRates | None = None,
    ) -> None:
        """Bind a curve to a writer and write its first values at once.

        Args:
            curve: placed on the writer's groups.
            writer: of the optimizer.
            meet: makes metrics the same on every rank.
            record: where rows, evaluations and events go.
            strict: whether an update that nobody saw is a skipped one in any case (a loss scaler is at work).
            effective: measures for the record what updates really did.
        """
        self.t = 0
        self.followed: list[str] = []
        self._listener: Listener | None = None
        self._writer = writer
        self._write: Write = writer.write
        self._clock = writer.clock
        self._meet = meet
        self._record = record
        self._strict = strict
        self._effective = effective
        self._by_calls = False
        self._control = Control.over(curve)
        self._stopped = False
        # The update at which the cooldown that an early stop asked for is over.
        self._cooled_by = math.inf
        self._past_end = False
        # Calls of `step` since the last update, and the update that they were at.
        self._idle, self._idle_at = 0, 0
        self._columns: dict[str, Any] = {}
        self._columns_ahead: list[list[float]] = []
        self._ahead: Iterator[tuple[float, ...]] = iter(())
        # What was written last, where a record is kept of it; and the values of each group, where all have the same.
        self._row: tuple[float, ...] = ()
        self._every_group: tuple[str, ...] = ()
        self._first = 0
        self._freezing = self._lasting()
        self._frozen: tuple[bool, ...] = ()
        writer.attach(self._regroup)
        self._remember()
        self._refresh()
        self._describe()
        if effective is not None:
            effective.expect(0)
        # The record is told with its first row: until then a state may be loaded that has another beginning.
        self._untold = self._freezing.beginning()
        if self._untold is not None:
            self._control = self._control.noted(self._untold)

    # ---- what is read --------------------------------------------------------------------------------------------

    @property
    def curve(self) -> Curve:
        """The curve with all that has happened."""
        return self._control.curve

    @property
    def journal(self) -> tuple[Entry, ...]:
        """What has happened: decisions with their sentences, changes by hand, the end of the schedule.

        Of looks without consequence (``keep``) it holds the latest.
        """
        return self._control.journal

    @property
    def values(self) -> dict[str, list[float | None]]:
        """What is in force now: value -> one number for each group, None where the group is not governed."""
        table: dict[str, list[float | None]] = {v: [None] * len(self.curve.groups) for v in self.curve.plan.values()}
        for (g, value), column in zip(self.curve.pairs, self._columns_ahead, strict=True):
            table[value][g] = column[self.t - self._first]
        return table

    @property
    def memories(self) -> tuple[Mapping[str, Any], ...]:
        """What each rule of the curve remembers; see `cadence.feedback.rules`."""
        return self._control.states

    @property
    def should_stop(self) -> bool:
        """Whether an early stop has been decided, and the cooldown that it may have asked for is over."""
        return self._stopped or self.t >= self._cooled_by

    def check(self) -> list[str]:
        """What is not as it should be, for whoever wonders why a rate is not what the schedule says.

        Returns:
            One sentence for each value that somebody else has written since the last step (which the next one puts
            right), and one if `step` is called although the optimizer does no updates. Empty where all is well.

        Example:
            >>> import torch
            >>> import cadence as cd
            >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
            >>> driver = cd.drive(optimizer, "constant()")
            >>> optimizer.param_groups[0]["lr"] = 0.5
            >>> print(driver.check()[0])
            lr of group '0' is 0.5, and the schedule says 0.1 at update 0; to change it, write driver.set(lr=0.5)
        """
        found: list[str] = []
        for (g, value), column, there in zip(self.curve.pairs, self._columns_ahead, self._writer.read(), strict=True):
            meant = column[self.t - self._first]
            # A tensor may hold the number in half the digits.
            if there is None or abs(there - meant) > SAME * abs(meant):
                told = "gone" if there is None else f"{there:g}"
                found.append(
                    f"{value} of group {self.curve.groups[g]!r} is {told}, and the schedule says {meant:g} at update "
                    f"{self.t}; to change it, write driver.set({value}={'...' if there is None else told})"
                )
        if self._idle >= MOST_QUIET and self._idle_at == self.t:
            found.append(self._told_idle())
        return found

    def __repr__(self) -> str:
        return f"<Driver of {self.curve.spec} at update {self.t} of {self.curve.total or 'an open run'}>"

    # ---- the loop ------------------------------------------------------------------------------------------------

    def step(self, *unexpected: object) -> None:
        """Go on to the next update; call it after `optimizer.step()`.

        Where the optimizer tells which updates it really did, an update that a loss scaler skipped does not count.

        Raises:
            DriverError: a positional argument (metrics go to `observe`), or a thousand calls without any update.
        """
        t, clock = self.t + 1, self._clock
        if clock.free:
            clock.done = t
        # Nothing out of the ordinary: this is all that an update costs.
        if clock.done != t or self._record is not None or unexpected:
            self._step_with_care(t, unexpected)
            return
        for row in self._ahead:
            self.t = t
            self._write(row)
            return
        self._fill(t)
        self.t = t
        self._write(next(self._ahead))

    def _step_with_care(self, t: int, unexpected: tuple[object, ...]) -> None:
        clock = self._clock
        if unexpected:
            if clock.free:
                clock.done = self.t
            raise DriverError(
                f"driver.step() takes no argument, and got {unexpected[0]!r:.60}; report metrics with "
                f"driver.observe({{'val_loss': ...}})"
            )
        if clock.done < t and self._skipped():
            self._wait()
            return
        if self._record is not None:
            self._write_row(self._record)
        if clock.done > t:
            # Updates that `step` was not told of one by one: the rows ahead belong to those between.
            self._ahead = iter(())
        t = max(clock.done, t)
        row = next(self._ahead, None)
        if row is None:
            self._fill(t)
            row = next(self._ahead)
        self.t = clock.done = t
        self._row = row
        self._write(row)
        if self._effective is not None:
            self._effective.expect(t)
        if self._listener is not None:
            total = self.curve.total
            self._listener.look(ending=total is not None and t >= total)

    def listen(self, listener: Listener) -> None:
        """From now on, have somebody look after each update what has come from outside."""
        self._listener = listener

    def _skipped(self) -> bool:
        """No update was seen before this call: was it skipped, or is nobody training?

        Where no update was ever seen and no gradient exists, the calls themselves are what is being tried out.
        """
        if self._clock.seen or self._clock.graded or self._strict:
            return True
        if not self._by_calls and self._writer.training():
            return True
        # From here on a first gradient is told by a hook.
        self._by_calls = self._clock.free = True
        return False

    def _wait(self) -> None:
        self._idle = self._idle + 1 if self._idle_at == self.t else 1
        self._idle_at = self.t
        if self._idle >= MOST_UNSEEN and not self._clock.seen:
            raise DriverError(self._told_idle())

    def _told_idle(self) -> str:
        return (
            f"step() was called {self._idle} times at update {self.t}, and the optimizer has done no update meanwhile; "
            f"drive the optimizer that trains, and call step() once after each optimizer.step()"
        )

    def log(self, **columns: Any) -> None:
        """Add columns (loss, samples, grad_norm, ...) to the record's row of the current update.

        Raises:
            DriverError: there is no record, or a column is one of `effective_rates`.
        """
        if self._record is None:
            raise DriverError("driver.log needs a record; write drive(..., record='runs/mine')")
        if self._effective is not None and not columns.keys().isdisjoint(COLUMNS):
            taken = next(name for name in COLUMNS if name in columns)
            raise DriverError(f"the column {taken!r} is that of effective_rates; log yours under another name")
        self._columns.update(columns)

    def observe(self, metrics: Mapping[str, Any]) -> list[Decision]:
        """Report one evaluation. In any order with `step`; what is decided is in force from the next update.

        Args:
            metrics: name -> number, e.g. ``{"val_loss": 0.31}``.

        Returns:
            The decisions of the rules that listen now, each with its sentence.

        Raises:
            FeedbackError: a metric that a rule needs is missing at the first evaluation, or cannot be used.
            DriverError: no mapping; or the optimizer is one that must be switched by `optimizer.eval()` before an
                evaluation (schedule-free methods), and was not since its last update. Metrics called ``train...`` are
                of the weights in training anyway.
        """
        if not isinstance(metrics, Mapping):
            raise DriverError(
                f"observe takes metrics by name, e.g. driver.observe({{'val_loss': 0.31}}), not {metrics!r:.60}"
            )
        fault = self._writer.fault()
        # What was measured in training is of the weights in training, and may well be reported.
        if fault is not None and not all(str(name).startswith("train") for name in metrics):
            raise DriverError(fault)
        done = self._done()
        values = as_numbers(self._meet(as_numbers(metrics), done, self.values))
        self._control, decisions = self._control.observe(values, done)
        self._stopped = self._stopped or any(d.kind == "stop" for d in decisions)
        if self._record is not None:
            self._record.evaluation({"t": done, **self._epoch(done), **values})
            for decision in decisions:
                self._record.event(decision.to_json())
        if any(d.kind in ("cut", "cooldown") for d in decisions):
            self._cooled_by = cooled_until(self.curve)
            self._refresh()
        return decisions

    # ---- by hand -------------------------------------------------------------------------------------------------

    def set(self, group: str | int | None = None, /, **values: float) -> None:
        """Change values by hand from the next update on: the rest of the curve is scaled to go on from there.

        Args:
            group: name or index; without one, or with one that has several parts, the first of them gets the number and
                the others keep their ratio to it.
            values: ``lr=0.01``, ``weight_decay=0.1``, ...

        Raises:
            SpecError: a value that the plan does not govern, one that stands at 0 and so cannot be scaled, or a number
                of 0, from which nothing could be scaled back.

        Example:
            >>> import torch
            >>> import cadence as cd
            >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
            >>> driver = cd.drive(optimizer, "linear(10)")
            >>> driver.set(lr=0.05)
            >>> [driver.curve.at(t) for t in (0, 5, 10)]
            [0.05, 0.025, 0.0]
        """
        self.change("set", {"values": values, "group": group})

    def hold(self, length: SpanLike | None = None) -> None:
        """Keep all values as they are from the next update on; afterwards the curve goes on from there without a jump.

        Args:
            length: for how long; None: until `release`.

        Raises:
            SpecError: a value that stands at 0 now and will not later, which could not go on from there.
            DriverError: the values are held already, until they are released.
        """
        self.change("hold", {"length": length})

    def release(self) -> None:
        """End a `hold` that was given no length.

        Raises:
            DriverError: nothing is held.
        """
        self.change("release", {})

    def rewarm(self, length: SpanLike, *, start: float = 0.01) -> None:
        """Warm up again from the next update on: the learning rate is multiplied by a line from `start` to 1.

        Args:
            length: of the warmup.
            start: factor of its first update, in [0, 1].

        Raises:
            SpecError: a start outside.
        """
        self.change("rewarm", {"length": length, "start": start})

    def cooldown(self, length: SpanLike, *, to: float = 0.0, shape: str = "1-sqrt") -> None:
        """Cool down now: from the next update on the learning rate falls from where it stands, and ends the run.

        Args:
            length: of the cooldown, at most what is left of the run; shares are of the whole run as it is now.
            to: where the rate arrives, as a multiple of its base.
            shape: along which it falls, see `cadence.shape`.

        Raises:
            SpecError: a cooldown longer than what is left, a rate that is 0 already, or a `to` above it.

        Example:
            >>> import torch
            >>> import cadence as cd
            >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
            >>> driver = cd.drive(optimizer, "constant()", total=100)
            >>> driver.cooldown(10, shape="linear")
            >>> driver.curve.total, [round(driver.curve.at(t), 3) for t in (0, 5, 10)]
            (10, [0.1, 0.05, 0.0])
        """
        self.change("cooldown", {"length": length, "to": to, "shape": shape})

    def extend(self, length: SpanLike) -> None:
        """Make the run longer: the same schedule over the new length, scaled to go on from where the values stand.

        A cooldown or a stretch that is in force is given up.

        Args:
            length: by how much; shares are of the whole run as it is now.

        Raises:
            SpecError: the length of the run is not known, or a value has arrived at 0.
            HorizonError: the schedule does not fit the new length.

        Example:
            >>> import torch
            >>> import cadence as cd
            >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
            >>> driver = cd.drive(optimizer, "constant() >> linear('20%')", total=100)
            >>> driver.extend("100%")
            >>> driver.curve.total, [round(driver.curve.at(t), 3) for t in (0, 160, 180)]
            (200, [0.1, 0.1, 0.05])
        """
        self.change("extend", {"length": length})

    def shorten(self, length: SpanLike) -> None:
        """Make the run shorter: the same schedule over the new length, scaled to go on from where the values stand.

        Args:
            length: by how much; shares are of the whole run as it is now.

        Raises:
            SpecError: the length of the run is not known, the end would be past, or a cooldown is in force.
            HorizonError: the schedule does not fit the new length.
        """
        self.change("shorten", {"length": length})

    def stretch(self, length: SpanLike) -> None:
        """Let what is left of the curve take longer, every part of it by the same ratio.

        Args:
            length: by how much; shares are of the whole run as it is now.

        Raises:
            StateError: the length of the run is not known, or nothing is left of it.
        """
        self.change("stretch", {"length": length})

    def branch(
        self, tail: Schedule | Plan | str | Mapping[str, Any], *, total: SpanLike | None = None
    ) -> dict[str, Any]:
        """The state of another run that goes on from here along another schedule, scaled so that nothing jumps.

        Nothing changes in this run. Save the state with the weights and load it into the driver of the other run, made
        with the schedule that the state names.

        Args:
            tail: the schedule of what is left; a plan where it is of more than the learning rate. Its lengths and
                positions are on the run's clock: it follows ``constant(n)`` over the `n` updates done.
            total: length of the other run; this one's by default.

        Returns:
            What `state_dict` would return there.

        Raises:
            HorizonError: the tail does not fit the length.
            StateError: the tail begins at 0, or a value has arrived there.

        Example:
            >>> import torch
            >>> import cadence as cd
            >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
            >>> driver = cd.drive(optimizer, "constant()", total=100)
            >>> for _ in range(80):
            ...     driver.step()
            >>> state = driver.branch("linear()")
            >>> state["spec"]
            'constant(80) >> linear()'
            >>> other = cd.drive(optimizer, state["spec"], total=100)
            >>> other.load_state_dict(state)
            >>> [round(other.curve.at(t), 3) for t in (80, 90, 100)]
            [0.1, 0.05, 0.0]
        """
        return saved(branched(self._control, self._done(), as_plan(tail), total), self._done())

    def preview(self, kind: str, /, **arguments: Any) -> Curve:
        """The curve as a change would make it; nothing is changed.

        Args:
            kind: ``"extend"``, ``"shorten"``, ``"stretch"``, ``"cooldown"``, ``"rewarm"``, ``"hold"``, ``"release"``,
                or ``"set"`` (with ``values={"lr": 0.01}``).
            arguments: as the method of that name takes them.

        Raises:
            CadenceError: what the method would raise.

        Example:
            >>> import torch
            >>> import cadence as cd
            >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
            >>> driver = cd.drive(optimizer, "linear()", total=100)
            >>> text = cd.plot([driver.curve, driver.preview("cooldown", length="10%")], labels=["before", "after"])
            >>> driver.curve.total
            100
        """
        return self._after(kind, arguments)[0].curve

    def change(self, kind: str, arguments: Mapping[str, Any], *, command: str | None = None) -> None:
        """Change the run by hand, as plain data: what `set`, `hold`, `cooldown` and their like come down to.

        Args:
            kind: name of the change, see `preview`.
            arguments: of it.
            command: id of that by which it was asked for from outside.

        Raises:
            CadenceError: the change cannot be made; then nothing is changed.
        """
        before = self._control
        self._control, self._freezing = self._after(kind, arguments)
        if command is not None:
            self.followed.append(command)
        self._read_end()
        if self._record is not None:
            self._record.event(dict(self.journal[-1]))
        if self.curve.horizon != before.curve.horizon:
            self._describe()
        self._refresh()

    def resize(
        self, *, steps_per_epoch: int | None = None, batch_size: int | None = None, tokens_per_step: int | None = None
    ) -> None:
        """From the next update on an update takes another number of samples: another batch size, accumulation, or
        number of processes. What is left of the run becomes as much data as before, and the curve goes on in data, not
        in updates, so that no value jumps.

        Args:
            steps_per_epoch: updates in one epoch, from now on.
            batch_size: samples in one update, likewise.
            tokens_per_step: tokens in one update, likewise.

        Raises:
            HorizonError: a run whose length is not known, or that is over; or one of the three is left out that the
                run was made with.

        Example:
            >>> import torch
            >>> import cadence as cd
            >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
            >>> driver = cd.drive(optimizer, "linear()", total="10 epochs", steps_per_epoch=10, batch_size=32)
            >>> for _ in range(50):
            ...     driver.step()
            >>> driver.resize(steps_per_epoch=5, batch_size=64)
            >>> driver.curve.total, driver.values["lr"], driver.curve.at(51)
            (75, [0.5], 0.48)
        """
        was, now = self.curve.units, self._done()
        wanted = horizon(None, steps_per_epoch, batch_size, tokens_per_step)
        lacking = [unit for unit in UNITS if getattr(was, unit) is not None and getattr(wanted, unit) is None]
        if lacking:
            raise HorizonError(
                f"the run was made with {', '.join(lacking)}, and resize does not say what becomes of "
                f"{'it' if len(lacking) == 1 else 'them'}; write e.g. driver.resize({lacking[0]}=...)"
            )
        if was.total is None or was.total <= now:
            raise HorizonError(
                f"a run of {was.total or 'unknown'} updates has nothing left to be counted in other updates at update "
                f"{now}; say how long it is with total=, or make a new driver"
            )
        if all(getattr(wanted, unit) in (None, getattr(was, unit)) for unit in UNITS):
            return
        total = as_much_data(now, was.total, was, wanted)
        sizes = [f"{unit} {getattr(was, unit)} -> {getattr(wanted, unit)}" for unit in UNITS if getattr(wanted, unit)]
        told = (
            f"From update {now} on an update is another amount of data ({', '.join(sizes)}): the run ends at update "
            f"{total} instead of {was.total}, after as much data."
        )
        units = {unit: getattr(wanted, unit) for unit in UNITS}
        self._note({"t": now, "kind": "resize", "was": was.total, "total": total, **units, "sentence": told})
        self._refresh()

    # ---- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All there is to save, as plain JSON data. Loading it alone is enough."""
        state = saved(self._control, self.t)
        if self._record is not None:
            state["events"] = self._record.events
        if self.followed:
            state["commands"] = list(self.followed)
        return state

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
        self._take_over(state, change)
        if self._record is not None:
            self._record.go_on(self.t, state.get("events"))
            self._record.event({"t": self.t, "kind": "resume", "sentence": f"Resumed at update {self.t}."})
            if change is not None:
                self._record.event(dict(self.journal[-1]))
        self._refresh()
        self._describe()
        if self._listener is not None:
            # What was promised for this very update, or asked for while nobody trained.
            self._listener.look(ending=True)

    def roll_back(self, state: Mapping[str, Any], entry: Entry) -> None:
        """Go back to a state of this very run, and on from there at a lower rate; writes the values at once.

        Args:
            state: from `state_dict`.
            entry: what the journal says of it: ``factor``, ``updates``, ``start``, ``sentence``, and whatever else.

        Raises:
            StateError: see `load_state_dict`.
        """
        self._take_over(state, None)
        values = ["lr"] if "lr" in self.curve.plan.values() else self.curve.plan.values()[:1]
        self._note({"t": self.t, "kind": "rollback", "values": values, **entry})
        self._refresh()

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Finish the record: write what is buffered, and `result.json`."""
        if self._record is not None:
            status = {"status": "stopped" if self._stopped else "finished", "updates": self.t}
            self._record.close({**status, **(result or {})})

    # ---- inside --------------------------------------------------------------------------------------------------

    def _take_over(self, state: Mapping[str, Any], change: str | None) -> None:
        self._control, self.t = restored(state, self._control, change=change)
        # An end that was reached before the last change of schedule or length is not the end of this one.
        self._read_end()
        self._clock.done = self.t
        self.followed = [str(each) for each in state.get("commands", ())]
        self._idle, self._columns = 0, {}
        self._remember()
        self._freezing = self._lasting()
        # A state from before the first row: the record does not have it yet.
        self._untold = next((e for e in self.journal if e["kind"] == "freeze"), None) if self.t == 0 else None
        if self._effective is not None:
            self._effective.expect(self.t)

    def _read_end(self) -> None:
        """What the journal says of the end of the run."""
        ended = {e["kind"] for e in since_change(self.journal)}
        self._stopped, self._past_end = "stop" in ended, "past_end" in ended
        self._cooled_by = cooled_until(self.curve)

    def _remember(self) -> None:
        for g, value in self.curve.pairs:
            self._writer.remember(g, value, self.curve.bases[value][g] or 0.0)

    def _describe(self) -> None:
        if self._record is not None:
            curve = self.curve
            self._record.start(
                {
                    "spec": curve.spec,
                    "horizon": curve.horizon.to_json(),
                    "groups": list(curve.groups),
                    "values": curve.plan.values(),
                    "bases": {value: list(bases) for value, bases in curve.bases.items()},
                    "optimizer": self._writer.settings(),
                    **({} if self._effective is None else self._effective.about()),
                }
            )

    def _regroup(self, was: Sequence[int | None]) -> None:
        """Take over parameter groups that were added, or that the optimizer's own `load_state_dict` replaced."""
        if list(was) != list(range(len(self.curve.groups))):
            names = named_groups(self._writer.groups())
            new = {
                value: [self._writer.base(g, value) if former is None else None for g, former in enumerate(was)]
                for value in self.curve.bases
            }
            self._control = regrouped(self._control, was, names, new)
            self._describe()
        self._remember()
        self._freezing, self._frozen = self._lasting(), ()
        self._refresh()
        if self._effective is not None:
            self._effective.regroup(self.t)

    def _refresh(self) -> None:
        """Compute and write the values anew: the curve, the groups or the update have changed."""
        self._write = self._writer.aim(self.curve.pairs, self.curve.ratios)
        self._columns_ahead = []
        self._fill(self.t)
        self._row = next(self._ahead)
        values = tuple(self.curve.plan.values())
        each = [(g, value) for g in range(len(self.curve.groups)) for value in values]
        self._every_group = values if each == list(self.curve.pairs) else ()
        self._write(self._row)

    def _fill(self, t: int) -> None:
        """Compute a block of rows from update `t` on."""
        before = len(self._columns_ahead[0]) if self._columns_ahead else 0
        most = min(LARGEST_BLOCK, max(SMALLEST_BLOCK, MOST_AHEAD // len(self.curve.pairs)))
        size = min(max(4 * before, SMALLEST_BLOCK), most)
        end = self.curve.end
        if end is not None and t <= end < t + size:
            # A block ends with the curve, so that going past it comes by here.
            size = end - t + 1
        thaw = self._freezing.change_after(t)
        if thaw is not None and thaw < t + size:
            size = thaw - t
        self._first, self._columns_ahead = t, self.curve.columns(t, t + size)
        self._ahead = zip(*self._columns_ahead, strict=True)
        self._freeze(t)
        if end is not None and t > end and not self._past_end:
            self._past_end = True
            goes_on = all(isinstance(schedule, PastEnd) for _, schedule in self.curve.plan.entries)
            told = "it goes on as past_end says" if goes_on else "its end value is held"
            self._note(
                {
                    "t": t,
                    "kind": "past_end",
                    "sentence": f"Update {t} lies past the end of the schedule at {end}; {told}.",
                }
            )

    def _after(self, kind: str, arguments: Mapping[str, Any]) -> tuple[Control, Freezing]:
        """What a change would make of the run."""
        control = change(self._control, self._done(), kind, arguments)
        curve = control.curve
        return control, freezing(self._writer.frozen(), curve.groups, curve.horizon, control.journal)

    def _lasting(self) -> Freezing:
        """From which update on each group is trained."""
        return freezing(self._writer.frozen(), self.curve.groups, self.curve.horizon, self.journal)

    def _freeze(self, t: int) -> None:
        """Take out of training what is frozen at update `t`, and put back what no longer is."""
        frozen = self._freezing.at(t)
        if frozen == self._frozen:
            return
        self._frozen = frozen
        self._writer.freeze(frozen)
        thawed = self._freezing.thawed(t, self.journal)
        if thawed:
            whole = list(dict.fromkeys(name.partition(":")[0] for name in thawed))
            told = f"From update {t} on {', '.join(whole)} {'is' if len(whole) == 1 else 'are'} trained, too."
            self._note({"t": t, "kind": "thaw", "groups": thawed, "sentence": told})

    def _done(self) -> int:
        """Updates done, those included that `step` has not been told of."""
        return max(self.t, self._clock.done)

    def _note(self, entry: Entry) -> None:
        self._control = self._control.noted(entry)
        if self._record is not None:
            self._record.event(dict(entry))

    def _epoch(self, done: int) -> dict[str, float]:
        epoch = self.curve.epochs(done)
        return {} if epoch is None else {"epoch": epoch}

    def _write_row(self, record: Recorder) -> None:
        if self._untold is not None:
            record.event(dict(self._untold))
            self._untold = None
        row = {"t": self.t, **self._columns, **(values := self._held())}
        if self._effective is not None:
            row |= self._effective.columns(values)
        record.update(row)
        self._columns = {}

    def _held(self) -> dict[str, list[float | None]]:
        """What the optimizer has for each value: what was written, unless somebody else has written since."""
        there, values = self._writer.read(), self._every_group
        if values and (*there,) == self._row:
            return {value: there[i :: len(values)] for i, value in enumerate(values)}
        curve = self.curve
        table: dict[str, list[float | None]] = {v: [None] * len(curve.groups) for v in curve.plan.values()}
        for (g, value), meant, now in zip(curve.pairs, self._row, there, strict=True):
            # A tensor may hold the number in half the digits.
            same = now is None or now == meant or abs(now - meant) <= SAME * abs(meant)
            table[value][g] = meant if same else now
        return table
