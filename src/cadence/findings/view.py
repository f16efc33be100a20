"""A script as rules see it: where things stand, how often they happen, and what the rate does."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from cadence._errors import SpecError
from cadence._xp import scalars
from cadence.findings.course import Course, Waypoint, course_of_native
from cadence.findings.finding import Edit, Spot
from cadence.script.model import Call, Loop, Optimizer, Scheduler, Script, StepCall, is_number
from cadence.spec.formula import read_formula

PLATEAUS = frozenset({"ReduceLROnPlateau", "ReduceOnPlateau", "reduce_on_plateau", "reduce_lr_on_plateau"})
"""Schedulers that go by a metric."""


_WORDS = (
    (ast.Name, "id"), (ast.Attribute, "attr"), (ast.FunctionDef, "name"), (ast.AsyncFunctionDef, "name"),
    (ast.ClassDef, "name"), (ast.arg, "arg"), (ast.keyword, "arg"), (ast.Constant, "value"), (ast.alias, "name"),
    (ast.ImportFrom, "module"),
)  # fmt: skip
"""Where words stand in a tree."""

MOST_TURNS = 100_000
"""Turns of a loop whose conditions are looked at one by one."""


@dataclass(frozen=True)
class View:
    """A script and what was said about its run.

    Attributes:
        script: as it was read.
        total: updates of the run, where the caller said so.
        expected: waypoints of the rate.
        base: base rate, where the caller said so.
    """

    script: Script
    total: int | None = None
    expected: tuple[Waypoint, ...] = ()
    base: float | None = None

    @cached_property
    def lines(self) -> list[str]:
        """Lines of the source."""
        return self.script.text.splitlines()

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, outer ones first."""
        return self.script.nodes

    def of(self, *kinds: type[Any]) -> Iterator[Any]:
        """Every node of these very kinds, by place."""
        yield from sorted((node for kind in kinds for node in self._by_kind.get(kind, ())), key=_place)

    @cached_property
    def _by_kind(self) -> dict[type[Any], list[Any]]:
        kinds: dict[type[Any], list[Any]] = {}
        for node in self.nodes:
            kinds.setdefault(type(node), []).append(node)
        return kinds

    @cached_property
    def assigned(self) -> dict[str, list[ast.expr]]:
        """Bare name -> what it is assigned, by place."""
        found: dict[str, list[ast.expr]] = {}
        for node in self.of(ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
        return found

    def spot(self, node: ast.AST) -> Spot:
        """Where a node stands; columns in characters, which the tree counts in bytes."""
        line, end = getattr(node, "lineno", 1), getattr(node, "end_lineno", None) or getattr(node, "lineno", 1)
        return Spot(
            line, self._column(line, getattr(node, "col_offset", 0)),
            end, self._column(end, getattr(node, "end_col_offset", None) or getattr(node, "col_offset", 0)),
        )  # fmt: skip

    def _column(self, line: int, offset: int) -> int:
        text = self.lines[line - 1] if 1 <= line <= len(self.lines) else ""
        return len(text.encode()[:offset].decode(errors="ignore")) + 1

    def head(self, node: ast.stmt) -> Spot:
        """The first line of a statement that holds others."""
        whole = self.spot(node)
        line = self.lines[whole.line - 1]
        return Spot(whole.line, whole.column, whole.line, len(line.rstrip()) + 1)

    def without(self, call: ast.Call, keyword: ast.keyword) -> Edit:
        """The edit that takes a keyword argument out of a call, with one comma."""
        parts: list[ast.AST] = sorted(
            [*call.args, *call.keywords], key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0))
        )
        i = parts.index(keyword)
        own = self.spot(keyword)
        if i > 0:
            before = self.spot(parts[i - 1])
            return Edit(Spot(before.end_line, before.end_column, own.end_line, own.end_column), "")
        if i + 1 < len(parts):
            after = self.spot(parts[i + 1])
            return Edit(Spot(own.line, own.column, after.line, after.column), "")
        return Edit(own, "")

    # Calls

    def calls(self, *methods: str) -> list[Call]:
        """Calls of methods or functions of these names."""
        return [call for call in self.script.calls if call.method in methods]

    def calls_of(self, *paths: str) -> list[Call]:
        """Calls of these dotted names."""
        return [call for call in self.script.calls if call.path in paths]

    def imports(self, *tops: str) -> bool:
        """Whether the script imports one of these packages."""
        dotted = [*self.script.imports.values(), *self.script.stars]
        return any(path == top or path.startswith(top + ".") for path in dotted for top in tops)

    def mentions(self, *words: str) -> bool:
        """Whether any name, attribute or text of the script holds one of these words; letter case does not matter."""
        return any(word.lower() in said for word in words for said in self._said)

    @cached_property
    def _said(self) -> set[str]:
        found: list[Any] = [getattr(node, name) for kind, name in _WORDS for node in self._by_kind.get(kind, ())]
        return {text.lower() for text in found if isinstance(text, str)}

    def value(self, node: ast.expr | None) -> Any:
        """What an expression is, None where there is none."""
        return None if node is None else self.script.value(node)

    def number(self, node: ast.expr | None) -> float | None:
        """What an expression is, if that is a number that can be told."""
        value = self.value(node)
        return value if is_number(value) else None

    def names_in(self, node: ast.AST) -> set[str]:
        """Bare names in a node."""
        return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}

    def inside(self, node: ast.AST, outer: ast.AST) -> bool:
        """Whether a node stands inside another."""
        around: ast.AST | None = node
        while around is not None:
            if around is outer:
                return True
            around = self.script.parent(around)
        return False

    # Schedulers

    @property
    def outermost(self) -> list[Scheduler]:
        """Schedulers that stand for themselves."""
        return [s for s in self.script.schedulers if s.outer is None]

    def argument(self, scheduler: Scheduler, *names: str) -> Spot:
        """Where an argument of a scheduler stands, else its whole call."""
        for keyword in scheduler.node.keywords:
            if keyword.arg in names:
                return self.spot(keyword)
        return self.spot(scheduler.node)

    def base_of(self, scheduler: Scheduler) -> float | None:
        """Base rate of a scheduler's first group; None where it is not known."""
        if self.base is not None:
            return self.base
        if scheduler.optimizer is not None:
            first = next(iter(self.rates_of(scheduler.optimizer)), None)
            if is_number(first):
                return first
        return _own_rate(scheduler.native)

    def rates_of(self, optimizer: Optimizer) -> list[Any]:
        """The rate of each written-out group, the optimizer's own where there is one group."""
        if not optimizer.groups:
            return [optimizer.lr]
        return [group.get("lr", optimizer.lr) for group in optimizer.groups]

    def turns(self, step: StepCall, scheduler: Scheduler) -> int | None:
        """How often a step is called in one run of its scheduler; None where that cannot be told."""
        if step.per is None:
            return None
        # In a loop over folds or seeds that makes the scheduler anew, each turn is a run of its own.
        again = self.script.loops_around(scheduler.node)
        loops = [loop for loop in step.loops if loop not in again]
        count = 1
        for loop in loops:
            if loop.target == step.receiver:
                # `for scheduler in schedulers`: each is stepped once.
                continue
            if not isinstance(loop.count, int):
                return None
            count *= loop.count
        counted = [condition for condition in step.conditions if condition != "__name__ == '__main__'"]
        if not counted:
            return count
        loop = loops[-1] if loops else step.loops[-1]
        if len(loops) == 1 and isinstance(loop.count, int) and loop.count > MOST_TURNS:
            return None
        if len(loops) != 1 or not isinstance(loop.count, int) or not isinstance(loop.start, int):
            return None
        times = range(loop.start, loop.start + loop.count)
        truths = [self._holds(condition, loop, times) for condition in counted]
        if None in truths:
            return None
        return sum(all(turn) for turn in zip(*[t for t in truths if t is not None], strict=True))

    def _holds(self, condition: str, loop: Loop, times: range) -> list[bool] | None:
        """For each turn of a counting loop whether a condition on its counter holds; None where it cannot be told."""
        negated = condition.startswith("not (") and condition.endswith(")")
        values = self.over(condition[5:-1] if negated else condition, loop.target, times)
        return None if values is None else [bool(value) is not negated for value in values]

    def over(self, text: str, counter: str, times: range) -> list[Any] | None:
        """What an expression in a counter and in constants of the script is at each time; None where it is another."""
        try:
            tree = ast.parse(text, mode="eval").body
        except SyntaxError:
            return None
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        given = self.script.constants
        known = {n: ast.Constant(given[n]) for n in names if is_number(given.get(n))}
        if names - set(known) != {counter}:
            return None
        try:
            formula = read_formula(ast.unparse(_Put({counter: ast.Name("t"), **known}).visit(tree)))
            return [formula({"t": float(t)}, scalars) for t in times]
        except (SpecError, ArithmeticError):
            return None

    def sure(self, step: StepCall) -> bool:
        """Whether the object that is stepped can only be one: of a choice of schedulers each is stepped as it wants."""
        receiver = step.node.func
        if isinstance(receiver, ast.Attribute) and len(self.script.made_by(receiver.value)) > 1:
            return any(loop.target == step.receiver for loop in step.loops)
        return not any("isinstance" in condition for condition in step.conditions)

    def sure_steps(self, scheduler: Scheduler) -> list[StepCall]:
        """Where a scheduler and no other is stepped."""
        return [step for step in scheduler.steps if self.sure(step)]

    def ticks(self, scheduler: Scheduler) -> int | None:
        """How often a scheduler is stepped in the run; None where that cannot be told."""
        if self.total is not None and scheduler.per == "step" and len(self.outermost) == 1:
            return self.total
        loads = self.loads(scheduler)
        if loads and not any(load.conditions for load in loads):
            return self._resumed(scheduler)
        counts = [self.turns(step, scheduler) for step in scheduler.steps]
        if not counts or None in counts or not all(map(self.sure, scheduler.steps)):
            return None
        return sum(count for count in counts if count is not None)

    def loads(self, scheduler: Scheduler) -> list[Call]:
        """Where a saved state is loaded into a scheduler."""
        nodes = [other.node for other in self.outermost if other.variable == scheduler.variable]
        after = min((node.lineno for node in nodes if node.lineno > scheduler.line), default=None)
        return [
            call
            for call in self.calls("load_state_dict", "set_state_dict")
            if call.line > scheduler.line
            and (after is None or call.line < after)
            and isinstance(call.node.func, ast.Attribute)
            and scheduler.node in self.script.made_by(call.node.func.value)
        ]

    def _resumed(self, scheduler: Scheduler) -> int | None:
        """The ticks of a run that goes on with a loaded state at a written epoch, those before it too."""
        steps = scheduler.steps
        loops = steps[0].loops if len(steps) == 1 and not steps[0].conditions else ()
        if len(loops) != 1 or not isinstance(loops[0].start, int) or not isinstance(loops[0].count, int):
            return None
        return loops[0].start + loops[0].count if loops[0].start > 0 else None

    def course(self, scheduler: Scheduler) -> Course | None:
        """What the rate does under a scheduler that alone governs it; None where that cannot be told."""
        if scheduler.native is None or scheduler.unknown:
            return None
        ticks = self.ticks(scheduler)
        unit = "epoch" if scheduler.per == "epoch" else "update"
        found = course_of_native(scheduler.native, ticks=ticks, unit=unit, base=self.base_of(scheduler))
        if found is None:
            return None
        arguments = {k.arg: self.spot(k) for k in scheduler.node.keywords if k.arg is not None}
        for part in scheduler.inner:
            arguments = {k.arg: self.spot(k) for k in part.node.keywords if k.arg is not None} | arguments
        return replace(
            found, at=self.spot(scheduler.node), arguments=arguments, expected=self.expected,
            alone=not self.siblings(scheduler),
        )  # fmt: skip

    def siblings(self, scheduler: Scheduler) -> list[Scheduler]:
        """Other schedulers that stand for themselves and change the same optimizer."""
        if scheduler.optimizer is None:
            return []
        return [
            other
            for other in self.outermost
            if other.node is not scheduler.node
            and other.optimizer is not None
            and other.optimizer.node is scheduler.optimizer.node
        ]

    @cached_property
    def epochs(self) -> int | None:
        """Epochs of the run, where all epoch loops that train agree."""
        counts = {loop.count for loop in self.script.loops if loop.kind == "epoch"}
        only = next(iter(counts)) if len(counts) == 1 else None
        return only if isinstance(only, int) else None


def whole_numbers(x: Any) -> list[int]:
    """A whole number, or a list of such, as a list; empty where it is something else."""
    many: list[Any] = list(cast("list[Any]", x)) if isinstance(x, (list, tuple)) else [x]
    return many if all(isinstance(m, int) and not isinstance(m, bool) for m in many) else []


def _place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _own_rate(native: object) -> float | None:
    """The rate that a scheduler carries itself, also as that of one inside it."""
    own = getattr(native, "arguments", {}).get("learning_rate")
    return float(own) if is_number(own) else None if own is None else _own_rate(own)


class _Put(ast.NodeTransformer):
    """Puts expressions in the place of names."""

    def __init__(self, known: Mapping[str, ast.expr]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._known.get(node.id, node)
