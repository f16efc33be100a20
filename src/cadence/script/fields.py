"""Attributes of objects, from the calls and classes of the script that made them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from cadence.script.model import Function, Made, is_unknown
from cadence.script.whitelist import NAMESPACES

if TYPE_CHECKING:
    from cadence.script.evaluate import Evaluator


class Fields:
    """Attributes of objects of one tree."""

    def __init__(self, values: Evaluator) -> None:
        self._values = values
        self._of = values.resolver
        self._defaults: dict[str, ast.Call] | None = None

    def of_made(self, made: Made, node: ast.Attribute) -> Any:
        """An attribute of an object, from the call that made it."""
        name = made.path.rpartition(".")[2]
        if name in ("parse_args", "parse_known_args"):
            return self._argument(node)
        owner = self._of.made_class(made.node)
        for keyword in made.node.keywords:
            if keyword.arg == node.attr and (owner is None or self._of.method(owner, "__init__") is None):
                return self._values.value(keyword.value)
        if owner is not None:
            return self.of_class(owner, node)
        inside: Mapping[str, Any] = self.namespace(made) if name in NAMESPACES else {}
        return inside[node.attr] if node.attr in inside else self._of.unknown(node)

    def namespace(self, made: Made) -> Mapping[str, Any]:
        """What an object of settings is made with."""
        inside: dict[str, Any] = {k.arg: self._values.value(k.value) for k in made.node.keywords if k.arg}
        if made.node.args:
            first = self._values.value(made.node.args[0])
            if isinstance(first, dict):
                inside = cast("dict[str, Any]", first) | inside
        return inside

    def of_class(self, owner: ast.ClassDef, node: ast.Attribute) -> Any:
        """An attribute that a class gives its objects."""
        fields = self._of.index.scopes[owner].fields.get(node.attr, [])
        if len(fields) != 1:
            return self._of.unknown(node)
        value = self._values.variables.bound(fields[0], node)
        if isinstance(value, Made) and value.path.rpartition(".")[2] == "field":
            for keyword in value.node.keywords:
                if keyword.arg == "default":
                    return self._values.value(keyword.value)
                if keyword.arg == "default_factory":
                    made = self._values.value(keyword.value)
                    return (
                        self._values.bodies.call(made, [], {}) if isinstance(made, Function) else self._of.unknown(node)
                    )
        return value

    def _argument(self, node: ast.Attribute) -> Any:
        """An argument of the command line: what its parser has for it where it is not given."""
        if self._defaults is None:
            self._defaults = {}
            for call in self._of.index.calls:
                if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument":
                    dest = _destination(call)
                    if dest:
                        self._defaults.setdefault(dest, call)
        call = self._defaults.get(node.attr)
        if call is None:
            return self._of.unknown(node)
        options = {k.arg: k.value for k in call.keywords if k.arg}
        if "default" not in options:
            action = options.get("action")
            chosen = self._values.value(action) if action is not None else None
            if chosen in ("store_true", "store_false"):
                return chosen == "store_false"
            if options.get("required") is not None or not _is_option(call):
                return self._of.unknown(node, "it is given on the command line")
            return None
        value = self._values.value(options["default"])
        kind = options.get("type")
        if isinstance(value, str) and isinstance(kind, ast.Name) and kind.id in ("int", "float"):
            value = int(value) if kind.id == "int" else float(value)
        if not is_unknown(value):
            self._of.assumed[f"--{node.attr.replace('_', '-')} is its default, {value!r}"] = None
        return value


def _is_option(call: ast.Call) -> bool:
    return any(isinstance(a, ast.Constant) and str(a.value).startswith("-") for a in call.args)


def _destination(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg == "dest" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    names = [str(a.value) for a in call.args if isinstance(a, ast.Constant)]
    long = [name for name in names if name.startswith("--")] or names
    return long[0].lstrip("-").replace("-", "_") if long else ""
