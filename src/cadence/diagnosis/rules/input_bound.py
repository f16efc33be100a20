"""The device waits: for data, or for anything else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

WAITS = 0.2
"""Share of the time of training spent waiting for data from which on something should be done about it."""

IN_USE = 0.5
"""Share of the time in which a device should compute at the least."""


@rule(
    "CL109",
    "input_bound",
    Both("the device waits", "设备在等待"),
    severity="information",
    sound=Both("The device does not wait for data.", "设备没有等待数据。"),
)
def input_bound(view: View) -> Iterator[Found]:
    """Time waiting for batches against time computing them, and use of the device."""
    data, update, use = (view.log.train.get(name) for name in ("data_seconds", "update_seconds", "gpu_use"))
    timed = data is not None and update is not None and len(data.finite()) >= 8 and len(update.finite()) >= 8
    if not timed and (use is None or len(use.finite()) < 3):
        raise CannotTell(
            "the log has no times of waiting and computing, and no use of the device",
            "日志中没有等待与计算的时间，也没有设备利用率",
        )
    if data is not None and update is not None and timed:
        waited, computed = data.finite().values, update.finite().values
        # The first batches start workers and the first updates compile; they say nothing about the run.
        skip = min(10, len(waited) // 5)
        share = _share(waited[skip:], computed[skip:])
        if share >= WAITS:
            yield _found(view, share, float(waited[skip:].mean()), float(computed[skip:].mean()))
            return
    if use is not None and len(use.finite()) >= 3:
        mean = float(use.finite().values.mean())
        if mean < IN_USE:
            yield _idle(view, mean)


def _share(waited: np.ndarray, computed: np.ndarray) -> float:
    whole = float(waited.mean() + computed.mean())
    return float(waited.mean()) / whole if whole > 0 else 0.0


def _found(view: View, share: float, waited: float, computed: float) -> Found:
    return Found(
        Both(
            f"{share:.0%} of the training time was waiting for data: {waited:.3g} s an update, beside "
            f"{computed:.3g} s of "
            "computing.",
            f"训练时间的 {share:.0%} 用于等待数据：每次更新等待 {waited:.3g} 秒，计算 {computed:.3g} 秒。",
        ),
        Both(
            f"With the data at hand the same training takes {1 - share:.0%} of the time; a faster device shortens "
            "the rest "
            "only.",
            f"若数据随时可用，同样的训练只需 {1 - share:.0%} 的时间；更快的设备只能缩短其余部分。",
        ),
        Both(
            "Read and augment in several workers, store the data decoded, or keep it in memory.",
            "用多个进程读取和增强，预先解码存储，或把数据留在内存中。",
        ),
        Both(
            f"Up to {1 / max(1e-9, 1 - share):.2g} times as many updates an hour; the losses stay as they are.",
            f"每小时的更新次数最多提高到 {1 / max(1e-9, 1 - share):.2g} 倍；损失不变。",
        ),
        Evidence(
            0,
            view.end - 1,
            Both("share of the time waiting for data", "等待数据的时间份额"),
            share,
            share,
            share,
            WAITS,
        ),
        Picture(
            ("data_seconds", "update_seconds"), 0, view.end - 1, (), Both("waiting beside computing", "等待与计算对比")
        ),
    )


def _idle(view: View, mean: float) -> Found:
    return Found(
        Both(f"The device computed for {mean:.0%} of the time.", f"设备只有 {mean:.0%} 的时间在计算。"),
        Both("Half of what is paid for stands still.", "一半以上的设备时间被闲置。"),
        Both(
            "Double the batch (with the rate scaled), or compile the model; if waiting for data is not logged, time "
            "it.",
            "将批量加倍（并相应调整学习率），或编译模型；若日志没有等待数据的时间，请测量。",
        ),
        Both(
            "More examples a second, until the device is in use for most of the time.",
            "每秒处理更多样本，直到设备大部分时间都在使用。",
        ),
        Evidence(0, view.end - 1, Both("share of the time in use", "使用时间份额"), mean, mean, mean, IN_USE),
        Picture(
            ("gpu_use",), 0, view.end - 1, (), Both("how much of the time the device computed", "设备计算的时间份额")
        ),
    )
