"""YAML from outside: bounded in size, no tag that builds objects, no key twice, numbers as YAML 1.2 has them."""

# PyYAML has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml

from cadence._errors import CadenceError, RecipeError

LONGEST = 65_536
"""Characters of a recipe; a real one has a hundredth of that, and the reader takes its time."""

MOST_NODES = 10_000
"""Values after every alias has been followed: nine lines of aliases to aliases are a billion of them."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2 (section 10.3.2).

    By YAML 1.1 `1e-3` is text, `no` is false, `012` is ten and `1:30` is ninety; nobody who writes a recipe means that.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"([tT]rue|TRUE|[fF]alse|FALSE)\Z"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), ["<"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z"),
    list("-+.0123456789"),
)


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    if len(node.value) > 30:
        raise yaml.MarkedYAMLError(problem=f"the number {node.value[:20]}... is too long", problem_mark=node.start_mark)
    return int(node.value)


def _number(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = node.value.lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def read_mapping(text: str, name: str) -> dict[str, Any]:
    """The top mapping of a YAML document.

    Args:
        text: of the document.
        name: how messages call it: the file's name.

    Raises:
        RecipeError: not YAML, not a mapping, a key twice, or something built to be large.
    """
    if len(text) > LONGEST:
        raise RecipeError(f"{name} has {len(text)} characters; a recipe has at most {LONGEST}, so this is another file")
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise RecipeError(f"{name} is empty; `cadence init` writes a recipe with comments to start from")
            _check(node, name)
            found = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as fault:
        _raise_syntax(fault, name)
    except CadenceError:
        raise
    except RecursionError:
        raise RecipeError(f"{name} nests too deeply; a recipe is a flat list of keys with a few below them") from None
    except (ValueError, OverflowError, TypeError) as fault:
        # A tag that contradicts its value (`!!int x`, `? []: y`): the loader leaves these to python.
        raise RecipeError(f"{name} holds a value that cannot be read ({fault}); write plain numbers and text") from None
    if not isinstance(found, dict):
        raise RecipeError(f"{name} holds {_kind(found)} where a recipe has keys; write lines such as `task: digits`")
    return found


def read_file(path: Path) -> str:
    """The text of a recipe file.

    Raises:
        RecipeError: it is not there, not a file, not readable or not text.
    """
    try:
        with path.open("rb") as file:
            # One more than is allowed is enough to see that there is more.
            raw = file.read(4 * LONGEST + 1)
    except FileNotFoundError:
        near = sorted(p.name for p in path.parent.glob("*.y*ml"))[:5] if path.parent.is_dir() else []
        remedy = f"there are {', '.join(near)}" if near else "`cadence init` writes a recipe to start from"
        raise RecipeError(f"there is no recipe {str(path)!r}; {remedy}") from None
    except IsADirectoryError:
        raise RecipeError(f"{str(path)!r} is a folder; name the recipe file in it") from None
    except OSError as fault:
        raise RecipeError(f"{str(path)!r} cannot be read: {fault.strerror or fault}; check its permissions") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        if len(raw) > 4 * LONGEST:
            raise RecipeError(f"{path.name} is larger than any recipe; name the recipe file") from None
        raise RecipeError(
            f"{path.name} is no text in UTF-8 (byte {fault.start} is 0x{raw[fault.start]:02x}); save it as UTF-8"
        ) from None


def _check(root: yaml.Node, name: str) -> None:
    """Refuse duplicate keys, and documents that grow beyond bounds when their aliases are followed."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, above: frozenset[int]) -> int:
        if id(node) in above:
            raise RecipeError(f"{name} contains itself through an alias; write the values out")
        if id(node) not in sizes:
            inside = above | {id(node)}
            if isinstance(node, yaml.MappingNode):
                _check_keys(node, name)
                sizes[id(node)] = 1 + sum(size(k, inside) + size(v, inside) for k, v in node.value)
            elif isinstance(node, yaml.SequenceNode):
                sizes[id(node)] = 1 + sum(size(v, inside) for v in node.value)
            else:
                sizes[id(node)] = 1
        return sizes[id(node)]

    total = size(root, frozenset())
    if total > MOST_NODES:
        raise RecipeError(f"{name} stands for more than {MOST_NODES} values with its aliases followed; write it out")


def _check_keys(node: yaml.MappingNode, name: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            raise RecipeError(
                f"{name} has the key {key.value!r} in line {lines[key.value]} and in line {line}; keep one"
            )
        lines[key.value] = line


def _raise_syntax(fault: yaml.YAMLError, name: str) -> NoReturn:
    problem = str(getattr(fault, "problem", None) or getattr(fault, "reason", None) or fault).splitlines()[0]
    mark = getattr(fault, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    if "'\\t'" in problem:
        raise RecipeError(f"{name} cannot be read: {where}a tab where YAML wants spaces; use spaces") from None
    if "python/" in problem or "could not determine a constructor" in problem:
        raise RecipeError(f"{name} cannot be read: {where}a tag builds an object; write plain values") from None
    if "expected a single document" in str(fault):
        raise RecipeError(f"{name} holds more than one document; delete the lines from `---` on") from None
    remedy = "put text with special characters in quotes"
    raise RecipeError(f"{name} cannot be read as YAML: {where}{problem}; {remedy}") from None


def _kind(x: object) -> str:
    if isinstance(x, Mapping):
        return "keys"
    return "a list" if isinstance(x, list) else f"{str(x)!r:.60}"


scalars = _Loader.yaml_implicit_resolvers
"""What plain text is taken for, by its first letter: for the writer, which must put such text in quotes."""
