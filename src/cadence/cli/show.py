"""Printing: tables that fit the terminal, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from cadence.curve.curve import Curve

PLAIN_WIDTH = 110
"""Columns where the output is no terminal, so that it does not depend on who reads it."""


def print_json(data: Any) -> None:
    """Strict JSON, the same floats back when read; what is no finite number becomes null."""
    print(json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False))


def console(*, to_stderr: bool = False) -> Console:
    """Where text for people goes: as wide as the terminal, and without guessing what is a number to be coloured."""
    from rich.console import Console

    stream = sys.stderr if to_stderr else sys.stdout
    return Console(file=stream, highlight=False, width=None if stream.isatty() else PLAIN_WIDTH)


def text_plot(
    curves: Sequence[Curve],
    *,
    lang: str,
    value: str | None = None,
    until: int | None = None,
    labels: Sequence[str] | None = None,
    title: str | None = None,
    group: int | None = None,
) -> str:
    """Curves drawn with whatever characters the output can hold."""
    from cadence.report.plot import HEIGHT, WIDTH, draw
    from cadence.report.plot_text import as_text

    drawing = draw(
        curves, value=value, until=until, lang=lang, columns=2 * WIDTH, labels=labels, title=title, group=group
    )
    return as_text(drawing, WIDTH, HEIGHT, ascii_only=ascii_only())


def ascii_only() -> bool:
    """Whether the output cannot hold more than ASCII, as in a log file of an old system."""
    try:
        "⣿┤▁".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """A table without frames; the last column takes what is left of the line and wraps."""
    print(_table(console(), head, rows, title))


def tell_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """The same on stderr."""
    print(_table(console(to_stderr=True), head, rows, title), file=sys.stderr, flush=True)


def _table(out: Console, head: Sequence[str], rows: Iterable[Sequence[str]], title: str | None) -> str:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, pad_edge=False, title=title, title_justify="left", show_header=any(head), padding=(0, 2, 0, 0)
    )
    for name in head[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(head[-1], overflow="fold")
    for row in rows:
        # Text, not markup: a path with brackets in it is a path.
        table.add_row(*(Text(cell) for cell in row))
    with out.capture() as captured:
        out.print(table)
    # Without the blanks that fill the last column: they would wrap when the window is made narrower.
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if data == data and abs(data) != float("inf") else None
    if isinstance(data, dict):
        return {str(k): _finite(v) for k, v in data.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(data, (list, tuple)):
        return [_finite(x) for x in data]  # pyright: ignore[reportUnknownVariableType]
    return data
