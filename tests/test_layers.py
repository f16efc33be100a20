"""Imports point strictly downwards: each part sees the rows below its own, and nothing beside or above it."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cadence"

ROWS: tuple[frozenset[str], ...] = (
    frozenset({"_errors", "_typing"}),
    frozenset({"_lazy", "_registry", "_xp"}),
    frozenset({"spec"}),
    frozenset({"curve"}),
    frozenset({"feedback", "record"}),
    frozenset({"conversion", "drivers", "optim", "recipe", "tasks"}),
    frozenset({"run"}),
    frozenset({"finder", "script"}),
    frozenset({"comparison", "findings"}),
    frozenset({"advice", "diagnosis", "search"}),
    frozenset({"report"}),
    frozenset({"cli"}),
    frozenset({"__init__", "__main__"}),  # the front door: it may open everything, and nothing inside goes through it
)
"""Parts from the lowest row to the highest."""

ROW = {part: row for row, parts in enumerate(ROWS) for part in parts}

DOORS_UP = {
    (
        "spec/nodes.py",
        "cadence.curve.sketch",
    ): "in a notebook a schedule draws itself, and a picture needs a curve",
}
"""Imports by name, inside a function, that are allowed to point up, with the reason."""


def part_of(dotted: str, package: Path) -> str:
    """The part that `cadence.<...>` belongs to; a name that is no module comes from the front door."""
    first = dotted.split(".")[1] if "." in dotted else ""
    inside = first and ((package / first).is_dir() or (package / f"{first}.py").is_file())
    return first if inside else "__init__"


def imported(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a file imports: at its top, in functions, for types only, or by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.split(".") if is_package else module.split(".")[:-1]
                stem = here[: len(here) - node.level + 1]
                base = ".".join([*stem, base] if base else stem)
            # `from cadence import spec` names its part only after the word import.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = node.args[0]
            if called in {"import_module", "__import__", "need"} and isinstance(name, ast.Constant):
                yield node.lineno, str(name.value)


def violations(package: Path) -> list[str]:
    """One sentence for each import that points sideways or up, and for each part without a row."""
    found: list[str] = []
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        own = relative.parts[0].removesuffix(".py")
        if own not in ROW:
            found.append(f"{relative}: the part {own!r} stands in no row; give it one")
            continue
        names = [part for part in ("cadence", *relative.with_suffix("").parts) if part != "__init__"]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, dotted in imported(tree, ".".join(names), is_package=path.name == "__init__.py"):
            if dotted != "cadence" and not dotted.startswith("cadence."):
                continue
            other = part_of(dotted, package)
            if (relative.as_posix(), dotted) in DOORS_UP:
                continue
            if other != own and ROW.get(other, len(ROWS)) >= ROW[own]:
                found.append(f"{relative}:{line}: {own} may not import {other}")
    return found


def test_imports_point_strictly_downwards() -> None:
    assert violations(SOURCE) == []


def test_the_table_names_no_part_that_is_gone() -> None:
    there = {path.name.removesuffix(".py") for path in SOURCE.iterdir()}
    assert {part for part in ROW if not part.startswith("__")} <= there


@pytest.mark.parametrize(("file", "name"), DOORS_UP)
def test_every_door_up_is_still_in_use_and_inside_a_function(file: str, name: str) -> None:
    tree = ast.parse((SOURCE / file).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert any(name in ast.unparse(function) for function in functions)
    assert not any(name in ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("from cadence.cli.app import main", "cli"),
        ("if TYPE_CHECKING:\n    from cadence.curve import Curve", "curve"),
        ("def f():\n    import cadence.report", "report"),
        ("from ..run import loop", "run"),
        ("from .. import drivers", "drivers"),
        ("from cadence import drive", "__init__"),
        ("import cadence", "__init__"),
        ("importlib.import_module('cadence.record')", "record"),
    ],
)
def test_an_import_that_points_up_is_found(line: str, other: str, tmp_path: Path) -> None:
    copy = tmp_path / "cadence"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "spec" / "planted.py").write_text(line + "\n", encoding="utf-8")
    assert [f.partition(": ")[2] for f in violations(copy) if "planted" in f] == [f"spec may not import {other}"]


def test_an_import_that_points_sideways_is_found(tmp_path: Path) -> None:
    copy = tmp_path / "cadence"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "optim" / "planted.py").write_text("from cadence.tasks import Task\n", encoding="utf-8")
    assert violations(copy) == ["optim/planted.py:1: optim may not import tasks"]


def test_an_import_that_points_down_is_allowed(tmp_path: Path) -> None:
    copy = tmp_path / "cadence"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "run" / "planted.py").write_text("from cadence.spec import parse\nimport torch\n", encoding="utf-8")
    assert [f for f in violations(copy) if "planted" in f] == []
