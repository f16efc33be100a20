"""Live progress: bars in a terminal, one line per event elsewhere. All of it goes to stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from cadence.cli.words import say

if TYPE_CHECKING:
    from cadence.comparison.board import Training
    from cadence.comparison.compare import Standing
    from cadence.run.loop import Progress


@contextlib.contextmanager
def training(lang: str) -> Generator[Callable[[Progress], None]]:
    """What to call with the progress of one training."""
    if not sys.stderr.isatty():
        yield lambda now: _line(_evaluated(now, lang)) if now.evaluated else None
        return
    with _bars() as bars:
        task: Any = None

        def show(now: Progress) -> None:
            nonlocal task
            if task is None:
                task = bars.add_task("", total=now.total, note="")
            note = f"loss {now.loss:.4g}  {_metrics(now.metrics)}  lr {_rate(now):.3g}"
            bars.update(task, completed=now.t, description=say(lang, "update", t=now.t, total=now.total), note=note)

        yield show


@contextlib.contextmanager
def comparison(lang: str) -> Generator[Callable[[Standing], None]]:
    """What to call with the standing of a comparison."""
    if not sys.stderr.isatty():
        yield lambda now: _event(now, lang)
        return
    with _bars() as bars:
        whole = bars.add_task(say(lang, "preparing"), total=1, note="")
        rows: dict[int, Any] = {}

        def show(now: Standing) -> None:
            done = sum(t.done / t.updates for t in now.trainings)
            ended = sum(t.state not in ("waiting", "running") for t in now.trainings)
            left = "" if now.seconds_left is None else say(lang, "left", time=_time(now.seconds_left))
            words = say(lang, "trainings", done=ended, of=len(now.trainings))
            bars.update(whole, completed=done, total=len(now.trainings), description=words, note=left)
            one = now.changed
            if one.state == "running" and one.number not in rows:
                rows[one.number] = bars.add_task(f"  {_name(one, lang)}", total=one.updates, note="")
            if one.number in rows:
                bars.update(rows[one.number], completed=one.done)
            if now.what == "ends":
                row = rows.pop(one.number, None)
                if row is not None:
                    bars.remove_task(row)
            if now.what == "again" or one.state in ("failed", "diverged"):
                bars.console.print(_ended(now, lang), markup=False, highlight=False)

        yield show


def _bars() -> Any:
    from rich.progress import BarColumn, Progress, TextColumn

    from cadence.cli.show import console

    # Names of recipes and metrics are shown as they are, brackets and all.
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[note]}", markup=False),
        console=console(to_stderr=True),
        transient=True,
    )


def _event(now: Standing, lang: str) -> None:
    if now.what == "ends":
        ended = sum(t.state not in ("waiting", "running") for t in now.trainings)
        _line(f"[{ended}/{len(now.trainings)}] {_ended(now, lang)}")
    elif now.what == "again":
        _line(_ended(now, lang))


def _ended(now: Standing, lang: str) -> str:
    one = now.changed
    if now.what == "again":
        text = say(lang, "again", sentence=now.sentence)
    elif one.state in ("failed", "diverged"):
        text = say(lang, "ended_badly", status=say(lang, one.state), sentence=now.sentence)
    else:
        seconds = one.result.get("seconds")
        took = f" ({seconds:.1f} s)" if isinstance(seconds, float) else ""
        text = _metrics(one.result.get("final") or {}) + took
    return say(lang, "labelled", label=_name(one, lang), text=text)


def _name(one: Training, lang: str) -> str:
    what = say(lang, "rate", rate=f"{one.rate:.4g}") if one.phase == "tuning" else say(lang, "seed", seed=one.seed)
    phase = f"{say(lang, 'tuning')} " if one.phase == "tuning" else ""
    return f"{one.group.name} {one.entry.recipe.name}, {phase}{what}"


def _evaluated(now: Progress, lang: str) -> str:
    text = f"{_metrics(now.metrics)}, lr {_rate(now):.4g}"
    return say(lang, "labelled", label=say(lang, "update", t=now.t, total=now.total), text=text)


def _metrics(metrics: Any) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def _rate(now: Progress) -> float:
    rates = [x for x in now.values.get("lr", []) if x is not None]
    return max(rates, default=float("nan"))


def _time(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
