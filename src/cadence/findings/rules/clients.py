"""Trainers and libraries that step schedulers themselves, or forbid them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import View
from cadence.script.model import Call


@rule(
    "CD601",
    "Lightning's plateau rule has no monitor",
    "error",
    about="script",
    why="Lightning steps ReduceLROnPlateau itself and must know with which metric.",
    fix='return {"optimizer": ..., "lr_scheduler": {"scheduler": ..., "monitor": "val_loss"}}',
    source="lightning.pytorch: configure_optimizers",
    example='return {"optimizer": optimizer, "lr_scheduler": ReduceLROnPlateau(optimizer)}',
    zh=(
        "Lightning 的 plateau 规则没有 monitor",
        "Lightning 自己调用 ReduceLROnPlateau，必须知道用哪个指标。",
        '返回 {"optimizer": ..., "lr_scheduler": {"scheduler": ..., "monitor": "val_loss"}}',
    ),
)
def no_monitor(view: View) -> Iterator[Found]:
    """A plateau rule returned from configure_optimizers, with no monitor in the function."""
    if not view.imports("lightning", "pytorch_lightning"):
        return
    for scheduler in view.outermost:
        if scheduler.name != "ReduceLROnPlateau" or not scheduler.function.endswith("configure_optimizers"):
            continue
        function = view.script.functions.get(scheduler.function)
        if function is None or view.mentions("lr_scheduler_step", "automatic_optimization"):
            continue
        words = {n.value for n in ast.walk(function) if isinstance(n, ast.Constant)}
        words |= {n.arg for n in ast.walk(function) if isinstance(n, ast.keyword)}
        returned = [
            n
            for n in ast.walk(function)
            if isinstance(n, ast.Return) and isinstance(n.value, (ast.Dict, ast.Tuple, ast.List))
        ]
        if "monitor" not in words and returned:
            yield Found(
                view.spot(scheduler.node),
                Both("configure_optimizers names no monitor", "configure_optimizers 没有给出 monitor"),
                "MisconfigurationException: `configure_optimizers` must include a monitor when a `ReduceLROnPlateau` "
                "scheduler is used",
            )


@rule(
    "CD602",
    "Lightning steps the scheduler once per epoch",
    "warning",
    about="script",
    why='Without "interval": "step" Lightning steps a scheduler after every epoch. One whose length is the number of '
    "batches then covers only the beginning of its course: a one-cycle stays near its lowest rate.",
    fix='write {"scheduler": scheduler, "interval": "step"}',
    source="lightning.pytorch: configure_optimizers; interval is epoch by default",
    example="scheduler = OneCycleLR(optimizer, 0.1, total_steps=self.trainer.estimated_stepping_batches)\n"
    "return [optimizer], [scheduler]",
    zh=(
        "Lightning 每轮只走一步",
        '没有 "interval": "step" 时，Lightning 每轮走一步。长度按批计的调度器只走完曲线开头：one-cycle 一直停在最'
        "低学习率附近。",
        '写 {"scheduler": scheduler, "interval": "step"}',
    ),
)
def epoch_interval(view: View) -> Iterator[Found]:
    """A length in batches, in a configure_optimizers that says nothing of steps."""
    if not view.imports("lightning", "pytorch_lightning"):
        return
    for scheduler in view.script.schedulers:
        if not scheduler.function.endswith("configure_optimizers") or scheduler.steps:
            continue
        function = view.script.functions.get(scheduler.function)
        if function is None or view.mentions("lr_scheduler_step", "automatic_optimization"):
            continue
        words = {n.value for n in ast.walk(function) if isinstance(n, ast.Constant)}
        keywords = {n.arg for n in ast.walk(function) if isinstance(n, ast.keyword)}
        if "step" in words or "interval" in words or "interval" in keywords:
            continue
        for value in [*scheduler.node.args, *(k.value for k in scheduler.node.keywords)]:
            if "estimated_stepping_batches" in ast.dump(value):
                yield Found(
                    view.spot(value),
                    Both(
                        "estimated_stepping_batches counts updates, and the scheduler is stepped once per epoch",
                        "estimated_stepping_batches 按更新计数，而调度器每轮只走一步",
                    ),
                    Both("a run of n epochs covers n of its steps", "n 轮训练只走 n 步"),
                )


@rule(
    "CD603",
    "Keras refuses a callback beside a schedule",
    "error",
    about="script",
    why="An optimizer made with a LearningRateSchedule has no rate that can be set: ReduceLROnPlateau and "
    "LearningRateScheduler raise a TypeError.",
    fix="give the optimizer a number, or leave the callback out",
    source="keras.optimizers.Optimizer.learning_rate",
    example="optimizer = SGD(CosineDecay(0.1, 1000))\nmodel.fit(x, y, callbacks=[ReduceLROnPlateau()])",
    zh=(
        "Keras 不允许回调与调度同时存在",
        "以 LearningRateSchedule 构造的优化器没有可设置的学习率：ReduceLROnPlateau 与 LearningRateScheduler 会抛出"
        " TypeError。",
        "给优化器一个数，或去掉回调",
    ),
)
def callback_and_schedule(view: View) -> Iterator[Found]:
    """A callback that sets the rate of an optimizer with a schedule."""
    bound = [s for s in view.outermost if s.framework == "keras" and s.optimizer is not None]
    numbers = [o for o in view.script.optimizers if o.framework == "keras" and isinstance(o.lr, (int, float))]
    if not bound or numbers:
        return
    for call in view.script.calls:
        if call.path.endswith(("callbacks.ReduceLROnPlateau", "callbacks.LearningRateScheduler")):
            yield Found(
                view.spot(call.node),
                Both(f"the optimizer's rate is a {bound[0].name} already", f"优化器的学习率已经是 {bound[0].name}"),
                "TypeError: this optimizer was created with a `LearningRateSchedule`, hence its learning rate is "
                "not settable",
            )


@rule(
    "CD604",
    "a schedule-free optimizer is never switched to training",
    "error",
    about="script",
    why="The optimizers of schedulefree keep two sets of weights. Without optimizer.train() before training, "
    "step() raises; "
    "without optimizer.eval() before evaluating, the wrong weights are measured.",
    fix="call optimizer.train() before each epoch and optimizer.eval() before evaluating and saving",
    source="schedulefree 1.4",
    example="optimizer = schedulefree.AdamWScheduleFree(model.parameters(), lr=1e-3)\nfor x, y in loader: ...; "
    "optimizer.step()",
    zh=(
        "schedule-free 优化器没有切换到训练状态",
        "schedulefree 的优化器保存两组权重。训练前不调用 optimizer.train()，step() 会报错；评估前不调用 "
        "optimizer.eval()，量的是错误的权重。",
        "每轮之前 optimizer.train()，评估与保存之前 optimizer.eval()",
    ),
)
def schedule_free_mode(view: View) -> Iterator[Found]:
    """No train() on a schedule-free optimizer; or a scheduler for it."""
    for optimizer in view.script.optimizers:
        if (
            "ScheduleFree" not in optimizer.name
            or not optimizer.path.startswith("schedulefree")
            or not optimizer.variable
        ):
            continue
        modes = {
            c.method
            for c in view.calls("train", "eval")
            if "opt" in c.receiver.lower() or c.receiver == optimizer.variable
        }
        stepped = any(step.loops for step in optimizer.steps)
        if stepped and "train" not in modes:
            yield Found(
                view.spot(optimizer.node),
                Both(f"{optimizer.variable}.train() is never called", f"从未调用 {optimizer.variable}.train()"),
                "Exception: Optimizer was not in train mode when step is called",
            )
        for scheduler in view.outermost:
            if scheduler.optimizer is not None and scheduler.optimizer.node is optimizer.node:
                yield Found(
                    view.spot(scheduler.node),
                    Both(
                        f"{scheduler.name} changes the rate of {optimizer.name}, whose averaging stands in for a "
                        "schedule",
                        f"{scheduler.name} 改变 {optimizer.name} 的学习率，而它的平均本身就代替了调度",
                    ),
                    fix=Both(
                        "leave the scheduler out; use warmup_steps= for a warmup", "去掉调度器；预热用 warmup_steps="
                    ),
                    severity="warning",
                )


@rule(
    "CD605",
    "Ignite's scheduler comes one iteration late",
    "warning",
    about="script",
    why="Ignite's handlers set the rate when they are called. On ITERATION_COMPLETED the first rate is used twice "
    "and every "
    "later one an iteration late.",
    fix="attach it to Events.ITERATION_STARTED",
    source="ignite.handlers.param_scheduler",
    example="trainer.add_event_handler(Events.ITERATION_COMPLETED, scheduler)",
    zh=(
        "Ignite 的调度器晚一次迭代",
        "Ignite 的处理器在被调用时设定学习率。挂在 ITERATION_COMPLETED 上，第一个值用两次，之后每个都晚一次。",
        "挂到 Events.ITERATION_STARTED 上",
    ),
)
def late_handler(view: View) -> Iterator[Found]:
    """A handler of ignite's schedulers on ITERATION_COMPLETED."""
    if not view.imports("ignite") or view.mentions("finder"):
        return
    for call in view.calls("add_event_handler"):
        if len(call.args) < 2 or not view.script.source(call.args[0]).endswith("ITERATION_COMPLETED"):
            continue
        makers = view.script.made_by(call.args[1])
        if any(
            view.script.path(m.func).startswith("ignite.handlers") and "Schedul" in ast.unparse(m.func) for m in makers
        ):
            yield Found(
                view.spot(call.args[0]),
                Both("the rate is set after the iteration that it is for", "学习率在它所属的迭代之后才设定"),
                Both("the first rate is used for two iterations", "第一个值用于两次迭代"),
            )


GONE_IN_TRANSFORMERS = {
    "warmup_ratio": ("warmup_steps", "warmup_steps takes a share of the run below 1", "warmup_steps 小于 1 时表示比例"),
    "evaluation_strategy": ("eval_strategy", "it is called eval_strategy", "现名 eval_strategy"),
}


@rule(
    "CD606",
    "TrainingArguments no longer takes this",
    "error",
    about="script",
    why="The argument was renamed or removed in transformers 5.",
    fix="write the new name",
    source="transformers.TrainingArguments of transformers 5",
    example='args = TrainingArguments("out", warmup_ratio=0.1)',
    zh=("TrainingArguments 不再接受这个参数", "transformers 5 里改名或移除了它。", "写新的名字"),
)
def training_arguments(view: View) -> Iterator[Found]:
    """Arguments that are gone."""
    for call in view.script.calls:
        if call.path.rpartition(".")[2] not in (
            "TrainingArguments",
            "Seq2SeqTrainingArguments",
        ) or not call.path.startswith("transformers"):
            continue
        for keyword in call.node.keywords:
            if keyword.arg in GONE_IN_TRANSFORMERS:
                new, said, zh = GONE_IN_TRANSFORMERS[keyword.arg]
                yield Found(
                    view.spot(keyword),
                    Both(f"there is no {keyword.arg}; {said}", f"没有 {keyword.arg}；{zh}"),
                    f"TypeError: got an unexpected keyword argument {keyword.arg!r} (transformers 5)",
                    Both(f"write {new}={_value(view, call, keyword)}", f"写 {new}={_value(view, call, keyword)}"),
                )


def _value(view: View, call: Call, keyword: ast.keyword) -> str:
    return view.script.source(keyword.value) if call else ""
