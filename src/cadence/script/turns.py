"""Loops of a script that is followed, turn by turn: over values, over data, and `while`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from cadence._errors import ScriptError
from cadence.script.index import LoopNode, plain
from cadence.script.instance import Instance
from cadence.script.leaving import Leave
from cadence.script.log import LEFT, Effects
from cadence.script.loops import VALIDATION, is_training_data, unwrapped
from cadence.script.model import Unknown, is_number
from cadence.script.operations import truth_of
from cadence.script.sims import MovingOptimizer, MovingScheduler

if TYPE_CHECKING:
    from cadence.script.follow import Follower
    from cadence.script.instance import Names

ENDLESS = 1_000
"""Turns of a `while` after which it is asked whether anything in it still changes."""

MOST_REPLAYED = 3_000_000
"""Effects of turns that all do the same."""


class Turns:
    """Loops of one script.

    Attributes:
        unsized: loops around what is followed now that run over data of unknown length.
    """

    def __init__(self, run: Follower) -> None:
        self._run = run
        self._of = run.resolver
        self._kinds = {loop.node: loop for loop in run.script.loops}
        self.unsized = 0

    def loop(self, node: LoopNode, env: Names) -> None:
        """All turns of a loop.

        Raises:
            ScriptError: how many there are cannot be told, and the rate depends on it.
        """
        if isinstance(node, ast.While):
            self._while(node, env)
            return
        over = unwrapped(self._of, node.iter)
        items = self._runs_over(node, over, env)
        kind = self._kinds[node].kind if node in self._kinds else "other"
        counted = self._counts(node.iter)
        if items is None:
            self._data_loop(node, over, kind, counted, env)
            return
        targets = {part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)}
        alike = kind != "epoch" and not targets & self._run.slice.needed
        logs: list[Effects] = []
        for i, item in enumerate(items):
            if kind == "epoch":
                self._mark()
            before = self.snapshot(env, targets) if i < 3 else {}
            target = (i + counted, item) if counted is not None else item
            log = self._logged_turn(node, target, env)
            if log is LEFT:
                return
            if i < 3 and alike and log and None not in log and before.items() <= self.snapshot(env, targets).items():
                logs.append(log)
                if len(logs) > 1 and logs[-2] == log:
                    self.replay(log, len(items) - i - 1, node)
                    break
        self._run.block(node.orelse, env)

    def _runs_over(self, node: ast.For | ast.AsyncFor, over: ast.expr, env: Names) -> Sequence[Any] | None:
        """The items of a loop; None where it runs over data."""
        value = self._run.compute(over, env)
        if isinstance(value, (list, tuple, range)):
            return cast("Sequence[Any]", value)
        if isinstance(value, dict):
            return list(cast("dict[Any, Any]", value))
        if is_training_data(self._of, node.iter):
            return None
        loop = self._kinds.get(node)
        if loop is not None and is_number(loop.count):
            start = loop.start if is_number(loop.start) else 0
            return range(int(start), int(start) + int(loop.count))
        if self._run.total is not None and loop is not None and loop.kind != "other":
            return range(MOST_REPLAYED)
        if isinstance(node.iter, ast.Call) and self._of.path(
            over.func if isinstance(over, ast.Call) else over
        ).endswith("range"):
            raise ScriptError(
                f"how often the loop of {self._run.at(node)} turns, {self._of.source(node.iter)}, cannot be told "
                f"without running the script; say how long the run is: --total 10000"
            )
        return None

    def _counts(self, node: ast.expr) -> int | None:
        """Where `enumerate` begins; None where the loop is not counted by it."""
        while isinstance(node, ast.Call) and node.args:
            if self._of.path(node.func).rpartition(".")[2] == "enumerate":
                start = list(node.args[1:]) + [k.value for k in node.keywords if k.arg == "start"]
                value = self._run.values.value(start[0]) if start else 0
                return int(value) if is_number(value) else 0
            node = node.args[0]
        return None

    def _data_loop(
        self, node: ast.For | ast.AsyncFor, over: ast.expr, kind: str, counted: int | None, env: Names
    ) -> None:
        count = self._run.steps_per_epoch
        if any(word in plain(over).lower() for word in VALIDATION):
            count = 1 if count is None else count
        targets = {plain(part) for part in ast.walk(node.target) if isinstance(part, ast.Name)}
        alike = not (counted is not None and targets & self._run.slice.needed)
        previous: Effects | None = None
        self.unsized += count is None
        for i in range(1 if count is None else count):
            before = self.snapshot(env, targets) if i < 3 else {}
            batch = Unknown(self._of.source(node.target))
            log = self._logged_turn(node, (i + counted, batch) if counted is not None else batch, env)
            if log is LEFT:
                break
            unchanged = i < 3 and alike and before.items() <= self.snapshot(env, targets).items()
            if unchanged and all(entry is not None and entry[0] == "update" for entry in log):
                # Nothing but updates: every turn is as the first.
                self._repeat(log, count, node)
                break
            if count is None:
                raise ScriptError(
                    f"the rate depends on what happens inside the loop over {self._of.source(over)} in "
                    f"{self._run.at(node)}, and how many batches that has is not known; say it: --steps-per-epoch 500"
                )
            if unchanged and log == previous and None not in log:
                self.replay(log, count - i - 1, node)
                break
            previous = log if unchanged else None
        else:
            self._run.block(node.orelse, env)
        self.unsized -= count is None

    def _logged_turn(self, node: ast.For | ast.AsyncFor, target: Any, env: Names) -> Effects:
        """One turn of a loop, and what it did; `LEFT` where the loop was left."""
        self._run.turned(node)
        with self._run.log.turn() as effects:
            self._run.assignments.assign(node.target, target, env, node)
            stays = self._stays(node.body, env)
        return effects if stays else LEFT

    def _repeat(self, log: Effects, count: int | None, node: ast.AST) -> None:
        """The rest of a loop whose turns are all alike, and step optimizers only."""
        for effect in log:
            assert effect is not None
            optimizer = cast("MovingOptimizer", effect[1])
            if count is not None:
                self._run.update(optimizer, node, count - 1)
            elif optimizer.rule is not None:
                raise ScriptError(
                    f"the rate of {optimizer.where()} changes with every update, and how many batches the loop of "
                    f"{self._run.at(node)} has is not known; say it: --steps-per-epoch 500"
                )
            else:
                self._run.by_epoch = True

    def replay(self, log: Effects, times: int, node: ast.AST) -> None:
        """Turns that do what the one before did, without following them again."""
        if times * len(log) > MOST_REPLAYED:
            if self._run.total is None:
                raise self._run.too_long(node)
            times = MOST_REPLAYED
        for _ in range(times):
            for effect in log:
                assert effect is not None
                kind, what = effect
                if kind == "update":
                    self._run.update(cast("MovingOptimizer", what), node)
                else:
                    self._run.step(cast("MovingScheduler", what), node)

    def snapshot(self, env: Names, without: set[str]) -> dict[str, Any]:
        """The numbers and texts that names hold."""
        plain_kinds = (int, float, str, bool, type(None))
        held = {name: value for name, value in env.items() if isinstance(value, plain_kinds) and name not in without}
        for name, value in env.items():
            if isinstance(value, Instance):
                held |= {f"{name}.{k}": v for k, v in value.fields.items() if isinstance(v, plain_kinds)}
        return held

    def _while(self, node: ast.While, env: Names) -> None:
        kind = self._kinds[node].kind if node in self._kinds else "other"
        turns, before = 0, None
        while True:
            turns += 1
            if turns in (ENDLESS, ENDLESS + 1) and self._run.total is None:
                now = self.snapshot(env, set())
                if now == before:
                    raise ScriptError(
                        f"`while {self._of.source(node.test)}` in {self._run.at(node)} never ends by what can be seen; "
                        f"say how long the run is: --total 10000"
                    )
                before = now
            truth = truth_of(self._run.compute(node.test, env))
            if truth is None:
                if self._run.total is None:
                    raise ScriptError(
                        f"how long `while {self._of.source(node.test)}` in {self._run.at(node)} goes on cannot be told "
                        f"without running the script; say how long the run is: --total 10000"
                    )
                truth = True
            if not truth:
                break
            self._run.turned(node)
            if kind == "epoch":
                self._mark()
            if not self._stays(node.body, env):
                return
        self._run.block(node.orelse, env)

    def _stays(self, body: list[ast.stmt], env: Names) -> bool:
        """One turn; False where the loop was left."""
        try:
            self._run.block(body, env)
        except Leave as leave:
            if leave.kind is ast.Break:
                return False
            if leave.kind is ast.Return:
                raise
        return True

    def _mark(self) -> None:
        for optimizer in self._run.optimizers:
            optimizer.marks.append(optimizer.updates)
