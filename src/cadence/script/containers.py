"""Lists, dictionaries and comprehensions of a script."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from cadence.script.model import Made
from cadence.script.operations import LONGEST, is_listed, item, sliced, truth_of
from cadence.script.whitelist import NAMESPACES

if TYPE_CHECKING:
    from cadence.script.evaluate import Env, Evaluator


class Containers:
    """Lists and dictionaries of one tree."""

    def __init__(self, values: Evaluator) -> None:
        self._values = values
        self._of = values.resolver

    def items(self, parts: Sequence[ast.expr], env: Env | None) -> list[Any]:
        """The values of expressions in a row, of which some may be starred."""
        found: list[Any] = []
        for part in parts:
            if isinstance(part, ast.Starred):
                inner = self._values.part(part.value, env)
                if is_listed(inner) and len(inner) <= LONGEST:
                    found += inner
                else:
                    found.append(self._of.unknown(part))
            else:
                found.append(self._values.part(part, env))
        return found

    def dictionary(self, node: ast.expr, keys: list[ast.expr | None], values: list[ast.expr], env: Env | None) -> Any:
        """A dictionary that is written out."""
        found: dict[Any, Any] = {}
        for key, value in zip(keys, values, strict=True):
            if key is None:
                inner = self._values.part(value, env)
                if not isinstance(inner, dict):
                    return self._of.unknown(node)
                found |= cast("dict[Any, Any]", inner)
            else:
                name = self._values.part(key, env)
                if not isinstance(name, (str, int, float)):
                    return self._of.unknown(node)
                found[name] = self._values.part(value, env)
        return found

    def subscript(self, node: ast.expr, owner: Any, index: ast.expr, env: Env | None) -> Any:
        """An item, a slice, or an entry of an object of settings.

        Raises:
            NoValue: it cannot be told.
        """
        if isinstance(owner, Made) and any(owner.path.endswith(name) for name in NAMESPACES):
            inside = self._values.fields.namespace(owner)
            key = self._values.part(index, env)
            return inside[key] if isinstance(key, str) and key in inside else self._of.unknown(node)
        if isinstance(index, ast.Slice):
            bounds = [
                None if part is None else self._values.part(part, env)
                for part in (index.lower, index.upper, index.step)
            ]
            return sliced(owner, bounds)
        return item(owner, self._values.part(index, env))

    def comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp, env: Env | None) -> Any:
        """What a comprehension gives; a generator counts as a list."""
        found: list[Any] = []
        fill = {} if env is None else dict(env)

        def turns(k: int) -> bool:
            if k == len(node.generators):
                if isinstance(node, ast.DictComp):
                    found.append((self._values.compute(node.key, fill), self._values.compute(node.value, fill)))
                else:
                    found.append(self._values.compute(node.elt, fill))
                return True
            generator = node.generators[k]
            over = self._values.compute(generator.iter, fill)
            if not is_listed(over) or len(over) > LONGEST:
                return False
            for each in over:
                if not bind(generator.target, each, fill):
                    return False
                keep = [truth_of(self._values.compute(test, fill)) for test in generator.ifs]
                if None in keep:
                    return False
                if all(keep) and not turns(k + 1):
                    return False
            return True

        if not turns(0):
            return self._of.unknown(node)
        return dict(found) if isinstance(node, ast.DictComp) else found


def bind(target: ast.expr, value: Any, env: Env) -> bool:
    """Bind a name, or several, to a value; False where it cannot be taken apart as they ask."""
    match target:
        case ast.Name(id=name):
            env[name] = value
            return True
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            if not is_listed(value) or len(value) != len(parts):
                return False
            return all(bind(p, v, env) for p, v in zip(parts, value, strict=True))
        case _:
            return False
