"""The comparison in the terminal: a table per task, what it comes to, and what to mind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cadence.comparison.results import Summary, TaskSummary
from cadence.comparison.settings import said
from cadence.report import rows, text
from cadence.report.effects import effects_of_recipe
from cadence.report.messages import Phrases
from cadence.report.terminal import WIDTH, item, show, text_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

GAP = 2
"""Terminal columns between two columns of a table: its padding and its (invisible) rule."""

STYLES = {"better": "bold green", "worse": "bold red", "baseline": "dim"}


def print_summary(summary: Summary, *, lang: str = "en", console: Console | None = None) -> None:
    """Print the tables and the sentences; in colour on a terminal, as plain text into a file or a pipe.

    Args:
        summary: of a comparison.
        lang: ``"en"`` or ``"zh"``.
        console: where to; None: standard output.
    """
    from rich.console import Console

    show(lambda width: parts(summary, lang, width), console or Console(), plain=None)


def table_text(summary: Summary, *, lang: str = "en", width: int = WIDTH) -> str:
    """The same as plain text without colours, for logs and files.

    Args:
        summary: of a comparison.
        lang: ``"en"`` or ``"zh"``.
        width: columns to fit into.
    """
    return text_of(parts(summary, lang, width), width)


def parts(summary: Summary, lang: str = "en", width: int = WIDTH) -> list[RenderableType]:
    """What is printed, from top to bottom, for a console of one's own.

    Args:
        summary: of a comparison.
        lang: ``"en"`` or ``"zh"``.
        width: columns of that console.
    """
    from rich.text import Text

    say = Phrases(lang)
    made: list[RenderableType] = [Text(say("about"), style="bold dim")]
    made += [item(paragraph, "dim") for paragraph in text.method(summary, lang)]
    # What matters comes last, because that is what a terminal shows in the end.
    for task in summary.tasks:
        made += _effects(task, lang)
        made += ["", Text(rows.results(task, lang).caption, style="bold")]
        made += _table_that_fits(task, lang, width)
        made += _sentences(task, lang)
    minded = text.warnings(summary, lang)
    if minded:
        made += ["", Text(say("attention"), style="bold yellow"), *(item(warning) for warning in minded)]
    return made


def _table_that_fits(task: TaskSummary, lang: str, width: int) -> list[RenderableType]:
    """The table, without seconds and rate if the terminal is narrow, or else as a list: broken numbers are no use."""
    data = rows.results(task, lang)
    last = len(data.head) - 1
    for left_out in (set[int](), {last - 2}, {last - 2, last - 1}):
        shown = [column for column in range(len(data.head)) if column not in left_out]
        if sum(_least(data, column) + GAP for column in shown) < width:
            return [_table(task, data, shown)]
    return _stacked(task, lang)


def _least(data: rows.Table, column: int) -> int:
    """Terminal columns that a column needs: its numbers and the words of its name in one piece."""
    from rich.cells import cell_len

    texts = [line for row in data.rows for line in row[column].splitlines()]
    if not data.numeric[column]:
        longest = max(map(cell_len, texts), default=1)
        words = [word for text in texts for word in text.split()]
        texts = ["x" * min(14, longest), *(word[:20] for word in words)]
    # Words without spaces, as in Chinese, may be broken anywhere.
    words = [word if cell_len(word) == len(word) else word[:5] for word in data.head[column].split()]
    return max(map(cell_len, [*texts, *words]), default=1)


def _table(task: TaskSummary, data: rows.Table, shown: Sequence[int]) -> Table:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for i in shown:
        # Rich narrows every column that may wrap, also below its least width: so numbers may not, and their heads are
        # wrapped here.
        numeric, least = data.numeric[i], _least(data, i)
        head = "\n".join(line.plain for line in Text(data.head[i]).wrap(Console(), least)) if numeric else data.head[i]
        justify = "right" if numeric else "left"
        table.add_column(Text(head), justify=justify, overflow="fold", no_wrap=numeric)
    for recipe, cells in zip(task.recipes, data.rows, strict=True):
        # Text, not str: square brackets in the name of a recipe are no markup.
        last = STYLES.get(recipe.verdict, "")
        table.add_row(*(Text(cells[i], style=last if i == shown[-1] else "") for i in shown))
    return table


def _stacked(task: TaskSummary, lang: str) -> list[RenderableType]:
    """The table as one short list per recipe."""
    from rich.text import Text

    say = Phrases(lang)
    data = rows.results(task, lang)
    made: list[RenderableType] = [""]
    for recipe, cells in zip(task.recipes, data.rows, strict=True):
        made.append(Text(cells[0], style=STYLES.get(recipe.verdict, "")))
        for name, cell in zip(data.head[1:], cells[1:], strict=True):
            made.append(Text("  " + say("labelled", label=name, text=cell.replace("\n", say("list_join")))))
    return [*made, ""]


def _sentences(task: TaskSummary, lang: str) -> list[RenderableType]:
    from rich.text import Text

    say = Phrases(lang)
    made: list[RenderableType] = [Text(text.conclusion(task, lang), style="bold"), ""]
    for recipe in task.recipes:
        if recipe.name != task.baseline:
            sentence = say("labelled", label=said(recipe.label, lang), text=text.verdict(task, recipe, lang))
            made.append(item(sentence))
    return [*made, *(item(sentence) for sentence in text.side_by_side(task, lang))]


def _effects(task: TaskSummary, lang: str) -> list[RenderableType]:
    """What updates really did, where it was measured."""
    from rich.text import Text

    sentences = [sentence for recipe in task.recipes for sentence in effects_of_recipe(recipe, lang)]
    if not sentences:
        return []
    say = Phrases(lang)
    heading = say("labelled", label=said(task.label, lang), text=say("effects"))
    return ["", Text(heading, style="bold dim"), *(item(sentence, "dim") for sentence in sentences)]
