"""Models as plain data, for tests that need no framework."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cadence.optim.groups.tree import Module, Parameter, Tree


@dataclass
class Node:
    """A module: its class, what it holds, and the shapes of its own parameters."""

    kind: str
    held: dict[str, Node] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    series: bool = False


def linear() -> Node:
    return Node("Linear", shapes={"weight": (4, 4), "bias": (4,)})


def conv() -> Node:
    return Node("Conv2d", shapes={"weight": (4, 4, 3, 3)})


def norm(kind: str = "LayerNorm") -> Node:
    return Node(kind, shapes={"weight": (4,), "bias": (4,)})


def embedding() -> Node:
    return Node("Embedding", shapes={"weight": (9, 4)})


def idle(kind: str = "ReLU") -> Node:
    return Node(kind)


def row(*members: Node, kind: str = "Sequential") -> Node:
    return Node(kind, {str(i): member for i, member in enumerate(members)}, series=True)


def module(kind: str, **held: Any) -> Node:
    """A module; a tuple of numbers is the shape of a parameter of its own."""
    shapes = {name: x for name, x in held.items() if isinstance(x, tuple)}
    return Node(kind, {name: x for name, x in held.items() if isinstance(x, Node)}, shapes)


def tree(root: Node) -> Tree:
    """The tree of a model."""
    modules: list[Module] = []
    parameters: list[Parameter] = []

    def walk(path: str, node: Node) -> Iterator[None]:
        here = Module(path, (node.kind,), node.series)
        modules.append(here)
        for name, shape in node.shapes.items():
            full = f"{path}.{name}" if path else name
            parameters.append(Parameter((full,), shape, here, True, full))
        for name, child in node.held.items():
            yield from walk(f"{path}.{name}" if path else name, child)

    list(walk("", root))
    return Tree(root.kind, "torch", tuple(modules), tuple(parameters))
