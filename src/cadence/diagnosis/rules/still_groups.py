"""A parameter group that hardly moves beside the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from cadence.diagnosis.detected import CannotTell, Evidence, Picture
from cadence.diagnosis.log import Series
from cadence.diagnosis.rule import Found, rule
from cadence.diagnosis.view import View
from cadence.findings.finding import Both

STILL = 0.02
"""Share of the median ratio of the other groups below which a group does not move. Between a backbone and a head a
factor of 10 is common, and layer-wise decay reaches 20."""

AT_ALL = 0.02
"""Way of a group in the whole run, in multiples of its size, above which it does move, whatever the others do."""

NO_RATE = 1e-3
"""Share of the largest rate below which a group is told to stand still."""


@rule(
    "CL107",
    "still_groups",
    Both("a parameter group does not move", "有参数组没有移动"),
    severity="warning",
    sound=Both("All parameter groups move.", "所有参数组都在移动。"),
)
def still_groups(view: View) -> Iterator[Found]:
    """Update/weight ratios, or where they are not logged the rates, far below those of the other groups."""
    ratios = _middle(view.log.update_ratio)
    rates = _middle(view.log.lr)
    if len(ratios) < 2 and len(rates) < 2:
        raise CannotTell("the log has one parameter group", "日志中只有一个参数组")
    by_ratio = len(ratios) >= 2
    values = ratios if by_ratio else rates
    frozen = {str(g) for e in view.log.events if e.kind == "freeze" for g in (e.details.get("groups") or ())}
    for group, value in values.items():
        others = [v for name, v in values.items() if name != group and v > 0]
        usual = float(np.median(others)) if others else 0.0
        still = value < STILL * usual and value * view.end < AT_ALL if by_ratio else value < NO_RATE * usual
        if usual > 0 and still and group not in frozen:
            yield _found(view, group, value, usual, "update/weight ratio" if by_ratio else "learning rate")


def _middle(groups: Mapping[str, Series]) -> dict[str, float]:
    """Median over the run of each group's finite values."""
    finite = {name: series.finite().values for name, series in groups.items()}
    return {name: float(np.median(values)) for name, values in finite.items() if len(values)}


def _found(view: View, group: str, value: float, usual: float, what: str) -> Found:
    zh = "更新/权重比" if "ratio" in what else "学习率"
    named = "update_ratio" if "ratio" in what else "lr"
    rate = view.log.lr.get(group)
    its = float(np.nanmax(rate.values)) if rate is not None and len(rate) else float("nan")
    return Found(
        Both(
            f"Group {group!r} has a median {what} of {value:.2g}, the others {usual:.2g}; its rate is at most "
            f"{its:.3g}.",
            f"参数组 {group!r} 的{zh}中位数为 {value:.2g}，其他组为 {usual:.2g}；其学习率最高为 {its:.3g}。",
        ),
        Both(
            "Its weights end where they began: what they could learn is not learnt.",
            "其权重停在初始位置：它们本可学到的没有学到。",
        ),
        Both(
            "Look whether its rate, a freeze or a detached part of the graph is meant; if not, give it the rate of the "
            "others.",
            "检查其学习率、冻结或被截断的计算图是否有意为之；若不是，给它与其他组相同的学习率。",
        ),
        Both(
            "The group's ratio comes near that of the others, and the loss ends lower.",
            "该组的比值接近其他组，损失更低。",
        ),
        Evidence(
            0,
            view.end - 1,
            Both(f"median {what}", f"{zh}中位数"),
            value,
            value,
            value,
            (STILL if named == "update_ratio" else NO_RATE) * usual,
        ),
        Picture((named,), 0, view.end - 1, (), Both("the lowest line is the group", "最低的线为该组")),
    )
