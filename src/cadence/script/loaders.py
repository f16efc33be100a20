"""Loaders of batches: by what makes them, or by their names."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from cadence.script.index import plain

if TYPE_CHECKING:
    from cadence.script.resolve import Resolver


def is_loader(resolver: Resolver, node: ast.expr, *, training: bool = False) -> bool:
    """Whether an expression is, by its making or its name, a loader of batches (of those trained on)."""
    name = plain(node).lower()
    last = name.rpartition(".")[2]
    if training and any(word in name for word in ("val", "test", "eval", "dev_")):
        return False
    makers = resolver.makers(node)
    paths = [resolver.path(call.func).rpartition(".")[2] for call in makers]
    if any(path.endswith(("DataLoader", "Loader")) for path in paths):
        return True
    words = ("loader", "dataloader", "batches", "train_dl", "train_iter", "data_iter", "reader", "sampler")
    return bool(last) and (any(word in last for word in words) or last in ("dl", "trainset_loader"))
