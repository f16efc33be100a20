"""Headings and short phrases of a diagnosis, in every language."""

from __future__ import annotations

from cadence.diagnosis.detected import Detected
from cadence.diagnosis.log import Log
from cadence.findings.finding import Both

WORDS = {
    "title": Both("Diagnosis of {source}", "{source} 的诊断"),
    "lead": Both("{kind}, {length}", "{kind}，{length}"),
    "updates": Both("{n:,} updates", "{n:,} 次更新"),
    "updates.one": Both("1 update", "1 次更新"),
    "epochs": Both("{n:,} epochs", "{n:,} 个 epoch"),
    "epochs.one": Both("1 epoch", "1 个 epoch"),
    "rows": Both("{n:,} rows", "{n:,} 行"),
    "rows.one": Both("1 row", "1 行"),
    "counts_epochs": Both(
        "The log counts epochs: what is called an update below is an epoch.",
        "日志以 epoch 计数：下文的“更新”指 epoch。",
    ),
    "counts_rows": Both("What is called an update below is a row.", "下文的“更新”指日志的一行。"),
    "axis_updates": Both("update", "更新"),
    "axis_epochs": Both("epoch", "epoch"),
    "axis_rows": Both("row", "行"),
    "labelled": Both("{label}: {text}", "{label}：{text}"),
    "heading": Both("{label}:", "{label}："),
    "proven": Both("{numbers}; {against}", "{numbers}；{against}"),
    "findings": Both("Findings", "发现"),
    "nothing": Both("Nothing is wrong that this log would show.", "从这份日志看不出任何问题。"),
    "try": Both("Try", "建议"),
    "expect": Both("Expected", "预期"),
    "evidence": Both("Evidence", "依据"),
    "interval": Both("{value:.4g} ({low:.4g} to {high:.4g})", "{value:.4g}（{low:.4g} 至 {high:.4g}）"),
    "against": Both("would matter from {x:.4g} on", "界限 {x:.4g}"),
    "course": Both("The course", "全程"),
    "loss": Both("Loss", "损失"),
    "lr": Both("Learning rate", "学习率"),
    "schedule": Both("The schedule behind the rate", "学习率背后的调度"),
    "events": Both("Events of the rate", "学习率事件"),
    "verdicts": Both("What the changes of the rate did", "学习率变化的效果"),
    "jumps": Both("Jumps of metrics", "指标的跳变"),
    "milestones": Both("Where a lower rate was due", "应降低学习率之处"),
    "no_milestones": Both(
        "No stretch was held at one rate beyond its use, as far as this log tells.",
        "就这份日志而言，没有哪一段在同一学习率下停留过久。",
    ),
    "sound": Both("Looked at, and sound", "已检查，无问题"),
    "unjudged": Both("Could not be judged", "无法判断"),
    "notes": Both("About the log", "关于日志"),
    "group": Both("group", "参数组"),
    "more": Both("and {n} more", "另有 {n} 个"),
    "error": Both("error", "错误"),
    "warning": Both("warning", "警告"),
    "information": Both("information", "提示"),
    "contents": Both("Contents", "目录"),
    "fault": Both("Fault", "故障"),
    "said": Both("What was found", "结果"),
    "made": Both("Made by cadence {version}", "由 cadence {version} 生成"),
}

KINDS = {
    "cadence": Both("Run folder of cadence", "cadence 运行文件夹"),
    "tensorboard": Both("TensorBoard", "TensorBoard"),
    "visualdl": Both("VisualDL", "VisualDL"),
    "csv": Both("CSV", "CSV"),
    "jsonl": Both("JSON Lines", "JSON Lines"),
    "wandb": Both("W&B export", "W&B 导出"),
    "trainer_state": Both("trainer_state.json of Hugging Face", "Hugging Face 的 trainer_state.json"),
}


def said(both: Both, lang: str) -> str:
    """A sentence in a language."""
    return both.zh if lang == "zh" else both.en


def word(key: str, lang: str, **values: object) -> str:
    """A heading or phrase.

    Args:
        key: of `WORDS`.
        lang: ``"en"`` or ``"zh"``.
        values: for its places.

    Example:
        >>> word("more", "en", n=3)
        'and 3 more'
    """
    return said(WORDS[key], lang).format(**values)


def lead(log: Log, lang: str) -> str:
    """Which program's log it is, and how long."""
    key = f"{log.facts.clock}.one" if log.updates == 1 else log.facts.clock
    return word("lead", lang, kind=kind(log.kind, lang), length=word(key, lang, n=log.updates))


def about(log: Log, lang: str) -> list[str]:
    """What is odd about a log, and what it counts where that is no updates."""
    notes = [said(note.sentence, lang) for note in log.notes]
    return notes if log.facts.clock == "updates" else [*notes, word(f"counts_{log.facts.clock}", lang)]


def evidence(found: Detected, lang: str) -> str:
    """The numbers of a finding."""
    it = found.evidence
    numbers = word("interval", lang, value=it.value, low=it.low, high=it.high)
    numbers = word("proven", lang, numbers=numbers, against=word("against", lang, x=it.against))
    return word("labelled", lang, label=said(it.statistic, lang), text=numbers)


def kind(name: str, lang: str) -> str:
    """What a log is called."""
    return said(KINDS[name], lang)
