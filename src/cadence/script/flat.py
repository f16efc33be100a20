"""Snippets that lost their line breaks when they were copied from a page, and what they may have looked like."""

from __future__ import annotations

import ast
import re
import warnings

LONGEST = 20_000
"""Characters of a line that is looked at."""

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>[rRbBuUfF]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
      | (?P<number>\d[\w.]*(?:(?<=[eE])[+-]\d+)?)
      | (?P<name>[^\W\d]\w*)
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_CODE_IN_COMMENT = re.compile(
    r"(?:^|(?<=\s))(?:[A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_]\w*)*\s*=\s*[\w\[({\"']|import\s+[A-Za-z_]|"
    r"from\s+[\w.]+\s+import|for\s+\w+(?:\s*,\s*\w+)*\s+in\s|(?:def|class)\s+\w+|[A-Za-z_]\w*(?:\.\w+)+\()"
)
_INFIX = frozenset({"in", "and", "or", "not", "is", "as"})
_PREFIX = frozenset(
    {"import", "from", "def", "class", "for", "return", "if", "elif", "while", "with", "del", "global", "nonlocal",
     "assert", "raise", "lambda", "not", "in", "is", "and", "or", "as", "yield", "await", "async", "else"}
)  # fmt: skip
_BLOCKS = frozenset({"for", "while", "if", "elif", "else", "def", "class", "with", "try", "except", "finally", "async"})
_TOP = frozenset({"import", "from", "def", "class"})
_CLOSING = {
    "else": ("if", "elif", "for", "while", "try", "except"), "elif": ("if", "elif"), "except": ("try", "except"),
    "finally": ("try", "except", "else"),
}  # fmt: skip


def flattened(text: str) -> int | None:
    """The line on which several statements stand without anything between them; None where there is none.

    Example:
        >>> flattened("import torch optimizer = torch.optim.SGD(p, lr=0.1)")
        1
        >>> flattened("import torch\\noptimizer = torch.optim.SGD(p, lr=0.1)") is None
        True
    """
    rows = [(i, row) for i, row in enumerate(text.split("\n"), 1) if row.strip()]
    if not 1 <= len(rows) <= 3:
        return None
    if _parses(text):
        # All of it may be hidden in a comment: words first, then code.
        line, row = rows[0]
        comment = row.find("#")
        hidden = _CODE_IN_COMMENT.search(row, comment + 1) if len(rows) == 1 and comment >= 0 else None
        if hidden is None or "(" not in row[hidden.start() :] or not row[comment + 1 : hidden.start()].strip():
            return None
        return line if repaired(row[hidden.start() :]) else None
    for line, row in rows:
        if len(row) <= LONGEST and len(_statements(row)) > 1:
            return line
    return None


def repaired(text: str) -> str:
    """What a flattened snippet may have looked like; empty where no Python comes of it.

    Example:
        >>> print(repaired("import torch for epoch in range(3): train() sched.step()"))
        import torch
        for epoch in range(3):
            train()
            sched.step()
    """
    lines: list[str] = []
    blocks: list[str] = []
    for row in text.split("\n"):
        if len(row) > LONGEST:
            return ""
        for statement in _statements(row):
            first = statement.split(maxsplit=1)[0].rstrip(":")
            if first in _TOP:
                blocks = []
            elif first in _CLOSING:
                while blocks and blocks[-1] not in _CLOSING[first]:
                    blocks.pop()
                if blocks:
                    blocks.pop()
            lines.append("    " * len(blocks) + statement)
            if statement.endswith(":"):
                blocks.append(first)
    made = "\n".join(lines)
    return made if _parses(made) else ""


def _parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _statements(row: str) -> list[str]:
    """The statements of a line; the head of a block ends with its colon."""
    found: list[str] = []
    text, depth, ends, first, before, ternary = "", 0, False, "", "", 0

    def close() -> None:
        nonlocal text, ends, first, before, ternary
        if text.strip():
            found.append(text.strip())
        text, ends, first, before, ternary = "", False, "", "", 0

    position = 0
    while position < len(row):
        match = _TOKEN.match(row, position)
        assert match is not None
        kind, token = match.lastgroup, match.group()
        position = match.end()
        if kind == "comment":
            code = _CODE_IN_COMMENT.search(token, 1)
            close()
            if code is None:
                break
            # Words, then code again: the line break after the comment is lost.
            position = match.start() + code.start()
            continue
        if kind == "space":
            text += " "
            continue
        if kind == "name" and depth == 0:
            new = ends and _begins(token, first, row, position, ternary)
            if new:
                close()
            first = first or token
            ternary += int(token == "if" and before != "" and not new) - int(token == "else" and ternary > 0)
            ends = token not in _PREFIX
        elif kind in ("string", "number"):
            ends = True
        elif kind == "name":
            first = first or token
        elif token in "([{":
            depth += 1
        elif token in ")]}":
            depth = max(depth - 1, 0)
            ends = True
        elif depth == 0:
            ends = False
        text += token
        before = token
        if token == ":" and depth == 0 and first in _BLOCKS and "lambda" not in text:
            close()
    close()
    return found


def _begins(token: str, first: str, row: str, position: int, ternary: int) -> bool:
    """Whether a name after the end of an expression begins a statement."""
    if token in _INFIX:
        return False
    if token == "import":
        return first != "from"
    if token == "else":
        return not ternary
    if token == "if":
        rest = row[position:]
        otherwise, colon = re.search(r"\belse\b", rest), rest.find(":")
        return otherwise is None or 0 <= colon < otherwise.start()
    return not (token == "from" and first in ("raise", "yield"))
