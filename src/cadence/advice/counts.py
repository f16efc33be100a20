"""A model in numbers: how many parameters of which kind, how deep, what normalises it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cadence._errors import AdviceError
from cadence.optim.groups.depth import depths
from cadence.optim.groups.door import tree_of
from cadence.optim.groups.roles import is_norm, roles
from cadence.optim.groups.tree import Module, Parameter, Tree

_ATTENTION = re.compile(r"attention|attn|(^|_)(qkv|q_proj|query)(_|$)", re.IGNORECASE)
CONVOLUTION = "_ConvNd"
"""What convolutions derive from, in torch and in paddle."""

_RECURRENT = frozenset({"RNNBase", "RNN", "LSTM", "GRU", "RNNCellBase"})


@dataclass(frozen=True)
class Counts:
    """What a model is made of. Parameters that are used in several places count once.

    Attributes:
        kind: class name of the model, or the name it is known by.
        framework: ``"torch"`` or ``"paddle"``; empty for a model that is only known by name.
        matrices: numbers in trained weights of two dimensions: linear layers, attention, the head.
        convolutions: in trained weights of more dimensions.
        embeddings: in trained embedding tables and learned positions.
        norms: in trained weights of normalisations.
        biases: in other trained parameters of at most one dimension: biases, gains.
        hidden: of the matrices and convolutions, those that are not in the head; none where there is one layer only.
        inputs: of the first layer, where that is a matrix; None: it is not, or is not known.
        frozen: in parameters that are not trained.
        tensors: trained parameters.
        depth: blocks that stand one behind the other, with stem and head.
        normalisations: class names of the normalisations, sorted.
        attention: whether anything in it is called attention.
        recurrent: whether it has recurrent layers.
        complex: whether a trained parameter holds complex numbers.
        tied: parameters that are used in more than one place.
        head: numbers in trained weights of more than one dimension that stand after the last block; None: not counted.
        head_tables: of these, numbers in embedding tables.
    """

    kind: str
    framework: str
    matrices: int
    convolutions: int
    embeddings: int
    norms: int
    biases: int
    hidden: int = 0
    inputs: int | None = None
    frozen: int = 0
    tensors: int = 0
    depth: int = 0
    normalisations: tuple[str, ...] = ()
    attention: bool = False
    recurrent: bool = False
    complex: bool = False
    tied: int = 0
    head: int | None = None
    head_tables: int = 0

    @property
    def trained(self) -> int:
        """Numbers that are trained."""
        return self.matrices + self.convolutions + self.embeddings + self.norms + self.biases

    @property
    def total(self) -> int:
        """All numbers, those that are not trained included."""
        return self.trained + self.frozen

    @property
    def without_embeddings(self) -> int:
        """Trained numbers outside of embedding tables, which is what laws of scale count."""
        return self.trained - self.embeddings

    @property
    def batch_statistics(self) -> bool:
        """Whether a normalisation takes its statistics from the batch."""
        return any("batchnorm" in name.lower() for name in self.normalisations)

    @property
    def convolutional(self) -> bool:
        """Whether most of what is trained outside of embeddings is convolutions."""
        return 2 * self.convolutions > self.without_embeddings or (self.convolutions > 0 and not self.attention)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.kind, "framework": self.framework, "total": self.total, "trained": self.trained,
            "matrices": self.matrices, "convolutions": self.convolutions, "embeddings": self.embeddings,
            "norms": self.norms, "biases": self.biases, "frozen": self.frozen, "tensors": self.tensors,
            "depth": self.depth, "normalisations": list(self.normalisations), "attention": self.attention,
            "recurrent": self.recurrent, "complex": self.complex, "tied": self.tied, "head": self.head,
            "head_tables": self.head_tables,
        }  # fmt: skip


def count(model: Any) -> Counts:
    """Count a real model; one on the device ``meta``, which holds no numbers, will do.

    Args:
        model: a torch module or a paddle layer.

    Raises:
        AdviceError: it has no parameters, or none that is trained.
        OptimizerError: it is no model, or a parameter has no shape before the first batch.

    Example:
        >>> import torch
        >>> found = count(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2)))
        >>> found.matrices, found.norms, found.biases, found.trained
        (48, 16, 10, 74)
    """
    tree = tree_of(model)
    trained = [p for p in tree.parameters if p.trained and p.size]
    if not trained:
        raise AdviceError(_nothing(tree))
    kinds = _sums(trained)
    found = depths(tree)
    kernels = [p for p in trained if is_kernel(p)]
    hidden = [p for p in kernels if p.name not in found.head] if len(kernels) > 1 else []
    head = [p for p in trained if p.name in found.head and len(p.shape) > 1]
    # Bases are not asked: those of a library's models have such words in their names for what some of them can do.
    names = [name for m in tree.modules if m.path for name in (m.path.rpartition(".")[2], *m.types[:1])]
    return Counts(
        kind=tree.kind,
        framework=tree.framework,
        matrices=kinds["matrix"],
        convolutions=kinds["convolution"],
        embeddings=kinds["embedding"],
        norms=kinds["norm"],
        biases=kinds["vector"],
        hidden=sum(p.size for p in hidden),
        inputs=_inputs(kernels, tree.framework),
        frozen=sum(p.size for p in tree.parameters if not p.trained and not _gathered(p)),
        tensors=len(trained),
        depth=found.last + 1,
        normalisations=_normalisations(tree.modules),
        attention=any(_ATTENTION.search(name) for name in names),
        complex=any("complex" in str(p.tensor.dtype) for p in trained),
        recurrent=any(kind in _RECURRENT for m in tree.modules for kind in m.types),
        tied=sum(len(p.names) > 1 for p in trained),
        head=sum(p.size for p in head),
        head_tables=sum(p.size for p in head if "embedding" in roles(p)),
    )


def is_kernel(parameter: Parameter) -> bool:
    """Whether a parameter maps vectors to vectors: a matrix that is no table, or the kernel of a convolution."""
    return "matrix" in roles(parameter) or (len(parameter.shape) > 2 and CONVOLUTION in parameter.owner.types)


def _inputs(kernels: list[Parameter], framework: str) -> int | None:
    """Columns of what the first layer reads; torch has them in the columns of a weight, paddle in its rows."""
    if not kernels or len(kernels[0].shape) != 2:
        return None
    return kernels[0].shape[0 if framework == "paddle" else 1]


def _gathered(parameter: Parameter) -> bool:
    """Whether it is a running statistic, which paddle registers as a parameter and torch as a buffer."""
    return is_norm(parameter) and parameter.name.endswith(("_mean", "_variance"))


def _nothing(tree: Tree) -> str:
    if not tree.parameters:
        return f"the model {tree.kind} has no parameters, so there is nothing to train; give the model that is trained"
    if not any(p.trained for p in tree.parameters):
        frozen = "stop_gradient = False" if tree.framework == "paddle" else "requires_grad = True"
        return (
            f"all {len(tree.parameters)} parameters of the model {tree.kind} are frozen; set {frozen} on those that "
            f"are to be trained"
        )
    return f"the trained parameters of the model {tree.kind} hold no numbers; give it sizes above 0"


def _sums(parameters: Iterable[Parameter]) -> dict[str, int]:
    """Numbers of each kind; every parameter is of one."""
    sums: dict[str, int] = dict.fromkeys(("norm", "embedding", "vector", "matrix", "convolution"), 0)
    for parameter in parameters:
        own = roles(parameter)
        kind = next((role for role in ("norm", "embedding", "vector", "matrix") if role in own), "convolution")
        sums[kind] += parameter.size
    return sums


def _normalisations(modules: Iterable[Module]) -> tuple[str, ...]:
    return tuple(sorted({m.types[0] for m in modules if m.types and "norm" in m.types[0].lower()}))
