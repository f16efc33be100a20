"""What `import cadence` offers: every public name is there, is loaded on first use, and says what it does."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import inspect
import types
from pathlib import Path

import pytest

import cadence
from cadence._errors import MissingExtraError

SOURCE = Path(cadence.__file__).parent

PROMISED = frozenset(
    {
        "absolute",
        "compare",
        "drive",
        "environment",
        "load_record",
        "optimizer",
        "parse",
        "place",
        "plan",
        "plot",
        "replay",
    }
    | {"torch_scheduler", "train"}
    | {"constant", "cosine", "decay", "early_stop", "exponential", "formula", "linear", "plateau", "power", "steps"}
    | {"warmup"}
)
"""Names that documents and users rely on; taking one away is a breaking change."""


def resolve(name: str) -> object:
    """The public object, or a skip where its framework is not installed and cadence says how to install it."""
    try:
        return getattr(cadence, name)
    except MissingExtraError as missing:
        if importlib.util.find_spec(str(missing).split()[2].rstrip(",")) is not None:
            raise
        pytest.skip(str(missing))


def test_no_promised_name_is_missing() -> None:
    assert set(cadence.__all__) >= PROMISED


def test_the_list_is_sorted_and_names_nothing_twice() -> None:
    assert list(cadence.__all__) == sorted(set(cadence.__all__))


@pytest.mark.parametrize("name", cadence.__all__)
def test_a_public_name_resolves_and_describes_itself_and_its_parameters(name: str) -> None:
    found = resolve(name)
    assert not isinstance(found, types.ModuleType), (
        f"cadence.{name} is a module; a part may not be called as a function is"
    )
    doc = inspect.getdoc(found)
    assert doc, f"cadence.{name} has no docstring"
    assert doc.splitlines()[0].rstrip().endswith((".", ":")), f"the first line of cadence.{name} is no sentence"
    # Other callables (one class makes the constructors of all shapes) describe their call on their class.
    if isinstance(found, types.FunctionType):
        assert [parameter for parameter in inspect.signature(found).parameters if parameter not in doc] == []


def test_type_checkers_see_the_same_names_as_the_program() -> None:
    tree = ast.parse(Path(cadence.__file__).read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    seen: set[str] = set()
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            # `import x as x` is how a stub says that it passes a name on.
            seen |= {alias.asname for alias in node.names if alias.asname}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            seen.add(node.target.id)
    assert seen == set(cadence.__all__)


def test_an_unknown_name_is_an_attribute_error_that_names_its_neighbour() -> None:
    with pytest.raises(AttributeError, match="did you mean 'cosine'"):
        _ = cadence.cosin  # pyright: ignore[reportAttributeAccessIssue]


def test_star_and_dir_show_the_public_names() -> None:
    assert set(cadence.__all__) <= set(dir(cadence))


def test_the_version_is_that_of_the_installed_package() -> None:
    assert cadence.__version__ == importlib.metadata.version("cadence")


def undocumented(path: Path) -> list[str]:
    """Public modules, classes, functions and methods of a file that have no docstring."""
    found: list[str] = []

    def visit(node: ast.AST, name: str) -> None:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and not ast.get_docstring(node):
            # What overrides or overloads has its words elsewhere.
            overrides = isinstance(node, ast.FunctionDef) and any(
                ast.unparse(d).rpartition(".")[2] in ("override", "overload") for d in node.decorator_list
            )
            if not overrides:
                found.append(name)
        if isinstance(node, ast.Module | ast.ClassDef):
            for child in node.body:
                if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
                    visit(child, f"{name}.{child.name}")

    visit(ast.parse(path.read_text(encoding="utf-8")), path.relative_to(SOURCE).as_posix())
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_every_public_name_of_a_leaf_module_has_a_docstring() -> None:
    # A method that fulfils an interface has its contract there, once; it is found by having the interface's name.
    contracts = interface_methods()
    missing = [name for path in sorted(SOURCE.rglob("*.py")) for name in undocumented(path)]
    assert [name for name in missing if name.rpartition(".")[2] not in contracts] == []


def interface_methods() -> set[str]:
    """Names of methods that an abstract base or a protocol in the source describes or declares, some with a default."""
    names: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            for child in node.body:
                if isinstance(child, ast.FunctionDef):
                    abstract = any("abstract" in ast.unparse(d) for d in child.decorator_list)
                    described = "ABC" in bases and ast.get_docstring(child) is not None
                    if abstract or described or "Protocol" in bases:
                        names.add(child.name)
    return names
