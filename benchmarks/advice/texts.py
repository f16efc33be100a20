"""Texts that come with the interpreter: its sources and its documentation.

They differ from one version of Python to the next, and results with them.
"""

from __future__ import annotations

import io
import sysconfig
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics
from typing import TypeAlias

import numpy as np
import torch
from benchmarks.advice.models import Gpt, Recurrent
from benchmarks.advice.task import Batch, Stream, Task, cross_entropy
from torch import Tensor, nn

Model: TypeAlias = Callable[[], nn.Module]

BYTES = 128
"""Bytes that are told apart: those of ASCII, the last of which stands for all others."""

WORDS = 400
"""Tokens of Python that are told apart, the most frequent ones; the last stands for all others."""


def words_gru() -> Task:
    """The next token of Python sources: 400 kinds, a tenth of which make up most of the text; a GRU."""
    train, held_out = _words()
    return next_token(train, held_out, 500, 32, WORDS, lambda: Recurrent(WORDS))


def topics_gpt() -> Task:
    """The next byte of Python's documentation, a GPT."""
    tokens = _bytes("".join(topics[name] for name in sorted(topics)))
    cut = len(tokens) * 9 // 10
    return next_token(tokens[:cut], tokens[cut:], 700, 64, BYTES, lambda: Gpt(BYTES, 64, 64))


def from_code_to_prose() -> Task:
    """The next byte of 60,000 of Python's documentation, by a GPT that has learnt on Python sources before."""
    tokens = _bytes("".join(topics[name] for name in sorted(topics)))
    task = next_token(tokens[:60_000], tokens[-60_000:], 450, 32, BYTES, lambda: deepcopy(_trained()))
    return Task(**{**vars(task), "fine_tuning": True})


@cache
def _trained() -> nn.Module:
    """600 updates on Python sources."""
    train, _ = _sources()
    torch.manual_seed(123)
    model = Gpt(BYTES, 32, 48)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=601, pct_start=0.07)
    batches = windows(_bytes("".join(train)), 16, 32)(123)
    for _, (x, y) in zip(range(600), batches, strict=False):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        falling.step()
    model.zero_grad()
    return model


@cache
def _sources() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The interpreter's files that no package holds: nine of ten to train on, every tenth held out."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = [file for file in sorted(folder.glob("*.py")) if not file.name.startswith("_sysconfig")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return (
        tuple(text for i, text in enumerate(texts) if i % 10 != 7),
        tuple(text for i, text in enumerate(texts) if i % 10 == 7),
    )


@cache
def _words() -> tuple[Tensor, Tensor]:
    train, held_out = ([word for text in part[::3] for word in _tokens(text)] for part in _sources())
    known = {word: i for i, (word, _) in enumerate(Counter(train).most_common(WORDS - 1))}
    return (
        torch.tensor([known.get(word, WORDS - 1) for word in train]),
        torch.tensor([known.get(word, WORDS - 1) for word in held_out]),
    )


def _tokens(text: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NAME, tokenize.OP):
            yield token.string
        elif token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER):
            yield tokenize.tok_name[token.type]


def _bytes(text: str) -> Tensor:
    found = np.frombuffer(text.encode(), dtype=np.uint8)
    return torch.from_numpy(np.minimum(found, BYTES - 1).astype(np.int64))


def next_token(train: Tensor, held_out: Tensor, updates: int, length: int, vocabulary: int, model: Model) -> Task:
    """To say the next token: 16 pieces of text an update, 192 held out, evenly over the text."""
    begins = torch.linspace(0, len(held_out) - length - 2, 192).long()
    rows = held_out[begins[:, None] + torch.arange(length + 1)]
    return Task(
        "lm", updates, 16, len(train) // length, model, windows(train, 16, length), cross_entropy,
        tuple((part[:, :-1], part[:, 1:]) for part in rows.split(32)), frequencies(train, held_out, vocabulary),
        clip_norm=1.0,
    )  # fmt: skip


def windows(tokens: Tensor, batch_size: int, length: int) -> Stream:
    """Pieces that begin anywhere."""

    def stream(seed: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(seed)
        while True:
            begins = torch.randint(0, len(tokens) - length - 1, (batch_size,), generator=generator)
            rows = tokens[begins[:, None] + torch.arange(length + 1)]
            yield rows[:, :-1], rows[:, 1:]

    return stream


def frequencies(train: Tensor, held_out: Tensor, vocabulary: int) -> float:
    """Loss of the training text's frequencies, each counted once more."""
    counts = torch.bincount(train, minlength=vocabulary).double() + 1.0
    return float(-(counts / counts.sum()).log()[held_out].mean())
