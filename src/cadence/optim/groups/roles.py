"""What a parameter is, as far as its name, its shape and its owner's class tell."""

from __future__ import annotations

import re

from cadence.optim.groups.tree import Parameter, Tree

_BIAS = re.compile(r"(^|_)bias(_|$)")
_EMBEDDED = re.compile(r"(^|_)(embed|embeds|embedding|embeddings|token|tokens)(_|$)|position_bias")


def roles(parameter: Parameter) -> frozenset[str]:
    """The roles of a parameter that need no knowledge of the rest of the model.

    Returns:
        Any of ``"bias"`` (called so, and a vector), ``"norm"`` (its owner's class is a normalisation), ``"vector"``
        (at most one dimension), ``"embedding"`` (its owner's class, or itself, is called so), ``"matrix"`` (two
        dimensions, and no embedding).
    """
    own = parameter.name.rpartition(".")[2]
    found = {
        "bias": len(parameter.shape) <= 1 and _BIAS.search(own) is not None,
        "norm": is_norm(parameter),
        "vector": len(parameter.shape) <= 1,
        "embedding": _EMBEDDED.search(own) is not None or any("Embedding" in kind for kind in parameter.owner.types),
    }
    found["matrix"] = len(parameter.shape) == 2 and not found["embedding"] and not found["norm"]
    return frozenset(role for role, holds in found.items() if holds)


def is_norm(parameter: Parameter) -> bool:
    """Whether the class that owns a parameter, or one that it derives from, is called a normalisation.

    A matrix is none: a class that is called so because it normalises something may own one.
    """
    named = any("norm" in kind.lower() for kind in parameter.owner.types)
    return named and len(parameter.shape) != 2


def without_decay(parameter: Parameter) -> bool:
    """Whether `no_decay` means a parameter: biases, normalisation, and other vectors and single numbers (gains)."""
    return "vector" in (own := roles(parameter)) or "norm" in own


def all_vectors(tree: Tree, path: str) -> bool:
    """Whether a module holds nothing but what has no decay: a normalisation, or an activation with a slope."""
    return all(without_decay(p) for p in tree.below(path))
