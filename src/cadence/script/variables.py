"""What the names and attributes of a script stand for, by its text alone."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, cast

from cadence.script.index import Binding, Definition, plain
from cadence.script.model import Function, Made, Unknown, is_number
from cadence.script.operations import taken
from cadence.script.whitelist import CONSTANTS

if TYPE_CHECKING:
    from cadence.script.evaluate import Env, Evaluator


class Variables:
    """Names and attributes of one tree."""

    def __init__(self, values: Evaluator) -> None:
        self._values = values
        self._of = values.resolver

    def name(self, node: ast.Name, env: Env | None) -> Any:
        """What a name stands for."""
        if env is not None and node.id in env:
            return env[node.id]
        bound = self._of.bindings(node.id, node)
        if not bound:
            return {"True": True, "False": False, "None": None}.get(node.id, self._of.unknown(node))
        if len(bound) > 1:
            values = [self.bound(binding, node) for binding in bound] if _plain_values(bound) else []
            if values and all(type(v) is type(values[0]) and v == values[0] for v in values):
                return values[0]
            return self._of.unknown(node)
        return self.bound(bound[0], node)

    def bound(self, binding: Binding, node: ast.expr) -> Any:
        """What a name was bound to; `node` is where it is asked for."""
        match binding.kind:
            case "assign":
                if binding.value is None:
                    return self._of.unknown(node)
                return taken(self._values.value(binding.value), binding.path, self._of.unknown(node))
            case "augmented":
                if not isinstance(binding.node, ast.AugAssign) or binding.place.loops:
                    return self._of.unknown(node)
                target = binding.node.target
                before = self._of.bindings(plain(target), binding.node)
                if len(before) != 1 or before[0] is binding:
                    return self._of.unknown(node)
                return self._values.binary(
                    node, binding.node.op, self.bound(before[0], node), self._values.value(binding.node.value)
                )
            case "def":
                if isinstance(binding.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    return Function(binding.node.name, binding.node, self._values, None)
                return self._of.unknown(node)
            case "parameter":
                return self._parameter(binding, node)
            case "import":
                return CONSTANTS.get(binding.dotted, self._of.unknown(node))
            case _:
                return self._of.unknown(node)

    def _parameter(self, binding: Binding, node: ast.expr) -> Any:
        home = binding.place.scope.node
        if not isinstance(home, (ast.FunctionDef, ast.AsyncFunctionDef)) or not isinstance(binding.node, ast.arg):
            return self._of.unknown(node)
        given = self._of.given(binding.node, home)
        values = [self._values.value(expression) for expression in given]
        if not values or any(isinstance(v, Unknown) for v in values[:1]):
            return values[0] if values else self._of.unknown(node, f"{binding.node.arg} is a parameter")
        if any(type(v) is not type(values[0]) or v != values[0] for v in values):
            return self._of.unknown(node, f"{home.name} is called with different values of {binding.node.arg}")
        if not self._of.sites(home) and is_number(values[0]):
            self._of.assumed[f"{binding.node.arg} of {home.name}() is its default, {values[0]!r}"] = None
        return values[0]

    def attribute(self, node: ast.Attribute, env: Env | None) -> Any:
        """What an attribute stands for."""
        path = self._of.path(node)
        if path in CONSTANTS:
            return CONSTANTS[path]
        whole = plain(node)
        first, _, rest = whole.partition(".")
        owner = self._of.owner(node) if first == "self" else None
        if owner is not None and rest:
            fields = self._of.index.scopes[owner].fields.get(rest, [])
            if len(fields) == 1 and fields[0].kind != "def":
                return self.bound(fields[0], node)
            method = self._of.method(owner, rest)
            if method is not None and not fields[1:]:
                held = self._of.unknown(node) if env is None or first not in env else env[first]
                return self.as_method(method, held)
            return self._of.unknown(node)
        if env is None and whole:
            bound = self._of.bindings(whole, node)
            here = (node.lineno, node.col_offset)
            if bound and (len(bound) == 1 and bound[0].since <= here):
                return self.bound(bound[0], node)
            if bound and any(b.since <= here or b.place.loops for b in bound):
                return self._of.unknown(node)
        return self._field(node, env)

    def as_method(self, method: Definition, owner: Any) -> Function:
        """A method of an object as a value."""
        static = any(self._of.path(d) == "staticmethod" for d in method.decorator_list)
        return Function(method.name, method, self._values, None, () if static else (owner,))

    def _field(self, node: ast.Attribute, env: Env | None) -> Any:
        """An attribute of an object that is made in the script."""
        if isinstance(node.value, ast.Name):
            for binding in self._of.bindings(node.value.id, node):
                if isinstance(binding.node, ast.ClassDef):
                    return self._values.fields.of_class(binding.node, node)
        makers = self._of.makers(node.value) if env is None or not isinstance(node.value, ast.Name) else ()
        if len(makers) == 1:
            return self._values.fields.of_made(Made(self._of.path(makers[0].func), "", makers[0]), node)
        value = self._values.part(node.value, env)
        if isinstance(value, dict) and node.attr in value:
            return cast("Any", value)[node.attr]
        return self._of.unknown(node)


def _plain_values(bindings: list[Binding]) -> bool:
    return all(b.kind == "assign" and isinstance(b.value, ast.Constant) and not b.path for b in bindings)
