"""Training loops that stand in a framework instead of the script: Lightning's, Hugging Face's and Keras's trainers."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from cadence._errors import CadenceError, ScriptError
from cadence.script.model import Function, Made, Optimizer, Scheduler, Unknown, is_number
from cadence.script.names import index
from cadence.script.sims import Closed, Improving, MovingOptimizer, MovingScheduler

if TYPE_CHECKING:
    from cadence.script.follow import Follower
    from cadence.script.instance import Instance, Names

LIGHTNING = ("lightning.", "pytorch_lightning.", "lightning_fabric.")
ARGUMENTS = frozenset({"TrainingArguments", "Seq2SeqTrainingArguments", "SFTConfig", "DPOConfig"})
TRAINERS = frozenset({"Trainer", "Seq2SeqTrainer", "SFTTrainer", "DPOTrainer"})

NEED = "and how many batches an epoch has is not known; say it: --steps-per-epoch 500"


@dataclass
class Turning:
    """A scheduler as Lightning turns it.

    Attributes:
        scheduler: what is stepped.
        interval: ``"step"`` or ``"epoch"``.
        frequency: every so many of them.
    """

    scheduler: MovingScheduler
    interval: str
    frequency: int


def is_client(path: str, method: str) -> bool:
    """Whether a call of `method` on what a call of `path` made trains."""
    name = path.rpartition(".")[2]
    if name == "Trainer" and path.startswith(LIGHTNING):
        return method in ("fit", "fit_loop")
    return name in TRAINERS and method == "train"


# ---- Lightning -------------------------------------------------------------------------------------------------------


def fit_lightning(follower: Follower, trainer: Made, module: Instance, node: ast.Call, env: Names) -> None:
    """`Trainer(...).fit(module)`."""
    options = {k.arg: follower.compute(k.value, env) for k in trainer.node.keywords if k.arg}
    batches = follower.steps_per_epoch
    gather = options.get("accumulate_grad_batches", 1)
    if not is_number(gather):
        raise ScriptError(
            f"accumulate_grad_batches in {follower.at(trainer.node)} cannot be told; write the number there"
        )
    updates = None if batches is None else math.ceil(batches / max(int(gather), 1))
    most, epochs = options.get("max_steps"), options.get("max_epochs")
    if epochs is None and most in (None, -1):
        epochs = 1000
        follower.assumed[
            f"the Trainer of {follower.at(trainer.node)} does Lightning's 1000 epochs, as it is told no number"
        ] = None
    if epochs is None and is_number(most):
        epochs = math.ceil(most / updates) if updates else 1
    if not is_number(epochs):
        raise ScriptError(
            f"max_epochs of the Trainer in {follower.at(trainer.node)} cannot be told without running the script; "
            f"write the number there"
        )
    stepping = None if updates is None else int(epochs) * updates
    if is_number(most) and most >= 0:
        stepping = int(most) if stepping is None else min(int(most), stepping)
    module.fields["trainer"] = {
        "estimated_stepping_batches": Unknown("trainer.estimated_stepping_batches") if stepping is None else stepping,
        "max_epochs": int(epochs),
        "num_training_batches": Unknown("trainer.num_training_batches") if batches is None else batches,
        "accumulate_grad_batches": int(gather),
    }
    optimizers, turning = configured(follower, module, node, env)
    if updates is None and any(t.interval == "step" for t in turning):
        first = next(t for t in turning if t.interval == "step").scheduler.scheduler
        raise ScriptError(f"the {first.name} of {follower.at(first.node)} is stepped after every update, {NEED}")
    if updates is None:
        follower.by_epoch = True
    _lightning_loop(follower, optimizers, turning, int(epochs), updates or 1, stepping, node)


def configured(
    follower: Follower, module: Instance, node: ast.Call, env: Names
) -> tuple[list[MovingOptimizer], list[Turning]]:
    """What `configure_optimizers` of a module returns."""
    given = follower.call_method(module, "configure_optimizers", node, env)
    optimizers: list[MovingOptimizer] = []
    turning: list[Turning] = []
    _read_configured(given, optimizers, turning)
    if not optimizers:
        raise ScriptError(
            f"what configure_optimizers of {module.owner.name} returns cannot be seen; return it written out"
        )
    return optimizers, turning


def _read_configured(given: Any, optimizers: list[MovingOptimizer], turning: list[Turning]) -> None:
    match given:
        case MovingOptimizer():
            optimizers.append(given)
        case MovingScheduler():
            turning.append(Turning(given, "epoch", 1))
        case dict():
            known = cast("Mapping[str, Any]", given)
            if "scheduler" in known and isinstance(known["scheduler"], MovingScheduler):
                interval, frequency = known.get("interval", "epoch"), known.get("frequency", 1)
                every = int(frequency) if is_number(frequency) else 1
                turning.append(Turning(known["scheduler"], str(interval), max(every, 1)))
                return
            for key in ("optimizer", "lr_scheduler"):
                if key in known:
                    _read_configured(known[key], optimizers, turning)
        case list() | tuple():
            for part in cast("Sequence[Any]", given):
                _read_configured(part, optimizers, turning)
        case _:
            pass


def _lightning_loop(
    follower: Follower, optimizers: list[MovingOptimizer], turning: list[Turning], epochs: int, updates: int,
    most: int | None, node: ast.Call,
) -> None:  # fmt: skip
    by_step = [t for t in turning if t.interval == "step"]
    done = 0
    for epoch in range(epochs):
        for optimizer in optimizers:
            optimizer.marks.append(optimizer.updates)
        left = updates if most is None or follower.by_epoch else min(updates, most - done)
        if left <= 0:
            break
        if not by_step:
            follower.turned(node)
            for optimizer in optimizers:
                follower.update(optimizer, node, left)
            done += left
        for _ in range(left if by_step else 0):
            follower.turned(node)
            for optimizer in optimizers:
                follower.update(optimizer, node)
            done += 1
            for each in by_step:
                if done % each.frequency == 0:
                    follower.step(each.scheduler, node)
        if left == updates:
            for each in turning:
                if each.interval != "step" and (epoch + 1) % each.frequency == 0:
                    follower.step(each.scheduler, node)


# ---- Hugging Face ----------------------------------------------------------------------------------------------------


def train_transformers(follower: Follower, trainer: Made, node: ast.Call, env: Names) -> None:
    """`Trainer(...).train()`."""
    given = {k.arg: k.value for k in trainer.node.keywords if k.arg}
    positional = trainer.node.args
    told = given.get("args") or (positional[1] if len(positional) > 1 else None)
    if told is None:
        raise ScriptError(f"the Trainer of {follower.at(trainer.node)} is given no arguments that can be seen")
    arguments = follower.compute(told, env)
    if not isinstance(arguments, Made) or arguments.path.rpartition(".")[2] not in ARGUMENTS:
        raise ScriptError(
            f"the arguments of the Trainer in {follower.at(trainer.node)} cannot be seen; make them in the script"
        )
    options: dict[str, Any] = {k.arg: follower.compute(k.value, env) for k in arguments.node.keywords if k.arg}
    if any(k.arg is None for k in arguments.node.keywords):
        raise ScriptError(f"what {arguments.text} is given cannot be seen; write its arguments out")
    updates, per_epoch = _training_steps(follower, options, arguments)
    pair = follower.compute(given["optimizers"], env) if "optimizers" in given else None
    if isinstance(pair, tuple) and len(cast("Any", pair)) == 2 and isinstance(cast("Any", pair)[0], MovingOptimizer):
        optimizer, scheduler = cast("tuple[MovingOptimizer, Any]", pair)
    else:
        optimizer, scheduler = _own(follower, options, arguments, updates)
    for done in range(updates):
        follower.turned(node)
        if per_epoch and done % per_epoch == 0:
            optimizer.marks.append(optimizer.updates)
        follower.update(optimizer, node)
        if isinstance(scheduler, MovingScheduler):
            follower.step(scheduler, node)


def _training_steps(follower: Follower, options: Mapping[str, Any], made: Made) -> tuple[int, int | None]:
    """Updates of a Trainer's run, and those of an epoch where they are known."""
    gather, epochs, most = (
        options.get(key, default)
        for key, default in (("gradient_accumulation_steps", 1), ("num_train_epochs", 3.0), ("max_steps", -1))
    )
    for name, number in (("gradient_accumulation_steps", gather), ("num_train_epochs", epochs), ("max_steps", most)):
        if not is_number(number):
            raise ScriptError(
                f"{name} of {follower.at(made.node)} cannot be told without running the script; write the number"
            )
    batches = follower.steps_per_epoch
    per_epoch = None if batches is None else max(math.ceil(batches / max(int(gather), 1)), 1)
    if most > 0:
        return int(most), per_epoch
    if per_epoch is None:
        raise ScriptError(f"the Trainer of {follower.at(made.node)} steps its scheduler after every update, {NEED}")
    return math.ceil(float(epochs) * per_epoch), per_epoch


def _own(
    follower: Follower, options: Mapping[str, Any], made: Made, updates: int
) -> tuple[MovingOptimizer, MovingScheduler | None]:
    """The optimizer and the scheduler that a Trainer makes itself."""
    rate = options.get("learning_rate", 5e-5) if follower.base is None else follower.base
    if not is_number(rate):
        raise ScriptError(
            f"learning_rate of {follower.at(made.node)} cannot be told without running the script; give --base"
        )
    node = made.node
    record = Optimizer(
        "torch", "torch.optim.AdamW", node.lineno, node.col_offset, "optimizer", "", float(rate), (), False, {}, (), "",
        node,
    )  # fmt: skip
    optimizer = follower.add(record)
    name = options.get("lr_scheduler_type", "linear")
    warm = options.get("warmup_steps", 0) or options.get("warmup_ratio", 0)
    if not isinstance(name, str) or not is_number(warm):
        raise ScriptError(
            f"lr_scheduler_type and warmup_steps of {follower.at(made.node)} cannot be told without running the "
            f"script; write them there"
        )
    first = int(warm) if warm >= 1 else math.ceil(updates * warm)
    more: Any = options.get("lr_scheduler_kwargs") or {}
    known = index("transformers")
    if "get_scheduler" not in known:
        raise ScriptError("schedules of transformers have no definition here")
    try:
        native = known["get_scheduler"].bind(
            [],
            {"name": name, "num_warmup_steps": first, "num_training_steps": updates, "scheduler_specific_kwargs": more},
        )
        scheduler = Scheduler(
            "transformers", name, "transformers.get_scheduler", node.lineno, node.col_offset, native, "", (), {}, "",
            record, "", (), None, (), "step", {}, "", node,
        )  # fmt: skip
        if name == "reduce_lr_on_plateau":
            return optimizer, Improving(scheduler, native, optimizer)
        return optimizer, Closed(scheduler, native, optimizer, updates)
    except CadenceError as error:
        raise ScriptError(f"the schedule of the Trainer's arguments in {follower.at(made.node)}: {error}") from None


# ---- Keras and paddle's Model ----------------------------------------------------------------------------------------


def fit_model(follower: Follower, node: ast.Call, env: Names) -> None:
    """`model.fit(...)` with the optimizer that was made last."""
    mine = [o for o in follower.optimizers if o.optimizer.framework in ("keras", "paddle")]
    if not mine:
        return
    optimizer = mine[-1]
    given = {k.arg: follower.compute(k.value, env) for k in node.keywords if k.arg}
    epochs = given.get("epochs", 1)
    first = given.get("initial_epoch", 0)
    own = given.get("steps_per_epoch", given.get("num_iters"))
    batches = int(own) if is_number(own) else follower.steps_per_epoch
    if not is_number(epochs) or not is_number(first):
        raise ScriptError(
            f"epochs of fit in {follower.at(node)} cannot be told without running the script; write the number"
        )
    callbacks = given.get("callbacks")
    listed = list(cast("Sequence[Any]", callbacks)) if isinstance(callbacks, (list, tuple)) else []
    by_epoch = [c for c in listed if isinstance(c, Made) and c.path.endswith("LearningRateScheduler")]
    scheduler = optimizer.scheduler
    if isinstance(callbacks, Unknown):
        follower.assumed[f"the callbacks of fit in {follower.at(node)} leave the rate alone"] = None
    for made in listed:
        if isinstance(made, Made) and made.path.endswith("ReduceLROnPlateau"):
            follower.assumed[f"the metric of the ReduceLROnPlateau in {follower.at(made.node)} always improves"] = None
    paddle_epochs = any(isinstance(c, Made) and _steps_by_epoch(follower, c, env) for c in listed)
    if batches is None:
        if optimizer.rule is not None or (scheduler is not None and not paddle_epochs):
            raise ScriptError(f"the rate changes with every update of fit in {follower.at(node)}, {NEED}")
        follower.by_epoch = True
    for epoch in range(int(first), int(epochs)):
        optimizer.marks.append(optimizer.updates)
        for each in by_epoch:
            _keras_callback(follower, optimizer, each, epoch, env)
        if scheduler is None:
            follower.turned(node)
            follower.update(optimizer, node, batches or 1)
            continue
        for _ in range(batches or 1):
            follower.turned(node)
            follower.update(optimizer, node)
            if not paddle_epochs:
                follower.step(scheduler, node)
        if paddle_epochs:
            follower.step(scheduler, node)


def _steps_by_epoch(follower: Follower, callback: Made, env: Names) -> bool:
    given = {k.arg: follower.compute(k.value, env) for k in callback.node.keywords if k.arg}
    return (
        callback.path.startswith("paddle") and callback.path.endswith("LRScheduler") and given.get("by_epoch") is True
    )


def _keras_callback(follower: Follower, optimizer: MovingOptimizer, made: Made, epoch: int, env: Names) -> None:
    node = (
        made.node.args[0]
        if made.node.args
        else next((k.value for k in made.node.keywords if k.arg == "schedule"), None)
    )
    function = None if node is None else follower.compute(node, env)
    if not isinstance(function, Function):
        raise ScriptError(f"the function of the LearningRateScheduler in {follower.at(made.node)} cannot be seen")
    takes = len(function.node.args.args)
    now = optimizer.rates(optimizer.updates)[0]
    value = function(epoch, now) if takes > 1 else function(epoch)
    if not is_number(value):
        raise ScriptError(f"what {function.text} returns for epoch {epoch} is no number: {value!r:.60}")
    optimizer.groups[0]["lr"] = float(value)
    optimizer.written = made.node.lineno
