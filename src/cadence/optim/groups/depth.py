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
- Where containers hold layers only (VGG, a perceptron), each layer is a block; where there is no container at all, each
  module that the model holds directly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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


@dataclass
class _Piece:
    """Parameters that belong together, on the way.

    Attributes:
        scope: path of the module that they stand in; None: they go with what stands before them.
        block: whether they are a block; else they stand beside blocks.
    """

    scope: str | None
    block: bool
    parameters: list[Parameter] = field(default_factory=list)


_Series = Callable[[Module], bool]


def depths(tree: Tree) -> Depths:
    """The depth of every parameter of a model."""
    for holds in (_of_blocks, _of_parts, _of_layers):
        pieces = _unfolded(tree, tree.modules[0], lambda module, holds=holds: holds(tree, module))
        if any(piece.block for piece in pieces):
            return _numbered(pieces, layers=holds is _of_layers)
    return _numbered(_members(tree, _only(tree, "")), layers=True)


# ---- which containers are a row of blocks ----------------------------------------------------------------------------


def _of_blocks(tree: Tree, module: Module) -> bool:
    """A container with a member made of parts, one of them a normalisation, as all residual blocks are."""
    return _has_member(tree, module, lambda path: _made_of_parts(tree, path) and any(map(is_norm, tree.below(path))))


def _of_parts(tree: Tree, module: Module) -> bool:
    return _has_member(tree, module, lambda path: _made_of_parts(tree, path))


def _of_layers(tree: Tree, module: Module) -> bool:
    return module.series and sum(bool(tree.below(child.path)) for child in tree.children(module.path)) > 1


def _has_member(tree: Tree, module: Module, holds: Callable[[str], bool]) -> bool:
    if not module.series:
        return False
    members = tree.children(module.path)
    return any(_has_member(tree, m, holds) if m.series else holds(m.path) for m in members)


def _made_of_parts(tree: Tree, path: str) -> bool:
    return any(tree.below(child.path) for child in tree.children(path))


# ---- the row ---------------------------------------------------------------------------------------------------------


def _unfolded(tree: Tree, module: Module, series: _Series) -> list[_Piece]:
    """The pieces of a module that is no block itself."""
    pieces = _own(tree, module)
    for child in tree.children(module.path):
        if not tree.below(child.path):
            continue
        if series(module):
            pieces += _member(tree, child)
        elif _any_below(tree, child, series):
            pieces += _unfolded(tree, child, series)
        else:
            pieces.append(_Piece(module.path, block=False, parameters=tree.below(child.path)))
    return pieces


def _any_below(tree: Tree, module: Module, series: _Series) -> bool:
    return series(module) or any(_any_below(tree, child, series) for child in tree.children(module.path))


def _member(tree: Tree, member: Module) -> list[_Piece]:
    """A block, or the blocks of a stage."""
    if _is_stage(tree, member):
        return [_block(tree, child) for child in tree.children(member.path) if tree.below(child.path)]
    if not any(_is_stage(tree, child) for child in tree.children(member.path)):
        return [_block(tree, member)]
    pieces = _own(tree, member)
    for child in tree.children(member.path):
        if _is_stage(tree, child):
            pieces += [_block(tree, inner) for inner in tree.children(child.path) if tree.below(inner.path)]
        elif tree.below(child.path):
            pieces.append(_Piece(member.path, block=False, parameters=tree.below(child.path)))
    return pieces


def _is_stage(tree: Tree, module: Module) -> bool:
    """Whether a container's members are blocks, and not the different sublayers of one."""
    kinds = [child.types[:1] for child in tree.children(module.path) if tree.below(child.path)]
    return _of_blocks(tree, module) and (len(kinds) == 1 or len(set(kinds)) < len(kinds))


def _own(tree: Tree, module: Module) -> list[_Piece]:
    own = tree.own(module.path)
    return [_Piece(module.path, block=False, parameters=own)] if own else []


def _members(tree: Tree, path: str) -> list[_Piece]:
    """What a module holds directly, each a block."""
    own = [_Piece(None, block=not all(map(without_decay, held)), parameters=held)] if (held := tree.own(path)) else []
    return own + [_block(tree, child) for child in tree.children(path) if tree.below(child.path)]


def _only(tree: Tree, path: str) -> str:
    """The module inside wrappers that hold nothing else."""
    inside = [child.path for child in tree.children(path) if tree.below(child.path)]
    return path if len(inside) != 1 or tree.own(path) else _only(tree, inside[0])


def _block(tree: Tree, module: Module) -> _Piece:
    # A normalisation between two layers is no depth of its own.
    alone = not all_vectors(tree, module.path)
    return _Piece(module.path.rpartition(".")[0] if alone else None, alone, tree.below(module.path))


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
