"""The training loop: the same for every framework."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from cadence._errors import StateError
from cadence.curve.horizon import Horizon
from cadence.drivers.driver import Driver
from cadence.run.checkpoint import Checkpoints
from cadence.run.course import Course, marks
from cadence.run.engine import Engine, Update
from cadence.run.feed import groups
from cadence.run.leaving import Leaving
from cadence.run.recording import Recording
from cadence.run.steering import LOOK_SECONDS, Asked, Steering, plain_ids
from cadence.run.timing import Stopwatch
from cadence.run.units import moved
from cadence.tasks import Batch, Data

PROGRESS_SECONDS = 0.1
"""Progress is told no more often than this; evaluations always are."""

MOST_SKIPPED = 100
"""Updates in a row that may be skipped. Each halves the scale of a loss scaler: after so many it stands at nothing."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        t: updates done.
        total: updates of the whole run.
        loss: of the last update.
        seconds: since the start of training.
        values: what is in force now: value -> one number per group.
        metrics: of the last evaluation; empty before the first.
        evaluated: whether that evaluation was made just now.
    """

    t: int
    total: int
    loss: float
    seconds: float
    values: Mapping[str, list[float | None]]
    metrics: Mapping[str, float]
    evaluated: bool


Tell = Callable[[Progress], object]


@dataclass(frozen=True)
class Parts:
    """What a loop works with.

    Attributes:
        course: the run in numbers.
        data: to train on and to be judged on.
        fingerprint: of the data.
        seed: of the data's order.
        engine: computes.
        driver: counts and decides.
        recording: the record.
        checkpoints: of the run folder.
        watch: the time.
        steering: what comes from outside.
        leaving: whether the process is asked to leave.
        tell: is called with the progress, or None.
    """

    course: Course
    data: Data
    fingerprint: str
    seed: int
    engine: Engine
    driver: Driver
    recording: Recording
    checkpoints: Checkpoints
    watch: Stopwatch
    steering: Steering
    leaving: Leaving
    tell: Tell | None


@final
class Loop:
    """One training from wherever it stands to its end.

    Args:
        parts: of the training; the driver stands at update 0, or at what `resume` says.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._position = 0
        # The update of the newest checkpoint.
        self._saved = -1
        self._evaluations: Iterator[int] = iter(())
        self._saves: Iterator[int] = iter(())
        self._next_evaluation = self._next_save = sys.maxsize
        self._skipped = 0
        # Of the updates skipped since the last one that was done: parameters whose gradients were not finite.
        self._overflowed: list[tuple[str, ...]] = []
        self._final: dict[str, float] = {}
        self._best: dict[str, float] = {}
        self._told = -math.inf
        self._last_loss = math.nan

    def state(self) -> dict[str, Any]:
        """What the loop itself must remember, as plain data."""
        watch = self._parts.watch
        return {
            "position": self._position,
            "seconds": watch.seconds,
            "spent": dict(watch.spent),
            "final": self._final,
            "best": self._best,
            "commands": self._parts.steering.followed,
        }

    def resume(self, state: Mapping[str, Any], was: Horizon) -> None:
        """Go on from what `state` gave.

        Args:
            state: of the loop.
            was: what an update was then.

        Raises:
            StateError: it is no such state.
        """
        try:
            self._position = moved(int(state["position"]), was, self._parts.course.horizon)
            self._final, self._best = dict(state["final"]), dict(state["best"])
            self._saved = self._parts.driver.t
            self._parts.steering.followed = plain_ids(state)
            self._parts.watch.go_on(float(state["seconds"]), dict(state["spent"]))
        except (KeyError, TypeError, ValueError) as fault:
            raise StateError(
                f"the checkpoint's loop state cannot be used ({fault}); train anew with fresh=True"
            ) from None

    def run(self) -> dict[str, Any]:
        """Train to the end.

        Returns:
            The content of ``result.json``.
        """
        parts, driver = self._parts, self._parts.driver
        self._place_marks()
        feed = groups(parts.data, parts.course, parts.seed, self._position)
        while self._goes_on():
            before = driver.t
            fault = self._update(parts.watch.timed("data", next, feed))
            if fault is not None:
                return self._result("diverged", fault)
            t = driver.t
            if t == before:
                continue
            if evaluated := t >= self._next_evaluation or t >= self._total:
                fault = self._evaluate(t)
                if fault is not None:
                    return self._result("diverged", fault)
                self._next_evaluation = _beyond(self._evaluations, self._next_evaluation, t)
            if self._over or t >= self._next_save or (evaluated and parts.course.spacing[1] is None):
                self._save(t, evaluated=evaluated)
                self._next_save = _beyond(self._saves, self._next_save, t)
        if self._over:
            return self._result(*self._end())
        if self._saved != driver.t:
            self._save(driver.t, evaluated=False)
        return self._result("interrupted", f"Interrupted after {driver.t} of {self._total} updates.")

    @property
    def _total(self) -> int:
        """The length of the run, which may be changed while it goes on."""
        total = self._parts.driver.curve.total
        assert total is not None
        return total

    @property
    def _over(self) -> bool:
        """Whether the run has come to its end, or to that which a rule has decided."""
        return self._parts.driver.should_stop or self._parts.driver.t >= self._total

    def _goes_on(self) -> bool:
        """Whether there is another update to do, after all that has come from outside."""
        parts = self._parts
        asked = self._hear(ending=self._over)
        if parts.steering.paused and asked != "stop":
            asked = self._pause()
        if asked == "changed":
            self._place_marks()
        return not (self._over or asked == "stop" or parts.leaving.asked)

    def _hear(self, *, ending: bool) -> Asked:
        """What comes from outside."""
        return self._parts.steering.look(ending=ending).asked

    def _pause(self) -> Asked:
        """Wait without work, at a checkpoint, until somebody says how to go on."""
        parts, begin, t = self._parts, time.perf_counter(), self._parts.driver.t
        parts.recording.event({"t": t, "kind": "pause", "sentence": f"Paused by hand at update {t}."})
        if self._saved != t:
            self._save(t, evaluated=False)
        asked: Asked = "changed"
        while parts.steering.paused and not parts.leaving.asked and asked != "stop":
            time.sleep(LOOK_SECONDS)
            asked = self._hear(ending=False) or "changed"
        parts.watch.leave_out(time.perf_counter() - begin)
        if not parts.steering.paused:
            parts.recording.event({"t": t, "kind": "unpause", "sentence": f"Went on by hand at update {t}."})
        return asked

    # ---- one by one ----------------------------------------------------------------------------------------------

    def _update(self, batches: list[Batch]) -> str | None:
        """One update; returns what is wrong, if it is the last one for that reason."""
        driver, t = self._parts.driver, self._parts.driver.t
        update = self._parts.watch.timed("update", self._parts.engine.update, batches)
        self._position += 1
        if update.overflowed:
            self._overflowed.append(update.overflowed)
            if self._parts.course.overflow_ends:
                return (
                    f"The gradient of {_named(update.overflowed)} in update {t} is not finite, and no weight was "
                    f"changed: the training diverged; lower the learning rate or clip."
                )
        self._log(update)
        driver.step()
        # A skipped update changed no weight: whatever its loss was, the next batch may do better.
        self._skipped = 0 if driver.t > t else self._skipped + 1
        if self._skipped >= MOST_SKIPPED:
            who = "Gradients were not finite in" if self._overflowed else "The loss scaler skipped"
            self._tell_skips(t)
            return f"{who} {MOST_SKIPPED} updates in a row from update {t} on: the training diverged."
        if driver.t > t:
            self._tell_skips(t)
            self._average(driver.t)
        if driver.t > t and not math.isfinite(update.loss):
            return f"The loss of update {t} is {update.loss}: the training diverged; lower the learning rate or clip."
        self._last_loss = update.loss
        if self._parts.tell is not None and time.perf_counter() - self._told >= PROGRESS_SECONDS:
            self._tell(evaluated=False)
        return None

    def _tell_skips(self, t: int) -> None:
        """Write down what was skipped before update `t`; with it, so that a resumed run writes it once."""
        if not self._overflowed:
            return
        names = tuple(dict.fromkeys(name for skipped in self._overflowed for name in skipped))
        count = len(self._overflowed)
        told = f"Skipped {count} update{'s' * (count > 1)} in the place of update {t}: the gradient of {_named(names)} "
        self._parts.recording.event(
            {"t": t, "kind": "skip", "updates": count, "parameters": list(names), "sentence": f"{told}was not finite."}
        )
        self._overflowed = []

    def _average(self, t: int) -> None:
        if self._parts.course.averaging is not None:
            self._parts.course.averaging.after(t, self._parts.engine)

    def _log(self, update: Update) -> None:
        if update.grad_norm is None:
            self._parts.driver.log(loss=update.loss, samples=update.examples)
        else:
            self._parts.driver.log(loss=update.loss, samples=update.examples, grad_norm=update.grad_norm)

    def _evaluate(self, t: int) -> str | None:
        """One evaluation, and what the rules make of it; returns what is wrong, if the run ends for that reason."""
        parts = self._parts
        found = parts.watch.timed("evaluation", self._judge)
        metrics = {f"val_{name}": value for name, value in found.items()}
        loss = metrics["val_loss"]
        if not math.isfinite(loss):
            parts.recording.evaluation({"t": t, "epoch": parts.driver.curve.epochs(t), **metrics})
            return f"val_loss after {t} updates is {loss}: the training diverged; lower the learning rate or clip."
        parts.driver.observe(metrics)
        self._final = metrics
        if not self._best or loss < self._best["val_loss"]:
            self._best = {**metrics, "t": t}
        self._tell(evaluated=True)
        return None

    def _judge(self) -> dict[str, float]:
        parts = self._parts
        return parts.engine.reduce(parts.engine.evaluate(parts.data.held_out(parts.course.split)))

    def _save(self, t: int, *, evaluated: bool) -> None:
        parts = self._parts
        # The record first: it must never be behind a checkpoint that a resumed run goes on from.
        parts.recording.flush(sync=True)
        state = {"driver": parts.driver.state_dict(), "loop": self.state(), "data": parts.fingerprint}
        metrics = self._final if evaluated else {}
        parts.watch.timed("checkpoint", parts.checkpoints.save, t, parts.engine, state, metrics)
        self._saved = t

    def _tell(self, *, evaluated: bool) -> None:
        parts = self._parts
        if parts.tell is None:
            return
        self._told = time.perf_counter()
        driver, seconds = parts.driver, parts.watch.seconds
        parts.tell(Progress(driver.t, self._total, self._last_loss, seconds, driver.values, self._final, evaluated))

    # ---- the end -------------------------------------------------------------------------------------------------

    def _end(self) -> tuple[str, str]:
        driver = self._parts.driver
        told = ", ".join(f"{name} {value:.4g}" for name, value in self._final.items())
        if driver.t >= self._total:
            return "finished", f"Finished after {driver.t} updates: {told}."
        why = next((e["sentence"] for e in reversed(driver.journal) if e["kind"] == "stop"), "")
        return "stopped", f"Stopped after {driver.t} of {self._total} updates: {told}. {why}".rstrip()

    def _result(self, status: str, sentence: str) -> dict[str, Any]:
        watch = self._parts.watch
        seconds = watch.seconds
        return {
            "status": status,
            "updates": self._parts.driver.t,
            "seconds": seconds,
            "train_seconds": seconds - watch.beside,
            "spent": dict(watch.spent),
            "final": {} if status == "diverged" else self._final,
            "best": self._best,
            "sentence": sentence,
        }

    def _place_marks(self) -> None:
        """Where the next evaluation and the next checkpoint are, in a run of this length."""
        course, t = self._parts.course, self._parts.driver.t
        evaluate, save = course.distances(self._total)
        self._evaluations = marks(evaluate, t, course.evaluate_from)
        # With checkpoints at evaluations there are no marks of their own before the end.
        self._saves = iter([sys.maxsize]) if save is None else marks(save, t, course.checkpoint_from)
        self._next_evaluation, self._next_save = next(self._evaluations), next(self._saves)


def _named(names: tuple[str, ...]) -> str:
    """Names of parameters for a sentence, the first few."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} others" if len(names) > 3 else "")


def _beyond(rest: Iterator[int], mark: int, t: int) -> int:
    """The first mark after `t`; the last one stays where there is none."""
    while mark <= t:
        following = next(rest, None)
        if following is None:
            return mark
        mark = following
    return mark
