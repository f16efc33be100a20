"""Which weights make a model's outputs, as far as their places and their shapes tell."""

from __future__ import annotations

from cadence.optim.groups.depth import Depths
from cadence.optim.groups.roles import roles
from cadence.optim.groups.tree import Parameter, Tree

PARTS = (1, 2, 3, 4)
"""Into how many parts of one width outputs may be cut before they are read: gates, and query, key and value."""


def outputs(tree: Tree, found: Depths) -> frozenset[str]:
    """Names of the weights of the output layers: the last weight, and those beside it that read the same.

    They are in the head, where the model has one: behind blocks there may stand layers that make no outputs (the way up
    of a U-net, a dense layer before the last one). Where the head holds no weight, a table that is tied makes them.

    Args:
        tree: of the model.
        found: its depths.
    """
    weights = [p for p in tree.parameters if len(p.shape) > 1 and "embedding" not in roles(p)]
    within = [p for p in weights if p.name in found.head] if found.head else weights
    if not within or len(weights) < 2:
        return frozenset()
    last = within[-1]
    beside = [p for i, p in enumerate(within) if _alike(p, last, tree) and not _read(p, within[i + 1 :], tree)]
    return frozenset(p.name for p in beside)


def _alike(one: Parameter, other: Parameter, tree: Tree) -> bool:
    """Whether two weights may read the same."""
    return not set(_widths(one, tree.framework)[0]).isdisjoint(_widths(other, tree.framework)[0])


def _read(weight: Parameter, later: list[Parameter], tree: Tree) -> bool:
    """Whether one of the weights behind it reads what a weight makes."""
    return any(_reads(one, weight, tree) for one in later)


def _reads(later: Parameter, before: Parameter, tree: Tree) -> bool:
    """Whether a weight has as many inputs as one before it has outputs."""
    for made in _widths(before, tree.framework)[1]:
        for read in _widths(later, tree.framework)[0]:
            if made in [part * read for part in PARTS]:
                return True
            # What a convolution makes is flattened, or stands beside what comes from elsewhere.
            if len(before.shape) > 2 and read % made == 0 and made > 1:
                return True
    return False


def _widths(parameter: Parameter, framework: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many inputs and outputs a weight may have: one number each where its owner is a layer that is known."""
    first, second = parameter.shape[:2]
    kinds = parameter.owner.types
    if len(parameter.shape) > 2 and any("_ConvNd" in kind for kind in kinds):
        if any("Transpose" in kind for kind in kinds):
            return (first,), (second,)
        return (second if second > 1 else first,), (first,)  # one input each: channels apart
    if any(kind.endswith(("Linear", "RNNBase", "RNNCellBase", "MultiheadAttention")) for kind in kinds):
        return ((first,), (second,)) if framework == "paddle" and "Linear" in kinds else ((second,), (first,))
    return (first, second), (first, second)
