"""What is wrong with a run that has been trained, from its record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from cadence._errors import CadenceError
from cadence.curve.curve import Curve, Floats
from cadence.drivers.planned import planned
from cadence.findings.finding import Finding
from cadence.record.reader import Record
from cadence.record.time_spent import time_spent

SAME = 1e-6
"""Numbers that differ by a smaller share are the same: an optimizer may keep them in float32."""


def check_record(record: Record) -> list[Finding]:
    """What a record shows that its run should not have done.

    - ``CR001`` (error): a value that the optimizer had is not what the schedule says, with all that was decided and
      changed in the journal.
    - ``CR002`` (information): a good part of the time was spent waiting for data.

    Args:
        record: of a run that has ended or goes on.

    Returns:
        One finding for each value of each parameter group, and one about the time; none where all is well.

    Raises:
        RecordError: the record cannot be read.
    """
    return [*(_finding(deviation) for deviation in deviations(record)), *_waiting(record)]


@dataclass(frozen=True)
class Deviation:
    """Updates in which a value was another than planned.

    Attributes:
        value, group: what, and of which parameter group.
        several: whether there are several groups.
        count, of: how many updates, of how many.
        first, last: the first and the last of them.
        worst: the one with the greatest ratio, with what the optimizer had and what was planned.
    """

    value: str
    group: str
    several: bool
    count: int
    of: int
    first: int
    last: int
    worst: tuple[int, float, float]


def deviations(record: Record) -> Iterator[Deviation]:
    """The values that were others than planned.

    Args:
        record: of a run.

    Raises:
        RecordError: the record cannot be read.
    """
    table = record.updates
    values = [value for value in record.run.get("values", ()) if value in table]
    if not len(table) or not values:
        return
    try:
        parts = planned(record.run, record.journal)
    except (CadenceError, KeyError, TypeError, ValueError):
        # Written by something that knows more than this version: what cannot be placed cannot be compared.
        return
    t = table["t"]
    owner = cast("Any", np.searchsorted)([part.begin for part in parts], t, side="right") - 1
    groups = [str(group) for group in record.run["groups"]]
    for value in values:
        held = table[value].reshape(len(t), -1)
        for g in range(min(held.shape[1], len(groups))):
            meant = np.full(len(t), np.nan)
            for i, part in enumerate(parts):
                if part.curve is not None and (g, value) in part.curve.pairs:
                    meant[owner == i] = _at(part.curve, t[owner == i], g, value)
            found = _compared(t, held[:, g], meant)
            if found is not None:
                yield Deviation(value, groups[g], len(groups) > 1, *found)


def _at(curve: Curve, t: Any, g: int, value: str) -> Floats:
    return cast("Floats", curve.at(t, group=g, value=value))


def _compared(t: Any, held: Any, meant: Any) -> tuple[int, int, int, int, tuple[int, float, float]] | None:
    known = ~(np.isnan(held) | np.isnan(meant))
    wrong = np.flatnonzero(known & ~(np.abs(held - meant) <= SAME * np.abs(meant)))
    if not len(wrong):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.log(np.abs(held[wrong] / meant[wrong])))
    i = wrong[int(np.nanargmax(np.where(np.isnan(apart), -1.0, apart)))]
    worst = (int(t[i]), float(held[i]), float(meant[i]))
    return len(wrong), int(known.sum()), int(t[wrong[0]]), int(t[wrong[-1]]), worst


def _finding(it: Deviation) -> Finding:
    t, had, meant = it.worst
    where, where_zh = (f" of group {it.group!r}", f"（参数组 {it.group!r}）") if it.several else ("", "")
    span = f"update {it.first}" if it.first == it.last else f"updates {it.first} to {it.last}"
    span_zh = f"第 {it.first} 次更新" if it.first == it.last else f"第 {it.first} 至 {it.last} 次更新"
    ratio = f"{had / meant:.4g} times" if meant else "not 0, as"
    ratio_zh = f"{had / meant:.4g} 倍" if meant else "不为 0"
    return Finding(
        "CR001",
        "error",
        f"{it.value} was not what the schedule says",
        f"{it.value}{where} was {had:.6g} at update {t}, where the schedule has {meant:.6g}.",
        f"In {it.count} of {it.of} updates ({span}) it differed, at most {ratio} what was planned.",
        f"Find what else writes it: another scheduler, a callback, a line such as group[{it.value!r}] = ...; to change "
        f"it by hand, write driver.set({it.value}=...), which goes into the journal.",
        zh=(
            f"{it.value} 与调度不符",
            f"{it.value}{where_zh}在第 {t} 次更新时为 {had:.6g}，而调度给出的是 {meant:.6g}。",
            f"{it.of} 次更新中有 {it.count} 次（{span_zh}）不同，最大为计划值的 {ratio_zh}。",
            f"找出还有谁在写它：另一个调度器、回调，或 group[{it.value!r}] = ... 之类的语句；要手动修改，请写 "
            f"driver.set({it.value}=...)，它会记入日志。",
        ),
    )


def _waiting(record: Record) -> Iterator[Finding]:
    spent = time_spent(record)
    if spent is None or not spent.waits:
        return
    share, data, update = f"{spent.waited:.0%}", spent.seconds["data"], spent.seconds["update"]
    yield Finding(
        "CR002",
        "information",
        "the training waits for its data",
        f"{share} of the training time was waiting for data.",
        f"{data:.4g} s of waiting, {update:.4g} s of updates: with the data at hand the same updates take "
        f"{update:.4g} s, and a faster device shortens the smaller part only.",
        "Read and augment in several workers, store the data decoded, or keep it in memory.",
        zh=(
            "训练在等待数据",
            f"训练时间的 {share} 用于等待数据。",
            f"等待 {data:.4g} 秒，更新 {update:.4g} 秒：若数据随时可用，同样的更新只需 {update:.4g} 秒；"
            f"更快的设备只能缩短其余部分。",
            "用多个进程读取和增强，预先解码存储，或把数据留在内存中。",
        ),
    )
