"""Any text, and any script with pieces exchanged: only our own errors, in bounded time, and nothing is run."""

from __future__ import annotations

import ast
import copy
import json
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cadence._errors import CadenceError
from cadence.script.files import read_bytes
from cadence.script.rates import rates
from cadence.script.read import read_script
from script.corpus import PREAMBLE, SCRIPTS

LONGEST = 20.0
"""Seconds of processor time that no text may take: far above what is usual, so that a busy machine fails nothing."""

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ODD = [
    "None", "0", "-1", "1e999", "10 ** 9", "[]", "{}", "lambda: 0", "lambda e: e", "range(10 ** 9)", "x[0]", "1 / 0",
    "len(train_loader)", "'lr'", "float('nan')", "a.b.c", "optimizer.param_groups", "optimizer", "scheduler", "epoch",
    "[0] * 10 ** 9", "9 ** 9 ** 9", "(yield)", "scheduler.step()", "optimizer.step()", "optim.SGD(p, lr=lr)",
    "not epoch", "epoch if epoch else lr", "[e for e in range(10 ** 8)]", "print", "True", "...", "b'x'", "1j",
]  # fmt: skip


def said(error: CadenceError) -> None:
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


def looked_at(text: str, steps: int | None) -> None:
    """Everything that can be asked of a text."""
    begin = time.process_time()
    try:
        script = read_script(text, steps_per_epoch=steps)
        for call in script.calls:
            for argument in (*call.args, *call.kwargs.values()):
                script.value(argument)
                script.path(argument)
        for rate in rates(script):
            rate.curve().values(0, 3)
    except CadenceError as error:
        said(error)
    assert time.process_time() - begin < LONGEST


@QUIET
@given(st.text(max_size=200), st.sampled_from([".py", ".ipynb", ".md"]))
def test_any_text_is_read_or_refused(text: str, suffix: str) -> None:
    wrapped = json.dumps({"cells": [{"cell_type": "code", "source": text}]}) if suffix == ".ipynb" else text
    fenced = f"```python\n{wrapped}\n```" if suffix == ".md" else wrapped
    try:
        read_bytes(fenced.encode("utf-8", "surrogatepass"), "x" + suffix)
    except CadenceError as error:
        said(error)


@QUIET
@given(
    st.lists(
        st.sampled_from(
            ["for", "x", "=", "(", ")", ":", " ", "\n", "    ", "if", "else", "'", "#", "import", "3", "."]
        ),
        max_size=60,
    )
)
def test_any_words_of_python_are_read_or_refused(words: list[str]) -> None:
    looked_at("".join(words), None)


@QUIET
@given(st.binary(max_size=100), st.sampled_from([".py", ".ipynb", ".md"]))
def test_any_bytes_are_read_or_refused(data: bytes, suffix: str) -> None:
    try:
        read_bytes(data, "x" + suffix)
    except CadenceError as error:
        said(error)


class Exchanged(ast.NodeTransformer):
    """A tree with pieces left out, doubled, and exchanged for those of other scripts."""

    def __init__(self, choice: random.Random, share: float, pieces: list[ast.expr], lines: list[ast.stmt]) -> None:
        self.choice, self.share, self.pieces, self.lines = choice, share, pieces, lines

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        read = isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store)
        if read and self.choice.random() < self.share:
            return copy.deepcopy(self.choice.choice(self.pieces))
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                setattr(node, name, self._block(block) or [ast.Pass()])
        return node

    def _block(self, block: list[ast.stmt]) -> list[ast.stmt]:
        kept: list[ast.stmt] = []
        for statement in block:
            chance = self.choice.random()
            if chance < self.share / 2:
                continue
            kept.append(statement)
            if chance > 1 - self.share:
                kept.append(copy.deepcopy(self.choice.choice([statement, *self.lines])))
        if self.choice.random() < self.share:
            self.choice.shuffle(kept)
        return kept


def exchanged(seed: int) -> str:
    """One of the scripts, with pieces exchanged; always Python."""
    choice = random.Random(seed)
    trees = [ast.parse(text) for text in SCRIPTS.values()]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    pieces = [node for node in nodes if isinstance(node, ast.expr)] + [ast.parse(t, mode="eval").body for t in ODD] * 20
    lines = [node for node in nodes if isinstance(node, ast.stmt)]
    while True:
        tree = ast.parse(PREAMBLE + choice.choice(list(SCRIPTS.values())))
        mixed = Exchanged(choice, choice.choice([0.01, 0.03, 0.08]), pieces, lines).visit(tree)
        try:
            text = ast.unparse(ast.fix_missing_locations(mixed))
            ast.parse(text)
        except (SyntaxError, ValueError, TypeError):
            continue
        return text


@pytest.mark.parametrize("seed", range(120))
def test_a_script_with_pieces_exchanged_is_followed_or_refused(seed: int) -> None:
    looked_at(exchanged(seed), random.Random(seed).choice([None, 3, 7]))


def test_a_range_that_no_memory_holds_is_no_list_of_an_argument() -> None:
    text = (
        "import torch\no = torch.optim.SGD(p, lr=0.1)\ns = torch.optim.lr_scheduler.MultiStepLR(o, range(10 ** 10))\n"
    )
    (scheduler,) = read_script(text).schedulers
    assert scheduler.unknown == ("milestones",)


def test_long_chains_cost_no_stack_and_little_time() -> None:
    sums = "x = " + " + ".join(["1"] * 3000)
    names = "a0 = 1\n" + "\n".join(f"a{i + 1} = a{i}" for i in range(3000))
    branches = "if a:\n    x = 0\n" + "".join(f"elif a == {i}:\n    x = {i}\n" for i in range(3000))
    calls = "\n".join(f"def f{i}(x):\n    return f{i + 1}(x) + f{i + 1}(x)" for i in range(200)) + "\ny = f0(1)\n"
    head = "import torch\no = torch.optim.SGD(p, lr=y)\n"
    for text in (sums, names, branches, calls + head, "y = x.a" + ".a" * 900 + "\n" + head):
        looked_at(text, None)
