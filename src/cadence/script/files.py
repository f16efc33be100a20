"""Files with scripts in them: Python, notebooks, pages."""

from __future__ import annotations

import io
import json
import re
import tokenize
from pathlib import Path
from typing import Any, cast

from cadence._errors import ScriptError
from cadence.script.model import Problem, Script
from cadence.script.read import parsed, read_script

SUFFIXES = (".py", ".ipynb", ".md")
"""Files that are read as scripts."""

_FENCE = re.compile(r"(?P<indent>[ \t]*(?:>[ \t]*)?)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)$")
_PYTHON = ("python", "py", "python3", "pycon", "ipython")
_PROMPT = re.compile(r"^(?:>>>|\.\.\.)(?: |$)")
_MAGIC = re.compile(r"^(?P<indent>\s*)(?:%{1,2}[A-Za-z]|[!?]|\w[\w.]*\?{1,2}\s*$)")
_ASSIGNED_MAGIC = re.compile(r"^(?P<left>\s*[\w, ]+=)\s*[!%]")
_TIMED = ("time", "timeit", "capture", "prun")


def read_file(path: str | Path, *, steps_per_epoch: int | None = None) -> list[Script]:
    """The scripts in a file: one of a ``.py`` or ``.ipynb``, one for each Python block of a ``.md``.

    Args:
        path: of the file.
        steps_per_epoch: as of `read_script`.

    Raises:
        ScriptError: no text, no Python, no notebook; the sentence names the file and the line.
        OSError: the file cannot be read.
    """
    path = Path(path)
    return read_bytes(path.read_bytes(), str(path), steps_per_epoch=steps_per_epoch)


def read_bytes(data: bytes, name: str, *, steps_per_epoch: int | None = None) -> list[Script]:
    """The same of a file's content, by the suffix of its name.

    Raises:
        ScriptError: see `read_file`.
    """
    text = _decoded(data, name)
    if name.endswith(".ipynb"):
        return [_notebook(text, name, steps_per_epoch)]
    if name.endswith(".md"):
        return _page(text, name, steps_per_epoch)
    return [read_script(text, name, steps_per_epoch=steps_per_epoch)]


def _decoded(data: bytes, name: str) -> str:
    if b"\0" in data:
        raise ScriptError(f"{name} is a binary file; give a Python script, a notebook or a page")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except SyntaxError as fault:
        raise ScriptError(f"{name} cannot be read as text: {fault.msg}; write it in UTF-8") from None
    except (UnicodeDecodeError, LookupError) as fault:
        raise ScriptError(f"{name} cannot be read as text: {fault}; write it in UTF-8") from None


# ---- notebooks -------------------------------------------------------------------------------------------------------


def _notebook(text: str, name: str, steps_per_epoch: int | None) -> Script:
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise ScriptError(f"{name} is no notebook: {fault}; save it again as .ipynb") from None
    cells: Any = cast("dict[str, Any]", data).get("cells") if isinstance(data, dict) else None
    if not isinstance(cells, list):
        raise ScriptError(f"{name} is no notebook: it has no list of cells; save it again as .ipynb")
    lines: list[str] = []
    where: list[tuple[int, int]] = []
    problems: list[Problem] = []
    for number, cell in enumerate(cast("list[Any]", cells), 1):
        source = _cell(cell)
        if source is None:
            continue
        rows = source.split("\n")
        kept, why = _python_rows(rows)
        if why:
            problems.append(Problem(len(lines) + 1, "syntax", f"cell {number} is no Python that can be read: {why}"))
        lines += kept
        where += [(number, i) for i in range(1, len(rows) + 1)]
    script = read_script("\n".join(lines), name, steps_per_epoch=steps_per_epoch, cells=tuple(where))
    return script.with_problems(problems)


def _cell(cell: Any) -> str | None:
    if not isinstance(cell, dict):
        return None
    known = cast("dict[str, Any]", cell)
    source: Any = known.get("source", "")
    if known.get("cell_type") != "code":
        return None
    if isinstance(source, list):
        source = "".join(map(str, cast("list[Any]", source)))
    return source.replace("\r\n", "\n").replace("\r", "\n") if isinstance(source, str) else None


def _python_rows(rows: list[str]) -> tuple[list[str], str]:
    """The lines of a cell with what is no Python taken out, as many as there were; and why nothing is left of them."""
    first = next((row.strip() for row in rows if row.strip()), "")
    if first.startswith("%%"):
        if first[2:].split(maxsplit=1)[:1] not in [[each] for each in _TIMED]:
            return [""] * len(rows), ""
        rows = ["" if row.strip() == first else row for row in rows]
    # Magics first as they are: a line that begins with % may go on an expression.
    for kept in (rows, [_without_magic(row) for row in rows]):
        try:
            parsed("\n".join(kept), "the cell")
            return kept, ""
        except ScriptError as error:
            why = str(error).partition("read: ")[2].partition(";")[0] or str(error)
    return [""] * len(rows), why  # pyright: ignore[reportPossiblyUnboundVariable]


def _without_magic(row: str) -> str:
    magic = _MAGIC.match(row)
    if magic is not None:
        return magic["indent"] + "pass"
    assigned = _ASSIGNED_MAGIC.match(row)
    return row if assigned is None else assigned["left"] + " None"


# ---- pages -----------------------------------------------------------------------------------------------------------


def _page(text: str, name: str, steps_per_epoch: int | None) -> list[Script]:
    found: list[Script] = []
    for line, block in _blocks(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
        # Empty lines before it, so that its line numbers are the page's.
        source = "\n" * (line - 1) + "\n".join(block)
        try:
            found.append(read_script(source, name, steps_per_epoch=steps_per_epoch))
        except ScriptError as error:
            empty = read_script("", name, steps_per_epoch=steps_per_epoch)
            found.append(empty.with_problems([Problem(line, "syntax", str(error))]))
    return found


def _blocks(rows: list[str]) -> list[tuple[int, list[str]]]:
    """(first line, lines) of each Python block of a page."""
    found: list[tuple[int, list[str]]] = []
    i = 0
    while i < len(rows):
        opening = _FENCE.match(rows[i])
        i += 1
        if opening is None:
            continue
        begin = i
        closing = re.compile(
            r"[ \t]*(?:>[ \t]*)?" + re.escape(opening["fence"][0]) + f"{{{len(opening['fence'])},}}[ \\t]*$"
        )
        while i < len(rows) and not closing.match(rows[i]):
            i += 1
        if _is_python(opening["info"]):
            found.append((begin + 1, _dedented(rows[begin:i], opening["indent"])))
        i += 1
    return found


def _is_python(info: str) -> bool:
    words = re.split(r"[\s{}.,]+", info.strip().lower())
    return any(word in _PYTHON for word in words[:3])


def _dedented(rows: list[str], indent: str) -> list[str]:
    kept: list[str] = []
    for row in rows:
        if indent and row.startswith(indent):
            row = row[len(indent) :]
        elif indent.strip() and row.lstrip().startswith(">"):
            row = row.lstrip()[1:]
        kept.append(row)
    if any(row.startswith(">>> ") for row in kept):
        # Of a session at the prompt what was typed; what was printed is no code.
        kept = [_PROMPT.sub("", row) if _PROMPT.match(row) else "" for row in kept]
    return kept
