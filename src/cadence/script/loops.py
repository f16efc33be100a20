"""Loops: what they run over, how often, and whether a turn is an epoch or a batch."""

from __future__ import annotations

import ast
from typing import Any

from cadence.script.index import LoopNode, Place, plain
from cadence.script.loaders import is_loader
from cadence.script.model import Loop, Unknown, is_number
from cadence.script.resolve import Resolver

WRAPPERS = frozenset({"enumerate", "tqdm", "trange", "iter", "list", "zip", "track", "islice", "cycle", "prange",
                      "progress_bar", "master_bar", "notebook", "reversed"})  # fmt: skip
"""Calls that give what they are given, with something beside it."""

EPOCHS = ("epoch", "ep", "e", "epochs", "num_epoch", "epoch_idx", "cur_epoch", "_epoch", "round", "rnd", "epoch_id")
BATCHES = (
    "step",
    "it",
    "iteration",
    "iter",
    "batch",
    "batch_idx",
    "i_iter",
    "global_step",
    "n_iter",
    "update",
    "steps",
)
DATA = ("loader", "dataloader", "batches", "train_dl", "train_iter", "data_iter", "reader", "train_data", "trainset",
        "train_ds", "dataset", "train_set")  # fmt: skip
VALIDATION = ("val", "test", "eval", "dev")


def read_loops(resolver: Resolver) -> tuple[Loop, ...]:
    """All loops of a tree, in the order of their lines."""
    index = resolver.index
    batches = {node for node, _ in index.loops if _over_data(resolver, node)}
    holding = {outer for node, place in index.loops if node in batches for outer in place.loops}
    for node, place in index.loops:
        resolver.loop_of[node] = _loop(resolver, node, place, batches, holding)
    return tuple(sorted(resolver.loop_of.values(), key=lambda loop: (loop.line, loop.end)))


def is_training_data(resolver: Resolver, node: ast.expr) -> bool:
    """Whether what a loop runs over is data, by its making or its name."""
    inner = unwrapped(resolver, node)
    if is_loader(resolver, inner):
        return True
    last = plain(inner).lower().rpartition(".")[2]
    if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
        last = inner.func.attr.lower()
    return any(word in last for word in DATA)


def unwrapped(resolver: Resolver, node: ast.expr) -> ast.expr:
    """What `enumerate(tqdm(x))` runs over."""
    for _ in range(8):
        if not isinstance(node, ast.Call) or not node.args:
            return node
        name = resolver.path(node.func).rpartition(".")[2]
        if name not in WRAPPERS or name == "trange":
            return node
        node = node.args[-1] if name == "track" and isinstance(node.args[-1], ast.Name) else node.args[0]
    return node


def _over_data(resolver: Resolver, node: LoopNode) -> bool:
    return not isinstance(node, ast.While) and is_training_data(resolver, node.iter)


def _loop(resolver: Resolver, node: LoopNode, place: Place, batches: set[LoopNode], holding: set[LoopNode]) -> Loop:
    holds_batches = node in holding
    if isinstance(node, ast.While):
        target, over = "", resolver.source(node.test)
        count: Any = resolver.unknown(node.test)
        start: Any = 0
        names = [plain(part).lower() for part in ast.walk(node.test) if isinstance(part, (ast.Name, ast.Attribute))]
        kind = "epoch" if holds_batches else _by_name(names) or "other"
    else:
        target, over = resolver.source(node.target), resolver.source(node.iter)
        count, start = _count(resolver, node)
        counters = [node.target.elts[0] if isinstance(node.target, ast.Tuple) and node.target.elts else node.target]
        names = [plain(counter).lower() for counter in counters]
        if node in batches:
            kind = "batch"
        elif holds_batches:
            kind = "epoch"
        else:
            over_names = [plain(n).lower().rpartition(".")[2] for n in ast.walk(node.iter) if isinstance(n, ast.expr)]
            kind = _by_name(names) or (_by_name(over_names) if _ranged(resolver, node) else None) or "other"
    return Loop(kind, target, over, count, start, node.lineno, node.end_lineno or node.lineno, len(place.loops), node)


def _by_name(names: list[str]) -> str | None:
    for name in names:
        last = name.rpartition(".")[2]
        if last in EPOCHS or "epoch" in last:
            return "epoch"
        if last in BATCHES or any(word in last for word in ("step", "iter", "batch", "update")):
            return "batch"
    return None


def _ranged(resolver: Resolver, node: ast.For | ast.AsyncFor) -> bool:
    inner = unwrapped(resolver, node.iter)
    return isinstance(inner, ast.Call) and resolver.path(inner.func).rpartition(".")[2] in ("range", "trange")


def _count(resolver: Resolver, node: ast.For | ast.AsyncFor) -> tuple[int | Unknown, int | Unknown]:
    inner = unwrapped(resolver, node.iter)
    if isinstance(inner, ast.Call) and resolver.path(inner.func).rpartition(".")[2] in ("range", "trange", "arange"):
        args = [resolver.value(a) for a in inner.args]
        if args and all(is_number(a) and float(a).is_integer() for a in args):
            try:
                span = range(*map(int, args))
            except (TypeError, ValueError, OverflowError):
                return resolver.unknown(node.iter), resolver.unknown(node.iter)
            try:
                return len(span), span.start
            except OverflowError:
                return resolver.unknown(node.iter), span.start
        start = args[0] if len(args) > 1 else 0
        return _unknown(resolver, inner), int(start) if is_number(start) else _unknown(resolver, inner)
    value = resolver.value(inner)
    if isinstance(value, (list, tuple, range)):
        return len(value), 0  # pyright: ignore[reportUnknownArgumentType]
    words = plain(inner).lower()
    if (
        resolver.steps_per_epoch is not None
        and (is_loader(resolver, inner, training=True) or is_training_data(resolver, inner))
        and not any(word in words for word in VALIDATION)
    ):
        return resolver.steps_per_epoch, 0
    return _unknown(resolver, node.iter), 0


def _unknown(resolver: Resolver, node: ast.expr) -> Unknown:
    return resolver.unknown(node, "how often it turns is not known")
