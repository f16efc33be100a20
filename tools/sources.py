"""The sources of the advice: which there are, what stands on each, and whether docs/sources.md has all of them.

python tools/sources.py            each source with its kind and the files that name it
python tools/sources.py choices    practice, field, value, confidence and source of a training of every kind
python tools/sources.py check      what the page lacks, and what nothing names any more; exit status 1 if anything
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ADVICE = ROOT / "src" / "cadence" / "advice"
PAGE = ROOT / "docs" / "sources.md"
KINDS = frozenset({"paper", "practice", "article"})
STATES = ("looked up", "reference code", "not confirmed", "of the project")
"""What a row of the page may say: its text was read; code was read; neither; a convention that is cadence's own."""

_ROW = re.compile(r"^\| (?P<source>[^|]+?) \| (?P<taken>[^|]+?) \| (?P<state>[^|]+?) \|", re.MULTILINE)


def sources() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every source text in the code of the advice -> its kind, and the files that name it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for path in sorted(ADVICE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (called := _called(node)) is not None:
                kind, text = called
                found.setdefault(text, (kind, []))[1].append(str(path.relative_to(ADVICE)))
    return {text: (kind, tuple(dict.fromkeys(files))) for text, (kind, files) in sorted(found.items())}


def _called(node: ast.AST) -> tuple[str, str] | None:
    """The kind and text of ``paper("...")``, ``Source("paper", "...")``; None of anything else."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if node.func.id in KINDS and len(texts) == 1:
        return node.func.id, texts[0]
    if node.func.id == "Source" and len(texts) == 2 and texts[0] in KINDS:
        return texts[0], texts[1]
    return None


def rows() -> dict[str, str]:
    """Source of each row of the page's tables -> what the row says of it."""
    text = PAGE.read_text(encoding="utf-8")
    return {m["source"]: m["state"].partition(":")[0].strip() for m in _ROW.finditer(text) if m["state"] != "state"}


def lacking() -> list[str]:
    """What the page does not say, or says of nothing."""
    named, told = sources(), rows()
    told = {source: state for source, state in told.items() if not set(source) <= {"-"}}
    said = [f"no row: {text}" for text in named if text not in told]
    said += [f"nothing names: {text}" for text in told if text not in named]
    return said + [f"no state: {text}: {state}" for text, state in told.items() if state not in STATES]


def choices() -> list[tuple[str, ...]]:
    """Practice, field, value, confidence and source of trainings of every kind that the tests know."""
    sys.path[:0] = [str(ROOT)]
    from tests.advice.known_trainings import OTHERS, PUBLISHED

    from cadence.advice.recommend import recommend
    from cadence.advice.words import value_text

    found: dict[tuple[str, ...], None] = {}
    for case in [case for case, _ in PUBLISHED.values()] + list(OTHERS):
        advice = recommend(**case)
        for choice in advice.choices:
            value = value_text(choice.field, choice.value, known=choice.known)
            found[(advice.practice.name, choice.field, value, choice.confidence, str(choice.source))] = None
    return sorted(found)


def main(arguments: list[str]) -> int:
    """Print what was asked for."""
    if arguments == ["check"]:
        said = lacking()
        print("\n".join(said) or f"{len(sources())} sources, each with its row")
        return 1 if said else 0
    if arguments == ["choices"]:
        for row in choices():
            print(" | ".join(row))
        return 0
    for text, (kind, files) in sources().items():
        print(f"{kind:9}{text}\n{'':9}{', '.join(files)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
