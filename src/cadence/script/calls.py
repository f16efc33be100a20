"""What the calls of a script return, by whitelist and by the text of its own functions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from cadence.script.index import plain
from cadence.script.loaders import is_loader
from cadence.script.model import Function, Made, is_number, is_unknown
from cadence.script.operations import LONGEST, is_listed
from cadence.script.whitelist import ARRAYS, AS_IT_IS, BUILTIN, MATH, NUMPY, power

if TYPE_CHECKING:
    from cadence.script.evaluate import Env, Evaluator


class Calls:
    """Calls of one tree."""

    def __init__(self, values: Evaluator) -> None:
        self._values = values
        self._of = values.resolver

    def called(self, node: ast.Call, env: Env | None) -> Any:
        """What a call returns: a value, or what it makes."""
        path = self._of.path(node.func)
        if isinstance(node.func, ast.Attribute) and env is not None and plain(node.func).split(".")[0] in env:
            held = self._values.compute(node.func.value, env)
            path = f"{held.path}().{node.func.attr}" if isinstance(held, Made) else ""
        if path == "len" and len(node.args) == 1 and not node.keywords:
            return self._length(node, env)
        if path.rpartition(".")[2] in AS_IT_IS and path.rpartition(".")[0] in ARRAYS and node.args:
            value = self._values.part(node.args[0], env)
            return float(value) if is_number(value) else self._of.unknown(node)
        function = self._whitelisted(path, node)
        if function is not None:
            args = self._values.containers.items(node.args, env)
            named = {k.arg: self._values.part(k.value, env) for k in node.keywords}
            if None in named or any(is_unknown(x) or isinstance(x, (Made, Function)) for x in (*args, *named.values())):
                return self._of.unknown(node)
            if function is power:
                return self._values.binary(node, ast.Pow(), *args) if len(args) == 2 else self._of.unknown(node)
            if any(is_listed(a) and len(a) > LONGEST for a in args):
                return self._of.unknown(node)
            return function(*args, **cast("dict[str, Any]", named))
        if path == "range":
            args = [self._values.part(a, env) for a in node.args]
            return range(*args) if all(isinstance(a, int) for a in args) else self._of.unknown(node)
        if isinstance(node.func, ast.Attribute):
            method = self._method(node, env)
            if method is not None:
                return method
        called = self._function(node, env, path)
        if called is not None:
            args = self._values.containers.items(node.args, env)
            named = {k.arg: self._values.part(k.value, env) for k in node.keywords}
            if None in named:
                return self._of.unknown(node)
            return self._values.bodies.call(called, args, cast("dict[str, Any]", named))
        if path == "functools.partial" and node.args:
            return self._partial(node, env)
        if path:
            return Made(path, self._of.source(node), node)
        return self._of.unknown(node)

    def _partial(self, node: ast.Call, env: Env | None) -> Any:
        inner = self._values.part(node.args[0], env)
        named = {k.arg: self._values.part(k.value, env) for k in node.keywords}
        if not isinstance(inner, Function) or None in named:
            return self._of.unknown(node)
        first = (*inner.first, *self._values.containers.items(node.args[1:], env))
        by_name = {**inner.by_name, **cast("dict[str, Any]", named)}
        return Function(inner.text, inner.node, self._values, inner.env, first, by_name)

    def _function(self, node: ast.Call, env: Env | None, path: str) -> Function | None:
        """The function of the script that is called, where its arguments and text say what it returns."""
        if isinstance(node.func, ast.Name) and env is not None and isinstance(env.get(node.func.id), Function):
            return env[node.func.id]
        if isinstance(node.func, (ast.Lambda, ast.Call)):
            made = self._values.compute(node.func, env)
            return made if isinstance(made, Function) else None
        definition = self._of.callee(node)
        if definition is not None and self._of.made_class(node) is None and isinstance(node.func, ast.Name):
            return Function(definition.name, definition, self._values, None)
        if isinstance(node.func, ast.Name):
            bound = self._of.bindings(node.func.id, node)
            if len(bound) == 1 and bound[0].kind == "assign":
                value = self._values.variables.bound(bound[0], node)
                return value if isinstance(value, Function) else None
        return None

    def _whitelisted(self, path: str, node: ast.Call) -> Callable[..., Any] | None:
        home, _, name = path.rpartition(".")
        if not home and isinstance(node.func, ast.Name) and not self._of.bindings(name, node):
            return BUILTIN.get(name)
        if home == "math":
            return MATH.get(name)
        return NUMPY.get(name) if home in ARRAYS else None

    def _method(self, node: ast.Call, env: Env | None) -> Any:
        assert isinstance(node.func, ast.Attribute)
        if node.func.attr not in ("get", "items", "keys", "values", "lower", "upper", "copy", "strip"):
            return None
        owner = self._values.part(node.func.value, env)
        if isinstance(owner, dict):
            known = cast("dict[Any, Any]", owner)
            match node.func.attr:
                case "get" if node.args:
                    key = self._values.part(node.args[0], env)
                    if isinstance(key, (str, int)):
                        return (
                            known[key]
                            if key in known
                            else self._values.part(node.args[1], env)
                            if len(node.args) > 1
                            else None
                        )
                case "items":
                    return list(known.items())
                case "keys":
                    return list(known)
                case "values":
                    return list(known.values())
                case "copy":
                    return dict(known)
                case _:
                    pass
        if isinstance(owner, str) and node.func.attr in ("lower", "upper", "strip") and not node.args:
            return getattr(owner, node.func.attr)()
        return None

    def _length(self, node: ast.Call, env: Env | None) -> Any:
        value = self._values.part(node.args[0], env)
        if is_listed(value) or isinstance(value, (dict, str)):
            return len(cast("Any", value))
        if self._of.steps_per_epoch is not None and is_loader(self._of, node.args[0], training=True):
            return self._of.steps_per_epoch
        return self._of.unknown(node, "the length of the loader is not known")
