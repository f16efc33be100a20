"""Values of expressions, by whitelist over the syntax tree: what is not listed is unknown, and nothing is executed."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from cadence._errors import CadenceError, ConversionError
from cadence.script.index import Binding, Definition, parameters, plain
from cadence.script.model import Function, Made, Unknown, is_number, is_unknown

if TYPE_CHECKING:
    from cadence.script.resolve import Resolver

DEEPEST = 60
"""Expressions inside expressions, and calls inside calls."""

LONGEST = 100_000
"""Items of a list, turns of a loop inside a function of the script."""

MOST_WORK = 100_000
"""Nodes that are looked at for one value, calls of the script's functions included."""

MOST_WORK_IN_ALL = 300_000
"""Nodes that are looked at for all values of a script that ask for more than a few; after that they are unknown."""

A_FEW = 10_000

MOST_BITS = 4096

Env = MutableMapping[str, Any]

_BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
}
_COMPARE: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Is: operator.eq, ast.IsNot: operator.ne,
}  # fmt: skip


def _clip(x: float, lo: float, hi: float) -> float:
    return min(max(x, lo), hi)


def _interp(x: float, xp: Sequence[float], fp: Sequence[float]) -> float:
    if x <= xp[0]:
        return fp[0]
    for a, b, fa, fb in zip(xp, xp[1:], fp, fp[1:], strict=False):
        if x <= b:
            return fa + (fb - fa) * (x - a) / (b - a)
    return fp[-1]


def _power(a: float, b: float) -> float:
    return math.pow(a, b)


def _floor(x: float) -> float:
    return float(math.floor(x))


def _ceil(x: float) -> float:
    return float(math.ceil(x))


def _list(items: Iterable[Any] = ()) -> list[Any]:
    return list(items)


def _tuple(items: Iterable[Any] = ()) -> tuple[Any, ...]:
    return tuple(items)


def _dict(*pairs: Any, **named: Any) -> dict[Any, Any]:
    return dict(*pairs, **named)


def _enumerated(items: Iterable[Any], start: int = 0) -> list[tuple[int, Any]]:
    return list(enumerate(items, start))


def _zipped(*items: Iterable[Any]) -> list[tuple[Any, ...]]:
    return list(zip(*items, strict=False))


def _reversed(items: Sequence[Any]) -> list[Any]:
    return list(reversed(items))


_MATH: Mapping[str, Callable[..., Any]] = {
    name: getattr(math, name)
    for name in ("sqrt", "exp", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "tanh", "floor", "ceil",
                 "pow", "atan", "fabs", "fmod", "isclose", "isnan", "isinf", "trunc")
}  # fmt: skip
_NUMPY: Mapping[str, Callable[..., Any]] = {
    **{k: v for k, v in _MATH.items() if k in ("sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "tanh")},
    "floor": _floor, "ceil": _ceil, "abs": abs, "minimum": min, "maximum": max, "clip": _clip, "power": _power,
    "interp": _interp, "float64": float, "round": round, "int64": int, "min": min, "max": max,
}  # fmt: skip
_BUILTIN: Mapping[str, Callable[..., Any]] = {
    "int": int, "float": float, "bool": bool, "abs": abs, "min": min, "max": max, "round": round, "sum": sum,
    "len": len, "pow": _power, "divmod": divmod, "list": _list, "tuple": _tuple, "sorted": sorted, "any": any,
    "all": all, "enumerate": _enumerated, "zip": _zipped, "reversed": _reversed, "dict": _dict,
}  # fmt: skip
_CONSTANTS = {
    "math.pi": math.pi, "math.e": math.e, "math.inf": math.inf, "math.nan": math.nan, "numpy.pi": math.pi,
    "numpy.e": math.e, "numpy.inf": math.inf, "torch.pi": math.pi, "torch.inf": math.inf,
}  # fmt: skip
_NAMESPACES = ("SimpleNamespace", "Namespace", "EasyDict", "AttrDict", "DictConfig", "ConfigDict", "edict", "Munch")


def _listed(x: object) -> TypeGuard[Sequence[Any]]:
    """Whether a value is a list, a tuple or a range."""
    return isinstance(x, (list, tuple, range))


_KEEPING = (ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom)


class TooMuch(Exception):
    """More work than a value is worth."""


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Evaluator:
    """Values in one tree."""

    def __init__(self, resolver: Resolver) -> None:
        self._of = resolver
        self._known: dict[ast.AST, Any] = {}
        self._busy: set[ast.AST] = set()
        self._depth = 0
        self._work = 0
        self._spent = 0
        self._keeping: dict[ast.AST, bool] = {}
        self._parameters_of: dict[ast.AST, list[tuple[str, ast.expr | None]]] = {}
        self._defaults: dict[str, ast.Call] | None = None

    def value(self, node: ast.expr) -> Any:
        """What an expression is where it stands."""
        if node in self._known:
            return self._known[node]
        if node in self._busy:
            return self._of.unknown(node)
        self._busy.add(node)
        if self._depth == 0:
            self._work = 0
        outermost = self._depth == 0
        try:
            found = self.compute(node, None)
        except (TooMuch, RecursionError):
            found = self._of.unknown(node, "it takes too long to follow")
        finally:
            self._busy.discard(node)
            if outermost and self._work > A_FEW:
                self._spent += self._work
        self._known[node] = found
        return found

    def run(self, function: Function, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> Any:
        """What a function of the script returns for given arguments.

        Raises:
            ConversionError: it does something that is not followed here.
        """
        self._work = 0
        try:
            result = self._call(function, list(args), dict(kwargs or {}))
        except (TooMuch, RecursionError):
            raise ConversionError(f"{function.text} takes too long to follow; write a shorter function") from None
        if isinstance(result, Unknown):
            raise ConversionError(f"what {function.text} returns cannot be told: {result.text} is not known")
        return result

    # ---- expressions ---------------------------------------------------------------------------------------------

    def compute(self, node: ast.expr, env: Env | None) -> Any:
        """The value of an expression; `env` holds the names of a function that is followed."""
        self._work += 1
        if self._work > MOST_WORK or (self._spent > MOST_WORK_IN_ALL and self._work > A_FEW):
            raise TooMuch
        if self._depth > DEEPEST:
            return self._of.unknown(node, "it is nested too deeply")
        self._depth += 1
        try:
            return self._compute(node, env)
        except CadenceError:
            # A sentence of ours, which is a ValueError too.
            raise
        except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError):
            # What Python itself would stumble over has no value.
            return self._of.unknown(node)
        finally:
            self._depth -= 1

    def _compute(self, node: ast.expr, env: Env | None) -> Any:
        def go(child: ast.expr) -> Any:
            return self.value(child) if env is None else self.compute(child, env)

        match node:
            case ast.Constant(value=value):
                return self._of.unknown(node) if isinstance(value, (bytes, complex)) or value is ... else value
            case ast.Name():
                return self._name(node, env)
            case ast.Attribute():
                return self._attribute(node, env)
            case ast.UnaryOp(op=op, operand=operand):
                return self._unary(node, op, go(operand))
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(node, op, go(left), go(right))
            case ast.BoolOp(op=op, values=parts):
                result: Any = None
                for part in parts:
                    result = go(part)
                    if isinstance(result, (Unknown, Made, Function)):
                        return self._of.unknown(node)
                    if bool(result) is isinstance(op, ast.Or):
                        return result
                return result
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [go(left), *map(go, others)]
                if any(is_unknown(side) or isinstance(side, (Made, Function)) for side in sides):
                    if all(isinstance(op, (ast.Is, ast.IsNot)) for op in ops) and len(sides) == 2 and None in sides:
                        other = sides[0] if sides[1] is None else sides[1]
                        if isinstance(other, (Made, Function)):
                            return isinstance(ops[0], ast.IsNot)
                    return self._of.unknown(node)
                pairs = zip(ops, sides, sides[1:], strict=False)
                return all(_COMPARE[type(op)](a, b) for op, a, b in pairs)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                truth = truth_of(go(test))
                if truth is None:
                    return self._of.unknown(node)
                return go(body) if truth else go(orelse)
            case ast.Tuple(elts=parts):
                return tuple(self._items(parts, go))
            case ast.List(elts=parts) | ast.Set(elts=parts):
                return self._items(parts, go)
            case ast.Dict(keys=keys, values=values):
                return self._dict(node, keys, values, go)
            case ast.Subscript(value=value, slice=index):
                return self._subscript(node, go(value), index, go)
            case ast.Lambda():
                return Function(self._of.source(node), node, self, env)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
                return self._comprehension(node, env)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                result = go(value)
                if env is not None:
                    env[name] = result
                return result
            case ast.Call():
                return self._called(node, env, go)
            case ast.JoinedStr(values=values):
                texts = [part.value for part in values if isinstance(part, ast.Constant)]
                return "".join(map(str, texts)) if len(texts) == len(values) else self._of.unknown(node)
            case _:
                return self._of.unknown(node)

    def _unary(self, node: ast.expr, op: ast.unaryop, x: Any) -> Any:
        if isinstance(x, (Unknown, Made, Function)):
            return self._of.unknown(node)
        if isinstance(op, ast.Not):
            return not x
        if isinstance(op, ast.Invert):
            return self._of.unknown(node)
        return -x if isinstance(op, ast.USub) else +x

    def _binary(self, node: ast.expr, op: ast.operator, a: Any, b: Any) -> Any:
        if type(op) not in _BINARY:
            return self._of.unknown(node)
        if isinstance(op, ast.Add) and type(a) is type(b) and isinstance(a, (str, list, tuple)):
            joined = cast("Any", a) + b
            return self._of.unknown(node) if len(joined) > LONGEST else joined
        for many, times in ((a, b), (b, a)):
            if isinstance(op, ast.Mult) and isinstance(many, (list, tuple)) and isinstance(times, int):
                items = cast("list[Any]", many)
                return self._of.unknown(node) if len(items) * times > LONGEST else items * times
        if not (isinstance(a, (int, float)) and isinstance(b, (int, float))):
            return self._of.unknown(node)
        if isinstance(a, int) and isinstance(b, int):
            bits = max(a.bit_length(), 1) * abs(b) if isinstance(op, ast.Pow) else a.bit_length() + b.bit_length()
            if bits > MOST_BITS:
                return self._of.unknown(node, "the number is too large")
        result = _BINARY[type(op)](a, b)
        return result if isinstance(result, (int, float)) else self._of.unknown(node)

    def _items(self, parts: list[ast.expr], go: Callable[[ast.expr], Any]) -> list[Any]:
        found: list[Any] = []
        for part in parts:
            if isinstance(part, ast.Starred):
                inner = go(part.value)
                if _listed(inner) and len(inner) <= LONGEST:
                    found += inner
                else:
                    found.append(self._of.unknown(part))
            else:
                found.append(go(part))
        return found

    def _dict(
        self, node: ast.expr, keys: list[ast.expr | None], values: list[ast.expr], go: Callable[[ast.expr], Any]
    ) -> Any:
        found: dict[Any, Any] = {}
        for key, value in zip(keys, values, strict=True):
            if key is None:
                inner = go(value)
                if not isinstance(inner, dict):
                    return self._of.unknown(node)
                found |= cast("dict[Any, Any]", inner)
            else:
                name = go(key)
                if not isinstance(name, (str, int, float)):
                    return self._of.unknown(node)
                found[name] = go(value)
        return found

    def _subscript(self, node: ast.expr, owner: Any, index: ast.expr, go: Callable[[ast.expr], Any]) -> Any:
        if isinstance(owner, Made) and any(owner.path.endswith(name) for name in _NAMESPACES):
            inside = self._namespace(owner)
            key = go(index)
            return inside[key] if isinstance(key, str) and key in inside else self._of.unknown(node)
        if isinstance(index, ast.Slice):
            bounds = [None if part is None else go(part) for part in (index.lower, index.upper, index.step)]
            if isinstance(owner, (list, tuple, str)) and all(b is None or isinstance(b, int) for b in bounds):
                return cast("Any", owner)[slice(*bounds)]
            return self._of.unknown(node)
        key = go(index)
        if isinstance(owner, dict):
            inside = cast("dict[Any, Any]", owner)
            return inside[key] if isinstance(key, (str, int, float)) and key in inside else self._of.unknown(node)
        if (_listed(owner) or isinstance(owner, str)) and isinstance(key, int) and -len(owner) <= key < len(owner):
            return owner[key]
        return self._of.unknown(node)

    def _comprehension(
        self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp, env: Env | None
    ) -> Any:
        found: list[Any] = []
        fill = {} if env is None else dict(env)

        def go(k: int) -> bool:
            if k == len(node.generators):
                if isinstance(node, ast.DictComp):
                    found.append((self.compute(node.key, fill), self.compute(node.value, fill)))
                else:
                    found.append(self.compute(node.elt, fill))
                return True
            generator = node.generators[k]
            over = self.compute(generator.iter, fill)
            if not _listed(over) or len(over) > LONGEST:
                return False
            for item in over:
                if not self._unpack(generator.target, item, fill):
                    return False
                keep = [truth_of(self.compute(test, fill)) for test in generator.ifs]
                if None in keep:
                    return False
                if all(keep) and not go(k + 1):
                    return False
            return True

        if not go(0):
            return self._of.unknown(node)
        return dict(found) if isinstance(node, ast.DictComp) else found

    # ---- names ---------------------------------------------------------------------------------------------------

    def _name(self, node: ast.Name, env: Env | None) -> Any:
        if env is not None and node.id in env:
            return env[node.id]
        bound = self._of.bindings(node.id, node)
        if not bound:
            return {"True": True, "False": False, "None": None}.get(node.id, self._of.unknown(node))
        if len(bound) > 1:
            values = [self._bound(binding, node) for binding in bound] if _plain_values(bound) else []
            if values and all(type(v) is type(values[0]) and v == values[0] for v in values):
                return values[0]
            return self._of.unknown(node)
        return self._bound(bound[0], node)

    def _bound(self, binding: Binding, node: ast.expr) -> Any:
        match binding.kind:
            case "assign":
                if binding.value is None:
                    return self._of.unknown(node)
                return _taken(self.value(binding.value), binding.path, self._of.unknown(node))
            case "augmented":
                if not isinstance(binding.node, ast.AugAssign) or binding.place.loops:
                    return self._of.unknown(node)
                target = binding.node.target
                before = self._of.bindings(plain(target), binding.node)
                if len(before) != 1 or before[0] is binding:
                    return self._of.unknown(node)
                return self._binary(node, binding.node.op, self._bound(before[0], node), self.value(binding.node.value))
            case "def":
                if isinstance(binding.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    return Function(binding.node.name, binding.node, self, None)
                return self._of.unknown(node)
            case "parameter":
                return self._parameter(binding, node)
            case "import":
                return _CONSTANTS.get(binding.dotted, self._of.unknown(node))
            case _:
                return self._of.unknown(node)

    def _parameter(self, binding: Binding, node: ast.expr) -> Any:
        home = binding.place.scope.node
        if not isinstance(home, (ast.FunctionDef, ast.AsyncFunctionDef)) or not isinstance(binding.node, ast.arg):
            return self._of.unknown(node)
        given = self._of.given(binding.node, home)
        values = [self.value(expression) for expression in given]
        if not values or any(isinstance(v, Unknown) for v in values[:1]):
            return values[0] if values else self._of.unknown(node, f"{binding.node.arg} is a parameter")
        if any(type(v) is not type(values[0]) or v != values[0] for v in values):
            return self._of.unknown(node, f"{home.name} is called with different values of {binding.node.arg}")
        if not self._of.sites(home) and is_number(values[0]):
            self._of.assumed[f"{binding.node.arg} of {home.name}() is its default, {values[0]!r}"] = None
        return values[0]

    def _attribute(self, node: ast.Attribute, env: Env | None) -> Any:
        path = self._of.path(node)
        if path in _CONSTANTS:
            return _CONSTANTS[path]
        whole = plain(node)
        first, _, rest = whole.partition(".")
        owner = self._of.owner(node) if first == "self" else None
        if owner is not None and rest:
            fields = self._of.index.scopes[owner].fields.get(rest, [])
            if len(fields) == 1 and fields[0].kind != "def":
                return self._bound(fields[0], node)
            method = self._of.method(owner, rest)
            if method is not None and not fields[1:]:
                held = self._of.unknown(node) if env is None or first not in env else env[first]
                return self._as_method(method, held)
            return self._of.unknown(node)
        if env is None and whole:
            bound = self._of.bindings(whole, node)
            here = (node.lineno, node.col_offset)
            if bound and (len(bound) == 1 and bound[0].since <= here):
                return self._bound(bound[0], node)
            if bound and any(b.since <= here or b.place.loops for b in bound):
                return self._of.unknown(node)
        return self._field(node, env)

    def _as_method(self, method: Definition, owner: Any) -> Function:
        """A method of an object as a value."""
        static = any(self._of.path(d) == "staticmethod" for d in method.decorator_list)
        return Function(method.name, method, self, None, () if static else (owner,))

    def _field(self, node: ast.Attribute, env: Env | None) -> Any:
        """An attribute of an object that is made in the script."""
        if isinstance(node.value, ast.Name):
            for binding in self._of.bindings(node.value.id, node):
                if isinstance(binding.node, ast.ClassDef):
                    return self._class_field(binding.node, node)
        makers = self._of.makers(node.value) if env is None or not isinstance(node.value, ast.Name) else ()
        if len(makers) == 1:
            return self._made_field(Made(self._of.path(makers[0].func), "", makers[0]), node)
        value = self.compute(node.value, env) if env is not None else self.value(node.value)
        if isinstance(value, dict) and node.attr in value:
            return cast("Any", value)[node.attr]
        return self._of.unknown(node)

    def _made_field(self, made: Made, node: ast.Attribute) -> Any:
        """An attribute of an object, from the call that made it."""
        name = made.path.rpartition(".")[2]
        if name in ("parse_args", "parse_known_args"):
            return self._argument(node)
        owner = self._of.made_class(made.node)
        for keyword in made.node.keywords:
            if keyword.arg == node.attr and (owner is None or self._of.method(owner, "__init__") is None):
                return self.value(keyword.value)
        if owner is not None:
            return self._class_field(owner, node)
        inside: Mapping[str, Any] = self._namespace(made) if name in _NAMESPACES else {}
        return inside[node.attr] if node.attr in inside else self._of.unknown(node)

    def _namespace(self, made: Made) -> Mapping[str, Any]:
        inside: dict[str, Any] = {k.arg: self.value(k.value) for k in made.node.keywords if k.arg}
        if made.node.args:
            first = self.value(made.node.args[0])
            if isinstance(first, dict):
                inside = cast("dict[str, Any]", first) | inside
        return inside

    def _class_field(self, owner: ast.ClassDef, node: ast.Attribute) -> Any:
        fields = self._of.index.scopes[owner].fields.get(node.attr, [])
        if len(fields) != 1:
            return self._of.unknown(node)
        value = self._bound(fields[0], node)
        if isinstance(value, Made) and value.path.rpartition(".")[2] == "field":
            for keyword in value.node.keywords:
                if keyword.arg == "default":
                    return self.value(keyword.value)
                if keyword.arg == "default_factory":
                    made = self.value(keyword.value)
                    return self._call(made, [], {}) if isinstance(made, Function) else self._of.unknown(node)
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
            chosen = self.value(action) if action is not None else None
            if chosen in ("store_true", "store_false"):
                return chosen == "store_false"
            if options.get("required") is not None or not _is_option(call):
                return self._of.unknown(node, "it is given on the command line")
            return None
        value = self.value(options["default"])
        kind = options.get("type")
        if isinstance(value, str) and isinstance(kind, ast.Name) and kind.id in ("int", "float"):
            value = int(value) if kind.id == "int" else float(value)
        if not is_unknown(value):
            self._of.assumed[f"--{node.attr.replace('_', '-')} is its default, {value!r}"] = None
        return value

    # ---- calls ---------------------------------------------------------------------------------------------------

    def _called(self, node: ast.Call, env: Env | None, go: Callable[[ast.expr], Any]) -> Any:
        path = self._of.path(node.func)
        if isinstance(node.func, ast.Attribute) and env is not None and plain(node.func).split(".")[0] in env:
            held = self.compute(node.func.value, env)
            path = f"{held.path}().{node.func.attr}" if isinstance(held, Made) else ""
        if path == "len" and len(node.args) == 1 and not node.keywords:
            return self._length(node, go)
        function = self._whitelisted(path, node)
        if function is not None:
            args = self._items(node.args, go)
            named = {k.arg: go(k.value) for k in node.keywords}
            if None in named or any(is_unknown(x) or isinstance(x, (Made, Function)) for x in (*args, *named.values())):
                return self._of.unknown(node)
            if function is _power:
                return self._binary(node, ast.Pow(), *args) if len(args) == 2 else self._of.unknown(node)
            if any(_listed(a) and len(a) > LONGEST for a in args):
                return self._of.unknown(node)
            return function(*args, **cast("dict[str, Any]", named))
        if path == "range":
            args = [go(a) for a in node.args]
            return range(*args) if all(isinstance(a, int) for a in args) else self._of.unknown(node)
        if isinstance(node.func, ast.Attribute):
            method = self._method(node, go, env)
            if method is not None:
                return method
        called = self._function(node, env, path)
        if called is not None:
            args = self._items(node.args, go)
            named = {k.arg: go(k.value) for k in node.keywords}
            if None in named:
                return self._of.unknown(node)
            return self._call(called, args, cast("dict[str, Any]", named))
        if path == "functools.partial" and node.args:
            return self._partial(node, go)
        if path:
            return Made(path, self._of.source(node), node)
        return self._of.unknown(node)

    def _partial(self, node: ast.Call, go: Callable[[ast.expr], Any]) -> Any:
        inner = go(node.args[0])
        named = {k.arg: go(k.value) for k in node.keywords}
        if not isinstance(inner, Function) or None in named:
            return self._of.unknown(node)
        first = (*inner.first, *self._items(node.args[1:], go))
        by_name = {**inner.by_name, **cast("dict[str, Any]", named)}
        return Function(inner.text, inner.node, self, inner.env, first, by_name)

    def _function(self, node: ast.Call, env: Env | None, path: str) -> Function | None:
        """The function of the script that is called, where its arguments and text say what it returns."""
        if isinstance(node.func, ast.Name) and env is not None and isinstance(env.get(node.func.id), Function):
            return env[node.func.id]
        if isinstance(node.func, (ast.Lambda, ast.Call)):
            made = self.compute(node.func, env)
            return made if isinstance(made, Function) else None
        definition = self._of.callee(node)
        if definition is not None and self._of.made_class(node) is None and isinstance(node.func, ast.Name):
            return Function(definition.name, definition, self, None)
        if isinstance(node.func, ast.Name):
            bound = self._of.bindings(node.func.id, node)
            if len(bound) == 1 and bound[0].kind == "assign":
                value = self._bound(bound[0], node)
                return value if isinstance(value, Function) else None
        return None

    def _whitelisted(self, path: str, node: ast.Call) -> Callable[..., Any] | None:
        home, _, name = path.rpartition(".")
        if not home and isinstance(node.func, ast.Name) and not self._of.bindings(name, node):
            return _BUILTIN.get(name)
        if home == "math":
            return _MATH.get(name)
        return _NUMPY.get(name) if home == "numpy" else None

    def _method(self, node: ast.Call, go: Callable[[ast.expr], Any], env: Env | None) -> Any:
        assert isinstance(node.func, ast.Attribute)
        if node.func.attr not in ("get", "items", "keys", "values", "lower", "upper", "copy", "strip"):
            return None
        owner = go(node.func.value)
        if isinstance(owner, dict):
            known = cast("dict[Any, Any]", owner)
            match node.func.attr:
                case "get" if node.args:
                    key = go(node.args[0])
                    if isinstance(key, (str, int)):
                        return known[key] if key in known else go(node.args[1]) if len(node.args) > 1 else None
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

    def _length(self, node: ast.Call, go: Callable[[ast.expr], Any]) -> Any:
        value = go(node.args[0])
        if _listed(value) or isinstance(value, (dict, str)):
            return len(cast("Any", value))
        if self._of.steps_per_epoch is not None and self.is_loader(node.args[0], training=True):
            return self._of.steps_per_epoch
        return self._of.unknown(node, "the length of the loader is not known")

    def is_loader(self, node: ast.expr, *, training: bool = False) -> bool:
        """Whether an expression is, by its making or its name, a loader of batches (of those trained on)."""
        name = plain(node).lower()
        last = name.rpartition(".")[2]
        if training and any(word in name for word in ("val", "test", "eval", "dev_")):
            return False
        makers = self._of.makers(node)
        paths = [self._of.path(call.func).rpartition(".")[2] for call in makers]
        if any(path.endswith(("DataLoader", "Loader")) for path in paths):
            return True
        words = ("loader", "dataloader", "batches", "train_dl", "train_iter", "data_iter", "reader", "sampler")
        return bool(last) and (any(word in last for word in words) or last in ("dl", "trainset_loader"))

    # ---- functions of the script ---------------------------------------------------------------------------------

    def _call(self, function: Function, args: list[Any], kwargs: dict[str, Any]) -> Any:
        node = function.node
        if self._depth > DEEPEST:
            return Unknown(function.text, "it calls itself too deeply")
        env: Env = dict(function.env or {})
        if node not in self._parameters_of:
            self._parameters_of[node] = list(parameters(node.args))
        names = self._parameters_of[node]
        args, kwargs = [*function.first, *args], {**function.by_name, **kwargs}
        if node.args.vararg is not None or len(args) > len(names):
            return Unknown(function.text)
        given: dict[str, Any] = {name: value for (name, _), value in zip(names, args, strict=False)}
        given |= kwargs
        for name, default in names:
            if name not in given:
                if default is None:
                    return Unknown(name, f"{function.text} is not given it")
                given[name] = self.value(default)
        if set(given) - {name for name, _ in names}:
            return Unknown(function.text)
        env |= given
        self._depth += 1
        try:
            if isinstance(node, ast.Lambda):
                return self.compute(node.body, env)
            return self._body(node, env)
        finally:
            self._depth -= 1

    def _body(self, node: Definition, env: Env) -> Any:
        # What a function keeps between its calls makes it no function of its arguments.
        if node not in self._keeping:
            self._keeping[node] = any(isinstance(part, _KEEPING) for part in ast.walk(node))
        if self._keeping[node]:
            return Unknown(node.name, f"{node.name} keeps something between its calls")
        try:
            stopped = self._statements(node.body, env)
        except _Return as done:
            return done.value
        except (_Break, _Continue):
            return Unknown(node.name)
        except CadenceError:
            raise
        except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError):
            return Unknown(node.name)
        return stopped

    def _statements(self, body: Iterable[ast.stmt], env: Env) -> Unknown | None:
        """Follow statements; an Unknown where they cannot be."""
        for statement in body:
            stopped = self._statement(statement, env)
            if stopped is not None:
                return stopped
        return None

    def _statement(self, node: ast.stmt, env: Env) -> Unknown | None:
        self._work += 1
        if self._work > MOST_WORK:
            raise TooMuch
        match node:
            case ast.Return(value=value):
                raise _Return(None if value is None else self.compute(value, env))
            case ast.Assign(targets=targets, value=value):
                computed = self.compute(value, env)
                for target in targets:
                    if not self._unpack(target, computed, env):
                        return self._of.unknown(node)
            case ast.AnnAssign(target=target, value=value):
                if value is not None and not self._unpack(target, self.compute(value, env), env):
                    return self._of.unknown(node)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                before = ast.copy_location(ast.Name(name, ast.Load()), target)
                env[name] = self._binary(target, op, self.compute(before, env), self.compute(value, env))
            case ast.If(test=test, body=body, orelse=orelse):
                truth = truth_of(self.compute(test, env))
                if truth is None:
                    return self._of.unknown(test)
                return self._statements(body if truth else orelse, env)
            case ast.For(target=target, iter=over, body=body, orelse=orelse):
                items = self.compute(over, env)
                if not _listed(items) or len(items) > LONGEST:
                    return self._of.unknown(over)
                for item in items:
                    if not self._unpack(target, item, env):
                        return self._of.unknown(target)
                    try:
                        stopped = self._statements(body, env)
                    except _Continue:
                        continue
                    except _Break:
                        return None
                    if stopped is not None:
                        return stopped
                return self._statements(orelse, env)
            case ast.While(test=test, body=body):
                while True:
                    truth = truth_of(self.compute(test, env))
                    if truth is None:
                        return self._of.unknown(test)
                    if not truth:
                        return None
                    try:
                        stopped = self._statements(body, env)
                    except _Continue:
                        continue
                    except _Break:
                        return None
                    if stopped is not None:
                        return stopped
            case ast.FunctionDef(name=name):
                env[name] = Function(name, node, self, env)
            case ast.Break():
                raise _Break
            case ast.Continue():
                raise _Continue
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Assert() | ast.Import() | ast.ImportFrom():
                return None
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
                return None
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=attr), args=args)):
                held = self.compute(owner, env)
                if isinstance(held, list) and attr == "append" and len(args) == 1:
                    cast("list[Any]", held).append(self.compute(args[0], env))
                    return None
                # What is told to an object that is not followed (a parser, a logger) is no value.
                return None if isinstance(held, Made) else self._of.unknown(node)
            case _:
                return self._of.unknown(node)
        return None

    def _unpack(self, target: ast.expr, value: Any, env: Env) -> bool:
        match target:
            case ast.Name(id=name):
                env[name] = value
                return True
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                if not _listed(value) or len(value) != len(parts):
                    return False
                return all(self._unpack(p, v, env) for p, v in zip(parts, value, strict=True))
            case _:
                return False


def truth_of(value: Any) -> bool | None:
    """Whether a value counts as true; None where that cannot be told: what a function returns may be anything."""
    if isinstance(value, Unknown):
        return None
    if isinstance(value, Made):
        return True if value.path.rpartition(".")[2][:1].isupper() else None
    return bool(value)


def _taken(value: Any, path: tuple[int, ...], otherwise: Unknown) -> Any:
    """An item of a value that is taken apart."""
    for i in path:
        if not _listed(value) or not 0 <= i < len(value):
            return otherwise
        value = value[i]
    return value


def _plain_values(bindings: list[Binding]) -> bool:
    return all(b.kind == "assign" and isinstance(b.value, ast.Constant) and not b.path for b in bindings)


def _is_option(call: ast.Call) -> bool:
    return any(isinstance(a, ast.Constant) and str(a.value).startswith("-") for a in call.args)


def _destination(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg == "dest" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    names = [str(a.value) for a in call.args if isinstance(a, ast.Constant)]
    long = [name for name in names if name.startswith("--")] or names
    return long[0].lstrip("-").replace("-", "_") if long else ""
