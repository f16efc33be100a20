"""Lengths that do not fit the run: seen in the numbers of the course itself."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.findings.course import Course, rises
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
    "CD109",
    "the run ends before the schedule does",
    "warning",
    about="course",
    why="A phase with a fixed length that outlasts the run is cut off: the low rates at its end, which it was "
    "chosen for, are "
    "never reached.",
    fix="leave the length of the last phase out, so that it takes what is left, or make the run longer",
    source="docs/contract.md, Time",
    example="warmup(10) >> cosine(100)  # --total 60",
    zh=(
        "训练先于调度结束",
        "固定长度的阶段超出训练长度就被截断：末尾的低学习率正是选择它的理由，却永远到不了。",
        "最后一个阶段不写长度，让它取剩下的全部，或加长训练",
    ),
)
def cut_off(course: Course) -> Iterator[Found]:
    """A schedule of cadence that is longer than its run, and still moving when that ends."""
    if course.native is not None or course.beyond is None:
        return
    end, low = course.beyond
    last = float(course.lr[-1])
    if abs(last - low) > 0.01 * course.peak:
        yield Found(
            course.at,
            Both(
                f"the schedule takes {end} {course.unit}s, and the run has {course.ticks}",
                f"调度需要 {end} {course.unit_zh}，训练只有 {course.ticks} {course.unit_zh}",
            ),
            Both(
                f"the rate ends at {course.rate(last)} instead of {course.rate(low)}",
                f"学习率最终停在 {course.rate_zh(last)}，而不是 {course.rate_zh(low)}",
            ),
        )
