"""The door: source in, what is seen out."""

from __future__ import annotations

import ast
import warnings
from dataclasses import replace
from typing import Any

from cadence._errors import ScriptError
from cadence.script.find import Finder
from cadence.script.flat import flattened, repaired
from cadence.script.index import Index
from cadence.script.loops import read_loops
from cadence.script.model import Call, Problem, Script, is_number
from cadence.script.resolve import Resolver

LONGEST = 2_000_000
"""Characters; longer files are data."""


def read_script(
    text: str, name: str = "<script>", *, steps_per_epoch: int | None = None, cells: tuple[tuple[int, int], ...] = ()
) -> Script:
    """Read a training script by its syntax tree. Nothing in it is executed or imported.

    Args:
        text: Python source.
        name: what messages call it.
        steps_per_epoch: what ``len(loader)`` is, at least 1; None: unknown.
        cells: of a notebook: for each line of `text` its cell and the line in it.

    Returns:
        What is seen, and in `problems` what is not.

    Raises:
        ScriptError: no Python, too long, or nested too deeply; the sentence names the line.

    Example:
        >>> script = read_script('''
        ... import torch
        ... opt = torch.optim.SGD(model.parameters(), lr=0.1)
        ... sched = torch.optim.lr_scheduler.StepLR(opt, 30)
        ... for epoch in range(90):
        ...     train()
        ...     sched.step()
        ... ''')
        >>> script.optimizers[0].lr, script.schedulers[0].native, script.schedulers[0].per, script.loops[0].count
        (0.1, StepLR(step_size=30), 'epoch', 90)
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    flat = flattened(text)
    if flat is not None:
        return _flat(text, name, flat, steps_per_epoch, cells)
    tree = parsed(text, name)
    try:
        return _read(tree, text, name, steps_per_epoch, cells)
    except RecursionError:
        raise ScriptError(f"{name} nests too deeply to be read; write it flatter") from None


def parsed(text: str, name: str) -> ast.Module:
    """The syntax tree of a script.

    Raises:
        ScriptError: it has none.
    """
    if len(text) > LONGEST:
        raise ScriptError(f"{name} is {len(text)} characters long; a script of more than {LONGEST} is not read")
    try:
        with warnings.catch_warnings():
            # '\\d' in a script is its author's matter.
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as fault:
        where = f", line {fault.lineno}" if fault.lineno else ""
        raise ScriptError(f"{name}{where} is no Python that can be read: {fault.msg}; repair it first") from None
    except ValueError as fault:
        raise ScriptError(f"{name} is no Python that can be read: {fault}; is it a text file?") from None
    except (RecursionError, MemoryError):
        raise ScriptError(f"{name} nests too deeply to be read; write it flatter") from None


def _read(
    tree: ast.Module, text: str, name: str, steps_per_epoch: int | None, cells: tuple[tuple[int, int], ...]
) -> Script:
    index = Index(tree)
    resolver = Resolver(tree, text, index, steps_per_epoch)
    loops = read_loops(resolver)
    finder = Finder(resolver)
    optimizers, schedulers = finder.find()
    constants: dict[str, Any] = {}
    for bound, bindings in index.top.bindings.items():
        if len(bindings) == 1 and bindings[0].kind == "assign" and "." not in bound:
            value = resolver.value(ast.copy_location(ast.Name(bound, ast.Load()), tree.body[-1]))
            if is_number(value) or isinstance(value, (str, bool)):
                constants[bound] = value
    return Script(
        name, text, tree, index.imports, tuple(index.stars), constants, optimizers, schedulers, loops,
        tuple(_call(resolver, call) for call in index.calls), index.functions, index.classes, tuple(finder.problems),
        tuple(resolver.assumed), steps_per_epoch, cells, resolver,
    )  # fmt: skip


def _flat(text: str, name: str, line: int, steps_per_epoch: int | None, cells: tuple[tuple[int, int], ...]) -> Script:
    """A snippet that cannot be read as it stands."""
    sentence = (
        f"{name}, line {line} holds several statements that ran together, as happens when a snippet is copied from a "
        f"page; put each on a line of its own"
    )
    empty = _read(ast.Module([], []), "", name, steps_per_epoch, cells)
    return replace(empty, text=text).with_problems([Problem(line, "flattened", sentence, repaired(text))])


def _call(resolver: Resolver, call: ast.Call) -> Call:
    path = resolver.path(call.func)
    method, receiver = path.rpartition(".")[2], ""
    if isinstance(call.func, ast.Attribute):
        method, receiver = call.func.attr, resolver.source(call.func.value)
        makers = resolver.makers(call.func.value)
        if makers:
            made = resolver.path(makers[-1].func)
            path = f"{made}().{method}" if made else path
    return Call(
        path, method, receiver, call.lineno, call.col_offset, tuple(call.args),
        {k.arg: k.value for k in call.keywords if k.arg is not None}, resolver.function(call),
        resolver.loops_around(call), resolver.conditions(call), call,
    )  # fmt: skip
