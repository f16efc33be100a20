"""Ways out of a body, a loop, and the whole of what is followed."""

from __future__ import annotations

import ast
from typing import Any


class Leave(Exception):
    """A break, a continue or a return.

    Attributes:
        kind: which.
        value: what is returned.
    """

    def __init__(self, kind: type[ast.stmt], value: Any = None) -> None:
        super().__init__()
        self.kind = kind
        self.value = value


class Enough(Exception):
    """The run is as long as was asked for."""


class TooMuch(Exception):
    """More work than a value is worth."""
