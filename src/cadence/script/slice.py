"""Which statements of a script a rate depends on; the rest is passed over when the script is followed."""

from __future__ import annotations

import ast

from cadence.script.clients import is_client
from cadence.script.engines import is_engine_call
from cadence.script.find import STEPS
from cadence.script.index import Definition
from cadence.script.model import Script
from cadence.script.resolve import Resolver

EFFECTS = STEPS | {"set_lr", "set_lr_scheduler", "add_param_group", "step_param_groups", "assign", "apply_gradients"}
"""Methods that move an optimizer or a scheduler."""

RATES = frozenset({"lr", "learning_rate", "initial_lr", "lr_scale"})
"""Keys and attributes that are rates."""

_HOMES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
_OPTIMIZER = ("optimizer", "optim", "opt")
ENDS = (ast.Break, ast.Continue, ast.Return)


class Slice:
    """The part of a script that moves a rate.

    Attributes:
        live: statements and definitions that do something to an optimizer, a scheduler or a rate, or hold one that
            does.
        needed: names that what is live asks for.
        within: expressions that hold such a call.
        hidden: where updates are implied, the calls that are taken for training: of a function that is not in the
            script, by its name, in a loop.
    """

    def __init__(self, script: Script, resolver: Resolver, *, implied: bool) -> None:
        self._of = resolver
        self._index = resolver.index
        self.live: set[ast.AST] = set()
        self.needed: set[str] = set()
        self.within: set[ast.AST] = set()
        self._fits = any(o.framework in ("keras", "paddle") for o in script.optimizers) or any(
            name.endswith(".configure_optimizers") for name in script.functions
        )
        self._engines = any(path.startswith("ignite") for path in script.imports.values())
        made = {o.node for o in script.optimizers} | {s.node for s in script.schedulers}
        updating = {o.framework for o in script.optimizers} & {"optax"}
        for call in self._index.calls:
            if call in made or self._moves(call, optax=bool(updating)):
                self._enliven(call)
        for write in self._index.writes:
            targets = write.targets if isinstance(write, ast.Assign) else [write.target]
            if any(_is_rate(target) for target in targets):
                self._enliven(write)
        self.hidden = {call for call in self._index.calls if self._trains(call)} if implied else set[ast.Call]()
        for call in self.hidden:
            self._enliven(call)
        self._ends()
        self._needs()

    def holds(self, node: ast.AST) -> bool:
        """Whether a statement is to be followed."""
        return node in self.live or any(name in self.needed for name in self.bound(node))

    def bound(self, node: ast.AST) -> list[str]:
        """The names a statement binds, their first parts."""
        targets: list[ast.expr] = []
        match node:
            case ast.Assign():
                targets = list(node.targets)
            case ast.AugAssign() | ast.AnnAssign():
                targets = [node.target]
            case ast.With() | ast.AsyncWith():
                targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="append" | "extend" | "update"))):
                targets = [owner]
            case _:
                pass
        return [_key(part) for target in targets for part in _leaves(target)]

    def _moves(self, call: ast.Call, *, optax: bool) -> bool:
        if self._engines and self._drives(call):
            return True
        if not isinstance(call.func, ast.Attribute):
            return False
        if call.func.attr in EFFECTS or call.func.attr == "save_hyperparameters":
            return True
        if call.func.attr in ("fit", "train"):
            made = [self._of.path(maker.func) for maker in self._of.makers(call.func.value)]
            return self._fits if call.func.attr == "fit" else any(is_client(path, "train") for path in made)
        return optax and call.func.attr == "update" and len(call.args) >= 2

    def _drives(self, call: ast.Call) -> bool:
        """Whether a call has to do with an engine of Ignite's."""
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        paths = [] if owner is None else [self._of.path(maker.func) for maker in self._of.makers(owner)]
        return is_engine_call(self._of.path(call.func), paths, getattr(call.func, "attr", ""))

    def _trains(self, call: ast.Call) -> bool:
        place = self._index.place(call)
        if not place.loops or self._of.callee(call) is not None:
            return False
        name = self._of.path(call.func).rpartition(".")[2].lower()
        given = any(self._of.path(part).lower().endswith(_OPTIMIZER) for part in call.args)
        if isinstance(call.func, ast.Attribute) and not given:
            return False
        return "train" in name or "fit" in name or (given and any(word in name for word in ("epoch", "step", "update")))

    def _enliven(self, node: ast.AST) -> None:
        """Everything around a node, and everything that calls its function."""
        queue: list[ast.AST] = [node]
        while queue:
            current: ast.AST | None = queue.pop()
            while current is not None and current not in self.live:
                if isinstance(current, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                    self.live.add(current)
                else:
                    self.within.add(current)
                if isinstance(current, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    queue += self._of.sites(current)
                    owner = self._of.owner(current)
                    if owner is not None and current.name != "__init__":
                        # What makes the object that a method belongs to.
                        initial = self._of.method(owner, "__init__")
                        self.live.add(owner)
                        queue += [c for c in self._index.calls if self._of.made_class(c) is owner]
                        queue += [] if initial is None else [initial]
                    break
                current = self._index.parents.get(current)

    def _ends(self) -> None:
        """Statements that leave a loop, or a turn of it, in which something lives."""
        for node in self._index.places:
            if isinstance(node, ENDS):
                place = self._index.places[node]
                home: Definition | None = self._of.definition(node)
                inside = any(loop in self.live for loop in place.loops)
                if inside or (isinstance(node, ast.Return) and home is not None and home in self.live):
                    self._enliven(node)

    def _needs(self) -> None:
        """Names in what is live, in what those are computed from, and so on."""
        binding: dict[str, list[ast.AST]] = {}
        for node in self._index.places:
            for name in self.bound(node):
                binding.setdefault(name, []).append(node)
        queue: list[ast.AST] = [part for node in self.live for part in _own(node)]
        seen: set[ast.AST] = set()
        while queue:
            root = queue.pop()
            if root in seen:
                continue
            seen.add(root)
            for node in ast.walk(root):
                if isinstance(node, (ast.Name, ast.Attribute)):
                    name = _key(node)
                    if name and name not in self.needed:
                        self.needed.add(name)
                        queue += [part for b in binding.get(name, []) for part in (*_own(b), *self._around(b))]

    def _around(self, node: ast.AST) -> list[ast.AST]:
        """The tests and loops around a statement that binds a needed name: it is followed only if they are."""
        found: list[ast.AST] = []
        current = self._index.parents.get(node)
        while current is not None and not isinstance(current, _HOMES):
            if isinstance(current, ast.stmt) and current not in self.live:
                self.live.add(current)
                found += _own(current)
            current = self._index.parents.get(current)
        return found


def _own(node: ast.AST) -> list[ast.AST]:
    """The expressions of a statement itself, without the statements in it."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        # `@engine.on(event)` is a call that the function is given to.
        hung = [d for d in node.decorator_list if isinstance(d, ast.Call) and getattr(d.func, "attr", "") == "on"]
        return [*hung, *node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    if isinstance(node, ast.ClassDef):
        return []
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return [node.iter]
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return [item.context_expr for item in node.items]
    return [
        child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr) and not _plain_target(node, child)
    ]


def _plain_target(node: ast.AST, child: ast.expr) -> bool:
    """Whether a part of a statement is a name that it binds, which it need not know before."""
    return isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(child, ast.Name) and child is not node.value


def _is_rate(target: ast.expr) -> bool:
    match target:
        case ast.Subscript(slice=ast.Constant(value=str() as key)):
            return key in RATES
        case ast.Attribute(attr="learning_rate" | "lr"):
            # `optimizer.learning_rate = 0.1`; of an object of settings it does no harm.
            return isinstance(target.value, ast.Name) and target.value.id not in ("self", "args", "cfg", "config")
        case _:
            return False


def _leaves(target: ast.expr) -> list[ast.expr]:
    if isinstance(target, (ast.Tuple, ast.List)):
        return [leaf for part in target.elts for leaf in _leaves(part)]
    return [target.value] if isinstance(target, ast.Starred) else [target]


def _key(node: ast.expr) -> str:
    """What a name is known by here: itself, or ``self.x`` for what an object keeps."""
    below: ast.expr | None = None
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        below, node = node, node.value
    if not isinstance(node, ast.Name):
        return ""
    if node.id == "self" and isinstance(below, ast.Attribute):
        return f"self.{below.attr}"
    return node.id
