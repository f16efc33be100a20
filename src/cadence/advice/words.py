"""How fields, values and levels are called, in both languages."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, cast

from cadence.findings.finding import Both

FIELD_NAMES: dict[str, Both] = {
    "optimizer": Both("optimizer", "优化器"),
    "batch_scaling": Both("batch scaling", "批量缩放"),
    "learning_rate": Both("learning rate", "学习率"),
    "warmup": Both("warmup", "预热"),
    "schedule": Both("schedule", "调度"),
    "weight_decay": Both("weight decay", "权重衰减"),
    "groups": Both("groups", "参数组"),
    "precision": Both("precision", "精度"),
    "layout": Both("memory layout", "内存布局"),
    "clip_norm": Both("clipping", "梯度裁剪"),
    "label_smoothing": Both("label smoothing", "标签平滑"),
    "averaging": Both("averaging", "权重平均"),
    "stopping": Both("stopping", "停止"),
}

CONFIDENCE_NAMES: dict[str, Both] = {
    "high": Both("high", "高"),
    "medium": Both("medium", "中"),
    "low": Both("low", "低"),
    "unknown": Both("unknown", "未知"),
}

KIND_NAMES: dict[str, Both] = {
    "article": Both("rule of thumb", "经验法则"),
    "paper": Both("paper", "论文"),
    "measured": Both("measured", "实测"),
    "practice": Both("common practice", "通行做法"),
    "given": Both("your choice", "你的选择"),
    "pilot": Both("pilot", "试跑"),
}

_NONE, _UNKNOWN = Both("none", "不用"), Both("not known", "未知")
_USUAL, _LAST = Both("the framework's own", "框架默认"), Both("channels last", "通道在后")


def pick(text: Both, lang: str) -> str:
    """A text in a language."""
    return text.zh if lang == "zh" else text.en


def value_text(field: str, value: Any, *, known: bool, lang: str = "en") -> str:
    """A value as a reader takes it in.

    Example:
        >>> value_text("optimizer", {"name": "adamw", "betas": (0.9, 0.95)}, known=True)
        'adamw (betas 0.9, 0.95)'
        >>> value_text("clip_norm", None, known=True), value_text("learning_rate", None, known=False)
        ('none', 'not known')
    """
    if not known:
        return pick(_UNKNOWN, lang)
    if field == "layout" and value is None:
        return pick(_USUAL, lang)
    if value is None or (field == "label_smoothing" and value == 0):
        return pick(_NONE, lang)
    table = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None
    if field == "warmup" and isinstance(value, int):
        return f"{value:,} 次更新" if lang == "zh" else f"{value:,} updates"
    if field == "layout":
        return pick(_LAST, lang) if value == "channels_last" else f"{value}"
    if table is None:
        return f"{value:.6g}" if isinstance(value, float) else f"{value}"
    if field == "optimizer":
        rest = ", ".join(_pair(key, x) for key, x in table.items() if key != "name")
        return f"{table['name']} ({rest})" if rest else str(table["name"])
    if field == "batch_scaling":
        rule, reference, factor = table["rule"], table["reference_batch"], table["factor"]
        if lang == "zh":
            return f"{'成比例' if rule == 'linear' else '平方根'}，以 {reference} 为基准，系数 {factor:.4g}"
        return f"{'linear' if rule == 'linear' else 'square root'} from {reference}: x {factor:.4g}"
    if field == "groups":
        return _groups(table, lang)
    return ", ".join(_pair(key, x) for key, x in table.items())


def _groups(table: Mapping[str, Any], lang: str) -> str:
    said: list[str] = []
    if table["no_decay"]:
        said.append(pick(Both("no decay on biases and normalisation", "偏置与归一化不衰减"), lang))
    if table["layer_decay"] is not None:
        said.append(
            pick(Both("rate falls by {x:g} at each depth", "学习率逐层乘以 {x:g}"), lang).format(x=table["layer_decay"])
        )
    own = cast("Mapping[str, Mapping[str, Any]]", table.get("groups") or {})
    said += [_group(name, keys, lang) for name, keys in own.items()]
    return ("；" if lang == "zh" else "; ").join(said) or pick(Both("one", "一组"), lang)


def _group(name: str, keys: Mapping[str, Any], lang: str) -> str:
    """A group: its patterns, and what it has of its own."""
    patterns = keys["parameters"]
    told = [patterns] if isinstance(patterns, str) else list(patterns)
    own = ", ".join(_pair(key, x) for key, x in keys.items() if key != "parameters")
    return f"{name}（{'、'.join(told)}）：{own}" if lang == "zh" else f"{name} ({', '.join(told)}): {own}"


def _pair(key: str, x: Any) -> str:
    if isinstance(x, bool):
        return key if x else f"not {key}"
    if isinstance(x, (tuple, list)):
        return f"{key} {', '.join(map(_plain, cast('tuple[Any, ...]', x)))}"
    return f"{key} {_plain(x)}"


def _plain(x: Any) -> str:
    return f"{x:g}" if isinstance(x, float) else str(x)


def cells(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken at blanks, or between wide characters where there are none."""
    lines, line = list[str](), ""
    for piece in _pieces(text):
        if line and cells(line) + cells(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


_CLOSING = frozenset("，。；：、）！？”")


def _pieces(text: str) -> list[str]:
    """What may not be broken: words with the blank after them, wide characters with the punctuation after them."""
    pieces: list[str] = []
    for c in text:
        wide = cells(c) == 2
        last = pieces[-1] if pieces else ""
        if c in _CLOSING and pieces:
            pieces[-1] += c
        elif wide or not pieces or last.endswith(" ") or cells(last[-1]) == 2:
            pieces.append(c)
        else:
            pieces[-1] += c
    return pieces
