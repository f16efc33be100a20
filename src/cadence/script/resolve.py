"""What names stand for: dotted paths, the calls that make objects, the values of expressions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from cadence.script.evaluate import Evaluator
from cadence.script.index import COMPREHENSIONS, Binding, Definition, Index, LoopNode, Scope, parameters, plain
from cadence.script.model import Loop, Unknown
from cadence.script.names import canonical, unimported

DEEPEST = 100
"""Names that stand for names; a longer chain is a cycle or was generated."""

LONGEST_SHOWN = 120
"""Characters of an expression in a message."""

PASS_THROUGH = frozenset({"prepare", "setup", "setup_optimizers", "prepare_optimizer", "prepare_scheduler", "to"})
"""Methods (Accelerate's, Fabric's) that give back what they are given, in order."""


_OF_MODULES = frozenset(
    {
        "train",
        "eval",
        "step",
        "forward",
        "to",
        "parameters",
        "zero_grad",
        "fit",
        "run",
        "update",
        "close",
        "get",
        "reset",
    }
)
"""Methods that too many objects have for a name to say whose they are."""


class Resolver:
    """Answers about one tree."""

    def __init__(self, tree: ast.Module, text: str, index: Index, steps_per_epoch: int | None) -> None:
        self.tree = tree
        self.text = text
        self.lines = text.split("\n")
        self.index = index
        self.steps_per_epoch = steps_per_epoch
        self.assumed: dict[str, None] = {}
        self.loop_of: dict[LoopNode, Loop] = {}
        self.evaluator = Evaluator(self)
        self._makers: dict[ast.AST, tuple[ast.Call, ...]] = {}
        self._paths: dict[ast.AST, str] = {}
        self._sites: dict[ast.AST, list[ast.Call]] | None = None
        self._returned: dict[ast.AST, list[ast.expr]] = {}
        self._methods: dict[str, dict[ast.ClassDef, Definition]] | None = None
        self._outside: dict[ast.AST, tuple[Loop, ...]] = {}
        self._busy: set[tuple[str, ast.AST]] = set()

    # ---- text ----------------------------------------------------------------------------------------------------

    def source(self, node: ast.AST) -> str:
        """The source of a node on one line, shortened where it is long."""
        first, last = int(getattr(node, "lineno", 0)), int(getattr(node, "end_lineno", 0) or 0)
        if not first:
            return type(node).__name__
        rows = self.lines[first - 1 : last]
        if not rows:
            return type(node).__name__
        # Offsets count bytes of UTF-8.
        begin, end = int(getattr(node, "col_offset", 0)), int(getattr(node, "end_col_offset", 0))
        rows[-1] = _bytes(rows[-1], 0, end)
        rows[0] = _bytes(rows[0], begin, None)
        text = " ".join(" ".join(rows).split())
        return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node around a node."""
        return self.index.parents.get(node)

    def function(self, node: ast.AST) -> str:
        """Qualified name of the function a node stands in; empty at the top."""
        scope: Scope | None = self.index.scope(node)
        while scope is not None and not isinstance(scope.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            scope = scope.outer
        return "" if scope is None else scope.name

    def definition(self, node: ast.AST) -> Definition | None:
        """The function a node stands in."""
        scope: Scope | None = self.index.scope(node)
        while scope is not None:
            if isinstance(scope.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return scope.node
            scope = scope.outer
        return None

    def tests(self, node: ast.AST) -> list[tuple[ast.expr, bool]]:
        """(test, whether it must hold) for a node to be reached, innermost last."""
        found: list[tuple[ast.expr, bool]] = []
        below, current = node, self.index.parents.get(node)
        while current is not None and below not in self.index.places:
            match current:
                case ast.IfExp() if below is not current.test:
                    found.append((current.test, below is current.body))
                case ast.BoolOp() if below in current.values:
                    holds = isinstance(current.op, ast.And)
                    found += [(test, holds) for test in reversed(current.values[: current.values.index(below)])]  # type: ignore[arg-type]
                case _:
                    pass
            below, current = current, self.index.parents.get(current)
        return [*self.index.place(node).conditions, *reversed(found)]

    def conditions(self, node: ast.AST) -> tuple[str, ...]:
        """The same as text: ``"epoch < 10"``, ``"not (epoch < 10)"``."""
        return tuple(self.source(t) if holds else f"not ({self.source(t)})" for t, holds in self.tests(node))

    def loops_around(self, node: ast.AST) -> tuple[Loop, ...]:
        """The loops a node is in, outermost first; those around the one place its function is called from, too."""
        own = tuple(self.loop_of[loop] for loop in self.index.place(node).loops if loop in self.loop_of)
        outside: tuple[Loop, ...] = ()
        home = self.definition(node)
        if home is not None:
            if home not in self._outside:
                # A function that calls itself is in the loops around its other calls.
                self._outside[home] = ()
                sites = [site for site in self.sites(home) if self.definition(site) is not home]
                around = [self.loops_around(site) for site in sites]
                self._outside[home] = max(around, key=len, default=())
            outside = self._outside[home]
        return (*outside, *own)

    # ---- names ---------------------------------------------------------------------------------------------------

    def bindings(self, name: str, at: ast.AST) -> list[Binding]:
        """What a name may have been bound to where `at` uses it; empty where nothing in the script binds it."""
        scope: Scope | None = self.index.scope(at)
        own = scope
        while own is not None and isinstance(own.node, (*COMPREHENSIONS, ast.Lambda)) and name not in own.bindings:
            own = own.outer
        while scope is not None:
            if name in scope.bindings and (not scope.is_class or scope is self.index.scope(at)):
                found = scope.bindings[name]
                if scope is not own and len(found) > 1:
                    return found
                return self._reaching(found, at) if scope is own else found
            scope = scope.outer
        return []

    def _reaching(self, bindings: list[Binding], at: ast.AST) -> list[Binding]:
        """Those of the bindings in one scope whose value may still be in force where `at` stands."""
        if len(bindings) == 1:
            return bindings
        here = self.index.place(at)
        position = (getattr(at, "lineno", 0), getattr(at, "col_offset", 0))
        before = [b for b in bindings if b.since <= position and not _apart(b.place.block, here.block)]
        kept: list[Binding] = []
        for binding in reversed(before):
            kept.append(binding)
            if here.block[: len(binding.place.block)] == binding.place.block:
                break
        later = [
            b
            for b in bindings
            if b.since > position and any(loop in here.loops for loop in b.place.loops) and b not in kept
        ]
        return [*reversed(kept), *later] or bindings

    def path(self, node: ast.expr) -> str:
        """The dotted name that an expression stands for, imports and plain renamings resolved; empty for none."""
        if node in self._paths:
            return self._paths[node]
        if ("path", node) in self._busy or len(self._busy) > DEEPEST:
            return ""
        self._busy.add(("path", node))
        try:
            found = canonical(self._path(node))
        finally:
            self._busy.discard(("path", node))
        self._paths[node] = found
        return found

    def _path(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                bound = self.bindings(name, node)
                if not bound:
                    return canonical(unimported(name, self.index.stars))
                dotted = {self._bound_path(b, name) for b in bound}
                return dotted.pop() if len(dotted) == 1 else name
            case ast.Attribute(value=value, attr=attr):
                if isinstance(value, ast.Call):
                    inner = self.path(value.func)
                    return f"{inner}().{attr}" if inner else ""
                whole = plain(node)
                if whole:
                    bound = self.bindings(whole, node)
                    renamed = self._bound_path(bound[-1], "") if len(bound) == 1 else ""
                    if renamed:
                        return renamed
                outer = self.path(value)
                return f"{outer}.{attr}" if outer else ""
            case ast.Call(func=ast.Name(id="getattr"), args=[first, chosen, *_]):
                outer, attr = self.path(first), self.value(chosen)
                return f"{outer}.{attr}" if outer and isinstance(attr, str) and attr.isidentifier() else ""
            case _:
                return ""

    def _bound_path(self, binding: Binding, name: str) -> str:
        if binding.kind == "import":
            return binding.dotted
        if binding.kind == "assign" and not binding.path and isinstance(binding.value, (ast.Name, ast.Attribute)):
            return self.path(binding.value) or name
        return name

    # ---- functions and where they are called ---------------------------------------------------------------------

    def sites(self, definition: Definition) -> list[ast.Call]:
        """The calls of a function of the script."""
        if self._sites is None:
            self._sites = {}
            for call in self.index.calls:
                called = self.callee(call)
                if called is not None:
                    self._sites.setdefault(called, []).append(call)
        return self._sites.get(definition, [])

    def callee(self, call: ast.Call) -> Definition | None:
        """The function of the script that a call calls: by name, as a method, or a class's `__init__`."""
        match call.func:
            case ast.Name(id=name):
                for binding in reversed(self.bindings(name, call)):
                    if isinstance(binding.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        return binding.node
                    if isinstance(binding.node, ast.ClassDef):
                        return self.method(binding.node, "__init__")
            case ast.Attribute(attr=name):
                return self._called_method(call.func.value, name)
            case _:
                pass
        return None

    def _called_method(self, owner: ast.expr, name: str) -> Definition | None:
        having = list(self._having(name))
        if not having or name.startswith("__"):
            return None
        own = self.owner(owner) if isinstance(owner, ast.Name) and owner.id == "self" else None
        if own is not None:
            return self.method(own, name) or (self.method(having[0], name) if own.bases and len(having) == 1 else None)
        made = [self.made_class(maker) for maker in self.makers(owner)]
        if made:
            return next(
                (self.method(c, name) for c in made if c is not None and self.method(c, name) is not None), None
            )
        # Of an object that comes from elsewhere the name must be enough, and `model.train()` is everywhere.
        return self.method(having[0], name) if len(having) == 1 and name not in _OF_MODULES else None

    def method(self, owner: ast.ClassDef, name: str) -> Definition | None:
        """A method by name."""
        return self._having(name).get(owner)

    def _having(self, name: str) -> dict[ast.ClassDef, Definition]:
        """The classes with a method of a name."""
        if self._methods is None:
            self._methods = {}
            for each in self.index.classes.values():
                for statement in each.body:
                    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        self._methods.setdefault(statement.name, {}).setdefault(each, statement)
        return self._methods.get(name, {})

    def owner(self, node: ast.AST) -> ast.ClassDef | None:
        """The class a node stands in."""
        scope: Scope | None = self.index.scope(node)
        while scope is not None:
            if isinstance(scope.node, ast.ClassDef):
                return scope.node
            scope = scope.outer
        return None

    def made_class(self, call: ast.Call) -> ast.ClassDef | None:
        """The class of the script that a call makes an object of."""
        if isinstance(call.func, ast.Name):
            for binding in self.bindings(call.func.id, call):
                if isinstance(binding.node, ast.ClassDef):
                    return binding.node
        return None

    def given(self, parameter: ast.arg, definition: Definition) -> list[ast.expr]:
        """The expressions that a parameter is given where its function is called; else its default."""
        names = dict(parameters(definition.args))
        default = names.get(parameter.arg)
        positions = list(names)
        found: list[ast.expr] = []
        sites = self.sites(definition)
        for site in sites:
            chosen = argument_of(site, parameter.arg, positions, bound=isinstance(self._home(definition), ast.ClassDef))
            if chosen is None:
                chosen = default
            if chosen is not None:
                found.append(chosen)
        if not sites and default is not None:
            found.append(default)
        return found

    def _home(self, definition: Definition) -> ast.AST | None:
        outer = self.index.scopes[definition].outer
        return None if outer is None else outer.node

    # ---- objects -------------------------------------------------------------------------------------------------

    def makers(self, node: ast.expr) -> tuple[ast.Call, ...]:
        """The calls that may have made the object which an expression stands for."""
        if node in self._makers:
            return self._makers[node]
        if ("makers", node) in self._busy or len(self._busy) > DEEPEST:
            return ()
        self._busy.add(("makers", node))
        try:
            found = tuple(dict.fromkeys(self._made(node, ())))
        finally:
            self._busy.discard(("makers", node))
        self._makers[node] = found
        return found

    def _made(self, node: ast.expr, path: tuple[int, ...]) -> Iterator[ast.Call]:
        if ("made", node) in self._busy or len(self._busy) > DEEPEST:
            return
        self._busy.add(("made", node))
        try:
            yield from list(self._made_of(node, path))
        finally:
            self._busy.discard(("made", node))

    def _made_of(self, node: ast.expr, path: tuple[int, ...]) -> Iterator[ast.Call]:
        match node:
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                if path and 0 <= path[0] < len(parts):
                    yield from self._made(parts[path[0]], path[1:])
            case ast.Name(id=name):
                for binding in self.bindings(name, node):
                    yield from self._made_by_binding(binding, path)
            case ast.Attribute():
                yield from self._made_attribute(node, path)
            case ast.Subscript(value=value, slice=ast.Constant(value=int() as i)):
                yield from self._made(value, (i, *path))
            case ast.Subscript(value=value, slice=ast.Constant(value=str() as key)):
                for part in self._entries(value, key):
                    yield from self._made(part, path)
            case ast.IfExp(body=body, orelse=orelse):
                yield from self._made(body, path)
                yield from self._made(orelse, path)
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                yield from self._made(value, path)
            case ast.Call():
                yield from self._made_by_call(node, path)
            case _:
                pass

    def _entries(self, node: ast.expr, key: str) -> Iterator[ast.expr]:
        """What a dictionary that is written out has under a key."""
        found: list[ast.expr] = [node]
        if isinstance(node, ast.Name):
            found = [b.value for b in self.bindings(node.id, node) if b.value is not None and not b.path]
        for each in found:
            if isinstance(each, ast.Dict):
                for k, v in zip(each.keys, each.values, strict=True):
                    if isinstance(k, ast.Constant) and k.value == key:
                        yield v

    def _made_by_binding(self, binding: Binding, path: tuple[int, ...]) -> Iterator[ast.Call]:
        if isinstance(binding.node, ast.arg):
            home = self.index.parents.get(self.index.parents.get(binding.node, binding.node))
            if isinstance(home, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for given in self.given(binding.node, home):
                    yield from self._made(given, path)
        elif binding.value is not None and binding.kind == "for" and not binding.path:
            # `for scheduler in [a, b]` takes every item.
            if isinstance(binding.value, (ast.Tuple, ast.List)):
                for part in binding.value.elts:
                    yield from self._made(part, path)
            elif isinstance(binding.value, ast.Name):
                for b in self.bindings(binding.value.id, binding.value):
                    if isinstance(b.value, (ast.Tuple, ast.List)) and not b.path:
                        for part in b.value.elts:
                            yield from self._made(part, path)
        elif binding.value is not None and binding.kind in ("assign", "with"):
            yield from self._made(binding.value, (*binding.path, *path))

    def _made_attribute(self, node: ast.Attribute, path: tuple[int, ...]) -> Iterator[ast.Call]:
        whole = plain(node)
        first, _, rest = whole.partition(".")
        owner = self.owner(node) if first == "self" else None
        if owner is not None:
            for binding in self.index.scopes[owner].fields.get(rest, []):
                yield from self._made_by_binding(binding, path)
            return
        bound = self.bindings(whole, node) if whole else []
        if bound:
            for binding in bound:
                yield from self._made_by_binding(binding, path)
            return
        for call in self.makers(node.value):
            made = self.made_class(call)
            if made is not None:
                for binding in self.index.scopes[made].fields.get(node.attr, []):
                    yield from self._made_by_binding(binding, path)

    def _made_by_call(self, call: ast.Call, path: tuple[int, ...]) -> Iterator[ast.Call]:
        definition = self.callee(call)
        if definition is not None and self.made_class(call) is None:
            for returned in self.returned(definition):
                yield from self._made(returned, path)
            return
        if isinstance(call.func, ast.Attribute) and call.func.attr in PASS_THROUGH and call.args:
            chosen = call.args
            if path and len(chosen) > 1:
                if 0 <= path[0] < len(chosen):
                    yield from self._made(chosen[path[0]], path[1:])
            elif not path and len(chosen) == 1:
                yield from self._made(chosen[0], path)
            return
        if self.path(call.func).endswith("auto_optim") and call.args:
            yield from self._made(call.args[0], path)
            return
        if not path:
            yield call

    def returned(self, definition: Definition) -> list[ast.expr]:
        """What a function returns, in the order of the text."""
        if definition not in self._returned:
            self._returned[definition] = [
                node.value
                for node in self.index.walk(definition)
                if isinstance(node, ast.Return) and node.value is not None and self.definition(node) is definition
            ]
        return self._returned[definition]

    # ---- values --------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Any:
        """What an expression is, or `Unknown`."""
        return self.evaluator.value(node)

    def unknown(self, node: ast.AST, why: str = "") -> Unknown:
        """The expression as something that cannot be told."""
        return Unknown(self.source(node), why)


def argument_of(call: ast.Call, name: str, positions: list[str], *, bound: bool = False) -> ast.expr | None:
    """The expression that a call gives for a parameter; None where it gives none, or where it cannot be told.

    Args:
        call: the call.
        name: the parameter.
        positions: names of the parameters in order.
        bound: whether the first of them is `self`, which a call does not give.
    """
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    at = positions.index(name) - int(bound) if name in positions else -1
    if 0 <= at < len(call.args) and not any(isinstance(a, ast.Starred) for a in call.args[: at + 1]):
        return call.args[at]
    return None


def _apart(a: tuple[tuple[ast.AST, str], ...], b: tuple[tuple[ast.AST, str], ...]) -> bool:
    """Whether two places lie in different arms of one statement."""
    for (first, one), (second, other) in zip(a, b, strict=False):
        if first is not second:
            return False
        if one != other:
            return True
    return False


def _bytes(line: str, begin: int, end: int | None) -> str:
    if line.isascii():
        return line[begin:end]
    return line.encode("utf-8", "replace")[begin:end].decode("utf-8", "replace")
