"""Mixed precision: clipping before unscaling, schedulers that count skipped updates."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.finding import Both, Edit
from cadence.findings.rule import Found, rule
from cadence.findings.training import alone, before, by_scaler, statement
from cadence.findings.view import View

CLIPS = ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm")


@rule(
    "CD402",
    "gradients are clipped before they are unscaled",
    "error",
    about="script",
    why="Under a GradScaler the gradients are multiplied by the loss scale (65536 at first). Clipping them to a "
    "norm of 1 "
    "before unscale_() clips every one of them, so that after unscaling nearly nothing is left of an update.",
    fix="call scaler.unscale_(optimizer) before clipping",
    source="torch.amp: Working with unscaled gradients",
    example="scaler.scale(loss).backward()\nclip_grad_norm_(model.parameters(), 1.0)\nscaler.step(optimizer)",
    zh=(
        "裁剪梯度之前没有反缩放",
        "使用 GradScaler 时梯度乘了损失缩放因子（最初 65536）。在 unscale_() 之前裁剪到范数 1，所有梯度都会被裁，"
        "反缩放后更新几乎为零。",
        "裁剪前调用 scaler.unscale_(optimizer)",
    ),
)
def clip_before_unscale(view: View) -> Iterator[Found]:
    """Clipping between scaler.scale().backward() and scaler.step(), without unscale_."""
    scaled = [c for c in view.calls("step") if by_scaler(c)]
    for step in scaled:
        where = {step.function}
        for clip in view.calls(*CLIPS):
            if clip.function not in where or clip.loops != step.loops or clip.line > step.line:
                continue
            if any(
                c.function in where and c.line <= clip.line and c.loops == clip.loops for c in view.calls("unscale_")
            ):
                continue
            norm = view.number(clip.args[1]) if len(clip.args) > 1 else view.number(clip.kwargs.get("max_norm"))
            node = statement(view, clip.node)
            edits: tuple[Edit, ...] = ()
            if node is not None and alone(view, node) and step.node.args:
                edits = (before(view, node, f"{step.receiver}.unscale_({ast.unparse(step.node.args[0])})"),)
            real = "" if norm is None else f"{norm / 65536:.2g}"
            yield Found(
                view.spot(clip.node),
                Both(
                    f"{clip.method} clips gradients that {step.receiver} has not unscaled",
                    f"{clip.method} 裁剪的是 {step.receiver} 尚未反缩放的梯度",
                ),
                Both(
                    f"at the first scale of 65536 a norm of {norm:g} leaves {real} of real gradient",
                    f"缩放因子为 65536 时，范数 {norm:g} 实际只剩 {real}",
                )
                if norm is not None
                else "",
                edits=edits,
            )


@rule(
    "CD403",
    "the scheduler advances where the update was skipped",
    "warning",
    about="script",
    why="When gradients overflow, scaler.step() leaves the optimizer out. A scheduler that is stepped after every "
    "batch "
    "goes on all the same: the warmup ends too early, and torch warns that the scheduler came before the optimizer.",
    fix="step the scheduler only if the scale did not fall: scale = scaler.get_scale(); scaler.update(); "
    "scheduler.step() if scaler.get_scale() >= scale",
    source="torch.amp.GradScaler.step; measured: 3 overflows in 10 batches, 7 updates, scheduler at 10",
    example="for x, y in loader:\n    ...; scaler.step(optimizer); scaler.update(); scheduler.step()",
    zh=(
        "更新被跳过时调度器仍在前进",
        "梯度溢出时 scaler.step() 不执行优化器。每批都走步的调度器照样前进：预热过早结束，torch 还会警告调度器先于"
        "优化器。",
        "仅当缩放因子没有下降时才走步：scale = scaler.get_scale(); scaler.update(); scheduler.step() if "
        "scaler.get_scale() >= scale",
    ),
)
def advances_on_skipped(view: View) -> Iterator[Found]:
    """A scheduler stepped after each batch in a loop whose optimizer a GradScaler steps."""
    if view.mentions("get_scale", "step_was_skipped", "optimizer_step_was_skipped", "found_inf", "grad_scale"):
        return
    for scheduler in view.outermost:
        if scheduler.framework not in ("torch", "transformers"):
            continue
        for step in view.sure_steps(scheduler):
            if step.per != "step" or not step.loops:
                continue
            scaled = [
                c
                for c in view.calls("step")
                if by_scaler(c) and c.loops and c.loops[-1] is step.loops[-1] and c.function == step.function
            ]
            if scaled and not _enabled_false(view):
                yield Found(
                    view.spot(step.node),
                    Both(
                        f"{step.receiver}.step() follows {scaled[0].receiver}.step() whether that made an update "
                        "or not",
                        f"无论 {scaled[0].receiver}.step() 是否真的更新，{step.receiver}.step() 都会执行",
                    ),
                    Both(
                        "each overflow takes one step off the schedule: with the first scale of 65536 often "
                        "several in the "
                        "first updates",
                        "每次溢出都少一步：初始缩放因子 65536 时开头往往连续几次",
                    ),
                )


def _enabled_false(view: View) -> bool:
    """Whether every scaler is switched off in the script."""
    made = view.calls("GradScaler")
    return bool(made) and all(view.value(c.kwargs.get("enabled")) is False for c in made)
