"""Rates that are not what was meant: missed waypoints, and 0."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.findings.course import Course, runs_of
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule


@rule(
    "CD107",
    "the rate misses a stated waypoint",
    "error",
    about="course",
    why="A formula is checked against what it was written for: the rate at times that the user states. A wrong "
    "slope or "
    "an off-by-one is seen nowhere else.",
    fix="correct the formula; a line from (a, x) to (b, y) has the slope (y - x) / (b - a)",
    source="the waypoints given with --expect",
    example="lambda e: 1 if e < 50 else max(0.1, 1 - (e - 50) * 0.001875)  # --expect '0:0.1, 50:0.1, 100:0.01'",
    zh=(
        "学习率没有经过给定的点",
        "公式要对照它的目的来检查：用户给出的时刻与学习率。斜率写错或差一步，别处看不出来。",
        "改正公式；从 (a, x) 到 (b, y) 的直线斜率是 (y - x) / (b - a)",
    ),
)
def waypoints(course: Course) -> Iterator[Found]:
    """Stated values that the course does not have."""
    for point in course.expected:
        if point.t > course.ticks:
            yield Found(
                course.at,
                Both(
                    f"{course.unit} {point.t} lies after the run of {course.ticks} {course.unit}s",
                    f"第 {point.t} {course.unit_zh}在 {course.ticks} {course.unit_zh}的训练之后",
                ),
            )
            continue
        real = course.at_tick(point.t)
        if abs(real - point.value) > course.tolerance * max(abs(point.value), 1e-3 * course.peak):
            yield Found(
                course.at,
                Both(
                    f"at {course.unit} {point.t} the rate should be {point.value:g}",
                    f"第 {point.t} {course.unit_zh}的学习率应为 {point.value:g}",
                ),
                Both(f"it is {course.rate(real)}{_reached(course, point.value)}", f"实际为 {course.rate_zh(real)}"),
            )


def _reached(course: Course, value: float) -> str:
    """Where the course does have a value, if anywhere in the run."""
    near = abs(course.lr - value) <= course.tolerance * abs(value)
    first = next(runs_of(near), None)
    return f", and reaches that value at {course.unit} {int(course.t[first[0]])}" if first else ""


@rule(
    "CD111",
    "the rate is 0 during the run",
    "warning",
    about="course",
    why="An update at rate 0 changes nothing: the time it takes is wasted. It is usual where a schedule ends "
    "before the "
    "run does, and where a warmup stepped once per epoch starts at 0.",
    fix="let the schedule end above 0 or with the run, and start a warmup at 1/100 of the peak",
    source="the update rule of every optimizer: the step is proportional to the rate",
    example="warmup = LambdaLR(optimizer, lambda epoch: epoch / 5)  # epoch 0 trains nothing",
    zh=(
        "训练中有一段学习率为 0",
        "学习率为 0 的更新什么也不改变，时间白费。常见于调度器先于训练结束，或按轮调用的预热从 0 开始。",
        "让调度器的终点大于 0 或与训练同时结束，预热从峰值的 1/100 开始",
    ),
)
def rate_zero(course: Course) -> Iterator[Found]:
    """Updates that do nothing."""
    if course.peak <= 0:
        yield Found(course.at, Both("the rate is 0 in the whole run", "整个训练学习率都是 0"), severity="error")
        return
    zero = course.used <= 1e-12 * course.peak
    # One update of many is how most warmups and one-cycles begin; one epoch is one epoch.
    least = 1 if course.unit == "epoch" else max(2, course.ticks // 200)
    for first, last in runs_of(zero):
        start, stop = int(course.t[first]), int(course.t[last])
        if stop - start + 1 >= least:
            n = stop - start + 1
            many = f"{course.unit}s {start} to {stop}" if n > 1 else f"{course.unit} {start}"
            yield Found(
                course.at,
                Both(f"the rate is 0 in {many}", f"第 {start} 到 {stop} {course.unit_zh}学习率为 0"),
                Both(
                    f"{n} of {course.ticks} {course.unit}s ({n / course.ticks:.2g} of the run) train nothing",
                    f"{course.ticks} {course.unit_zh}中有 {n} {course.unit_zh}不训练",
                ),
            )
