"""What names and objects of a script hold while it is followed."""

from __future__ import annotations

import ast
from collections import ChainMap
from typing import Any

Names = ChainMap[str, Any]
"""The names of a function, then those around it."""


class Instance:
    """An object of a class of the script.

    Attributes:
        owner: the class.
        fields: what it holds.
        given: what it was made with.
    """

    def __init__(self, owner: ast.ClassDef) -> None:
        self.owner = owner
        self.fields: dict[str, Any] = {}
        self.given: dict[str, Any] = {}
