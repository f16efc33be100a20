"""How deep each parameter lies, found from the tree of modules.

A model is taken for a row of blocks: the members of its containers (`Sequential`, `ModuleList`), in the order in which
they were registered. What stands before the first block (embeddings, a stem) is depth 0, what stands after the last one
(a final normalisation, a pooler, a head) is the last depth.

- A block is one depth, whatever it holds, but for one step: the members of a stage are blocks themselves. A stage is a
  member that is a container of blocks or holds one directly (ResNet's layers, Swin's and ConvNeXt's stages), some of
  them of one class: the sublayers of T5's blocks, attention and feed-forward, are of different ones.
- What stands between blocks belongs to the next block of the module it stands in (the downsampling of a stage), else to
  the block before it (the normalisation at the end of an encoder that a decoder follows).
- A member that holds only vectors (a normalisation between two convolutions) belongs to the member before it.
- Members of such a container that are no blocks themselves (a convolution before them, a linear layer after them) are
  the stem and the head where they stand before the first block or after the last, else a depth of their own.
- Where containers hold layers only (VGG, a perceptron), each layer is a block; where there is no container at all, each
  module that the model holds directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from cadence.optim.groups.roles import all_vectors, is_norm, without_decay
from cadence.optim.groups.tree import Module, Parameter, Tree


@dataclass(frozen=True)
class Depths:
    """The depth of every parameter.

    Attributes:
        of: name of a parameter -> depth, from 0.
        last: the largest.
        stem: names of those before the first block; where every layer is a block, of the first layer.
        head: names of those after the last block; where every layer is a block, of the last layer.
    """

    of: dict[str, int]
    last: int
    stem: frozenset[str]
    head: frozenset[str]


@dataclass(frozen=True)
class _Piece:
    """Parameters that belong together, on the way.

    Attributes:
        scope: path of the module that they stand in; None: they go with what stands before them.
        block: whether they are a depth of their own; else they stand beside blocks.
        whole: whether they are a block as all others are, and no single layer in a row of blocks.
    """

    scope: str | None
    block: bool
    whole: bool
    parameters: list[Parameter] = field(default_factory=list)


_Kind = Callable[[Tree, Module], bool]
"""Whether a module that is no container is a block."""


def depths(tree: Tree) -> Depths:
    """The depth of every parameter of a model."""
    root = tree.modules[0]
    for kind in (_residual, _compound):
        if any(_is_row(tree, module, kind) for module in tree.modules):
            return _numbered(_with_ends(_unfolded(tree, root, kind)), layers=False)
    pieces = _unfolded(tree, root, _layer)
    if any(piece.block for piece in pieces):
        return _numbered(pieces, layers=True)
    return _numbered(_members(tree, _only(tree, root)), layers=True)


# ---- which containers are a row of blocks ----------------------------------------------------------------------------


def _residual(tree: Tree, module: Module) -> bool:
    """A module made of parts, one of them a normalisation, as all residual blocks are."""
    return _compound(tree, module) and any(map(is_norm, tree.below(module.path)))


def _compound(tree: Tree, module: Module) -> bool:
    """A module made of parts."""
    return any(_holding(tree, module))


def _layer(tree: Tree, module: Module) -> bool:
    """Any module with parameters."""
    return bool(tree.below(module.path))


def _is_row(tree: Tree, module: Module, kind: _Kind) -> bool:
    """Whether a container has blocks among its members, or rows of them."""
    members = list(_holding(tree, module))
    if kind is _layer and len(members) < 2:  # one layer in a container is wrapped, and no row
        return False
    return module.series and any(_is_block(tree, member, kind) for member in members)


def _is_block(tree: Tree, module: Module, kind: _Kind) -> bool:
    return _is_row(tree, module, kind) if module.series and kind is not _layer else kind(tree, module)


def _is_stage(tree: Tree, module: Module) -> bool:
    """Whether a container's members are blocks, and not the different sublayers of one."""
    kinds = [child.types[:1] for child in _holding(tree, module)]
    return _is_row(tree, module, _residual) and (len(kinds) == 1 or len(set(kinds)) < len(kinds))


def _holding(tree: Tree, module: Module) -> Iterator[Module]:
    """What a module holds directly, as far as there are parameters in it."""
    return (child for child in tree.children(module.path) if tree.below(child.path))


# ---- the row ---------------------------------------------------------------------------------------------------------


def _unfolded(tree: Tree, module: Module, kind: _Kind) -> list[_Piece]:
    """The pieces of a module that is no block itself."""
    pieces = _own(tree, module)
    for child in _holding(tree, module):
        if _is_row(tree, module, kind):
            pieces += _member(tree, child, kind)
        elif _any_row(tree, child, kind):
            pieces += _unfolded(tree, child, kind)
        else:
            pieces.append(_beside(tree, module, child))
    return pieces


def _any_row(tree: Tree, module: Module, kind: _Kind) -> bool:
    return _is_row(tree, module, kind) or any(_any_row(tree, child, kind) for child in tree.children(module.path))


def _member(tree: Tree, member: Module, kind: _Kind) -> list[_Piece]:
    """A block, or the blocks of a stage."""
    if _is_stage(tree, member):
        return [_block(tree, child, kind) for child in _holding(tree, member)]
    if not any(_is_stage(tree, child) for child in tree.children(member.path)):
        return [_block(tree, member, kind)]
    pieces = _own(tree, member)
    for child in _holding(tree, member):
        if _is_stage(tree, child):
            pieces += [_block(tree, inner, kind) for inner in _holding(tree, child)]
        else:
            pieces.append(_beside(tree, member, child))
    return pieces


def _members(tree: Tree, module: Module) -> list[_Piece]:
    """What a module holds directly, each a block."""
    held = tree.own(module.path)
    own = [_Piece(None, block=not all(map(without_decay, held)), whole=False, parameters=held)] if held else []
    return own + [_block(tree, child, _layer) for child in _holding(tree, module)]


def _only(tree: Tree, module: Module) -> Module:
    """The module inside wrappers that hold nothing else."""
    inside = list(_holding(tree, module))
    return module if len(inside) != 1 or tree.own(module.path) else _only(tree, inside[0])


def _own(tree: Tree, module: Module) -> list[_Piece]:
    own = tree.own(module.path)
    return [_Piece(module.path, block=False, whole=False, parameters=own)] if own else []


def _beside(tree: Tree, module: Module, child: Module) -> _Piece:
    return _Piece(module.path, block=False, whole=False, parameters=tree.below(child.path))


def _block(tree: Tree, module: Module, kind: _Kind) -> _Piece:
    # A normalisation between two layers is no depth of its own.
    alone = not all_vectors(tree, module.path)
    scope = module.path.rpartition(".")[0] if alone else None
    return _Piece(scope, block=alone, whole=_is_block(tree, module, kind), parameters=tree.below(module.path))


def _with_ends(pieces: list[_Piece]) -> list[_Piece]:
    """Single layers before the first whole block and after the last stand beside the row."""
    whole = [i for i, piece in enumerate(pieces) if piece.whole]
    return [p if whole[0] <= i <= whole[-1] else replace(p, scope="", block=False) for i, p in enumerate(pieces)]


# ---- numbers ---------------------------------------------------------------------------------------------------------


def _numbered(pieces: list[_Piece], *, layers: bool) -> Depths:
    """Depths by the order of the pieces.

    Args:
        pieces: in order.
        layers: whether the first and the last block are the stem and the head, because blocks are layers.
    """
    blocks = [i for i, piece in enumerate(pieces) if piece.block]
    if not blocks:
        return Depths({p.name: 0 for piece in pieces for p in piece.parameters}, 0, frozenset(), frozenset())
    begin, end = blocks[0], blocks[-1]
    first = 0 if layers or begin == 0 else 1
    last = first + len(blocks) - 1
    found: dict[str, int] = {}
    done = 0
    for i, piece in enumerate(pieces):
        done += piece.block
        if i < begin:
            depth = 0
        elif i > end and piece.scope is not None and not layers:
            depth = last + 1
        else:
            depth = first + done - 1 + (begin < i < end and not piece.block and _joins_next(pieces, i))
        found.update({p.name: depth for p in piece.parameters})
    largest = max(found.values())
    at = {depth: frozenset(name for name, d in found.items() if d == depth) for depth in (0, largest)}
    none = frozenset[str]()
    return Depths(
        found,
        largest,
        at[0] if first == 1 or (layers and largest > 0) else none,
        at[largest] if largest > last or (layers and largest > 0) else none,
    )


def _joins_next(pieces: list[_Piece], i: int) -> bool:
    """Whether a piece between blocks belongs to the next one: to one that stands in the same module or below."""
    scope = pieces[i].scope
    following = next(piece for piece in pieces[i:] if piece.block)
    return scope is not None and (not scope or f"{following.scope}.".startswith(f"{scope}."))
