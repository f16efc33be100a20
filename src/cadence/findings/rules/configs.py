"""YAML configurations of PaddleDetection, PaddleOCR and PaddleClas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from cadence._errors import neighbours
from cadence.conversion.native import Native
from cadence.findings.config import Config, parts_of
from cadence.findings.course import course_of_native
from cadence.findings.finding import Both
from cadence.findings.rule import Found, rule
from cadence.findings.view import whole_numbers

DETECTION = frozenset(
    {"PiecewiseDecay", "CosineDecay", "LinearWarmup", "ExpWarmup", "BurninWarmup", "OptimCosine", "YOLOv5LRDecay"}
    | {"NormalizedCosine"}
)
OCR = frozenset(
    {
        "Linear",
        "Cosine",
        "Step",
        "LinearWarmupCosine",
        "Piecewise",
        "CyclicalCosine",
        "OneCycle",
        "Const",
        "DecayLearningRate",
    }
    | {
        "MultiStepDecay",
        "TwoStepCosine",
        "Constant",
        "ConstLR",
        "CosineFixmatch",
        "Cyclic",
        "MultiStep",
        "ReduceOnPlateau",
    }
    | {"CosineWarmup", "LinearWarmup", "PiecewiseWarmup", "ExponentialWarmup", "Exponential", "Polynomial"}
)
LEAST_EPOCH = 20
"""Updates in an epoch of any data set worth a configuration file: fewer are not assumed."""


def _number(x: Any) -> float | None:
    return x if isinstance(x, (int, float)) and not isinstance(x, bool) else None


@rule(
    "CD901",
    "there is no such scheduler in the suite",
    "warning",
    about="config",
    why="The suite builds the class by its name. The names are the suite's own, neither paddle's nor torch's.",
    fix="write the suite's name",
    source="ppdet/optimizer/optimizer.py; ppocr/optimizer/learning_rate.py",
    example="LearningRate:\n  base_lr: 0.01\n  schedulers:\n  - !CosineDecayLR {max_epochs: 24}",
    zh=(
        "套件里没有这个调度器",
        "套件按名字构造类。名字是套件自己的，既不是 paddle 的也不是 torch 的。",
        "写套件的名字",
    ),
)
def unknown_name(config: Config) -> Iterator[Found]:
    """A name that is near a known one, and none of them."""
    known = DETECTION if config.detection is not None else OCR
    for name, _ in parts_of(config):
        meant = neighbours(name, known)
        # A class of the user's own is none of our business; one that looks like a misspelling is.
        if name not in known and meant.startswith("did you mean"):
            yield Found(config.spot(name), Both(f"there is no {name}; {meant}", f"没有 {name}；{meant}"))


@rule(
    "CD902",
    "the schedule's epochs are not the run's",
    "warning",
    about="config",
    why="CosineDecay counts its own max_epochs, and the run its own epoch. With fewer the rate is at its minimum "
    "for the "
    "rest of the run, with more it never gets there.",
    fix="give max_epochs the number of epochs of the run",
    source="ppdet/optimizer/optimizer.py: CosineDecay",
    example="epoch: 36\nLearningRate:\n  base_lr: 0.01\n  schedulers:\n  - !CosineDecay {max_epochs: 24}",
    zh=(
        "调度的轮数与训练的轮数不符",
        "CosineDecay 按自己的 max_epochs 计，训练按自己的 epoch 计。少了，剩下的训练都在最低学习率；多了，永远到不"
        "了最低。",
        "让 max_epochs 等于训练轮数",
    ),
)
def epochs_differ(config: Config) -> Iterator[Found]:
    """max_epochs unlike epoch."""
    epochs = config.epochs
    for name, part in parts_of(config):
        own = part.get("max_epochs")
        if epochs is None or not isinstance(own, int) or own == epochs or name not in ("CosineDecay", "OptimCosine"):
            continue
        base = config.detection[0] if config.detection is not None else None
        # PP-YOLOE and others stop early on purpose, at 5/6 of the cosine; that is a longer cosine, and nothing is lost.
        if epochs < own <= 1.25 * epochs:
            continue
        native = Native("torch", "CosineAnnealingLR", {"T_max": own})
        course = course_of_native(native, ticks=min(own, epochs), unit="epoch", base=base)
        end = "" if course is None else course.rate(float(course.lr[-1]))
        told = (
            Both(f"the rate ends at {end} instead of 0", f"学习率最终停在 {end}，而不是 0")
            if own > epochs
            else Both(
                f"the last {epochs - own} of {epochs} epochs are made at the lowest rate",
                f"{epochs} 轮中最后 {epochs - own} 轮都在最低学习率",
            )
        )
        yield Found(
            config.spot("max_epochs", after=name),
            Both(f"max_epochs is {own}, and the run has {epochs} epochs", f"max_epochs 是 {own}，训练是 {epochs} 轮"),
            told,
        )


@rule(
    "CD903",
    "milestones after the end of the run",
    "warning",
    about="config",
    why="A milestone at or after the last epoch never acts.",
    fix="place the milestones inside the run",
    source="ppdet/optimizer/optimizer.py: PiecewiseDecay; ppocr/optimizer/learning_rate.py: Piecewise",
    example="epoch: 12\nLearningRate:\n  schedulers:\n  - !PiecewiseDecay {gamma: 0.1, milestones: [16, 22]}",
    zh=("里程碑在训练结束之后", "不早于最后一轮的里程碑永远不会生效。", "把里程碑放进训练之内"),
)
def late_milestones(config: Config) -> Iterator[Found]:
    """Milestones that are never reached."""
    epochs = config.epochs
    for name, part in parts_of(config):
        key = "milestones" if "milestones" in part else "decay_epochs" if "decay_epochs" in part else ""
        marks = whole_numbers(part.get(key)) if key else []
        late = [m for m in marks if epochs is not None and m >= epochs]
        if late:
            left = len(marks) - len(late)
            yield Found(
                config.spot(key, after=name),
                Both(
                    f"{key} {', '.join(map(str, late))} in a run of {epochs} epochs",
                    f"{epochs} 轮的训练中 {key} 为 {'、'.join(map(str, late))}",
                ),
                Both(f"{left} of {len(marks)} drops happen", f"{len(marks)} 次下降只发生 {left} 次"),
            )


@rule(
    "CD904",
    "epochs where the warmup takes steps",
    "warning",
    about="config",
    why="LinearWarmup of PaddleDetection counts steps (iterations); warmup_epoch of PaddleOCR counts epochs. A "
    "handful of "
    "steps is no warmup, and hundreds of epochs never end.",
    fix="write steps: 500 (PaddleDetection), warmup_epoch: 5 (PaddleOCR)",
    source="ppdet/optimizer/optimizer.py: LinearWarmup; ppocr/optimizer/learning_rate.py",
    example="Optimizer:\n  lr: {name: Cosine, learning_rate: 0.001, warmup_epoch: 500}\nGlobal: {epoch_num: 100}",
    zh=(
        "预热的单位弄错了",
        "PaddleDetection 的 LinearWarmup 按步计；PaddleOCR 的 warmup_epoch 按轮计。几步算不上预热，几百轮则永远不"
        "会结束。",
        "PaddleDetection 写 steps: 500，PaddleOCR 写 warmup_epoch: 5",
    ),
)
def warmup_units(config: Config) -> Iterator[Found]:
    """A warmup of epochs that outlasts the run, or of a few steps."""
    epochs = config.epochs
    for name, part in parts_of(config):
        length = part.get("warmup_epoch", part.get("warmup_epochs"))
        if epochs is not None and isinstance(length, int) and length >= epochs:
            key = "warmup_epoch" if "warmup_epoch" in part else "warmup_epochs"
            yield Found(
                config.spot(key, after=name),
                Both(f"{key} is {length}, and the run has {epochs} epochs", f"{key} 是 {length}，训练只有 {epochs} 轮"),
                Both(
                    f"the rate ends at {epochs / length:.2g} of the one that was asked for, and never reaches it",
                    f"学习率最终只到目标的 {epochs / length:.2g}",
                ),
            )
        steps = part.get("steps")
        if (
            name == "LinearWarmup"
            and config.detection is not None
            and isinstance(steps, int)
            and 0 < steps < LEAST_EPOCH
        ):
            yield Found(
                config.spot("steps", after=name),
                Both(
                    f"the warmup takes {steps} iterations, less than any epoch has",
                    f"预热只有 {steps} 次迭代，比任何一轮都短",
                ),
                Both(f"after {steps} updates the rate is at its peak", f"{steps} 次更新后学习率就到峰值"),
            )


@rule(
    "CD905",
    "the warmup jumps to the schedule",
    "information",
    about="config",
    why="The warmup of PaddleDetection is a share of the base rate, and the schedule is at its own value when the "
    "warmup "
    "ends. Where the first milestone comes before that, the warmup rises to a rate that is cut at once.",
    fix="end the warmup before the first milestone",
    source="ppdet/optimizer/optimizer.py: PiecewiseDecay.__call__",
    example="LearningRate:\n  schedulers:\n  - !PiecewiseDecay {milestones: [0, 8]}\n  - !LinearWarmup {steps: 500}",
    zh=(
        "预热结束处跳变",
        "PaddleDetection 的预热是基础学习率的一个比例；若第一个里程碑早于预热结束，刚升上去就被降下来。",
        "让预热在第一个里程碑之前结束",
    ),
)
def milestone_zero(config: Config) -> Iterator[Found]:
    """A milestone at epoch 0, under a warmup."""
    warm = any("Warmup" in name for name, _ in parts_of(config))
    for name, part in parts_of(config):
        marks = part.get("milestones")
        if warm and isinstance(marks, list) and 0 in marks:
            gamma = _gamma(part)
            yield Found(
                config.spot("milestones", after=name),
                Both("there is a milestone at epoch 0", "第 0 轮就有里程碑"),
                Both(
                    f"the schedule starts at {gamma} of base_lr, which the warmup goes up to",
                    f"调度从 base_lr 的 {gamma} 开始，预热却升到 base_lr",
                ),
            )


def _gamma(part: Mapping[str, Any]) -> str:
    value: Any = part.get("gamma", 0.1)
    if isinstance(value, list):
        value = next(iter(cast("list[Any]", value)), None)
    return f"{value:g}" if _number(value) is not None else "a share"
