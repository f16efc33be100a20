"""What is said of a range test, in each language."""

from __future__ import annotations

from cadence.finder.found import Found
from cadence.report.numbers import significant

WORDS: dict[str, dict[str, str]] = {
    "name_steepest": {"en": "steepest", "zh": "最陡处"},
    "name_middle": {"en": "middle", "zh": "中点"},
    "name_valley": {"en": "valley", "zh": "谷中"},
    "name_edge": {"en": "edge", "zh": "边缘"},
    "head_name": {"en": "place", "zh": "位置"},
    "head_rate": {"en": "rate", "zh": "学习率"},
    "head_interval": {"en": "95 % interval", "zh": "95% 区间"},
    "head_meaning": {"en": "meaning", "zh": "含义"},
    "interval": {"en": "{low} to {high}", "zh": "{low} 至 {high}"},
    "beyond": {"en": "beyond {high}", "zh": "超过 {high}"},
    "measured": {
        "en": "{repeats} repeats of {length} updates{scout}, {updates} updates altogether{skipped}. The loss begins at "
        "{start} and falls by {fall}; from batch to batch it differs by {noise}.",
        "zh": "{repeats} 次重复，每次 {length} 次更新{scout}，共 {updates} 次更新{skipped}。损失从 {start} 开始，"
        "下降 {fall}；批次之间的波动为 {noise}。",
    },
    "scout": {"en": " after a scout of {n}", "zh": "（此前侦察 {n} 次）"},
    "skipped": {"en": " and {n} that were skipped", "zh": "，另有 {n} 次被跳过"},
    "caution": {
        "en": "A range test sees the first updates only. Where a small data set is gone through many times, a lower "
        "rate ends better; where a run is short for its data, a higher one up to the valley.",
        "zh": "范围测试只看到最初的若干次更新。小数据集反复训练多轮时，较低的学习率最终更好；"
        "相对数据量而言训练较短时，较高的（直到谷中）更好。",
    },
    "groups": {"en": "Rates of the groups: {groups}.", "zh": "各参数组的学习率：{groups}。"},
    "group": {"en": "group {n}", "zh": "第 {n} 组"},
    "title": {"en": "Range test of {name}", "zh": "{name} 的学习率范围测试"},
    "title_alone": {"en": "Range test", "zh": "学习率范围测试"},
    "axis_rate": {"en": "learning rate", "zh": "学习率"},
    "axis_loss": {"en": "loss of the batch", "zh": "批次损失"},
    "repeat": {"en": "repeat {n}", "zh": "第 {n} 次重复"},
    "smoothed": {"en": "smoothed, with its 95 % band", "zh": "平滑曲线及其 95% 带"},
    "of_scout": {"en": "scout", "zh": "侦察"},
    "picture": {"en": "Picture: {path}", "zh": "图：{path}"},
}
"""Key -> language -> text."""


def say(lang: str, key: str, **values: object) -> str:
    """One of the above, with its values put in.

    Example:
        >>> say("en", "group", n=2)
        'group 2'
    """
    return WORDS[key][lang].format(**values)


def measured(found: Found, lang: str) -> str:
    """What was done, and how noisy it was."""
    said, swept = found.suggestions, found.swept
    scout = say(lang, "scout", n=len(swept.scout_losses)) if swept.scout_losses else ""
    skipped = say(lang, "skipped", n=found.skipped) if found.skipped else ""
    return say(
        lang, "measured", repeats=len(swept.losses), length=len(swept.rates), scout=scout, updates=swept.updates,
        skipped=skipped, start=significant(said.start), fall=significant(said.fall), noise=significant(said.noise, 2),
    )  # fmt: skip


def groups(found: Found, lang: str) -> str | None:
    """The recommended rate of each group, where there are several."""
    if found.rates is None or len(found.rates) == 1:
        return None
    names = [say(lang, "group", n=g) if name is None else name for g, name in enumerate(found.names)]
    listed = ", ".join(f"{name} {significant(rate, 2)}" for name, rate in zip(names, found.rates, strict=True))
    return say(lang, "groups", groups=listed)


def title(found: Found, lang: str) -> str:
    """What was tested."""
    name = found.about.get("name")
    return say(lang, "title_alone") if name is None else say(lang, "title", name=name)
