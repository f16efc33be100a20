"""Good to know: numbers outside the usual ranges."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.findings.course import Course, natives_in
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import View
from cadence.script.model import is_number


@rule(
    "CD801",
    "gamma outside its usual range",
    "information",
    about="course",
    why="How far a rate falls is gamma to the power of the number of steps, which is easily misjudged: over 100 "
    "steps 0.95 "
    "leaves 0.006, 0.9 leaves 0.00003, 0.999 leaves 0.9. Usual are 0.1 to 0.5 for drops, and for a decay at every step "
    "whatever leaves 1/2 to 1/10000 at the end.",
    fix="choose the final ratio r first: gamma = r ** (1 / n) for n steps",
    source="torch.optim.lr_scheduler.ExponentialLR; paddle.optimizer.lr.ExponentialDecay",
    example="scheduler = ExponentialLR(optimizer, gamma=0.9)  # in a run of 100 epochs",
    zh=(
        "gamma 超出常用范围",
        "学习率降到多少是 gamma 的步数次方，很容易估错：100 步后 0.95 剩 0.006，0.9 剩 0.00003，0.999 剩 0.9。阶梯"
        "常用 0.1 到 0.5；每步衰减的，最终比例在 1/2 到 1/10000 之间。",
        "先定最终比例 r：n 步时 gamma = r ** (1 / n)",
    ),
)
def gamma(course: Course) -> Iterator[Found]:
    """A decay that collapses or hardly moves; drops that are too deep or too shallow."""
    native = course.native
    if native is None:
        return
    value = native.arguments.get("gamma", 0.1)
    if not is_number(value):
        return
    ratio = float(course.used[-1]) / course.peak if course.peak else 0.0
    told = Both(
        f"after {course.ticks} steps the rate is {course.rate(float(course.used[-1]))}, {ratio:.2g} of where it began",
        f"{course.ticks} 步后学习率为 {course.rate_zh(float(course.used[-1]))}，是开始时的 {ratio:.2g}",
    )
    said = Both(f"gamma={value:g} over {course.ticks} steps", f"gamma={value:g}，共 {course.ticks} 步")
    drops = native.name in ("StepLR", "StepDecay", "MultiStepLR", "MultiStepDecay")
    if native.name in ("ExponentialLR", "ExponentialDecay") and course.ticks >= 10:
        outside = not 1e-4 <= ratio <= 0.5
    else:
        # A shallow drop that comes often is a decay like another; a deep one is deep at once.
        outside = drops and (value < 0.1 or (value > 0.5 and ratio > 0.5))
    if outside and ratio < 1:
        yield Found(course.argument("gamma"), said, told)


@rule(
    "CD802",
    "step size outside its usual range",
    "information",
    about="course",
    why="A step that comes too early makes the run a fine-tuning before it has converged; one that comes too late "
    "leaves "
    "little time at the low rate. Usual is a third to a half of the run.",
    fix="take a third of the run, or decide by the validation loss",
    source="usual practice for one step size; a longer list of milestones is judged by the run",
    example="scheduler = StepLR(optimizer, step_size=5)  # in a run of 100 epochs",
    zh=(
        "步长超出常用范围",
        "降得太早，还没收敛就成了微调；降得太晚，低学习率的时间太少。常用总长的三分之一到一半。",
        "取总长的三分之一，或依据验证损失决定",
    ),
)
def step_size(course: Course) -> Iterator[Found]:
    """A step size far below a third of the run, with a gamma that then collapses."""
    native = course.native
    if native is None or native.name not in ("StepLR", "StepDecay"):
        return
    size, value = native.arguments.get("step_size"), native.arguments.get("gamma", 0.1)
    if not isinstance(size, int) or not is_number(value) or size >= course.ticks or size < 1:
        return
    share, ratio = size / course.ticks, float(course.used[-1]) / course.peak if course.peak else 0.0
    if (share < 0.2 and ratio < 1e-4) or share > 0.8:
        yield Found(
            course.argument("step_size"),
            Both(
                f"step_size={size} is {share:.2g} of the run of {course.ticks} {course.unit}s",
                f"step_size={size} 是总长 {course.ticks} {course.unit_zh}的 {share:.2g}",
            ),
            Both(
                f"the rate ends at {course.rate(float(course.used[-1]))}, {ratio:.2g} of where it began, after "
                f"{(course.ticks - 1) // size} drops",
                f"降 {(course.ticks - 1) // size} 次，最终 {course.rate_zh(float(course.used[-1]))}，是开始时的 "
                f"{ratio:.2g}",
            ),
        )


@rule(
    "CD803",
    "warmup outside its usual range",
    "information",
    about="course",
    why="A warmup takes 5 to 10 % of most runs. A much longer one leaves little of the run at the rate that was "
    "asked for.",
    fix="take 5 to 10 % of the run",
    source="usual practice; Goyal et al. 2017, arXiv:1706.02677, section 2.2: 5 of 90 epochs",
    example="LinearWarmup(0.1, warmup_steps=40, start_lr=0.001, end_lr=0.1)  # in a run of 100 epochs",
    zh=("预热超出常用范围", "预热通常占总长的 5% 到 10%。长得多，留给目标学习率的时间就少。", "取总长的 5% 到 10%"),
)
def warmup_share(course: Course) -> Iterator[Found]:
    """A warmup above a quarter of the run."""
    if course.native is None or not course.alone:
        return
    for native in natives_in(course.native):
        name = {"LinearWarmup": "warmup_steps", "LinearLR": "total_iters"}.get(native.name)
        length = native.arguments.get(name) if name else None
        start = native.arguments.get("start_factor", 1 / 3) if native.name == "LinearLR" else 0.0
        rising = is_number(start) and start < native.arguments.get("end_factor", 1.0)
        if isinstance(length, int) and rising and 0.25 * course.ticks < length <= course.ticks:
            yield Found(
                course.argument(name or ""),
                Both(
                    f"the warmup takes {length} of {course.ticks} {course.unit}s",
                    f"预热占 {course.ticks} {course.unit_zh}中的 {length}",
                ),
                Both(
                    f"{length / course.ticks:.0%} of the run is made below the rate that was asked for",
                    f"{length / course.ticks:.0%} 的训练低于目标学习率",
                ),
            )


@rule(
    "CD804",
    "the rate does not fit the batch size",
    "information",
    about="script",
    why="For SGD with momentum on images a rate of 0.1 for 256 examples, and in proportion for more of them, is "
    "where most "
    "recipes start. A large batch with the rate of a small one takes as many fewer steps, each no longer.",
    fix="scale the rate with the batch, with a warmup of a few epochs, or tune it",
    source="Goyal et al. 2017, arXiv:1706.02677, section 2.1",
    example="loader = DataLoader(data, batch_size=2048)\noptimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)",
    zh=(
        "学习率与批大小不匹配",
        "图像任务上带动量的 SGD，多数方案从每 256 个样本 0.1 起，按比例放大。大批量用小批量的学习率，步数少了同样"
        "的倍数，每步却没变长。",
        "按批大小放大学习率并预热几轮，或重新调参",
    ),
)
def linear_scaling(view: View) -> Iterator[Found]:
    """SGD with a large batch and a rate far below 0.1 per 256."""
    batches = [
        (call, view.number(call.kwargs["batch_size"]))
        for call in view.calls("DataLoader")
        if "batch_size" in call.kwargs and view.value(call.kwargs.get("shuffle")) is not False
    ]
    world = next(
        (view.script.constants[n] for n in ("WORLD_SIZE", "world_size", "NUM_GPUS") if n in view.script.constants), 1
    )
    for optimizer in view.script.optimizers:
        rates = [r for r in view.rates_of(optimizer) if is_number(r)]
        if (
            optimizer.name not in ("SGD", "Momentum")
            or not rates
            or not optimizer.numbers.get("momentum")
            or not batches
        ):
            continue
        size = batches[0][1]
        if size is None or not is_number(world):
            continue
        total, rate = size * world, max(rates)
        rule_rate = 0.1 * total / 256
        if total >= 1024 and rate > 0 and rule_rate / rate >= 4:
            yield Found(
                view.spot(optimizer.node),
                Both(f"lr={rate:g} for a batch of {total:g}", f"批大小 {total:g}，学习率 {rate:g}"),
                Both(
                    f"0.1 for 256 would be {rule_rate:g} here, {rule_rate / rate:.3g} times as much",
                    f"按每 256 个样本 0.1 应为 {rule_rate:g}，是现在的 {rule_rate / rate:.3g} 倍",
                ),
            )
