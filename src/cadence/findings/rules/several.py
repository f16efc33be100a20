"""Several schedulers of one optimizer: fights, order, and what no composer takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cadence.findings.chained import CLOSED, Link, simulate
from cadence.findings.course import course_of_native
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import PLATEAUS, View
from cadence.script.model import Scheduler, is_number


@rule(
    "CD204",
    "schedulers fight over one optimizer",
    "warning",
    about="script",
    why="Some schedulers write base rate times their formula (LambdaLR, OneCycleLR, CyclicLR, "
    "CosineAnnealingWarmRestarts): what another one did is overwritten at the next step. A plateau rule that is "
    "stepped "
    "during a warmup counts the warmup's noise, and its cuts multiply into the rise.",
    fix="join them with SequentialLR; for a warmup before a plateau step one or the other: "
    "warm.step() if epoch < 10 else plateau.step(loss)",
    source="torch.optim.lr_scheduler: get_lr of each class",
    example="for epoch in range(90):\n    ...; warmup.step(); plateau.step(val_loss)",
    zh=(
        "调度器互相争夺同一个优化器",
        "有些调度器直接写入 基础学习率×公式（LambdaLR、OneCycleLR、CyclicLR、CosineAnnealingWarmRestarts），别的调"
        "度器所做的改变在下一步就被覆盖。预热期间也走步的 plateau 会把预热的波动算进去，它的降幅乘进了上升段。",
        "用 SequentialLR 连接；预热后接 plateau 时二选一：warm.step() if epoch < 10 else plateau.step(loss)",
    ),
)
def fights(view: View) -> Iterator[Found]:
    """Several schedulers of one optimizer stepped in the same turns, one of which takes no notice of the others."""
    done: set[int] = set()
    for scheduler in view.outermost:
        group = [s for s in (scheduler, *view.siblings(scheduler)) if s.framework == "torch" and _always(s)]
        if len(group) < 2 or id(group[0].node) in done or scheduler.node is not group[0].node:
            continue
        done |= {id(s.node) for s in group}
        closed = [s for s in group if s.name in CLOSED]
        plateau = [s for s in group if s.name in PLATEAUS]
        warm = [s for s in group if s.name in ("LinearLR", "ConstantLR") or "warm" in s.variable.lower()]
        if not closed and not (plateau and warm):
            continue
        loser = (closed or plateau)[0]
        others = [s for s in group if s.node is not loser.node]
        yield Found(
            view.spot(loser.node),
            Both(
                f"{loser.name} and {' and '.join(s.name for s in others)} are stepped together on one optimizer",
                f"{loser.name} 与 {'、'.join(s.name for s in others)} 同时作用于一个优化器",
            ),
            _fight(view, group),
        )


def _always(scheduler: Scheduler) -> bool:
    return any(step.per is not None and not step.conditions for step in scheduler.steps)


def _fight(view: View, group: list[Scheduler]) -> Both | str:
    """What the rate does, where everything is known."""
    rates = _simulated(view, [s for s in group if s.name not in PLATEAUS], together=True)
    if rates is None or any(s.name in PLATEAUS for s in group):
        warm = next((s for s in group if s.name == "LinearLR"), None)
        plateau = next((s for s in group if s.name in PLATEAUS), None)
        length = warm.native.arguments.get("total_iters", 5) if warm is not None and warm.native is not None else None
        if plateau is None or plateau.native is None or not isinstance(length, int) or length > 10_000:
            return ""
        patience, factor = plateau.native.arguments.get("patience", 10), plateau.native.arguments.get("factor", 0.1)
        if not isinstance(patience, int) or not is_number(factor) or patience >= length:
            return ""
        return _cut_while_rising(view, warm, length, patience, factor)
    alone = [
        course_of_native(s.native, ticks=len(rates) - 1, unit="epoch", base=view.base_of(s)) for s in group if s.native
    ]
    product = min(float(c.lr[-1]) for c in alone if c is not None)
    return Both(
        f"the rate ends at {rates[-1]:.3g} and is {max(rates):.3g} at most; the lowest of them alone would end at "
        f"{product:.3g}",
        f"学习率最终为 {rates[-1]:.3g}，最高 {max(rates):.3g}；其中最低的单独作用时为 {product:.3g}",
    )


def _cut_while_rising(view: View, warm: Scheduler | None, length: int, patience: int, factor: float) -> Both | str:
    """The warmup times the cuts of a plateau rule that sees one loss all the time."""
    base = None if warm is None else view.base_of(warm)
    if warm is None or warm.native is None:
        return ""
    course = course_of_native(warm.native, ticks=length, unit="epoch", base=base)
    if course is None:
        return ""
    # The first observation is the best one; each cut comes after patience + 1 that are no better.
    rates = [course.at_tick(k) * factor ** (max(k - 1, 0) // (patience + 1)) for k in range(length + 1)]
    cuts = (length - 1) // (patience + 1)
    return Both(
        f"with a loss that does not improve, the plateau cuts {cuts} time{'s' * (cuts != 1)} while the warmup of "
        f"{length} "
        f"still rises: the rate is {course.rate(max(rates))} at most, and {course.rate(rates[-1])} when the "
        "warmup ends",
        f"损失不改善时，plateau 在 {length} 步预热期间降 {cuts} 次：学习率最高 {course.rate_zh(max(rates))}，预热结"
        "束时 "
        f"{course.rate_zh(rates[-1])}",
    )


@rule(
    "CD205",
    "the warmup runs past the base rate",
    "error",
    about="script",
    why="A scheduler that writes base rate times formula (LambdaLR, CosineAnnealingWarmRestarts, OneCycleLR, "
    "CyclicLR) and "
    "is made after the warmup sets the rate back to its own first value; the warmup then multiplies on from there, far "
    "beyond the base rate. Nothing warns.",
    fix="join the two with SequentialLR, which undoes this, or make the warmup last",
    source="torch.optim.lr_scheduler: LinearLR.get_lr multiplies the rate it finds",
    example="warmup = LinearLR(optimizer, start_factor=0.1, total_iters=10)\n"
    "main = LambdaLR(optimizer, lambda epoch: 0.95**epoch)\n"
    "for epoch in range(90):\n    ...; warmup.step() if epoch < 10 else main.step()",
    zh=(
        "预热冲过基础学习率",
        "在预热之后构造、写入 基础学习率×公式 的调度器（LambdaLR、CosineAnnealingWarmRestarts、OneCycleLR、"
        "CyclicLR）把学习率改回自己的初值；预热再从那里乘上去，远远超过基础学习率，而且没有任何警告。",
        "用 SequentialLR 连接两者（它会撤销这个影响），或最后构造预热",
    ),
)
def construction_order(view: View) -> Iterator[Found]:
    """A recursive warmup made before a closed-form scheduler of the same optimizer, the two stepped in turn."""
    for warm in view.outermost:
        if warm.name not in ("LinearLR", "ConstantLR") or warm.framework != "torch" or not warm.steps:
            continue
        for main in view.siblings(warm):
            if main.name not in CLOSED or not main.steps or main.line < warm.line or _always(main):
                continue
            told: Both | str = ""
            rates = _simulated(view, [warm, main], together=False)
            base = view.base_of(warm)
            if rates is not None and base is not None:
                high = max(rates)
                told = _broken_join(rates, view.ticks(warm) or 0)
                if high < 1.01 * base and not told:
                    continue
            if rates is not None and base is not None and max(rates) >= 1.01 * base:
                high = max(rates)
                told = Both(
                    f"the rate climbs to {high:.3g}, {high / base:.3g} times the base rate of {base:g}, at epoch "
                    f"{rates.index(high)}",
                    f"学习率在第 {rates.index(high)} 轮升到 {high:.3g}，是基础学习率 {base:g} 的 {high / base:.3g} 倍",
                )
            yield Found(
                view.spot(main.node),
                Both(
                    f"{main.name} is made after the {warm.name} of {view.script.at(warm.line)}, and sets the rate "
                    "back to "
                    f"its own first value",
                    f"{main.name} 在第 {warm.line} 行的 {warm.name} 之后构造，把学习率改回自己的初值",
                ),
                told,
            )


def _broken_join(rates: list[float], at: int) -> Both | str:
    """A jump where one scheduler takes over from the other; empty where there is none."""
    if not 1 <= at < len(rates) - 1:
        return ""
    before, after = rates[at], rates[at + 1]
    if 0.5 * before <= after <= 2 * before:
        return ""
    return Both(
        f"the rate jumps from {before:.3g} to {after:.3g} at epoch {at + 1}, and is {max(rates[: at + 1]):.3g} at "
        "most before",
        f"学习率在第 {at + 1} 轮从 {before:.3g} 跳到 {after:.3g}，此前最高 {max(rates[: at + 1]):.3g}",
    )


def _simulated(view: View, group: list[Scheduler], *, together: bool) -> list[float] | None:
    """The rate over the run under several schedulers stepped together or in turn; None where it cannot be told."""
    bases = {view.base_of(s) for s in group}
    base = next(iter(bases)) if len(bases) == 1 else None
    links: list[Link] = []
    counts: list[int] = []
    for s in sorted(group, key=lambda one: one.line):
        ticks = view.ticks(s)
        if ticks is None or s.native is None or base is None or not ticks:
            return None
        course = course_of_native(s.native, ticks=ticks, unit="epoch", base=base)
        if course is None or course.ticks > 10_000:
            return None
        floor = s.native.arguments.get("eta_min", 0.0) if s.name == "CosineAnnealingLR" else 0.0
        links.append(Link(course, float(floor), s.name in CLOSED))
        counts.append(ticks)
    if not links or base is None:
        return None
    if together:
        turns = [range(len(links)) for _ in range(min(counts))]
    else:
        turns = [[i] for i, count in enumerate(counts) for _ in range(count)]
    return simulate(links, turns, base)


@rule(
    "CD208",
    "no composer takes a plateau rule",
    "error",
    about="script",
    why="SequentialLR and ChainedScheduler of torch refuse ReduceLROnPlateau. Paddle's LinearWarmup takes "
    "ReduceOnPlateau "
    "and then gives it the epoch number for a metric: it counts a loss that rises by 1 at every step, and cuts "
    "whatever "
    "happens.",
    fix="step one or the other by hand: warm.step() if epoch < 10 else plateau.step(loss)",
    source="torch.optim.lr_scheduler.SequentialLR; paddle.optimizer.lr.LinearWarmup.get_lr",
    example="scheduler = SequentialLR(optimizer, [LinearLR(optimizer), ReduceLROnPlateau(optimizer)], milestones=[10])",
    zh=(
        "没有组合器接受 plateau 规则",
        "torch 的 SequentialLR 与 ChainedScheduler 拒绝 ReduceLROnPlateau。paddle 的 LinearWarmup 接受 "
        "ReduceOnPlateau，却把轮次当作指标交给它：它看到的损失每步加 1，无论如何都会降。",
        "手工二选一：warm.step() if epoch < 10 else plateau.step(loss)",
    ),
)
def composed_plateau(view: View) -> Iterator[Found]:
    """A plateau rule inside another scheduler."""
    for scheduler in view.script.schedulers:
        inside = next((s for s in scheduler.inner if s.name in PLATEAUS), None)
        if inside is None:
            continue
        if scheduler.name in ("SequentialLR", "ChainedScheduler"):
            told: Both | str = f"ValueError: {scheduler.name} does not support ReduceLROnPlateau"
        elif scheduler.name == "LinearWarmup":
            arguments: Mapping[str, Any] = inside.native.arguments if inside.native is not None else {}
            patience, factor = arguments.get("patience", 10), arguments.get("factor", 0.1)
            told = (
                Both(
                    f"without any loss the rate is multiplied by {factor} every {patience + 1} steps after the warmup",
                    f"没有任何损失，预热之后学习率也每 {patience + 1} 步乘以 {factor}",
                )
                if isinstance(patience, int)
                else ""
            )
        else:
            continue
        yield Found(
            view.spot(inside.node),
            Both(f"{inside.name} stands inside {scheduler.name}", f"{inside.name} 放在 {scheduler.name} 里"),
            told,
        )
