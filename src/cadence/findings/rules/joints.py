"""Where one part of a schedule meets the next."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.findings.course import Course, rises
from cadence.findings.finding import Both, Edit
from cadence.findings.rule import Found, rule


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
    if (
        name not in ("CosineAnnealingLR", "CosineAnnealingDecay")
        or not isinstance(begins, int)
        or not isinstance(length, int)
    ):
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
