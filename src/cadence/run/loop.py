"""The training loop: the same for every framework."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from cadence._errors import StateError
from cadence.curve.horizon import Horizon
from cadence.drivers.driver import Driver
from cadence.drivers.steering import LOOK_SECONDS, Asked, Heard, Steering
from cadence.run.checkpoint import Checkpoints
from cadence.run.course import Course, marks
from cadence.run.engine import Engine, Update
from cadence.run.feed import groups
from cadence.run.leaving import Leaving
from cadence.run.policy import Fault, Policy, skips
from cadence.run.ranks import Ranks, first, judged, share
from cadence.run.recording import NoRecording, Recording
from cadence.run.rollback import go_back
from cadence.run.timing import Stopwatch
from cadence.run.units import moved
from cadence.tasks import Batch, Data

PROGRESS_SECONDS = 0.1
"""Progress is told no more often than this; evaluations always are."""

MOST_SKIPPED = 100
"""Updates in a row that may be left out. Each halves the scale of a loss scaler: after so many it stands at nothing."""


AGREED_EVERY = 20
"""Updates between two moments at which several processes agree on what has come from outside."""


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
        recipe: all keys, as plain data: checkpoints say which recipe they are of.
        seed: of the data's order.
        ranks: that train together.
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
    recipe: Mapping[str, Any]
    seed: int
    ranks: Ranks
    engine: Engine
    driver: Driver
    recording: Recording | NoRecording
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
        self._policy = Policy(parts.course.divergence)
        # The update of the newest checkpoint.
        self._saved = -1
        self._evaluations: Iterator[int] = iter(())
        self._saves: Iterator[int] = iter(())
        self._next_evaluation = self._next_save = sys.maxsize
        # What was asked for while the run was at rest is heard before its first update.
        self._unheard = True
        self._skipped = 0
        # Of the updates that were left out since the last one that was done.
        self._left_out: list[Fault] = []
        self._final: dict[str, float] = {}
        self._best: dict[str, float] = {}
        self._told_at = -math.inf
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
            "policy": self._policy.state(),
        }

    def saved(self) -> dict[str, Any]:
        """What a checkpoint holds beside the engine's state, as plain data."""
        parts = self._parts
        return {
            "driver": parts.driver.state_dict(),
            "loop": self.state(),
            "data": parts.fingerprint,
            "recipe": dict(parts.recipe),
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
            self._policy.resume(state["policy"])
            self._saved = self._parts.driver.t
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
        parts = self._parts
        # The disk is asked once: another process might see it a moment later.
        if parts.course.divergence.goes_back and not first(parts.ranks, parts.checkpoints.numbers):
            self._save(parts.driver.t, evaluated=False)
        feed = groups(parts.data, parts.course, parts.seed, self._position, parts.ranks)
        fault = self._train(feed)
        while fault is not None:
            if fault.action != "rollback" or not self._goes_back(fault):
                return self._result("diverged", self._told(fault))
            fault = self._train(feed)
        if not self._over and self._saved != parts.driver.t:
            self._save(parts.driver.t, evaluated=False)
        parts.checkpoints.wait()
        if self._over:
            return self._result(*self._end())
        return self._result("interrupted", f"Interrupted after {parts.driver.t} of {self._total} updates.")

    # ---- one by one ----------------------------------------------------------------------------------------------

    def _train(self, feed: Iterator[list[Batch]]) -> Fault | None:
        """Train to the end, until somebody stops it, or to the first fault that nothing but a rollback may mend."""
        parts, driver = self._parts, self._parts.driver
        self._place_marks()
        while self._goes_on():
            before = driver.t
            fault = self._update(parts.watch.timed("data", next, feed))
            if fault is not None:
                return fault
            t, total = driver.t, self._total
            if t == before:
                continue
            if evaluated := t >= self._next_evaluation or t >= self._total:
                fault = self._evaluate(t)
                if fault is not None:
                    return fault
                self._next_evaluation = _beyond(self._evaluations, self._next_evaluation, t)
            if self._over or t >= self._next_save or (evaluated and parts.course.spacing[1] is None):
                self._save(t, evaluated=evaluated)
                self._next_save = _beyond(self._saves, self._next_save, t)
            if self._total != total:
                # A rule has ended the run by a cooldown: marks lie as in a run that is taken up from here.
                self._place_marks()
        return None

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
        return not (self._over or asked == "stop")

    def _hear(self, *, ending: bool) -> Asked:
        """What comes from outside: by commands in the folder, or by a signal to the process."""
        parts = self._parts
        steering, ranks = parts.steering, parts.ranks
        if ranks.world == 1:
            asked = steering.look(ending=ending).asked
            return "stop" if parts.leaving.asked else asked
        # One process looks, and a signal may have come to any: they agree on it now and then, at the same update.
        now = ending or steering.paused or self._unheard or parts.driver.t >= steering.due
        if not now and parts.driver.t % AGREED_EVERY:
            return ""
        self._unheard = False
        heard = steering.look(ending=ending) if ranks.rank == 0 else None
        told = ranks.exchange({"heard": heard, "leaving": parts.leaving.asked})
        heard = Heard(*told[0]["heard"])
        if ranks.rank:
            steering.repeat(heard)
        return "stop" if any(one["leaving"] for one in told) else heard.asked

    def _pause(self) -> Asked:
        """Wait without work, at a checkpoint, until somebody says how to go on."""
        parts, begin, t = self._parts, time.perf_counter(), self._parts.driver.t
        parts.recording.event({"t": t, "kind": "pause", "sentence": f"Paused by hand at update {t}."})
        if self._saved != t:
            self._save(t, evaluated=False)
        asked: Asked = "changed"
        while parts.steering.paused and asked != "stop":
            time.sleep(LOOK_SECONDS)
            asked = self._hear(ending=False) or "changed"
        parts.watch.leave_out(time.perf_counter() - begin)
        if not parts.steering.paused:
            parts.recording.event({"t": t, "kind": "unpause", "sentence": f"Went on by hand at update {t}."})
        return asked

    def _update(self, batches: list[Batch]) -> Fault | None:
        """One update; returns what is wrong, if the run cannot simply go on."""
        driver, t = self._parts.driver, self._parts.driver.t
        update = self._parts.watch.timed("update", self._parts.engine.update, batches, self._policy.ceiling)
        self._position += 1
        fault = self._policy.judge(update, t)
        if fault is not None:
            self._left_out.append(fault)
            if fault.action != "skip":
                return fault
        self._log(update)
        driver.step()
        # A skipped update changed no weight: whatever its loss was, the next batch may do better.
        self._skipped = 0 if driver.t > t else self._skipped + 1
        if self._skipped >= MOST_SKIPPED:
            return self._too_many(t, update.loss)
        if driver.t > t:
            self._tell_skips(t)
            if not math.isfinite(update.loss):
                return self._policy.not_finite(f"The loss of update {t} is {update.loss}", update.loss)
            self._policy.passed(update.loss)
            self._average(driver.t)
        self._last_loss = update.loss
        if self._parts.tell is not None and time.perf_counter() - self._told_at >= PROGRESS_SECONDS:
            self._tell(evaluated=False)
        return None

    def _too_many(self, t: int, loss: float) -> Fault:
        skipped = self._left_out
        who = "The loss scaler skipped" if not skipped else "The loss was too high, or no number, in"
        who = "Gradients were not finite in" if any(fault.parameters for fault in skipped) else who
        self._tell_skips(t)
        return Fault("stop", f"{who} {MOST_SKIPPED} updates in a row from update {t} on", "", loss)

    def _goes_back(self, fault: Fault) -> bool:
        """Take up a checkpoint at a lower rate; says whether there was one, and a rollback left."""
        parts = self._parts
        self._left_out = []
        if not self._policy.may_go_back():
            return False
        state = go_back(
            parts.ranks, parts.engine, parts.driver, parts.recording, parts.checkpoints, self._policy,
            parts.course.divergence, parts.course.rewarm, fault, self._position,
        )  # fmt: skip
        if state is not None:
            self._final, self._best = dict(state["final"]), dict(state["best"])
            self._saved = parts.driver.t
            # What was followed since is followed again, at the update that was promised.
            self._unheard = True
        return state is not None

    def _told(self, fault: Fault) -> str:
        """How the run ends."""
        if fault.action != "rollback" or not self._policy.rollbacks:
            return fault.sentence
        n = self._policy.rollbacks
        return replace(fault, now=f"{fault.now}, after {n} rollback{'s' * (n > 1)}").sentence

    def _tell_skips(self, t: int) -> None:
        """Write down what was skipped before update `t`; with it, so that a resumed run writes it once."""
        if self._left_out:
            self._parts.recording.event(skips(self._left_out, t))
            self._left_out = []

    def _average(self, t: int) -> None:
        if self._parts.course.averaging is not None:
            self._parts.course.averaging.after(t, self._parts.engine)

    def _log(self, update: Update) -> None:
        if update.grad_norm is None:
            self._parts.driver.log(loss=update.loss, samples=update.examples)
        else:
            self._parts.driver.log(loss=update.loss, samples=update.examples, grad_norm=update.grad_norm)

    def _evaluate(self, t: int) -> Fault | None:
        """One evaluation, and what the rules make of it; returns what is wrong, if the run ends for that reason."""
        parts = self._parts
        found = parts.watch.timed("evaluation", self._judge, t)
        metrics = {f"val_{name}": value for name, value in found.items()}
        loss = metrics["val_loss"]
        if not math.isfinite(loss):
            parts.recording.evaluation({"t": t, "epoch": parts.driver.curve.epochs(t), **metrics})
            return self._policy.not_finite(f"val_loss after {t} updates is {loss}", loss)
        parts.driver.observe(metrics)
        self._final = metrics
        if not self._best or loss < self._best["val_loss"]:
            self._best = {**metrics, "t": t}
        self._tell(evaluated=True)
        return None

    def _judge(self, t: int) -> dict[str, float]:
        parts = self._parts
        mine = parts.engine.evaluate(share(parts.data.held_out(parts.course.split), parts.ranks))
        return judged(mine, t, parts.driver.values, parts.ranks)

    def _save(self, t: int, *, evaluated: bool) -> None:
        parts = self._parts
        # The record first: it must never be behind a checkpoint that a resumed run goes on from.
        parts.recording.flush(sync=True)
        metrics = self._final if evaluated else {}
        if parts.ranks.rank == 0:
            parts.watch.timed("checkpoint", parts.checkpoints.save, t, parts.engine, self.saved(), metrics)
        else:
            parts.watch.timed("checkpoint", parts.engine.save)
        self._saved = t

    def _tell(self, *, evaluated: bool) -> None:
        parts = self._parts
        if parts.tell is None:
            return
        self._told_at = time.perf_counter()
        driver, seconds = parts.driver, parts.watch.seconds
        parts.tell(Progress(driver.t, self._total, self._last_loss, seconds, driver.values, self._final, evaluated))

    # ---- the end -------------------------------------------------------------------------------------------------

    def _end(self) -> tuple[str, str]:
        driver = self._parts.driver
        told = ", ".join(f"{name} {value:.4g}" for name, value in self._final.items())
        ends = [e for e in driver.journal if e["kind"] == "stop" or (e["kind"] == "cooldown" and "rule" in e)]
        why = ends[-1]["sentence"] if driver.should_stop and ends else ""
        if driver.t >= self._total:
            return "finished", f"Finished after {driver.t} updates: {told}. {why}".rstrip()
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


def _beyond(rest: Iterator[int], mark: int, t: int) -> int:
    """The first mark after `t`; the last one stays where there is none."""
    while mark <= t:
        following = next(rest, None)
        if following is None:
            return mark
        mark = following
    return mark
