"""Schedules of optax that decide in Python what only a compiled update knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import View
from cadence.script.model import Function

COMPILED = frozenset({"jit", "pjit", "pmap", "filter_jit", "scan", "fori_loop", "while_loop"})
"""What makes an update compiled code, in which the count is no number yet."""

TAKES = frozenset({"join_schedules", "scale_by_schedule", "scale_by_learning_rate"})
"""Functions of optax that are given schedules, beside its optimizers."""

STATIC = frozenset({"shape", "ndim", "dtype", "size", "aval"})
"""Attributes of a traced number that are known."""

BOOL = "TracerBoolConversionError: Attempted boolean conversion of traced array with shape bool[]"
NUMBER = "ConcretizationTypeError: Abstract tracer value encountered where concrete value is expected"
ARRAY = "TracerArrayConversionError: The numpy.ndarray conversion method __array__() was called on a traced array"
INDEX = "TracerIntegerConversionError: The __index__() method was called on a traced array"

BUILTINS = {"min": BOOL, "max": BOOL, "bool": BOOL, "int": NUMBER, "float": NUMBER, "range": INDEX}


@rule(
    "CD608",
    "a schedule of optax decides in Python",
    "error",
    about="script",
    why="Under jax.jit optax calls a schedule once, with a count that stands for every update. A Python if, min, max "
    "or float wants to know the number now, and raises.",
    fix="write jnp.where(count < n, a, b), jnp.minimum and jnp.maximum, join phases by optax.join_schedules, or take "
    "cadence.optax_schedule('warmup(500) >> cosine()', ...)",
    source="jax 0.10: errors of traced values; optax.scale_by_schedule calls the function inside update",
    example="def schedule(count):\n    if count < 500:\n        return 1e-3 * count / 500\n    return 1e-3\n"
    "optimizer = optax.adam(schedule)  # and jax.jit around update",
    zh=(
        "optax 的调度用 Python 判断",
        "在 jax.jit 下 optax 只调用调度一次，count 代表所有更新。Python 的 if、min、max 或 float 要立刻知道数值，于是"
        "报错。",
        "写 jnp.where(count < n, a, b)、jnp.minimum、jnp.maximum，用 optax.join_schedules 连接，或用 "
        "cadence.optax_schedule('warmup(500) >> cosine()', ...)",
    ),
)
def decides_in_python(view: View) -> Iterator[Found]:
    """A schedule function of the script that needs the value of its count, where updates are compiled."""
    if not view.imports("optax") or not _compiled(view):
        return
    seen: set[ast.AST] = set()
    for function in _schedules(view):
        if function.node in seen:
            continue
        seen.add(function.node)
        parameters = [*function.node.args.posonlyargs, *function.node.args.args][len(function.first) :]
        free = [p.arg for p in parameters if p.arg not in function.by_name]
        if not free:
            continue
        first = next(_decisions(view, function.node, free[0]), None)
        if first is not None:
            node, error = first
            yield Found(
                view.spot(node),
                Both(
                    f"{view.script.source(node)} needs the value of {free[0]}, which compiled code does not know",
                    f"{view.script.source(node)} 需要 {free[0]} 的值，而编译后的代码并不知道它",
                ),
                error,
            )


def _compiled(view: View) -> bool:
    names = {node.id for node in view.of(ast.Name)} | {node.attr for node in view.of(ast.Attribute)}
    return bool(names & COMPILED)


def _schedules(view: View) -> Iterator[Function]:
    """Functions of the script that optax calls with the count of updates."""
    for optimizer in view.script.optimizers:
        if optimizer.framework == "optax":
            yield from (x for x in (optimizer.lr, *optimizer.numbers.values()) if isinstance(x, Function))
    for call in view.script.calls:
        if call.path.startswith("optax.") and call.method in TAKES and call.args:
            given = call.args[0]
            for node in given.elts if isinstance(given, (ast.List, ast.Tuple)) else [given]:
                value = view.value(node)
                if isinstance(value, Function):
                    yield value


def _decisions(view: View, function: ast.AST, count: str) -> Iterator[tuple[ast.expr, str]]:
    """Expressions that need the value of the count, each with what jax says to it."""
    traced = {count}
    for node in _own(function):
        if isinstance(node, ast.Assign) and _is_traced(view, node.value, traced):
            traced |= {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        elif isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert)) and _is_traced(view, node.test, traced):
            yield node.test, BOOL
        elif isinstance(node, ast.expr) and any(_is_traced(view, x, traced) for x in _asked(node)):
            yield node, BOOL
        elif isinstance(node, ast.Subscript) and _is_listed(view, node.value) and _is_traced(view, node.slice, traced):
            yield node, INDEX
        elif isinstance(node, ast.Call) and any(_is_traced(view, x, traced) for x in node.args):
            error = _refuses(view, node)
            if error:
                yield node, error


def _asked(node: ast.expr) -> Sequence[ast.expr]:
    """The parts of an expression that Python asks whether they are true."""
    match node:
        case ast.BoolOp():
            return node.values[:-1]
        case ast.UnaryOp(op=ast.Not()):
            return [node.operand]
        case ast.Compare() if len(node.ops) > 1:
            return [node]
        case _:
            return []


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function in the order of its lines, without those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.arguments)):
            yield child
            yield from _own(child)


def _is_traced(view: View, node: ast.expr, traced: set[str]) -> bool:
    """Whether an expression is computed from the count, by arithmetic or by jax."""
    match node:
        case ast.Name():
            return node.id in traced
        case ast.Attribute():
            return node.attr not in STATIC and _is_traced(view, node.value, traced)
        case ast.Compare():
            known = all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops)
            return not known and any(_is_traced(view, x, traced) for x in (node.left, *node.comparators))
        case ast.BinOp():
            return _is_traced(view, node.left, traced) or _is_traced(view, node.right, traced)
        case ast.UnaryOp():
            return _is_traced(view, node.operand, traced)
        case ast.BoolOp():
            return any(_is_traced(view, x, traced) for x in node.values)
        case ast.Call():
            by_jax = view.script.path(node.func).startswith("jax.") or getattr(node.func, "attr", "") == "astype"
            owner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
            return by_jax and any(_is_traced(view, x, traced) for x in (*node.args, *owner))
        case _:
            return False


def _is_listed(view: View, node: ast.expr) -> bool:
    """Whether an expression is a list or tuple of Python's."""
    return isinstance(view.value(node), (list, tuple))


def _refuses(view: View, call: ast.Call) -> str:
    """What jax says where a function is given a traced number; empty where it takes one."""
    path = view.script.path(call.func)
    if path.startswith("math."):
        return NUMBER
    if path.startswith("numpy."):
        return ARRAY
    return BUILTINS.get(path, "") if path not in view.script.functions else ""
