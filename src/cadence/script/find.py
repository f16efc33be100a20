"""Optimizers and schedulers of a script: what makes them, with what, and where they are stepped."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from cadence._errors import CadenceError, neighbours
from cadence.conversion.native import Native
from cadence.script.index import Position, plain
from cadence.script.model import (
    Function,
    Loop,
    Made,
    Optimizer,
    Problem,
    Scheduler,
    StepCall,
    Unknown,
    is_number,
    is_unknown,
)
from cadence.script.names import (
    framework_of,
    index,
    is_scheduler,
    looks_like_scheduler,
    optimizer_at,
    optimizer_framework,
)
from cadence.script.operations import LONGEST
from cadence.script.resolve import Resolver

STEPS = frozenset({"step", "step_update", "minimize", "apply_gradients", "first_step", "second_step", "optimizer_step"})
WITH_OPTIMIZER = frozenset({"torch", "transformers", "timm", "pytorch_optimizer", "ignite", "script"})
"""Frameworks whose schedulers take the optimizer first; in the others the optimizer takes the scheduler."""

OPTIMIZER_NAMES = frozenset({"optimizer", "optim", "opt"})

Step = tuple[ast.Call, ast.expr, StepCall]
"""A call of step, what is stepped, and what is said about it."""


class Finder:
    """Finds them in one tree."""

    def __init__(self, resolver: Resolver) -> None:
        self._of = resolver
        self.problems: list[Problem] = []
        self._schedulers: dict[ast.Call, Scheduler] = {}
        self._optimizers: dict[ast.Call, Optimizer] = {}
        self._busy: set[ast.Call] = set()
        self._bound: dict[ast.AST, str] | None = None
        self._outer: dict[ast.Call, int] = {}

    def find(self) -> tuple[tuple[Optimizer, ...], tuple[Scheduler, ...]]:
        """All of them, with where they are stepped."""
        calls = self._of.index.calls
        paths = {call: self._of.path(call.func) for call in calls}
        for call in calls:
            if self._is_scheduler(call, paths[call]):
                self._scheduler(call)
        for call in calls:
            if self._optimizer_path(call, paths[call]):
                self._optimizer(call)
        steps = self._steps(calls)
        self._attach(steps)
        return (
            tuple(sorted(self._optimizers.values(), key=lambda o: (o.line, o.column))),
            tuple(sorted(self._schedulers.values(), key=lambda s: (s.line, s.column))),
        )

    # ---- schedulers ----------------------------------------------------------------------------------------------

    def _is_scheduler(self, call: ast.Call, path: str) -> bool:
        if is_scheduler(path):
            return True
        if self._of.made_class(call) is not None:
            return self._derives(call, ("LRScheduler", "_LRScheduler", "LearningRateSchedule"))
        if framework_of(path) or not looks_like_scheduler(path) or not call.args:
            return False
        return any(self._optimizer_path(maker, self._of.path(maker.func)) for maker in self._of.makers(call.args[0]))

    def _derives(self, call: ast.Call, bases: tuple[str, ...]) -> bool:
        owner = self._of.made_class(call)
        if owner is None:
            return False
        return any(
            self._of.path(base).rpartition(".")[2] in bases or is_scheduler(self._of.path(base)) for base in owner.bases
        )

    def scheduler(self, node: ast.expr) -> Scheduler | None:
        """The scheduler that an expression stands for, where it is one for certain."""
        makers = [m for m in self._of.makers(node) if self._is_scheduler(m, self._of.path(m.func))]
        return self._scheduler(makers[0]) if len(makers) == 1 else None

    def _scheduler(self, call: ast.Call) -> Scheduler | None:
        if call in self._schedulers:
            return self._schedulers[call]
        if call in self._busy:
            return None
        self._busy.add(call)
        try:
            made = self._read(call)
        finally:
            self._busy.discard(call)
        self._schedulers[call] = made
        for inner in made.inner:
            self._outer[inner.node] = made.line
        return made

    def _read(self, call: ast.Call) -> Scheduler:
        path = self._of.path(call.func)
        framework = framework_of(path) if is_scheduler(path) else ""
        args, kwargs, dynamic = self._arguments(call)
        optimizer_node = self._optimizer_argument(call, framework, args, kwargs)
        inner: list[Scheduler] = []
        first = [self._argument(a, inner) for a in args]
        named = {k: self._argument(v, inner) for k, v in kwargs.items()}
        native, reason, kind = self._bind(framework, path, first, named)
        written = self._bind(framework, path, list(args), dict(kwargs))[0]
        name = native.name if native is not None else path.rpartition(".")[2]
        if dynamic:
            kind, reason, native = "dynamic", f"what {name} is given cannot be seen: {dynamic}", None
        if reason:
            self.problems.append(Problem(call.lineno, kind, reason, node=call))
        unknown = tuple(k for k, v in native.arguments.items() if is_unknown(v)) if native is not None else ()
        optimizer = self._optimizer_of(optimizer_node)
        if optimizer is None and optimizer_node is None:
            optimizer = next((s.optimizer for s in inner if s.optimizer is not None), None)
        return Scheduler(
            framework, name, path, call.lineno, call.col_offset, native, reason, unknown,
            {} if written is None else written.arguments, self._variable(call),
            optimizer, "" if optimizer_node is None else self._of.source(optimizer_node), tuple(inner), None, (), None,
            {}, self._of.function(call), call,
        )  # fmt: skip

    def _arguments(self, call: ast.Call) -> tuple[list[ast.expr], dict[str, ast.expr], str]:
        """Positional and keyword arguments, written-out stars resolved; and what could not be."""
        args: list[ast.expr] = []
        kwargs: dict[str, ast.expr] = {}
        for arg in call.args:
            if not isinstance(arg, ast.Starred):
                args.append(arg)
                continue
            inner = self._literal(arg.value)
            if not isinstance(inner, (ast.List, ast.Tuple)):
                return args, kwargs, self._of.source(arg)
            args += inner.elts
        for keyword in call.keywords:
            if keyword.arg is not None:
                kwargs[keyword.arg] = keyword.value
                continue
            inner = self._literal(keyword.value)
            if isinstance(inner, ast.Call) and self._of.path(inner.func) == "dict" and not inner.args:
                kwargs |= {k.arg: k.value for k in inner.keywords if k.arg is not None}
                continue
            if not isinstance(inner, ast.Dict):
                return args, kwargs, f"**{self._of.source(keyword.value)}"
            for key, value in zip(inner.keys, inner.values, strict=True):
                if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                    return args, kwargs, f"**{self._of.source(keyword.value)}"
                kwargs[key.value] = value
        return args, kwargs, ""

    def _literal(self, node: ast.expr) -> ast.expr:
        """The list, tuple, dict or call that a name is bound to once."""
        for _ in range(8):
            match node:
                case ast.Name(id=name):
                    bound = self._of.bindings(name, node)
                    if len(bound) != 1 or bound[0].kind != "assign" or bound[0].value is None or bound[0].path:
                        return node
                    node = bound[0].value
                case ast.Subscript(value=value, slice=ast.Constant(value=str() as key)):
                    owner = self._literal(value)
                    entries = dict(zip(owner.keys, owner.values, strict=True)) if isinstance(owner, ast.Dict) else {}
                    chosen = [v for k, v in entries.items() if isinstance(k, ast.Constant) and k.value == key]
                    if not chosen:
                        return node
                    node = chosen[0]
                case _:
                    return node
        return node

    def _optimizer_argument(
        self, call: ast.Call, framework: str, args: list[ast.expr], kwargs: dict[str, ast.expr]
    ) -> ast.expr | None:
        """Take the optimizer out of the arguments."""
        if framework and framework not in WITH_OPTIMIZER:
            return None
        if "optimizer" in kwargs:
            return kwargs.pop("optimizer")
        at = optimizer_at(self._of.path(call.func))
        return args.pop(at) if at is not None and len(args) > at else None

    def _argument(self, node: ast.expr, inner: list[Scheduler]) -> Any:
        """The value of an argument, with schedulers in it as natives."""
        chosen = self._literal(node)
        if isinstance(chosen, (ast.List, ast.Tuple)) and not any(isinstance(e, ast.Starred) for e in chosen.elts):
            items = [self._argument(each, inner) for each in chosen.elts]
            return items if isinstance(chosen, ast.List) else tuple(items)
        value = self._of.value(node)
        path = self._of.path(node) if isinstance(value, Unknown) else ""
        if path.startswith("transformers.SchedulerType."):
            return path.rpartition(".")[2].lower()
        if isinstance(value, (Made, Unknown)):
            scheduler = self.scheduler(node)
            if scheduler is not None:
                inner.append(scheduler)
                return scheduler.native if scheduler.native is not None else Unknown(self._of.source(node))
            if isinstance(value, Made):
                return Unknown(self._of.source(node))
        if isinstance(value, list) and any(isinstance(v, Made) for v in cast("list[Any]", value)):
            return [Unknown(v.text) if isinstance(v, Made) else v for v in cast("list[Any]", value)]
        if isinstance(value, range):
            return list(value) if len(value) <= LONGEST else self._of.unknown(node)
        return cast("Any", value)

    def _bind(
        self, framework: str, path: str, first: list[Any], named: dict[str, Any]
    ) -> tuple[Native | None, str, str]:
        """The call as data; or the sentence why not, and its kind."""
        name = path.rpartition(".")[2]
        if not framework:
            home = path.rpartition(".")[0]
            where = f"of {home} " if home else "of this script "
            return None, f"{name} {where}is no scheduler that is known here; its rate cannot be told", "unknown"
        known = index(framework)
        if name not in known and path.startswith("keras.callbacks."):
            return None, "", ""
        if name not in known:
            if not known:
                return None, f"{framework}'s {name} has no definition here", "unknown"
            near = neighbours(name, known)
            return None, f"{framework} has no scheduler {name!r}; {near}", "unknown"
        try:
            return known[name].bind(first, named), "", ""
        except CadenceError as error:
            return None, str(error), "arguments"

    # ---- optimizers ----------------------------------------------------------------------------------------------

    def _optimizer_path(self, call: ast.Call, path: str) -> str:
        """The dotted class where a call makes an optimizer; also through `inject_hyperparams(optax.adam)(...)`."""
        if isinstance(call.func, ast.Call):
            inner = call.func
            if self._of.path(inner.func).endswith("inject_hyperparams") and inner.args:
                path = self._of.path(inner.args[0])
        if optimizer_framework(path):
            return path
        owner = self._of.made_class(call)
        if owner is not None and any(self._of.path(b).endswith("optim.Optimizer") for b in owner.bases):
            return owner.name
        return ""

    def _optimizer_of(self, node: ast.expr | None) -> Optimizer | None:
        if node is None:
            return None
        found = [m for m in self._of.makers(node) if self._optimizer_path(m, self._of.path(m.func))]
        return self._optimizer(found[0]) if len(found) == 1 else None

    def _optimizer(self, call: ast.Call) -> Optimizer:
        if call in self._optimizers:
            return self._optimizers[call]
        path = self._optimizer_path(call, self._of.path(call.func))
        framework = optimizer_framework(path) or "torch"
        args, kwargs, dynamic = self._arguments(call)
        if dynamic:
            self.problems.append(
                Problem(call.lineno, "dynamic", f"what {path} is given cannot be seen: {dynamic}", node=call)
            )
        parameters = self._taken(
            args, kwargs, ("params", "parameters", "model_or_parameters"), 0 if framework == "torch" else None
        )
        names = ("lr", "learning_rate", "step_size_fn")
        at = 0
        rate = self._taken(args, kwargs, names, at if args else None)
        groups, grouped = self._groups(parameters)
        assumed = dict(self._of.assumed)
        numbers = {key: self._of.value(value) for key, value in kwargs.items()}
        # What is taken for granted of momenta does not matter to a rate.
        self._of.assumed = assumed
        made = Optimizer(
            framework, path, call.lineno, call.col_offset, self._variable(call),
            "" if parameters is None else self._of.source(parameters), None, groups, grouped, numbers, (),
            self._of.function(call), call,
        )  # fmt: skip
        self._optimizers[call] = made
        if rate is not None:
            made = replace(made, lr=self._rate(rate))
            self._optimizers[call] = made
        elif dynamic:
            made = replace(made, lr=Unknown(dynamic, "it is among the arguments that cannot be seen"))
            self._optimizers[call] = made
        return made

    def _taken(
        self, args: list[ast.expr], kwargs: dict[str, ast.expr], names: tuple[str, ...], at: int | None
    ) -> ast.expr | None:
        for name in names:
            if name in kwargs:
                return kwargs.pop(name)
        return args.pop(at) if at is not None and len(args) > at else None

    def _rate(self, node: ast.expr) -> float | Unknown | Function | Scheduler | None:
        value = self._of.value(node)
        if value is None or isinstance(value, Function):
            return value
        if is_number(value):
            return float(value)
        return self.scheduler(node) or self._of.unknown(node)

    def _groups(self, node: ast.expr | None) -> tuple[tuple[Mapping[str, Any], ...], bool | None]:
        """Parameter groups that are written out, and whether there are any."""
        if node is None:
            return (), None
        chosen = self._literal(node)
        if isinstance(chosen, ast.List) and chosen.elts and all(isinstance(e, ast.Dict) for e in chosen.elts):
            groups: list[Mapping[str, Any]] = []
            for each in cast("list[ast.Dict]", chosen.elts):
                group: dict[str, Any] = {}
                for key, value in zip(each.keys, each.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        group[key.value] = self._of.source(value) if key.value == "params" else self._of.value(value)
                groups.append(group)
            return tuple(groups), True
        if isinstance(chosen, ast.Call):
            name = self._of.path(chosen.func).rpartition(".")[2]
            if name in ("parameters", "filter", "chain", "trainable_variables") or name.endswith("parameters"):
                return (), False if self._of.callee(chosen) is None else None
        if isinstance(chosen, (ast.ListComp, ast.GeneratorExp)):
            return (), isinstance(chosen.elt, ast.Dict) or False
        return (), None

    # ---- what they are called, and where they are stepped --------------------------------------------------------

    def _variable(self, call: ast.Call) -> str:
        if self._bound is None:
            self._bound = {}
            for write in self._of.index.writes:
                target = write.targets[0] if isinstance(write, ast.Assign) else write.target
                if isinstance(target, (ast.Name, ast.Attribute)) and write.value is not None:
                    self._bound[write.value] = plain(target)
                elif isinstance(target, ast.Tuple) and isinstance(write.value, ast.Tuple):
                    self._bound |= {
                        v: plain(t) for t, v in zip(target.elts, write.value.elts, strict=False) if plain(t)
                    }
        return self._bound.get(call, "")

    def _steps(self, calls: list[ast.Call]) -> list[Step]:
        found: list[Step] = []
        for call in calls:
            if not isinstance(call.func, ast.Attribute) or call.func.attr not in STEPS:
                continue
            stepped: ast.expr = call.func.value
            if call.args and self._wrapped(call):
                stepped = call.args[0]
            arguments = [self._of.source(a) for a in call.args]
            arguments += [
                self._of.source(k.value) if k.arg is None else f"{k.arg}={self._of.source(k.value)}"
                for k in call.keywords
            ]
            step = StepCall(
                call.func.attr, call.lineno, call.col_offset, self._of.loops_around(call), tuple(arguments),
                self._of.conditions(call), None, self._of.function(call), self._of.source(call.func.value), call,
            )  # fmt: skip
            found.append((call, stepped, step))
        return found

    def _wrapped(self, call: ast.Call) -> bool:
        """Whether a call steps its argument: ``scaler.step(optimizer)``."""
        makers = self._of.makers(call.args[0])
        if any(m in self._optimizers for m in makers):
            return True
        assert isinstance(call.func, ast.Attribute)
        name = plain(call.func.value).rpartition(".")[2].lower()
        return "scaler" in name or call.func.attr == "optimizer_step"

    def _attach(self, steps: list[Step]) -> None:
        updates: dict[ast.Call, list[Step]] = {}
        turns: dict[ast.Call, list[Step]] = {}
        for step in steps:
            _, stepped, _ = step
            makers = self._of.makers(stepped)
            owners = [m for m in makers if m in self._schedulers or m in self._optimizers]
            for owner in owners or self._by_name(stepped, makers):
                (turns if owner in self._schedulers else updates).setdefault(owner, []).append(step)
        for call, optimizer in self._optimizers.items():
            self._optimizers[call] = replace(optimizer, steps=tuple(s for _, _, s in updates.get(call, [])))
        everything = [step for some in updates.values() for step in some]
        for call, scheduler in self._schedulers.items():
            own = scheduler.optimizer or self._taking(call)
            mine = updates.get(own.node, []) if own is not None else everything
            placed = tuple(replace(s, after_update=self._after(n, mine)) for n, _, s in turns.get(call, []))
            options = self._options(call)
            per = options.get("interval", "epoch") if options else next((s.per for s in placed if s.per), None)
            self._schedulers[call] = replace(
                scheduler,
                steps=placed,
                per=per if per in ("step", "epoch") else None,
                options=options,
                optimizer=None if own is None else self._optimizers[own.node],
                outer=self._outer.get(call),
            )
        # What holds others holds them as they are now.
        for call, optimizer in self._optimizers.items():
            if isinstance(optimizer.lr, Scheduler):
                self._optimizers[call] = replace(optimizer, lr=self._schedulers[optimizer.lr.node])
        for call, scheduler in self._schedulers.items():
            own = scheduler.optimizer
            self._schedulers[call] = replace(
                scheduler,
                optimizer=None if own is None else self._optimizers[own.node],
                inner=tuple(self._schedulers[s.node] for s in scheduler.inner),
            )

    def _taking(self, call: ast.Call) -> Optimizer | None:
        """The optimizer that is given a scheduler as its learning rate, if need be inside another scheduler."""
        for optimizer in self._optimizers.values():
            if isinstance(optimizer.lr, Scheduler):
                held = [optimizer.lr]
                while held:
                    each = held.pop()
                    if each.node is call:
                        return optimizer
                    held += each.inner
        return None

    def _by_name(self, stepped: ast.expr, makers: tuple[ast.Call, ...]) -> list[ast.Call]:
        """Where it cannot be seen what is stepped: what is called by the same name, or the only one there is."""
        if makers:
            return []
        name = plain(stepped).rpartition(".")[2]
        same = [
            call
            for call, each in (*self._schedulers.items(), *self._optimizers.items())
            if name and each.variable.rpartition(".")[2] == name
        ]
        if same:
            return same[-1:]
        lowered = name.lower()
        if "sched" in lowered:
            alone = [call for call in self._schedulers if call not in self._outer]
            return alone if len(alone) == 1 else []
        if any(word in lowered for word in OPTIMIZER_NAMES):
            return list(self._optimizers) if len(self._optimizers) == 1 else []
        return []

    def _after(self, call: ast.Call, updates: list[Step]) -> bool | None:
        """Whether a step comes after the optimizer's in the loop that both are in."""
        answers: list[bool] = []
        for other, _, step in updates:
            shared = [loop for loop in self._of.loops_around(call) if loop in step.loops]
            if shared:
                answers.append(self._trail(call) > self._trail(other))
        return None if not answers else any(answers)

    def _trail(self, call: ast.Call) -> list[Position]:
        """Where a call stands, with the calls of the functions it stands in before it."""
        trail: list[Position] = [(call.lineno, call.col_offset)]
        seen: set[ast.AST] = set()
        home = self._of.definition(call)
        while home is not None and home not in seen:
            seen.add(home)
            sites = self._of.sites(home)
            if not sites:
                break
            trail.insert(0, (sites[0].lineno, sites[0].col_offset))
            home = self._of.definition(sites[0])
        return trail

    def _options(self, call: ast.Call) -> Mapping[str, Any]:
        """What Lightning is told beside a scheduler; empty where it is told nothing."""
        home = self._of.definition(call)
        if home is None or home.name != "configure_optimizers":
            return {}
        for node in ast.walk(home):
            if isinstance(node, ast.Dict):
                entries = {
                    k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)
                }
                held = entries.get("scheduler")
                if held is not None and call in self._of.makers(held):
                    given = {str(k): self._of.value(v) for k, v in entries.items() if k != "scheduler"}
                    return {"interval": "epoch"} | given
        return {"interval": "epoch"}


def loops_of(steps: tuple[StepCall, ...]) -> tuple[Loop, ...]:
    """The loops that most of some steps are in: those of the first."""
    return steps[0].loops if steps else ()
