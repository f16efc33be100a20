"""Parts of a report in a terminal: in colour where there is one, as plain text elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDTH = 100
"""Columns that everything fits into."""


def show(
    made: Callable[[int], Sequence[RenderableType]], console: Console, *, plain: Callable[[str], str] | None
) -> None:
    """Print parts.

    Args:
        made: the parts for so many columns.
        console: where to.
        plain: what becomes of the text where only the plainest signs can be shown; None: all can.
    """
    if console.is_terminal and plain is None:
        width = min(console.width, WIDTH)
        for part in made(width):
            console.print(part, width=width, highlight=False, crop=False)
        return
    # There is no width to ask for, and what is not seen needs no blanks at the ends of lines.
    text = text_of(made(WIDTH), WIDTH)
    console.file.write(text if plain is None else plain(text))


def text_of(parts: Sequence[RenderableType], width: int) -> str:
    """Parts as plain text without colours, for logs and files."""
    from rich.console import Console

    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, force_terminal=False)
    for part in parts:
        console.print(part, width=width, highlight=False, crop=False)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def item(sentence: str, style: str = "") -> RenderableType:
    """A sentence of a list, with a hanging indent."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text("•", style), Text(sentence, style))
    return grid
