"""Make docs/articles.md and docs/articles.zh.md of docs/articles/claims.yaml.

python tools/articles.py          write both
python tools/articles.py check    say whether they are up to date
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parents[1] / "docs"
CLAIMS = DOCS / "articles" / "claims.yaml"

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "page": "articles.md",
        "title": "Four articles, corrected",
        "intro": (
            "Four articles on learning-rate schedules and adaptive optimizers, claim by claim: what it says, what "
            "really happens with the number, the right line, and a command that shows it. Every command is run by the "
            "tests, from the root of the project. Epochs count from 0 unless something else is said."
        ),
        "other": "[中文](articles.zh.md)",
        "head": "| It says | | What really happens | The right line | Shown by |",
        "sound": "sound",
        "wrong": "**wrong**",
        "incomplete": "incomplete",
        "unproven": "unproven",
        "count": "{all} claims: {sound} sound, {wrong} wrong, {incomplete} incomplete, {unproven} unproven.",
    },
    "zh": {
        "page": "articles.zh.md",
        "title": "四篇文章的更正",
        "intro": (
            "四篇关于学习率调度与自适应优化器的文章，逐条核对：原文说法、实际情况与数字、正确写法、能演示它的命令。"
            "每条命令都在测试中从项目根目录运行。除非另有说明，轮次从 0 数起。"
        ),
        "other": "[English](articles.md)",
        "head": "| 原文 | | 实际情况 | 正确写法 | 演示命令 |",
        "sound": "正确",
        "wrong": "**错误**",
        "incomplete": "不完整",
        "unproven": "无依据",
        "count": "共 {all} 条：正确 {sound}，错误 {wrong}，不完整 {incomplete}，无依据 {unproven}。",
    },
}


def claims() -> list[dict[str, Any]]:
    """The articles with their claims."""
    articles: list[dict[str, Any]] = yaml.safe_load(CLAIMS.read_text(encoding="utf-8"))
    return articles


def page(lang: str) -> str:
    """One of the two pages."""
    words, articles = WORDS[lang], claims()
    suffix = "" if lang == "en" else "_zh"
    every = [claim for article in articles for claim in article["claims"]]
    counts = {v: sum(claim["verdict"] == v for claim in every) for v in ("sound", "wrong", "incomplete", "unproven")}
    lines = [
        f"# {words['title']}", "", words["other"], "", words["intro"], "",
        words["count"].format(all=len(every), **counts),
    ]  # fmt: skip
    for article in articles:
        lines += ["", f"## {article[lang]}", "", words["head"], "|---|---|---|---|---|"]
        for claim in article["claims"]:
            cells = (
                claim["says" + suffix],
                words[claim["verdict"]],
                claim["happens" + suffix],
                f"`{claim['right']}`",
                f"`{claim['show']}`",
            )
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check; the exit status."""
    status = 0
    for lang, words in WORDS.items():
        path = DOCS / words["page"]
        if arguments == ["check"]:
            if not path.is_file() or path.read_text(encoding="utf-8") != page(lang):
                print(f"docs/{words['page']} is not up to date; run: python tools/articles.py")
                status = 1
        else:
            path.write_text(page(lang), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
