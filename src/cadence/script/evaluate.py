"""Values of expressions, by whitelist over the syntax tree: what is not listed is unknown, and nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from cadence._errors import CadenceError, ConversionError
from cadence.script.bodies import Bodies
from cadence.script.calls import Calls
from cadence.script.containers import Containers
from cadence.script.fields import Fields
from cadence.script.leaving import TooMuch
from cadence.script.lookup import ByText, Lookup
from cadence.script.model import Function, Made, Unknown
from cadence.script.operations import NoValue, binary, compared, truth_of, unary
from cadence.script.variables import Variables

if TYPE_CHECKING:
    from cadence.script.resolve import Resolver

DEEPEST = 60
"""Expressions inside expressions."""

MOST_WORK = 100_000
"""Nodes that are looked at for one value, calls of the script's functions included."""

MOST_WORK_IN_ALL = 300_000
"""Nodes that are looked at for all values of a script that ask for more than a few; after that they are unknown."""

A_FEW = 10_000

Env = MutableMapping[str, Any]


class Evaluator:
    """Values in one tree.

    Attributes:
        resolver: of the tree.
        depth: expressions and calls that it is inside of.
        containers: lists, dictionaries and comprehensions.
        variables: names and attributes, by the text.
        fields: attributes of what the script makes.
        calls: calls, by the text.
        bodies: functions of the script.
    """

    def __init__(self, resolver: Resolver, lookup: Callable[[Evaluator], Lookup] = ByText) -> None:
        self.resolver = resolver
        self.depth = 0
        self.containers = Containers(self)
        self.variables = Variables(self)
        self.fields = Fields(self)
        self.calls = Calls(self)
        self.bodies = Bodies(self)
        self._lookup = lookup(self)
        self._known: dict[ast.AST, Any] = {}
        self._busy: set[ast.AST] = set()
        self._work = 0
        self._spent = 0

    def value(self, node: ast.expr) -> Any:
        """What an expression is where it stands."""
        if node in self._known:
            return self._known[node]
        if node in self._busy:
            return self.resolver.unknown(node)
        self._busy.add(node)
        outermost = self.depth == 0
        if outermost:
            self._work = 0
        try:
            found = self.compute(node, None)
        except (TooMuch, RecursionError):
            found = self.resolver.unknown(node, "it takes too long to follow")
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
            result = self.bodies.call(function, args, kwargs or {})
        except (TooMuch, RecursionError):
            raise ConversionError(f"{function.text} takes too long to follow; write a shorter function") from None
        if isinstance(result, Unknown):
            raise ConversionError(f"what {function.text} returns cannot be told: {result.text} is not known")
        return result

    # ---- work ----------------------------------------------------------------------------------------------------

    def afresh(self) -> None:
        """Forget the work that was done so far: what comes next is another value."""
        self._work = 0

    def spend(self) -> None:
        """One node more.

        Raises:
            TooMuch: there were too many.
        """
        self._work += 1
        if self._work > MOST_WORK or (self._spent > MOST_WORK_IN_ALL and self._work > A_FEW):
            raise TooMuch

    # ---- expressions ---------------------------------------------------------------------------------------------

    def part(self, node: ast.expr, env: Env | None) -> Any:
        """The value of a part of an expression: what is the same wherever it is asked for is computed once."""
        return self.value(node) if env is None else self.compute(node, env)

    def compute(self, node: ast.expr, env: Env | None) -> Any:
        """The value of an expression; `env` holds the names of a function that is followed."""
        self.spend()
        if self.depth > DEEPEST:
            return self.resolver.unknown(node, "it is nested too deeply")
        self.depth += 1
        try:
            return self._compute(node, env)
        except CadenceError:
            # A sentence of ours, which is a ValueError too.
            raise
        except NoValue as none:
            return self.resolver.unknown(node, none.why)
        except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError):
            # What Python itself would stumble over has no value.
            return self.resolver.unknown(node)
        finally:
            self.depth -= 1

    def binary(self, node: ast.expr, op: ast.operator, a: Any, b: Any) -> Any:
        """The value of an operator between two values, which `node` stands for."""
        try:
            return binary(op, a, b)
        except NoValue as none:
            return self.resolver.unknown(node, none.why)
        except (ArithmeticError, ValueError, TypeError):
            return self.resolver.unknown(node)

    def _compute(self, node: ast.expr, env: Env | None) -> Any:
        match node:
            case ast.Constant(value=value):
                return self.resolver.unknown(node) if isinstance(value, (bytes, complex)) or value is ... else value
            case ast.Name():
                return self._lookup.name(node, env)
            case ast.Attribute():
                return self._lookup.attribute(node, env)
            case ast.Call():
                return self._lookup.call(node, env)
            case ast.UnaryOp(op=op, operand=operand):
                return unary(op, self.part(operand, env))
            case ast.BinOp(left=left, op=op, right=right):
                return binary(op, self.part(left, env), self.part(right, env))
            case ast.BoolOp():
                return self._either(node, env)
            case ast.Compare(left=left, ops=ops, comparators=others):
                return compared(ops, [self.part(each, env) for each in (left, *others)])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                truth = truth_of(self.part(test, env))
                return self.resolver.unknown(node) if truth is None else self.part(body if truth else orelse, env)
            case ast.Tuple(elts=parts):
                return tuple(self.containers.items(parts, env))
            case ast.List(elts=parts) | ast.Set(elts=parts):
                return self.containers.items(parts, env)
            case ast.Dict(keys=keys, values=values):
                return self.containers.dictionary(node, keys, values, env)
            case ast.Subscript(value=value, slice=index):
                return self.containers.subscript(node, self.part(value, env), index, env)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
                return self.containers.comprehension(node, env)
            case ast.Lambda():
                return Function(self.resolver.source(node), node, self, env)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                result = self.part(value, env)
                if env is not None:
                    env[name] = result
                return result
            case ast.JoinedStr(values=values):
                texts = [part.value for part in values if isinstance(part, ast.Constant)]
                return "".join(map(str, texts)) if len(texts) == len(values) else self.resolver.unknown(node)
            case _:
                return self.resolver.unknown(node)

    def _either(self, node: ast.BoolOp, env: Env | None) -> Any:
        """The value of ``a or b`` or ``a and b``."""
        result: Any = None
        for part in node.values:
            result = self.part(part, env)
            if isinstance(result, (Unknown, Made, Function)):
                return self.resolver.unknown(node)
            if bool(result) is isinstance(node.op, ast.Or):
                return result
        return result
