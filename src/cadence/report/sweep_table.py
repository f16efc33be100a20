"""A search in the terminal: the best trials, what came of it, what mattered, and what to mind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cadence.report import sweep_text as text
from cadence.report.rows import Table
from cadence.report.sweep_words import SweepPhrases
from cadence.report.terminal import WIDTH, item, show, text_of
from cadence.search.results import Results

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

ROWS = 12
"""Trials that are printed; all of them are in the table's file."""

LONGEST = 30
"""Characters of a cell; schedules are longer, and stand whole in the file and in the sentence."""


def print_sweep(results: Results, *, lang: str = "en", console: Console, ascii_only: bool = False) -> None:
    """Print table and sentences; in colour on a terminal, as plain text elsewhere.

    Args:
        results: of the search.
        lang: ``"en"`` or ``"zh"``.
        console: where to.
        ascii_only: whether only the plainest signs can be shown.
    """
    show(lambda width: parts(results, lang, width), console, plain=text.plain if ascii_only else None)


def sweep_table_text(results: Results, *, lang: str = "en", width: int = WIDTH) -> str:
    """The same as plain text without colours, for logs and files.

    Args:
        results: of the search.
        lang: ``"en"`` or ``"zh"``.
        width: columns to fit into.
    """
    return text_of(parts(results, lang, width), width)


def parts(results: Results, lang: str = "en", width: int = WIDTH) -> list[RenderableType]:
    """What is printed, from top to bottom.

    Args:
        results: of the search.
        lang: ``"en"`` or ``"zh"``.
        width: columns of the console.
    """
    from rich.text import Text

    say = SweepPhrases(lang)
    table = text.trial_table(results, lang, ROWS)
    made: list[RenderableType] = [Text(say("title", name=results.settings.recipe.name), style="bold")]
    made += [Text(table.caption, style="dim"), *_fitting(table, width)]
    rest = len(results.trials) - len(table.rows)
    if rest > 0:
        made += [Text(say("more_rows", n=rest, table="trials.csv"), style="dim"), ""]
    shown = text.bars(results)
    if shown:
        longest = max(len(name) for name, _, _ in shown)
        made += [Text(f"{name:<{longest}}  {bar} {100 * share:.0f} %") for name, bar, share in shown] + [""]
    else:
        made += [item(text.importance(results, lang), "dim"), ""]
    minded = text.minded(results, lang)
    if minded:
        made += [Text(say("attention"), style="bold yellow"), *(item(sentence) for sentence in minded), ""]
    first, *others = text.conclusion(results, lang)
    return [*made, Text(first, style="bold"), *(item(sentence) for sentence in others)]


def _fitting(table: Table, width: int) -> list[RenderableType]:
    """The table, or a list of its rows where the window is too narrow for it."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table as RichTable
    from rich.text import Text

    columns = range(len(table.head))
    cells = [[_cut(cell) for cell in row] for row in table.rows]
    widths = [max([cell_len(table.head[i]), *(cell_len(row[i]) for row in cells)]) for i in columns]
    if sum(widths) + 2 * len(widths) > width:
        return _listed(table)
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for i in columns:
        drawn.add_column(Text(table.head[i]), justify="right" if table.numeric[i] else "left", no_wrap=True)
    for number, row in enumerate(cells):
        style = "bold" if number in table.strong else ""
        drawn.add_row(*(Text(cell, style=style) for cell in row))
    return [drawn]


def _listed(table: Table) -> list[RenderableType]:
    from rich.text import Text

    made: list[RenderableType] = [""]
    for number, row in enumerate(table.rows):
        style = "bold" if number in table.strong else ""
        first = f"{table.head[0]} {row[0]}: {table.head[1]} {row[1]}, {row[-1]}"
        made.append(Text(first, style=style))
        pairs: Sequence[tuple[str, str]] = list(zip(table.head[2:-2], row[2:-2], strict=True))
        made += [Text(f"  {name}: {cell}") for name, cell in pairs]
    return [*made, ""]


def _cut(cell: str) -> str:
    return cell if len(cell) <= LONGEST else cell[: LONGEST - 1] + "…"
