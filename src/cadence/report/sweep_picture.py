"""Pictures of a search as SVG: a line for each trial across an axis for each field, and bars of importance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cadence.report.axis import Axis, axis, wants_log
from cadence.report.markup import Markup, tag
from cadence.report.sweep_text import objective, shown
from cadence.report.sweep_words import SweepPhrases
from cadence.search.ranges import Choices, Floats, Range, Value, Wholes
from cadence.search.results import Results
from cadence.search.study import Trial

STEP = 150
"""Room of an axis, in pixels."""
LEFT, TOP, HEIGHT, BOTTOM = 96, 44, 260, 16
LONGEST = 14
"""Characters of a choice beside its axis; longer ones get a letter and stand below."""
MOST_LINES = 500
"""Trials that are drawn; more cannot be told apart."""

STYLE = """
.pc text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","PingFang SC","Microsoft YaHei",sans-serif;
fill:var(--ink)}
.pc .tick{font-size:12px;fill:var(--soft);paint-order:stroke;stroke:var(--ground);stroke-width:4px}
.pc .tick{stroke-linejoin:round}.pc .name{font-weight:600}
.pc .axis{stroke:var(--soft);fill:none}
.pc .t{fill:none;stroke-linejoin:round;stroke:var(--base);stroke-opacity:.35;stroke-width:1.2}
.pc .t.pruned{stroke:var(--soft);stroke-dasharray:2 4;stroke-opacity:.55}
.pc .t.third{stroke:var(--c0);stroke-opacity:.75;stroke-width:1.6}
.pc .t.best{stroke:var(--c1);stroke-opacity:1;stroke-width:3.4}
.pc .t:hover{stroke-opacity:1;stroke-width:4}
.pc .bar{fill:var(--c0)}.pc .rail{fill:var(--panel)}
"""


@dataclass(frozen=True)
class Scale:
    """One upright axis.

    Attributes:
        name: above it.
        ticks: (share of the height from below, text) of each.
        axis: of numbers; None: it has choices.
        choices: from below, each with its own place.
        key: (letter, text) of choices that are too long to stand beside it.
    """

    name: str
    ticks: tuple[tuple[float, str], ...]
    axis: Axis | None
    choices: tuple[Value, ...]
    key: tuple[tuple[str, str], ...]

    def at(self, value: Value) -> float:
        """Share of the height at which a value lies."""
        if self.axis is not None:
            return min(1.0, max(0.0, self.axis.share(float(value))))
        return _middle(self.choices.index(value), len(self.choices))


def scales(results: Results, say: SweepPhrases) -> list[Scale]:
    """The axes: one for each range, and the objective.

    Args:
        results: of the search.
        say: the language.
    """
    made = [_scale(name, one) for name, one in results.settings.space.ranges.items()]
    values = [trial.value for trial in drawn(results) if trial.value is not None]
    finished = [t.value for t in results.trials if t.state == "finished" and t.value is not None]
    # What was given up early may have been anywhere: the axis is of those that finished, with some room.
    low, high = min(finished or values or [0.0]), max(finished or values or [1.0])
    log = low > 0 and wants_log([low, high])
    made.append(_of_axis(results.settings.objective.metric, axis(low, high, log=log)))
    return made


def drawn(results: Results) -> list[Trial]:
    """Trials that have a value and all they are made of, the best last, so that it lies on top."""
    names = set(results.settings.space.ranges)
    whole = [t for t in results.order if t.value is not None and set(t.params) == names]
    return [t for t in whole if t.state in ("finished", "pruned")][:MOST_LINES][::-1]


def parallel(results: Results, lang: str = "en") -> Markup:
    """A line for each trial across all axes, with what the lines mean below.

    Args:
        results: of the search.
        lang: ``"en"`` or ``"zh"``.
    """
    say = SweepPhrases(lang)
    axes, trials = scales(results, say), drawn(results)
    width = LEFT + STEP * (len(axes) - 1) + 60
    finished = [t for t in results.order if t.state == "finished"]
    third = {t.number for t in finished[: math.ceil(len(finished) / 3)]}
    lines = [_line(trial, axes, _style(trial, results, third), say) for trial in trials]
    title = say("lines", objective=objective(results, say), better=say("higher" if results.higher else "lower"))
    svg = tag(
        "svg",
        tag("title", title),
        *lines,
        *(_upright(scale, i) for i, scale in enumerate(axes)),
        viewBox=f"0 0 {width} {TOP + HEIGHT + BOTTOM}",
        role="img",
        style=f"width:100%;min-width:{min(width, 110 * len(axes) + 80)}px;height:auto;max-height:34rem",
        class_="pc",
    )
    key = [tag("li", say("key", letter=letter, text=text)) for scale in axes for letter, text in scale.key]
    missing = len(results.trials) - len(trials)
    parts = [
        tag("p", title),
        tag("div", svg, class_="box", role="region", tabindex=0, aria_label=say("scroll")),
        _legend(say),
        tag("ul", *key, class_="plain") if key else Markup(),
        tag("p", say("left_out", n=missing), class_="lead") if missing else Markup(),
    ]
    return tag("div", *parts)


def importance_bars(results: Results, lang: str = "en") -> Markup:
    """A bar for each range, the most important first; nothing where nothing is known."""
    shares = list((results.importance or {}).items())
    if not shares:
        return Markup()
    longest = max(len(name) for name, _ in shares)
    left, line = min(320, 9 * longest + 16), 30
    width = left + 420
    rows: list[Markup] = []
    for i, (name, share) in enumerate(shares):
        y = 8 + line * i
        rows += [
            tag("text", name, x=left - 10, y=y + 15, text_anchor="end"),
            tag("rect", x=left, y=y, width=340, height=20, class_="rail", rx=3),
            tag("rect", x=left, y=y, width=round(340 * min(1.0, share), 1), height=20, class_="bar", rx=3),
            tag("text", f"{100 * share:.0f} %", x=left + 350, y=y + 15, class_="tick"),
        ]
    svg = tag(
        "svg", tag("title", SweepPhrases(lang)("importance")), *rows, viewBox=f"0 0 {width} {line * len(shares) + 10}",
        role="img", style=f"width:100%;min-width:{min(width, 480)}px;max-width:{width}px;height:auto", class_="pc",
    )  # fmt: skip
    return tag("div", svg, class_="box", role="region", tabindex=0, aria_label=SweepPhrases(lang)("importance"))


# ---- inside ----------------------------------------------------------------------------------------------------------


def _scale(name: str, one: Range) -> Scale:
    if isinstance(one, Floats):
        return _of_axis(name, axis(one.low, one.high, log=one.log, round_out=False))
    if isinstance(one, Wholes):
        return _of_axis(name, axis(one.low, one.high, log=one.log, round_out=False, least_step=1.0))
    assert isinstance(one, Choices)
    ticks: list[tuple[float, str]] = []
    key: list[tuple[str, str]] = []
    for i, value in enumerate(one.values):
        text = shown(value)
        if len(text) > LONGEST:
            letter = chr(ord("A") + i) if i < 26 else f"A{i}"
            key.append((f"{name} {letter}", text))
            text = letter
        ticks.append((_middle(i, len(one.values)), text))
    return Scale(name, tuple(ticks), None, one.values, tuple(key))


def _of_axis(name: str, made: Axis) -> Scale:
    ticks = tuple((made.share(t), label) for t, label in zip(made.ticks, made.labels, strict=True))
    return Scale(name, ticks, made, (), ())


def _middle(i: int, n: int) -> float:
    return (i + 0.5) / n


def _x(i: int) -> int:
    return LEFT + STEP * i


def _y(share: float) -> float:
    return round(TOP + (1 - share) * HEIGHT, 1)


def _upright(scale: Scale, i: int) -> Markup:
    x = _x(i)
    parts = [
        tag("text", _short(scale.name), x=x, y=TOP - 18, text_anchor="middle", class_="name"),
        tag("path", d=f"M{x},{TOP}V{TOP + HEIGHT}", class_="axis"),
    ]
    for share, label in scale.ticks:
        parts.append(tag("path", d=f"M{x},{_y(share):g}h-5", class_="axis"))
        parts.append(tag("text", label, x=x - 8, y=_y(share) + 4, text_anchor="end", class_="tick"))
    return tag("g", *parts)


def _line(trial: Trial, axes: Sequence[Scale], style: str, say: SweepPhrases) -> Markup:
    values = [*(trial.params[scale.name] for scale in axes[:-1]), trial.value]
    points = [(_x(i), _y(scale.at(value))) for i, (scale, value) in enumerate(zip(axes, values, strict=True))]
    told = say.list([say("is", name=scale.name, value=shown(v)) for scale, v in zip(axes, values, strict=True)])
    title = tag("title", f"{say('trial')} {trial.number}: {told}")
    return tag("path", title, d="M" + "L".join(f"{x:g},{y:g}" for x, y in points), class_=f"t {style}".rstrip())


def _style(trial: Trial, results: Results, third: set[int]) -> str:
    if results.best is not None and trial.number == results.best.number:
        return "best"
    if trial.state == "pruned":
        return "pruned"
    return "third" if trial.number in third else ""


def _legend(say: SweepPhrases) -> Markup:
    items: list[Markup] = []
    for style, key in (("best", "best"), ("third", "third"), ("", "other"), ("pruned", "pruned")):
        line = tag("path", d="M0,5H40", class_=f"t {style}".rstrip())
        swatch = tag("svg", line, viewBox="0 0 40 10", aria_hidden="true", class_="pc")
        items.append(tag("li", tag("span", swatch, say(f"line_{key}"))))
    return tag("ul", *items, class_="legend")


def _short(name: str) -> str:
    return name if len(name) <= 18 else "…" + name[-17:]
