"""Where an evaluator looks up what names, attributes and calls stand for."""

from __future__ import annotations

import abc
import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cadence.script.evaluate import Env, Evaluator


class Lookup(abc.ABC):
    """Says what names, attributes and calls stand for.

    `env` holds the names of a function that is followed; None: there is none, and the text alone says it.
    """

    @abc.abstractmethod
    def name(self, node: ast.Name, env: Env | None) -> Any:
        """What a name stands for."""

    @abc.abstractmethod
    def attribute(self, node: ast.Attribute, env: Env | None) -> Any:
        """What an attribute stands for."""

    @abc.abstractmethod
    def call(self, node: ast.Call, env: Env | None) -> Any:
        """What a call returns."""


class ByText(Lookup):
    """By the text of the script, wherever in it an expression stands."""

    def __init__(self, values: Evaluator) -> None:
        self._values = values

    def name(self, node: ast.Name, env: Env | None) -> Any:
        return self._values.variables.name(node, env)

    def attribute(self, node: ast.Attribute, env: Env | None) -> Any:
        return self._values.variables.attribute(node, env)

    def call(self, node: ast.Call, env: Env | None) -> Any:
        return self._values.calls.called(node, env)
