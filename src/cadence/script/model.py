"""What is seen in a training script: optimizers, schedulers, loops, calls; all else is said to be unknown."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from cadence.conversion.native import Native
    from cadence.script.evaluate import Evaluator
    from cadence.script.resolve import Resolver


@dataclass(frozen=True)
class Unknown:
    """An expression whose value cannot be told without running the script.

    Attributes:
        text: as it is written, on one line.
        why: half a sentence that says why, where there is more to say than that.
    """

    text: str
    why: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Function:
    """A function or lambda of the script as a value. It can be called: its text is followed by whitelist, not executed.

    Attributes:
        text: as it is written, on one line; of a `def` its name.
        node: the lambda or the `def`.
        evaluator: follows it.
        env: names of the function around it, where that was followed too.
        first: positional arguments that it has already, as `functools.partial` and methods have them.
        by_name: keyword arguments that it has already.
    """

    text: str
    node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef = field(compare=False, repr=False)
    evaluator: Evaluator = field(compare=False, repr=False)
    env: MutableMapping[str, Any] | None = field(compare=False, repr=False)
    first: tuple[Any, ...] = field(default=(), compare=False, repr=False)
    by_name: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False, repr=False)

    @property
    def __name__(self) -> str:
        return self.text

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What it returns.

        Raises:
            ConversionError: it does something that is not followed here.
        """
        return self.evaluator.run(self, args, kwargs)


@dataclass(frozen=True)
class Made:
    """An object that the script makes, as a value: the call that makes it.

    Attributes:
        path: what is called: ``"torch.optim.SGD"``.
        text: the call as it is written.
        node: the call.
    """

    path: str
    text: str
    node: ast.Call = field(compare=False, repr=False)


@dataclass(frozen=True)
class Problem:
    """Something that cannot be seen, or is no script at all.

    Attributes:
        line: where, from 1; 0 where it concerns the whole file.
        kind: ``"flattened"`` (a snippet whose line breaks are lost), ``"syntax"`` (of a notebook a cell, of a page a
            block that is no Python), ``"dynamic"`` (made in a way that only a run would show), ``"unknown"`` (a class
            that the framework does not have), ``"arguments"`` (what the framework would refuse).
        text: the sentence.
        repaired: of a flattened snippet what it may have looked like; else empty.
        node: what it is about, where there is one.
    """

    line: int
    kind: str
    text: str
    repaired: str = ""
    node: ast.AST | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Loop:
    """A loop.

    Attributes:
        kind: ``"epoch"``, ``"batch"`` (one turn for each batch, or each update) or ``"other"``.
        target: what the loop counts or takes, as it is written: ``"epoch"``, ``"i, (x, y)"``; empty for `while`.
        over: what it runs over: ``"range(90)"``, ``"train_loader"``, the condition of a `while`.
        count: turns; Unknown where they cannot be told.
        start: first value of a counted target; 0 for everything but `range` and `enumerate`.
        line: first line.
        end: last line.
        depth: loops around it in the same function.
        node: the statement; None for the loop inside a framework's own training (`Trainer.fit`).
    """

    kind: str
    target: str
    over: str
    count: int | Unknown
    start: int | Unknown
    line: int
    end: int
    depth: int
    node: ast.For | ast.AsyncFor | ast.While | None = field(compare=False, repr=False)


@dataclass(frozen=True)
class StepCall:
    """A call of ``.step(...)`` (or ``.step_update(...)``) of a scheduler or an optimizer.

    Attributes:
        method: ``"step"``, ``"step_update"``, ``"minimize"``, ...
        line: where.
        column: where, from 0.
        loops: the loops it is in, outermost first; those around the calls of its function too.
        arguments: as they are written: ``"val_loss"``, ``"epoch=epoch"``.
        conditions: what must hold for it to be reached, innermost last: ``"epoch < 10"``, ``"not (epoch < 10)"``.
        after_update: whether it comes after the optimizer's own step in the same loop; None where that is not there.
        function: the function it stands in; empty at the top.
        receiver: what it is called on, as it is written.
        node: the call.
    """

    method: str
    line: int
    column: int
    loops: tuple[Loop, ...]
    arguments: tuple[str, ...]
    conditions: tuple[str, ...]
    after_update: bool | None
    function: str
    receiver: str
    node: ast.Call = field(compare=False, repr=False)

    @property
    def per(self) -> str | None:
        """``"step"`` or ``"epoch"``, by the innermost loop that is either; None where there is none."""
        for loop in reversed(self.loops):
            if loop.kind in ("epoch", "batch"):
                return "epoch" if loop.kind == "epoch" else "step"
        return None


@dataclass(frozen=True)
class Optimizer:
    """A call that makes an optimizer.

    Attributes:
        framework: ``"torch"``, ``"paddle"``, ``"optax"``, ``"keras"``, ``"timm"``, ``"transformers"``, ...
        path: what is called: ``"torch.optim.SGD"``.
        line: where.
        column: where, from 0.
        variable: what it is bound to: ``"optimizer"``, ``"self.opt"``; empty where it is not.
        parameters: the first argument as it is written; empty where it is left out.
        lr: learning rate; None where it is left out; Unknown; a `Scheduler` or a `Function` of the update number where
            the framework takes one.
        groups: written-out parameter groups, each with its values (``"lr"``, ...), a `params` as source text; empty
            where there is one group, or where they cannot be told (see `grouped`).
        grouped: True: the first argument is a list of groups; False: it is not; None: cannot be told.
        numbers: every other keyword argument (``"momentum"``, ``"betas"``, ...), evaluated.
        steps: where it is stepped.
        function: the function it stands in; empty at the top.
        node: the call.
    """

    framework: str
    path: str
    line: int
    column: int
    variable: str
    parameters: str
    lr: float | Unknown | Function | Scheduler | None
    groups: tuple[Mapping[str, Any], ...]
    grouped: bool | None
    numbers: Mapping[str, Any]
    steps: tuple[StepCall, ...]
    function: str
    node: ast.Call = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The class."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True)
class Scheduler:
    """A call that makes a scheduler.

    Attributes:
        framework: whose.
        name: as its definition is registered: ``"CosineAnnealingLR"``; of an unknown one the last part of `path`.
        path: what is called: ``"torch.optim.lr_scheduler.CosineAnnealingLR"``.
        line: where.
        column: where, from 0.
        native: the call as data, arguments evaluated (an argument that cannot be is an `Unknown` in it, a function of
            the script a `Function`); None where it cannot be bound.
        reason: the sentence that says why `native` is None; else empty.
        unknown: arguments of `native` that are or contain an `Unknown`, by name.
        expressions: the arguments of `native` as they are written, by name.
        variable: what it is bound to; empty where it is not.
        optimizer: whose rates it changes; None where that cannot be told.
        optimizer_text: the optimizer's argument as it is written.
        inner: schedulers inside it.
        outer: line of the scheduler that it is inside of; None where it stands for itself.
        steps: where it is stepped.
        per: ``"step"`` or ``"epoch"``, by the loop it is stepped in, or by what a framework is told; None: not told.
        options: what a framework is told beside it (Lightning's ``"interval"``, ``"monitor"``, ``"frequency"``).
        function: the function it stands in; empty at the top.
        node: the call.
    """

    framework: str
    name: str
    path: str
    line: int
    column: int
    native: Native | None
    reason: str
    unknown: tuple[str, ...]
    expressions: Mapping[str, ast.expr] = field(compare=False, repr=False)
    variable: str
    optimizer: Optimizer | None
    optimizer_text: str
    inner: tuple[Scheduler, ...]
    outer: int | None
    steps: tuple[StepCall, ...]
    per: str | None
    options: Mapping[str, Any]
    function: str
    node: ast.Call = field(compare=False, repr=False)


@dataclass(frozen=True)
class Call:
    """Any call.

    Attributes:
        path: the dotted name of what is called, imports resolved (``"torch.cuda.amp.GradScaler"``); of a method on an
            object of the script, where that object's making can be seen, ``"torch.optim.SGD().step"``; else as written
            (``"loss.backward"``); empty where it is no name at all.
        method: the last part: ``"backward"``.
        receiver: what stands before the last part, as written; empty for a bare name.
        line: where, from 1.
        column: where, from 0.
        args: positional arguments, as expressions; `Script.value` evaluates them.
        kwargs: keyword arguments, as expressions.
        function: the function it stands in; empty at the top.
        loops: the loops it is in, outermost first; those around the calls of its function too.
        conditions: as of `StepCall`.
        node: the call.
    """

    path: str
    method: str
    receiver: str
    line: int
    column: int
    args: tuple[ast.expr, ...] = field(compare=False, repr=False)
    kwargs: Mapping[str, ast.expr] = field(compare=False, repr=False)
    function: str
    loops: tuple[Loop, ...] = field(repr=False)
    conditions: tuple[str, ...]
    node: ast.Call = field(compare=False, repr=False)


@dataclass(frozen=True)
class Script:
    """A training script as far as it can be seen.

    Attributes:
        name: path, or what stands for it.
        text: the source that was read: of a notebook its code cells joined, of a page one block (with empty lines
            before it, so that its line numbers are the page's).
        tree: its syntax tree; empty where `problems` has a flattened snippet.
        imports: name -> dotted path: ``{"np": "numpy", "SGD": "torch.optim.SGD"}``.
        stars: modules imported with a star.
        constants: names bound once at the top of the script to a number, text, or arithmetic of such.
        optimizers: in the order of their lines.
        schedulers: in the order of their lines, those inside others too.
        loops: in the order of their lines.
        calls: in the order of their lines.
        functions: qualified name -> node: ``"train"``, ``"Model.configure_optimizers"``.
        classes: qualified name -> node.
        problems: what cannot be seen.
        assumed: sentences on what was taken for granted: defaults of command-line arguments.
        steps_per_epoch: what the caller said ``len(loader)`` is.
        cells: of a notebook: for each line of `text` its cell and the line in it, both from 1; else empty.
    """

    name: str
    text: str
    tree: ast.Module = field(compare=False, repr=False)
    imports: Mapping[str, str]
    stars: tuple[str, ...]
    constants: Mapping[str, Any]
    optimizers: tuple[Optimizer, ...]
    schedulers: tuple[Scheduler, ...]
    loops: tuple[Loop, ...]
    calls: tuple[Call, ...]
    functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef] = field(compare=False, repr=False)
    classes: Mapping[str, ast.ClassDef] = field(compare=False, repr=False)
    problems: tuple[Problem, ...]
    assumed: tuple[str, ...]
    steps_per_epoch: int | None
    cells: tuple[tuple[int, int], ...] = field(repr=False)
    _resolver: Resolver = field(compare=False, repr=False)

    def value(self, node: ast.expr) -> Any:
        """What an expression is: a number, text, bool, None, list, tuple, dict, `Function`, `Made`, or `Unknown`."""
        return self._resolver.value(node)

    def path(self, node: ast.expr) -> str:
        """The dotted name that an expression stands for, imports resolved; empty where it is none."""
        return self._resolver.path(node)

    def made_by(self, node: ast.expr) -> tuple[ast.Call, ...]:
        """The calls that may have made the object which an expression stands for."""
        return self._resolver.makers(node)

    @property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, outer ones first; operators and contexts, which have no place, left out."""
        return self._resolver.index.walk(self.tree)

    def source(self, node: ast.AST) -> str:
        """The source of a node, on one line."""
        return self._resolver.source(node)

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node around a node."""
        return self._resolver.parent(node)

    def conditions(self, node: ast.AST) -> tuple[str, ...]:
        """What must hold for a node to be reached, as of `StepCall`."""
        return self._resolver.conditions(node)

    def loops_around(self, node: ast.AST) -> tuple[Loop, ...]:
        """The loops a node is in, outermost first; those around the calls of its function too."""
        return self._resolver.loops_around(node)

    def function(self, node: ast.AST) -> str:
        """Qualified name of the function a node stands in; empty at the top."""
        return self._resolver.function(node)

    def line_text(self, line: int) -> str:
        """One line of the source, from 1; empty where there is none."""
        lines = self._resolver.lines
        return lines[line - 1] if 1 <= line <= len(lines) else ""

    def with_problems(self, problems: Iterable[Problem]) -> Script:
        """The same script with further problems, in the order of their lines."""
        return replace(self, problems=tuple(sorted((*self.problems, *problems), key=lambda p: p.line)))

    def at(self, line: int) -> str:
        """A line as a message names it: ``"line 12"``, in a notebook ``"cell 3, line 2"``."""
        if 1 <= line <= len(self.cells):
            cell, inside = self.cells[line - 1]
            return f"cell {cell}, line {inside}"
        return f"line {line}"


def is_number(x: object) -> TypeGuard[float]:
    """Whether a value is a finite or infinite number, and no truth value."""
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def is_unknown(x: object) -> bool:
    """Whether a value is, or contains, something that cannot be told."""
    if isinstance(x, Unknown):
        return True
    if isinstance(x, Function):
        return any(map(is_unknown, x.by_name.values()))
    if isinstance(x, (list, tuple)):
        return any(map(is_unknown, x))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(x, Mapping):
        return any(map(is_unknown, x.values()))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return False
