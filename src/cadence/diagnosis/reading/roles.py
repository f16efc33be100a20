"""What the columns of other people's logs mean, told from their names."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import final

CHINESE = {
    "学习率": " lr ", "训练": " train ", "验证": " val ", "测试": " test ", "评估": " eval ",
    "损失缩放": " loss scale ",
    "损失": " loss ", "准确率": " accuracy ", "精度": " accuracy ", "步数": " step ", "步": " step ",
    "轮次": " epoch ", "轮数": " epoch ", "轮": " epoch ", "周期": " epoch ", "迭代次数": " iteration ",
    "迭代": " iteration ", "梯度范数": " grad norm ", "动量": " momentum ", "权重衰减": " weight decay ",
    "时间": " time ",
}  # fmt: skip

JUDGING = frozenset({"val", "valid", "validation", "eval", "evaluation", "dev", "test", "heldout", "holdout", "cv"})
"""Words for data that a training does not see."""

TRAINING = frozenset({"train", "training", "trainer", "tr"})

METRICS = frozenset({
    "acc", "accuracy", "f1", "auc", "auroc", "bleu", "rouge", "map", "perplexity", "ppl", "iou", "miou", "dice",
    "error",
    "rmse", "mse", "mae", "r2", "wer", "cer", "top1", "top5", "score", "reward", "precision", "recall", "bpb", "bits",
    "mrr", "ndcg", "psnr", "ssim", "fid", "kappa", "mcc",
})  # fmt: skip
"""Words for what is measured besides a loss."""

_STEP = frozenset({
    "step", "steps", "global step", "globalstep", "iteration", "iterations", "iter", "iters", "it", "n iter", "update",
    "updates", "num updates", "num steps", "t", "batch", "batch idx", "batches", "batches seen", "step num",
    "total steps", "optimizer step", "opt step",
})  # fmt: skip
_EPOCH = frozenset({"epoch", "epochs", "epoch num", "current epoch", "ep"})
_TIME = frozenset({
    "seconds", "time", "wall time", "walltime", "runtime", "elapsed", "elapsed time", "time elapsed", "relative time",
    "timestamp", "wall clock", "total time", "time total s", "relative",
})  # fmt: skip
_SECONDS = frozenset({"time", "seconds", "sec", "secs", "s", "duration"})
_NOT_A_RATE = frozenset({"initial", "base", "max", "min", "scale", "factor", "decay", "mult", "ratio", "warmup"})


@final
@dataclass(frozen=True)
class Role:
    """What a column is.

    Attributes:
        name: ``"step"``, ``"epoch"``, ``"loss"``, ``"lr"``, ``"metric"``, ``"update_ratio"``, or one of `log.TRAIN`;
            empty: nothing that diagnosis looks at.
        group: of a rate: what its name says besides, which tells parameter groups apart.
        extra: how many words it has beyond those that its role explains: the fewer, the likelier it is the one.
        judged: it was measured on data that the training does not see.
    """

    name: str
    group: str = ""
    extra: int = 0
    judged: bool = False


@functools.lru_cache(maxsize=4096)
def role_of(column: str) -> Role:
    """What a column of this name is.

    Example:
        >>> role_of("train/learning_rate").name, role_of("Loss/val").name, role_of("_step").name
        ('lr', 'metric', 'step')
        >>> role_of("lr-AdamW/pg2").group, role_of("训练损失").name
        ('adamw pg2', 'loss')
    """
    words = words_of(column)
    there = frozenset(words)
    judged = bool(there & JUDGING)
    rest = [w for w in words if w not in TRAINING]
    joined = " ".join(rest)
    if joined in _STEP and not judged:
        return Role("step", extra=len(words) - 1)
    if " ".join(w for w in rest if w not in JUDGING) in _EPOCH:
        return Role("epoch", extra=len(words) - 1)
    if joined in _TIME:
        return Role("seconds")
    return _of_training(words, there, judged) or _of_machine(there, judged) or _measured(rest, there, judged)


def words_of(column: str) -> list[str]:
    """The words of a name, in lower case: ``"trainLoss/pg1"`` has train, loss and pg1."""
    for chinese, english in CHINESE.items():
        column = column.replace(chinese, english)
    column = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", column)
    column = re.sub(r"(?i)learning[\W_]*rates?", " lr ", column)
    return re.findall(r"[a-z0-9.]+", column.lower())


def _of_training(words: list[str], there: frozenset[str], judged: bool) -> Role | None:
    """Rates, and what an optimizer does besides."""
    if judged and "lr" not in there:
        return None
    if {"weight", "decay"} <= there or "wd" in there:
        return Role("weight_decay")
    if "momentum" in there or "beta1" in there:
        return Role("momentum")
    if {"loss", "scale"} <= there or {"grad", "scale"} <= there or there & {"scaler", "lossscale"}:
        return Role("loss_scale")
    if "update" in there and "ratio" in there:
        return Role("update_ratio", group=_left(words, {"update", "ratio"}))
    if there & {"gnorm", "gradnorm"} or (there & {"grad", "grads", "gradient", "gradients"} and there & {"norm", "l2"}):
        return Role("grad_norm", extra=len(words))
    if "lr" in there or "lrs" in there:
        return None if there & _NOT_A_RATE else Role("lr", group=_left(words, {"lr", "lrs"}), extra=len(words))
    return None


def _of_machine(there: frozenset[str], judged: bool) -> Role | None:
    """Time, memory, use."""
    timed = bool(there & _SECONDS)
    speed = {"samples", "images", "img", "imgs", "tokens", "examples", "steps"} & there and (
        "per" in there or there & {"s", "sec", "second"}
    )
    if not judged and (speed or there & {"throughput", "ips"}):
        return Role("samples_per_second", extra="steps" in there)
    if (timed and judged) or (judged and "runtime" in there):
        return Role("evaluation_seconds")
    if timed and there & {"data", "dataloader", "loader", "dataloading"}:
        return Role("data_seconds")
    if timed and there & {"checkpoint", "ckpt", "save", "saving"}:
        return Role("checkpoint_seconds")
    if timed and there & {"step", "batch", "iter", "iteration", "update", "compute", "it"}:
        return Role("update_seconds")
    if "gpu" in there and there & {"use", "util", "utilization", "utilisation"}:
        return Role("gpu_use")
    return Role("memory") if there & {"memory", "mem", "rss"} else None


def _measured(rest: list[str], there: frozenset[str], judged: bool) -> Role:
    """Losses and metrics."""
    if there & _SECONDS or "runtime" in there or "per" in there:
        return Role("")
    loss = bool(there & {"loss", "losses", "nll", "cost", "objective", "loss_step"})
    if judged and (loss or there & METRICS or len(rest) > 1):
        return Role("metric", extra=len(rest) - 1 + ("test" in there), judged=True)
    if loss:
        # Of a mean over each step and a mean over each epoch, the one that is there more often is wanted.
        return Role("loss", extra=2 * len([w for w in rest if w not in {"loss", "total", "step"}]))
    return Role("metric", extra=len(rest)) if there & METRICS else Role("")


def _left(words: list[str], known: set[str]) -> str:
    """What tells a column from others of its role."""
    return " ".join(w for w in words if w not in known and w not in TRAINING)


def is_loss(column: str) -> bool:
    """Whether a metric is a loss."""
    return bool(frozenset(words_of(column)) & {"loss", "losses", "nll"})
