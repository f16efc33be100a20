"""Weight decay that follows the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from cadence.findings.course import Course, Floats
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import View
from cadence.script.model import Optimizer, is_number

DEFAULTS = {("torch", "AdamW"): 1e-2, ("paddle", "AdamW"): 1e-2, ("keras", "AdamW"): 4e-3, ("optax", "adamw"): 1e-4}
"""Optimizers that decay by rate x weight_decay, with the weight_decay that they have if none is given."""

SHARE = 0.25
"""A schedule that leaves less of the decay has stacked an aggressive change of the rate on it; a cosine leaves half."""

MOST = 0.9
"""Share of the decay whose time is told."""


@rule(
    "CD808",
    "the schedule takes the weight decay with it",
    "information",
    about="script",
    why="AdamW multiplies each weight by 1 - lr * weight_decay at every update. So a schedule of the rate is one of "
    "the decay too, and one that falls early and far leaves nearly no decay for the rest of the run, whatever "
    "weight_decay says. A cosine or a line to 0 leaves half of it.",
    fix="choose weight_decay by the sum of lr * weight_decay over the run, or give it a schedule of its own: "
    "cadence.drive(optimizer, {'lr': ..., 'weight_decay': ...})",
    source="Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; torch, paddle, keras and optax decay by lr * "
    "weight_decay",
    example="optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)\n"
    "scheduler = StepLR(optimizer, step_size=10, gamma=0.1)  # in a run of 100 epochs",
    zh=(
        "调度把权重衰减也带走了",
        "AdamW 每次更新把权重乘以 1 - lr * weight_decay。学习率的调度因此也是衰减的调度：降得又早又狠，余下的训练几乎"
        "没有衰减，不论 weight_decay 写多少。余弦或线性降到 0 留下一半。",
        "按整个训练的 lr * weight_decay 之和选取 weight_decay，或给它自己的调度："
        "cadence.drive(optimizer, {'lr': ..., 'weight_decay': ...})",
    ),
)
def decay_follows(view: View) -> Iterator[Found]:
    """AdamW under a schedule that leaves less than a quarter of the decay that its highest rate would make."""
    for scheduler in view.outermost:
        own = scheduler.optimizer
        decay = None if own is None else _decay(own)
        if own is None or not decay or view.siblings(scheduler):
            continue
        course = view.course(scheduler)
        if course is None or course.ticks < 10 or course.peak <= 0:
            continue
        share = _sums(course)[-1] / (course.peak * course.ticks)
        if share < SHARE:
            yield Found(
                view.spot(scheduler.node),
                Both(
                    f"{own.name} decays by lr * weight_decay ({decay:g}), of which {scheduler.name} leaves {share:.2g}",
                    f"{own.name} 按 lr * weight_decay（{decay:g}）衰减，{scheduler.name} 只留下其中的 {share:.2g}",
                ),
                _told(course, decay, _updates(view, own, course)),
            )


def _decay(optimizer: Optimizer) -> float | None:
    """The weight decay of an optimizer that multiplies it by the rate; None where it is another, or not known."""
    value = optimizer.numbers.get("weight_decay", DEFAULTS.get((optimizer.framework, optimizer.name)))
    decoupled = optimizer.numbers.get("decoupled_weight_decay") is True
    one = not any("weight_decay" in group for group in optimizer.groups)
    known = (optimizer.framework, optimizer.name) in DEFAULTS or decoupled
    return float(value) if known and one and is_number(value) else None


def _sums(course: Course) -> Floats:
    """The sum of the rates up to and with each time looked at."""
    return np.cumsum(course.used * np.diff(course.t))


def _updates(view: View, optimizer: Optimizer, course: Course) -> int | None:
    """Updates in one tick of a schedule; None where that cannot be told."""
    if course.unit == "update":
        return 1
    if view.script.steps_per_epoch is not None:
        return view.script.steps_per_epoch
    loops = [loop for step in optimizer.steps for loop in step.loops if loop.kind == "batch"]
    counts = {loop.count for loop in loops}
    plain = len(loops) == len(optimizer.steps) and not any(step.conditions for step in optimizer.steps)
    only = next(iter(counts)) if plain and len(counts) == 1 else None
    return only if isinstance(only, int) else None


def _told(course: Course, decay: float, updates: int | None) -> Both:
    """The sum of lr * weight_decay, what the highest rate would make of it, and when most of it is done."""
    sums = _sums(course)
    done = int(course.t[int((sums < MOST * float(sums[-1])).sum())]) + 1
    own, full = float(sums[-1]) * decay, course.peak * course.ticks * decay
    each, each_zh = ("", "") if updates is not None else (" for each update of an epoch", "（按每轮一次更新计）")
    if updates is not None:
        own, full = own * updates, full * updates
    if course.base is None:
        each, each_zh = f"{each} and a base rate of 1", f"{each_zh}（基础学习率按 1 计）"
    shrunk = "" if each else f", so that it shrinks weights by {-math.expm1(-own):.2%}"
    shrunk_zh = "" if each else f"，权重因此缩小 {-math.expm1(-own):.2%}"
    return Both(
        f"the sum of lr * weight_decay over the run is {own:.3g}{each}{shrunk}, {MOST:.0%} of it in the first {done} "
        f"of {course.ticks} {course.unit}s; at the highest rate throughout it would be {full:.3g}",
        f"整个训练的 lr * weight_decay 之和为 {own:.3g}{each_zh}{shrunk_zh}，其中 {MOST:.0%} 在 {course.ticks} "
        f"{course.unit_zh}中的前 {done} {course.unit_zh}；始终用最高学习率则为 {full:.3g}",
    )
