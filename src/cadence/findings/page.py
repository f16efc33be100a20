"""The page of all rules, generated from the registry."""

from __future__ import annotations

from collections.abc import Iterator

from cadence.findings.rule import Rule, rules

THEMES = {
    "0": ("The source itself", "源代码本身"),
    "1": ("Lengths and units", "长度与单位"),
    "2": ("Making and stepping schedulers", "构造与步进"),
    "3": ("What is gone, deprecated, or was never there", "已移除、已弃用或从未存在"),
    "4": ("The training loop", "训练循环"),
    "5": ("PaddlePaddle", "PaddlePaddle"),
    "6": ("Trainers and libraries", "训练器与库"),
    "7": ("Resuming", "恢复训练"),
    "8": ("Good to know", "仅供参考"),
    "9": ("Configurations and recipes", "配置与配方"),
}
"""First digit of a code -> what its rules are about, in English and Chinese."""

TEXT = {
    "en": (
        "# What `cadence lint` finds",
        "Every rule, generated from the rules themselves by `cadence lint --explain all`. Nothing of a script is "
        "executed "
        "or imported. A rule speaks only of what can be seen for certain; what it leads to is computed from the "
        "script's own "
        "numbers where they are known.",
        "An *error* fails, or trains something else than it says; a *warning* very likely is not what was meant; "
        "*information* is good to know and leaves the exit status at 0. `# cadence: ignore CD101` on a line, or "
        "alone on the "
        "line before, silences a rule there; `# cadence: ignore` silences all.",
        ("Instead", "Source"),
    ),
    "zh": (
        "# `cadence lint` 能发现什么",
        "所有规则，由 `cadence lint --explain all --lang zh` 从规则本身生成。脚本不会被执行或导入。规则只说能确定"
        "看到的；后果在数字已知时由脚本自己的数字算出。",
        "*错误*会失败，或训练的不是所说的；*警告*很可能不是本意；*提示*仅供参考，退出状态仍为 0。某行或其上一行的 "
        "`# cadence: ignore CD101` "
        "使该规则在那里不出声；`# cadence: ignore` 使所有规则不出声。",
        ("改法", "来源"),
    ),
}
SEVERITY_ZH = {"error": "错误", "warning": "警告", "information": "提示"}


def page(lang: str = "en") -> str:
    """Every rule in Markdown: what it is about, why, what to write, its source, and an example that it finds.

    Args:
        lang: ``"en"`` or ``"zh"``.
    """
    heading, about, how, _ = TEXT[lang]
    parts = [heading, about, how]
    for digit, (en, zh) in THEMES.items():
        members = [each for each in rules() if each.code[2] == digit]
        parts.append(f"## {zh if lang == 'zh' else en}")
        for each in members:
            parts += _section(each, lang)
    return "\n\n".join(parts) + "\n"


def _section(rule: Rule, lang: str) -> Iterator[str]:
    title, why, fix = rule.zh if lang == "zh" else (rule.title, rule.why, rule.fix)
    severity = SEVERITY_ZH[rule.severity] if lang == "zh" else rule.severity
    instead, source = TEXT[lang][3]
    yield f"### {rule.code}: {title} ({severity})"
    yield why
    yield f"```text\n{rule.example}\n```"
    colon = "：" if lang == "zh" else ": "
    yield f"*{instead}*{colon}{fix}  \n*{source}*{colon}{rule.source}"
