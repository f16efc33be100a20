"""Lengths that do not fit the run: seen in the numbers of the course itself."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.findings.course import Course, rises, runs_of
from cadence.findings.finding import Both, Edit
from cadence.findings.rule import Found, rule
from cadence.findings.view import whole_numbers
from cadence.spec.nodes import PastEnd

COSINES = {"CosineAnnealingLR": "T_max", "CosineAnnealingDecay": "T_max"}
STEPS = {"StepLR": "step_size", "StepDecay": "step_size"}
MILESTONES = {"MultiStepLR", "MultiStepDecay", "PiecewiseDecay"}


@rule(
    "CD101",
    "the cosine's length is not the run's",
    "warning",
    about="course",
    why="A cosine annealing reaches its lowest rate after T_max steps. A run that is longer climbs the mirrored curve "
    "again (this is no restart: nothing jumps); a run that is shorter stops half way down, so that the gain of the low "
    "rates at the end is lost.",
    fix="give T_max the number of times the scheduler is stepped",
    source="torch.optim.lr_scheduler.CosineAnnealingLR; Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5",
    example="scheduler = CosineAnnealingLR(optimizer, T_max=90)\nfor epoch in range(100): ...; scheduler.step()",
    zh=(
        "余弦周期与训练长度不符",
        "余弦退火在 T_max 步后降到最低。训练更长时学习率沿镜像曲线回升（这不是重启，没有跳变）；训练更短时只走完曲"
        "线的一部分，末尾低学习率的收益丢失。",
        "让 T_max 等于 scheduler.step() 的调用次数",
    ),
)
def cosine_length(course: Course) -> Iterator[Found]:
    """Mirror rise, or a cosine cut short."""
    native = course.native
    if native is None or native.name not in COSINES:
        if isinstance(course.schedule, PastEnd) and course.schedule.then == "mirror":
            yield from _climbs(
                course, f"the schedule turns back up before the run of {course.ticks} {course.unit}s ends"
            )
        return
    length = native.arguments.get("T_max")
    if not isinstance(length, int) or length < 1:
        return
    edits = _set(course, "T_max", length)
    if length < course.ticks:
        said = f"T_max={length}, but the scheduler is stepped {course.ticks} times"
        zh = f"T_max={length}，而调度器共走 {course.ticks} 步"
        yield from _climbs(course, said, zh, edits)
        return
    low, last = _lowest(course), float(course.lr[-1])
    share = (last - low) / (course.peak - low) if course.peak > low else 0.0
    # One that hands over to another scheduler is cut short on purpose.
    if share > 0.01 and course.alone:
        yield Found(
            course.argument("T_max"),
            Both(
                f"T_max={length}, but the scheduler is stepped only {course.ticks} times",
                f"T_max={length}，而调度器只走 {course.ticks} 步",
            ),
            Both(
                f"the rate ends at {course.rate(last)}, {last / course.peak:.2g} of its peak, instead of "
                f"{course.rate(low)}",
                f"学习率最终停在 {course.rate_zh(last)}（峰值的 {last / course.peak:.2g}），而不是 "
                f"{course.rate_zh(low)}",
            ),
            Both(f"write T_max={course.ticks}", f"写 T_max={course.ticks}"),
            edits,
        )


def _climbs(course: Course, said: str, zh: str = "", edits: tuple[Edit, ...] = ()) -> Iterator[Found]:
    climb = rises(course)
    if climb is None:
        return
    bottom, last, high = climb
    yield Found(
        course.argument("T_max"),
        Both(said, zh or f"学习率在 {course.ticks} {course.unit_zh}结束之前就回升"),
        Both(
            f"the rate rises again from {course.unit} {bottom} to {course.unit} {last}, up to {course.rate(high)}",
            f"学习率从第 {bottom} {course.unit_zh}到第 {last} {course.unit_zh}重新上升，最高 {course.rate_zh(high)}",
        ),
        Both(
            f"write T_max={course.ticks}, or use CosineAnnealingWarmRestarts if cycles are meant",
            f"写 T_max={course.ticks}；若要周期，用 CosineAnnealingWarmRestarts",
        )
        if edits
        else "",
        edits,
    )


def _lowest(course: Course) -> float:
    native = course.native
    low = native.arguments.get("eta_min", 0.0) if native is not None else 0.0
    return float(low) if isinstance(low, (int, float)) else 0.0


def _set(course: Course, name: str, old: object) -> tuple[Edit, ...]:
    spot = course.arguments.get(name)
    # Only where the number itself stands there: behind a name it may be used elsewhere.
    if spot is None or spot.end_column - spot.column != len(f"{name}={old}"):
        return ()
    return (Edit(spot, f"{name}={course.ticks}"),)


@rule(
    "CD103",
    "the run never reaches the step",
    "warning",
    about="course",
    why="A step size or milestones beyond the end of the run never act: the rate stays where it began.",
    fix="place the steps inside the run; a third to a half of it is usual for one step size",
    source="torch.optim.lr_scheduler.StepLR, MultiStepLR; paddle.optimizer.lr.StepDecay, MultiStepDecay",
    example="scheduler = StepLR(optimizer, step_size=100)\nfor epoch in range(90): ...; scheduler.step()",
    zh=(
        "训练走不到降学习率的那一步",
        "步长或里程碑落在训练结束之后，永远不会生效：学习率一直停在初值。",
        "把步长放进训练长度之内；单一步长通常取总长的三分之一到一半",
    ),
)
def step_beyond_the_end(course: Course) -> Iterator[Found]:
    """A step size or all milestones at or after the end."""
    native = course.native
    if native is None:
        return
    same = Both(
        f"the rate is {course.rate(float(course.lr[0]))} from beginning to end",
        f"学习率自始至终为 {course.rate_zh(float(course.lr[0]))}",
    )
    if native.name in STEPS:
        size = native.arguments.get("step_size")
        if isinstance(size, int) and size >= course.ticks:
            yield Found(
                course.argument("step_size"),
                Both(
                    f"step_size={size}, but the scheduler is stepped only {course.ticks} times",
                    f"step_size={size}，而调度器只走 {course.ticks} 步",
                ),
                same,
            )
    elif native.name in MILESTONES:
        marks = whole_numbers(native.arguments.get("milestones", native.arguments.get("boundaries")))
        if not marks:
            return
        late = [m for m in marks if m > course.ticks]
        if min(marks) >= course.ticks:
            yield Found(
                course.argument("milestones", "boundaries"),
                Both(
                    f"the first milestone is {min(marks)}, but the scheduler is stepped only {course.ticks} times",
                    f"第一个里程碑是 {min(marks)}，而调度器只走 {course.ticks} 步",
                ),
                same,
            )
        elif late:
            yield Found(
                course.argument("milestones", "boundaries"),
                Both(
                    f"the milestone{'s' * (len(late) > 1)} {', '.join(map(str, late))} lie{'s' * (len(late) == 1)} "
                    "after "
                    f"the {course.ticks} steps of the run",
                    f"里程碑 {'、'.join(map(str, late))} 在训练的 {course.ticks} 步之后",
                ),
                Both(
                    f"the rate ends at {course.rate(float(course.used[-1]))}",
                    f"学习率最终停在 {course.rate_zh(float(course.used[-1]))}",
                ),
                severity="information",
            )


WARMUPS = {
    "LinearLR": "total_iters", "ConstantLR": "total_iters", "LinearWarmup": "warmup_steps",
    "get_linear_schedule_with_warmup": "num_warmup_steps", "get_cosine_schedule_with_warmup": "num_warmup_steps",
    "get_constant_schedule_with_warmup": "num_warmup_steps", "linear": "num_warmup_steps", "cosine": "num_warmup_steps",
    "constant_with_warmup": "num_warmup_steps", "polynomial": "num_warmup_steps", "inverse_sqrt": "num_warmup_steps",
    "NoamDecay": "warmup_steps", "warmup_cosine_decay_schedule": "warmup_steps",
}  # fmt: skip
"""Schedulers that begin with a warmup, and the argument that says how long it is."""


@rule(
    "CD104",
    "the warmup never ends",
    "warning",
    about="course",
    why="A warmup that is as long as the run or longer leaves no update at the rate that was asked for. Often its "
    "length "
    "is in updates and the scheduler is stepped once per epoch.",
    fix="shorten the warmup to 5 to 10 % of the run, or step the scheduler after each update",
    source="paddle.optimizer.lr.LinearWarmup; torch.optim.lr_scheduler.LinearLR",
    example="LinearWarmup(MultiStepDecay(0.01, [12, 16]), 500, 1e-4, 0.01)  # stepped once in each of 24 epochs",
    zh=(
        "预热永远不会结束",
        "预热不短于整个训练，没有一次更新用到所要的学习率。常见原因：预热长度按步写，调度器却每轮只走一步。",
        "把预热缩短到总长的 5% 到 10%，或在每次更新后调用 step()",
    ),
)
def endless_warmup(course: Course) -> Iterator[Found]:
    """A warmup at least as long as the run."""
    native = course.native
    if native is None or native.name not in WARMUPS:
        return
    name = WARMUPS[native.name]
    length = native.arguments.get(name)
    rising = course.used.size > 1 and float(course.used[-1]) > float(course.used[0])
    if isinstance(length, int) and length > course.ticks and rising:
        last = float(course.used[-1])
        yield Found(
            course.argument(name),
            Both(
                f"{name}={length}, but the scheduler is stepped only {course.ticks} times",
                f"{name}={length}，而调度器只走 {course.ticks} 步",
            ),
            Both(
                f"the rate is still rising when the run ends, at {course.rate(last)}",
                f"训练结束时学习率仍在上升，只到 {course.rate_zh(last)}",
            ),
        )


@rule(
    "CD105",
    "the rate jumps where the warmup ends",
    "warning",
    about="course",
    why="LinearWarmup ends at end_lr, and the schedule inside it then begins at its own base rate. Unlike numbers "
    "are a "
    "jump in the middle of the training.",
    fix="give end_lr and the base rate of the schedule inside the same number",
    source="paddle.optimizer.lr.LinearWarmup",
    example="LinearWarmup(CosineAnnealingDecay(0.002, T_max=90), 10, 1e-4, 0.001)",
    zh=(
        "预热结束处学习率跳变",
        "LinearWarmup 结束于 end_lr，内部调度器随后从自己的基础学习率开始。两者不同，训练中途就会跳变。",
        "让 end_lr 与内部调度器的基础学习率相同",
    ),
)
def jump_after_warmup(course: Course) -> Iterator[Found]:
    """A warmup's end that is not where the next schedule starts."""
    native = course.native
    if native is None or native.name != "LinearWarmup":
        return
    inner, end, length = (native.arguments.get(key) for key in ("learning_rate", "end_lr", "warmup_steps"))
    own = getattr(inner, "arguments", {}).get("learning_rate", inner)
    if not isinstance(end, (int, float)) or not isinstance(own, (int, float)) or not isinstance(length, int):
        return
    if abs(own - end) > 1e-6 * max(abs(own), abs(end)) and length < course.ticks:
        before, after = course.at_tick(length - 1), course.at_tick(length)
        yield Found(
            course.argument("end_lr"),
            Both(
                f"the warmup ends at end_lr={end:g}, and the schedule inside starts at {own:g}",
                f"预热结束于 end_lr={end:g}，内部调度器却从 {own:g} 开始",
            ),
            Both(
                f"the rate jumps from {before:.3g} to {after:.3g} at {course.unit} {length}",
                f"学习率在第 {length} {course.unit_zh}从 {before:.3g} 跳到 {after:.3g}",
            ),
            Both(
                f"write end_lr={own:g}, or give the schedule inside {end:g}",
                f"写 end_lr={own:g}，或让内部从 {end:g} 开始",
            ),
        )


@rule(
    "CD106",
    "the schedule after the warmup is as long as the whole run",
    "warning",
    about="course",
    why="The clock of a schedule inside a warmup (paddle's LinearWarmup) or after a milestone (torch's SequentialLR) "
    "starts when the warmup ends. With the whole run's length it is cut off before its end.",
    fix="subtract the warmup from its length",
    source="paddle.optimizer.lr.LinearWarmup; torch.optim.lr_scheduler.SequentialLR",
    example="LinearWarmup(CosineAnnealingDecay(0.001, T_max=100), 10, 1e-4, 0.001)  # in a run of 100 epochs",
    zh=(
        "预热之后的调度器与整个训练一样长",
        "预热（paddle 的 LinearWarmup）或里程碑（torch 的 SequentialLR）之后的调度器从那时才开始计时。给它整个训练"
        "的长度，末尾就被截断。",
        "从它的长度里减去预热",
    ),
)
def inner_clock(course: Course) -> Iterator[Found]:
    """An inner cosine whose bottom lies after the end by the warmup's length."""
    native = course.native
    if native is None:
        return
    arguments = native.arguments
    if native.name == "LinearWarmup":
        inner, begins = arguments.get("learning_rate"), arguments.get("warmup_steps")
    elif native.name == "SequentialLR":
        parts, marks = arguments.get("schedulers"), arguments.get("milestones")
        inner, begins = (parts[-1], marks[-1]) if parts and marks else (None, None)
    else:
        return
    name, length = getattr(inner, "name", ""), getattr(inner, "arguments", {}).get("T_max")
    if name not in COSINES or not isinstance(begins, int) or not isinstance(length, int):
        return
    left, last = course.ticks - begins, float(course.used[-1])
    low = getattr(inner, "arguments", {}).get("eta_min", 0.0)
    if left < 1 or length == left or not isinstance(low, (int, float)):
        return
    if length > left and float(course.lr[-1]) - low > 0.01 * (course.peak - low):
        consequence = Both(
            f"the lowest rate would come at {course.unit} {begins + length}; the run ends at {course.rate(last)}, "
            f"{last / course.peak:.2g} of the peak",
            f"最低点在第 {begins + length} {course.unit_zh}；训练结束时学习率为 {course.rate_zh(last)}，"
            f"是峰值的 {last / course.peak:.2g}",
        )
    elif length < left and (climb := rises(course)) is not None and climb[0] > begins:
        bottom, end, high = climb
        consequence = Both(
            f"the rate rises again from {course.unit} {bottom} to {course.unit} {end}, up to {course.rate(high)}",
            f"学习率从第 {bottom} {course.unit_zh}到第 {end} {course.unit_zh}重新上升，最高 {course.rate_zh(high)}",
        )
    else:
        return
    edit = course.arguments.get("T_max")
    literal = edit is not None and edit.end_column - edit.column == len(f"T_max={length}")
    yield Found(
        course.argument("T_max"),
        Both(
            f"T_max={length} counts from the warmup's end at {course.unit} {begins}, and {left} of the run's "
            f"{course.ticks} {course.unit}s are left then",
            f"T_max={length} 从预热结束（第 {begins} {course.unit_zh}）算起，而此时 {course.ticks} "
            f"{course.unit_zh}中只剩 {left}",
        ),
        consequence,
        Both(f"write T_max={left}", f"写 T_max={left}"),
        (Edit(edit, f"T_max={left}"),) if literal and edit is not None else (),
    )


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
