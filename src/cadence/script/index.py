"""One pass over a syntax tree: where everything stands, what every name is bound to, every call."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
ScopeNode: TypeAlias = (
    ast.Module | Definition | ast.ClassDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
)
LoopNode: TypeAlias = ast.For | ast.AsyncFor | ast.While

_PLAIN = frozenset({
    "arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "level", "module", "op", "ops",
    "rest", "simple", "type_comment", "type_ignores",
})  # fmt: skip
"""Fields of nodes that hold no other node: texts, numbers, and operators and contexts, of each of which there is one
object for the whole tree, without a place."""

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

_NOTED = (ast.Call, ast.NamedExpr, ast.Lambda, *COMPREHENSIONS)

Position: TypeAlias = tuple[int, int]


@dataclass(eq=False)
class Scope:
    """Where names live.

    Attributes:
        node: what makes it.
        outer: the scope around it.
        name: qualified; empty at the top.
        bindings: dotted name -> what it is bound to, in the order of the text. `self.x` in a method stands in `fields`
            of its class, too.
        fields: of a class: what its methods write into `self.x`, and what its body binds.
        shared: names declared global or nonlocal.
    """

    node: ScopeNode
    outer: Scope | None
    name: str
    bindings: dict[str, list[Binding]] = field(default_factory=dict[str, "list[Binding]"])
    fields: dict[str, list[Binding]] = field(default_factory=dict[str, "list[Binding]"])
    shared: set[str] = field(default_factory=set[str])

    @property
    def is_class(self) -> bool:
        """Whether it is the body of a class, whose names its methods do not see."""
        return isinstance(self.node, ast.ClassDef)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a statement stands.

    Attributes:
        scope: whose names it sees.
        loops: of its own function, outermost first.
        conditions: (test, whether it must hold), outermost first.
        block: the branches and bodies around it in its scope: (statement, arm).
    """

    scope: Scope
    loops: tuple[LoopNode, ...]
    conditions: tuple[tuple[ast.expr, bool], ...]
    block: tuple[tuple[ast.AST, str], ...]


@dataclass(frozen=True, eq=False)
class Binding:
    """One place where a name gets a value.

    Attributes:
        kind: ``"assign"``, ``"augmented"``, ``"for"``, ``"with"``, ``"import"``, ``"def"``, ``"class"``,
            ``"parameter"``, ``"other"``.
        value: the expression it comes from; of a `for` what it runs over.
        path: which item of the value, where it is taken apart: ``(0,)``; -1 where it cannot be told.
        node: the statement, the definition, or the parameter.
        place: where.
        since: from where in the text it is in force.
        dotted: of an import what it stands for.
    """

    kind: str
    value: ast.expr | None
    path: tuple[int, ...]
    node: ast.AST
    place: Place
    since: Position
    dotted: str = ""


class Index:
    """Everything of one tree, by node."""

    def __init__(self, tree: ast.Module) -> None:
        self.parents: dict[ast.AST, ast.AST] = {}
        self.places: dict[ast.AST, Place] = {}
        self.scopes: dict[ast.AST, Scope] = {}
        self.calls: list[ast.Call] = []
        self.loops: list[tuple[LoopNode, Place]] = []
        self.functions: dict[str, Definition] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self.imports: dict[str, str] = {}
        self.stars: list[str] = []
        self.writes: list[ast.Assign | ast.AugAssign | ast.AnnAssign] = []
        self.top = Scope(tree, None, "")
        self.scopes[tree] = self.top
        self._children: dict[ast.AST, list[ast.AST]] = {}
        self._adopt(tree)
        self._block(tree.body, Place(self.top, (), (), ()))
        self.calls.sort(key=lambda call: (call.lineno, call.col_offset, -(call.end_lineno or 0)))

    def _adopt(self, tree: ast.Module) -> None:
        """Who is whose child."""
        queue: list[ast.AST] = [tree]
        while queue:
            node = queue.pop()
            children: list[ast.AST] = []
            for name in _holding(type(node)):
                value = getattr(node, name, None)
                if isinstance(value, list):
                    children += [child for child in cast("list[Any]", value) if isinstance(child, ast.AST)]
                elif isinstance(value, ast.AST):
                    children.append(value)
            for child in children:
                self.parents[child] = node
            self._children[node] = children
            queue += children

    def walk(self, root: ast.AST) -> list[ast.AST]:
        """A node and everything in it, outer ones first."""
        found = [root]
        for node in found:
            found += self._children.get(node, ())
        return found

    # ---- where things stand --------------------------------------------------------------------------------------

    def statement(self, node: ast.AST) -> ast.AST | None:
        """The statement that a node belongs to, or the node itself."""
        current: ast.AST | None = node
        while current is not None and current not in self.places:
            current = self.parents.get(current)
        return current

    def place(self, node: ast.AST) -> Place:
        """Where a node stands, as far as statements tell."""
        found = self.statement(node)
        return Place(self.top, (), (), ()) if found is None else self.places[found]

    def scope(self, node: ast.AST) -> Scope:
        """The scope whose names a node sees."""
        below: ast.AST = node
        current = self.parents.get(node)
        while current is not None:
            if current in self.scopes and self._inside(below, current):
                return self.scopes[current]
            if current in self.places and below not in self.places and current not in self.scopes:
                return self.places[current].scope
            below, current = current, self.parents.get(current)
        return self.top

    def _inside(self, below: ast.AST, scope: ast.AST) -> bool:
        """Whether a child of the node that makes a scope sees its names: defaults, decorators and bases do not."""
        if isinstance(scope, ast.Lambda):
            return below is scope.body
        if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return below in self.places
        if isinstance(scope, COMPREHENSIONS):
            return below is not scope.generators[0]
        return True

    # ---- the pass ------------------------------------------------------------------------------------------------

    def _block(self, body: list[ast.stmt], place: Place) -> None:
        for statement in body:
            self._statement(statement, place)
            if isinstance(statement, ast.If) and not statement.orelse and isinstance(statement.body[-1], ast.Continue):
                # What follows in this turn of the loop is reached where the test does not hold.
                place = Place(place.scope, place.loops, (*place.conditions, (statement.test, False)), place.block)

    def _statement(self, node: ast.stmt, place: Place) -> None:
        self.places[node] = place
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._definition(node, place)
            case ast.ClassDef():
                self._class(node, place)
            case ast.For() | ast.AsyncFor() | ast.While():
                self._loop(node, place)
            case ast.If():
                self._if(node, place)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self._expression(item.context_expr, place)
                    if item.optional_vars is not None:
                        self._bind_target(item.optional_vars, item.context_expr, "with", node, place)
                self._block(node.body, place)
            case ast.Try() | ast.TryStar():
                self._block(node.body, _within(place, node, "body"))
                for handler in node.handlers:
                    inside = _within(place, handler, "body")
                    self.places[handler] = place
                    if handler.name:
                        self._bind(handler.name, Binding("other", None, (), handler, inside, _start(handler)))
                    if handler.type is not None:
                        self._expression(handler.type, place)
                    self._block(handler.body, inside)
                self._block(node.orelse, _within(place, node, "body"))
                self._block(node.finalbody, place)
            case ast.Match():
                self._expression(node.subject, place)
                for case in node.cases:
                    inside = _within(place, case, "body")
                    self.places[case] = inside
                    for part in ast.walk(case.pattern):
                        name = getattr(part, "name", None) or getattr(part, "rest", None)
                        if isinstance(name, str):
                            self._bind(name, Binding("other", None, (), part, inside, _start(node)))
                    if case.guard is not None:
                        self._expression(case.guard, inside)
                    self._block(case.body, inside)
            case ast.Import() | ast.ImportFrom():
                self._import(node, place)
            case ast.Global() | ast.Nonlocal():
                place.scope.shared.update(node.names)
            case _:
                self._simple(node, place)

    def _simple(self, node: ast.stmt, place: Place) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._expression(child, place)
        match node:
            case ast.Assign():
                self.writes.append(node)
                for target in node.targets:
                    self._bind_target(target, node.value, "assign", node, place)
            case ast.AnnAssign(value=ast.expr() as value):
                self.writes.append(node)
                self._bind_target(node.target, value, "assign", node, place)
            case ast.AugAssign():
                self.writes.append(node)
                self._bind_target(node.target, node.value, "augmented", node, place)
            case _:
                pass

    def _definition(self, node: Definition, place: Place) -> None:
        name = _qualified(place.scope, node.name)
        scope = Scope(node, place.scope, name)
        self.scopes[node] = scope
        self.functions[name] = node
        self._bind(node.name, Binding("def", None, (), node, place, _end(node)))
        arguments = node.args
        for part in (*node.decorator_list, *arguments.defaults, *filter(None, arguments.kw_defaults)):
            self._expression(part, place)
        inside = Place(scope, (), (), ())
        self._parameters(arguments, inside, _start(node))
        self._block(node.body, inside)

    def _parameters(self, arguments: ast.arguments, inside: Place, since: Position) -> None:
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            self._bind(each.arg, Binding("parameter", None, (), each, inside, since))
        for each in filter(None, (arguments.vararg, arguments.kwarg)):
            self._bind(each.arg, Binding("other", None, (), each, inside, since))

    def _class(self, node: ast.ClassDef, place: Place) -> None:
        name = _qualified(place.scope, node.name)
        scope = Scope(node, place.scope, name)
        self.scopes[node] = scope
        self.classes[name] = node
        self._bind(node.name, Binding("class", None, (), node, place, _end(node)))
        for part in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self._expression(part, place)
        self._block(node.body, Place(scope, (), (), ()))
        for bound, bindings in scope.bindings.items():
            scope.fields.setdefault(bound, [])[:0] = bindings

    def _loop(self, node: LoopNode, place: Place) -> None:
        self.loops.append((node, place))
        inside = Place(
            place.scope, (*place.loops, node), place.conditions, (*place.block, (node, "body"))
        )  # fmt: skip
        if isinstance(node, ast.While):
            self._expression(node.test, inside)
        else:
            self._expression(node.iter, place)
            self._bind_target(node.target, node.iter, "for", node, inside, since=_start(node.body[0]))
            # A target outlives its loop; nobody reads it there for its value.
        self._block(node.body, inside)
        self._block(node.orelse, _within(place, node, "else"))

    def _if(self, node: ast.If, place: Place) -> None:
        # A chain of elif is a chain of nodes: followed here, so that a long one does not cost the stack.
        current: ast.stmt = node
        while isinstance(current, ast.If):
            self.places[current] = place
            self._expression(current.test, place)
            self._block(current.body, _arm(place, current, holds=True))
            place = _arm(place, current, holds=False)
            if len(current.orelse) != 1 or not isinstance(current.orelse[0], ast.If):
                self._block(current.orelse, place)
                return
            current = current.orelse[0]

    def _import(self, node: ast.Import | ast.ImportFrom, place: Place) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                bound = alias.asname or alias.name.partition(".")[0]
                dotted = alias.name if alias.asname else bound
            elif alias.name == "*":
                self.stars.append(node.module or "")
                continue
            else:
                bound = alias.asname or alias.name
                home = "." * node.level + (f"{node.module}." if node.module else "")
                dotted = home + alias.name
            self.imports.setdefault(bound, dotted)
            self._bind(bound, Binding("import", None, (), node, place, _end(node), dotted))

    def _expression(self, root: ast.expr, place: Place) -> None:
        scoped: list[ast.AST] = []
        for node in self.walk(root):
            if not isinstance(node, _NOTED):
                continue
            match node:
                case ast.Call():
                    self.calls.append(node)
                case ast.NamedExpr():
                    self._bind_target(node.target, node.value, "assign", node, place)
                case ast.Lambda():
                    scope = Scope(node, place.scope, _qualified(place.scope, "<lambda>"))
                    self.scopes[node] = scope
                    scoped.append(node)
                    self._parameters(node.args, Place(scope, (), (), ()), _start(node))
                case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                    scope = Scope(node, place.scope, place.scope.name)
                    self.scopes[node] = scope
                    scoped.append(node)
                    inside = Place(scope, (), (), ())
                    for generator in node.generators:
                        self._bind_target(
                            generator.target, generator.iter, "for", generator, inside, since=_start(node)
                        )
                case _:
                    pass
        # Scopes inside expressions lie in each other as the expressions do.
        for node in scoped:
            outer = self.parents.get(node)
            while outer is not None and outer is not root and outer not in self.scopes:
                outer = self.parents.get(outer)
            if outer is not None and outer in self.scopes and outer is not place.scope.node:
                self.scopes[node].outer = self.scopes[outer]

    def _bind_target(
        self,
        target: ast.expr,
        value: ast.expr | None,
        kind: str,
        node: ast.AST,
        place: Place,
        path: tuple[int, ...] = (),
        since: Position | None = None,
    ) -> None:
        at = _end(node) if since is None else since
        match target:
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                starred = False
                for i, part in enumerate(parts):
                    starred = starred or isinstance(part, ast.Starred)
                    inner = part.value if isinstance(part, ast.Starred) else part
                    self._bind_target(inner, value, kind, node, place, (*path, -1 if starred else i), since)
            case ast.Name(id=name):
                self._bind(name, Binding(kind, value, path, node, place, at))
            case ast.Attribute():
                dotted = plain(target)
                if dotted:
                    self._bind(dotted, Binding(kind, value, path, node, place, at))
            case ast.Starred(value=inner):
                self._bind_target(inner, value, kind, node, place, (*path, -1), since)
            case _:
                pass

    def _bind(self, name: str, binding: Binding) -> None:
        scope = binding.place.scope
        if name in scope.shared:
            scope = self.top
        scope.bindings.setdefault(name, []).append(binding)
        first, _, rest = name.partition(".")
        if first == "self" and rest:
            owner: Scope | None = scope
            while owner is not None and not owner.is_class:
                owner = owner.outer
            if owner is not None:
                owner.fields.setdefault(rest, []).append(binding)


@functools.cache
def _holding(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a kind of node that may hold others."""
    return tuple(name for name in kind._fields if name not in _PLAIN)


def plain(node: ast.expr) -> str:
    """A name with attributes as text; empty for anything else.

    Example:
        >>> plain(ast.parse("a.b.c", mode="eval").body), plain(ast.parse("a().b", mode="eval").body)
        ('a.b.c', '')
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def parameters(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr | None]]:
    """Positional and keyword parameters with their defaults, without those that take any number."""
    positional = [*arguments.posonlyargs, *arguments.args]
    padded: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    yield from ((each.arg, default) for each, default in zip(positional, padded, strict=True))
    yield from ((each.arg, d) for each, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))


def _start(node: ast.AST) -> Position:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _end(node: ast.AST) -> Position:
    return getattr(node, "end_lineno", 0) or 0, getattr(node, "end_col_offset", 0) or 0


def _within(place: Place, node: ast.AST, arm: str) -> Place:
    return Place(place.scope, place.loops, place.conditions, (*place.block, (node, arm)))


def _arm(place: Place, node: ast.If, *, holds: bool) -> Place:
    return Place(
        place.scope,
        place.loops,
        (*place.conditions, (node.test, holds)),
        (*place.block, (node, "body" if holds else "else")),
    )


def _qualified(scope: Scope, name: str) -> str:
    return f"{scope.name}.{name}" if scope.name else name
