"""Which curves of a task are drawn on which axes; the same for the page and the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from cadence.comparison.results import TaskSummary
from cadence.comparison.settings import said
from cadence.report.axis import Axis, axis, wants_log, with_air
from cadence.report.chart import Chart, clipped, style_of
from cadence.report.curves import Line, TaskCurves, complete_only, limits
from cadence.report.messages import Phrases
from cadence.report.numbers import short, significant

DECADES = 1e4
"""A logarithmic axis of rates reaches down to the highest rate over this, so that a rate near 0 does not flatten it."""


def task_charts(task: TaskSummary, curves: TaskCurves, lang: str) -> list[Chart]:
    """Learning rate, validation loss and training loss of a task; without what was not recorded.

    Args:
        task: the task.
        curves: its curves.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    baseline = next(i for i, recipe in enumerate(task.recipes) if recipe.name == task.baseline)
    alone = len(task.recipes) == 1
    styles = tuple(style_of(i, baseline=None if alone else baseline) for i in range(len(task.recipes)))
    x = axis(0, curves.total, round_out=False, least_step=1)
    many = len(task.seeds) > 1
    stretch = say("curves_caption_train", n=curves.train_stretch) if curves.train_stretch > 1 else ""
    made: list[Chart] = []
    for key, lines, notes in (
        ("lr", curves.lr, ()),
        ("val", curves.val, (say("curves_caption"),) if many else ()),
        ("train", curves.train, (stretch, say("curves_caption") if many else "")),
    ):
        y = rate_axis(lines) if key == "lr" else loss_axis(complete_only(lines, task), lines)
        if y is None:
            continue
        name = say(f"figure_{key}")
        title = say("remark", text=name, remark=say("log_scale")) if y.log else name
        chart = Chart(key, name, title, x, y, in_order(lines), styles)
        outside = say("curves_clipped") if key != "lr" and clipped(chart) else ""
        made.append(replace(chart, note=say("sentence_join").join(part for part in (*notes, outside) if part)))
    return made


def ratio_charts(task: TaskSummary, curves: TaskCurves, lang: str) -> list[Chart]:
    """How far updates moved the weights of each group, one chart for each recipe, all on the same axes.

    Args:
        task: the task.
        curves: its curves.
        lang: ``"en"`` or ``"zh"``.
    """
    every = [line for lines in curves.ratios for line in lines]
    # An update that moved nothing has no place on a logarithmic axis, and many others do.
    moved = [y for line in every for y in line.y if math.isfinite(y) and y > 0]
    if not moved:
        return []
    if wants_log(moved):
        y = axis(max(min(moved), max(moved) / DECADES) / 1.2, max(moved) * 1.2, log=True, most=4)
    else:
        y = with_air(axis(0.0, max(moved), most=4), max(moved))
    x = axis(0, curves.total, round_out=False, least_step=1, most=4)
    styles = tuple(style_of(g, baseline=None) for g in range(len(curves.groups)))
    made: list[Chart] = []
    for index, (recipe, lines) in enumerate(zip(task.recipes, curves.ratios, strict=True)):
        if lines:
            name = said(recipe.label, lang)
            made.append(Chart(f"ratio{index}", name, name, x, y, in_order(lines), styles))
    return made


def ratios_in_words(chart: Chart, groups: Sequence[str], lang: str) -> list[str]:
    """A chart of `ratio_charts` for people who do not look at it: one sentence per group.

    Args:
        chart: the chart.
        groups: names of the groups.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    told: list[str] = []
    for g, name in enumerate(groups):
        lines = [line for line in chart.lines if line.recipe == g and line.t]
        line = next((line for line in lines if line.mean), lines[0] if lines else None)
        if line is None:
            continue
        ends = {"first": significant(line.y[0], 2), "last": significant(line.y[-1], 2)}
        ends |= {"low": significant(min(line.y), 2), "high": significant(max(line.y), 2)}
        told.append(say("alt_ratio", name=name, t_first=line.t[0], t_last=line.t[-1], **ends))
    return told


def rate_axis(lines: Sequence[Line]) -> Axis | None:
    """Axis for learning rates: from 0 up, or by logarithm where the recipes' rates lie far apart.

    Args:
        lines: rates; None is given back where they have no values.
    """
    peaks = [max((y for y in line.y if math.isfinite(y)), default=0.0) for line in lines]
    ends = limits(lines)
    if ends is None:
        return None
    if not wants_log(peaks):
        return with_air(axis(0.0, max(ends[1], 0.0), most=5), ends[1])
    positive = [y for line in lines for y in line.y if y > 0]
    low = max(min(positive), max(peaks) / DECADES, min(peak for peak in peaks if peak > 0) / 100)
    return axis(low / 1.3, max(peaks) * 1.3, log=True, most=5)


def loss_axis(lines: Sequence[Line], fallback: Sequence[Line]) -> Axis | None:
    """Axis for losses, by logarithm where they fall far.

    Args:
        lines: of the runs that came to their end.
        fallback: all lines, which count where there are no others. None is given back where there are no values.
    """
    ends = limits(lines, fallback)
    if ends is None:
        return None
    low, high = ends
    if low > 0 and wants_log(ends):
        return axis(low / 1.1, high * 1.1, log=True, most=5)
    return with_air(axis(low, high, most=5), high)


def in_order(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Means over single seeds.

    Args:
        lines: in any order.
    """
    return tuple(sorted(lines, key=lambda line: line.mean))


def in_words(task: TaskSummary, chart: Chart, lang: str) -> list[str]:
    """A chart for people who do not look at it: one sentence per recipe.

    Args:
        task: the task.
        chart: of the task.
        lang: ``"en"`` or ``"zh"``.
    """
    say = Phrases(lang)
    told: list[str] = []
    for index, recipe in enumerate(task.recipes):
        name = said(recipe.label, lang)
        lines = [line for line in chart.lines if line.recipe == index and any(map(math.isfinite, line.y))]
        line = next((line for line in lines if line.mean), lines[0] if lines else None)
        if line is None:
            told.append(say("alt_empty", name=name))
            continue
        known = [(t, y) for t, y in zip(line.t, line.y, strict=True) if math.isfinite(y)]
        (t_first, first), (t_last, last) = known[0], known[-1]
        values = [y for _, y in known]
        if chart.key == "lr":
            ends = {"first": short(first), "top": short(max(values)), "last": short(last)}
            told.append(say("alt_lr", name=name, schedule=recipe.schedule, **ends))
        else:
            ends = {"first": significant(first), "last": significant(last), "low": significant(min(values))}
            told.append(say("alt_loss", name=name, t_first=t_first, t_last=t_last, **ends))
    return told
