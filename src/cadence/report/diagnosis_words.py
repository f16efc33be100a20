"""Headings and short phrases of a diagnosis, in every language."""

from __future__ import annotations

from cadence.findings.finding import Both

WORDS = {
    "title": Both("Diagnosis of {source}", "{source} 的诊断"),
    "lead": Both("{kind}, {updates:,} {clock}", "{kind}，{updates:,} {clock}"),
    "updates": Both("updates", "次更新"),
    "epochs": Both("epochs", "个 epoch"),
    "rows": Both("rows", "行"),
    "findings": Both("Findings", "发现"),
    "nothing": Both("Nothing is wrong that this log would show.", "从这份日志看不出任何问题。"),
    "try": Both("Try:", "建议："),
    "expect": Both("Expected:", "预期："),
    "evidence": Both("Evidence:", "依据："),
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
    "update": Both("update", "更新"),
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


def kind(name: str, lang: str) -> str:
    """What a log is called."""
    return said(KINDS[name], lang)
