"""How far a search is: a table kept up to date in a terminal, one line per event elsewhere. All of it on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from cadence.cli.words import say

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cadence.search.work import Standing

ROWS = 8
"""Trials that have ended, the best first, beside those that run."""

REFRESH_SECONDS = 0.25


@contextlib.contextmanager
def search(lang: str) -> Generator[Callable[[Standing], None]]:
    """What to call with the standing of a search."""
    if not sys.stderr.isatty():
        yield lambda now: _event(now, lang)
        return
    from rich.live import Live

    from cadence.cli.show import console

    with Live(console=console(to_stderr=True), transient=True, auto_refresh=False) as live:
        shown = 0.0

        def show(now: Standing) -> None:
            nonlocal shown
            if now.what == "again" or (
                now.what == "ends" and now.changed is not None and now.changed.state == "failed"
            ):
                live.console.print(_line_of(now, lang), markup=False, highlight=False)
            if now.what == "goes on" and time.monotonic() - shown < REFRESH_SECONDS:
                return
            shown = time.monotonic()
            live.update(_table(now, lang), refresh=True)

        yield show


def _event(now: Standing, lang: str) -> None:
    if now.what in ("ends", "again", "waits", "confirms"):
        print(_line_of(now, lang), file=sys.stderr, flush=True)


def _line_of(now: Standing, lang: str) -> str:
    trial = now.changed
    if trial is None:
        return say(lang, f"sweep_{now.what}", job=now.sentence)
    name = say(lang, "sweep_trial", number=trial.number)
    if now.what == "again":
        return say(lang, "labelled", label=name, text=say(lang, "again", sentence=now.sentence))
    done = sum(t.ended for t in now.trials)
    value = "" if trial.value is None else f"{trial.value:.4g}  "
    remark = f" ({now.sentence})" if now.sentence else ""
    text = f"{value}{say(lang, f'sweep_{trial.state}')}{remark}  {_values(trial.params)}"
    count = f"[{done}/{now.limit}]" if now.limit is not None else f"[{done}]"
    return f"{count} {say(lang, 'labelled', label=name, text=text)}"


def _table(now: Standing, lang: str) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from cadence.search.ends import best_of, last_of

    best = best_of(now.trials, higher=now.higher)
    ended = [t for t in now.trials if t.ended and t.value is not None]
    ended.sort(key=lambda t: (t.state != "finished", -(t.value or 0) if now.higher else (t.value or 0)))
    running = [t for t in now.trials if not t.ended]
    done = sum(t.ended for t in now.trials)
    caption = say(lang, "sweep_done", done=done, of=now.limit if now.limit is not None else "…", running=len(running))
    table = Table(box=None, pad_edge=False, title=caption, title_justify="left", padding=(0, 2, 0, 0))
    for name in (say(lang, "sweep_number"), say(lang, "sweep_value"), say(lang, "sweep_state")):
        table.add_column(name, no_wrap=True)
    table.add_column(say(lang, "sweep_values"), no_wrap=True, overflow="ellipsis")
    for trial in [*ended[:ROWS], *running]:
        state = say(lang, f"sweep_{trial.state}")
        if trial.number in now.done:
            state = _bar(now.done[trial.number])
        style = "bold" if best is not None and trial.number == best.number else "dim" if trial.state == "pruned" else ""
        value = trial.value if trial.ended else last_of(trial)
        cells = [str(trial.number), "" if value is None else f"{value:.4g}", state, _values(trial.params)]
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def _bar(share: float, width: int = 10) -> str:
    full = round(width * min(1.0, share))
    return f"{'━' * full}{'╌' * (width - full)} {100 * share:3.0f} %"


def _values(params: Mapping[str, Any]) -> str:
    from cadence.report.sweep_text import shown

    return ", ".join(f"{name}={shown(value)}" for name, value in params.items())
