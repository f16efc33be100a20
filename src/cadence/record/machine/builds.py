"""Installed packages: what they were built for, what they declare, which files two of them own. Nothing is imported."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from cadence.record.machine.facts import Build, Capability

_VERSION_FILES = {
    "torch": "torch/version.py",
    "torchvision": "torchvision/version.py",
    "torchaudio": "torchaudio/version.py",
    "paddle": "paddle/version/__init__.py",
}
"""Files of plain assignments, which builds of these packages write."""

_SUPPORT = re.compile(r"(nvidia|cuda)-[\w-]+|triton")
"""Packages with the libraries that GPU builds bring."""


def builds() -> tuple[Build, ...]:
    """What the frameworks here were built for."""
    found = ((package, _file(name)) for package, name in _VERSION_FILES.items())
    return tuple(build for package, text in found if text and (build := build_in(package, text)))


def build_in(package: str, text: str) -> Build | None:
    """Read a version file.

    Args:
        package: whose.
        text: of the file.

    Example:
        >>> build_in("torchvision", "__version__ = '0.28.0+cu130'").cuda
        '13.0'
    """
    values = dict(_assigned(text))
    version = values.get("__version__") or values.get("full_version")
    if not isinstance(version, str):
        return None
    local = re.search(r"\+cu(\d+)(\d)\b", version)
    told = values.get("cuda") or values.get("cuda_version")
    cuda = told if isinstance(told, str) and told[:1].isdecimal() else f"{local[1]}.{local[2]}" if local else None
    return Build(package, version, cuda, tuple(_capabilities(str(values.get("compiled_cuda_archs", "")))))


def _capabilities(archs: str) -> Iterator[Capability]:
    """Of a list of numbers, or of names: ``"[80, 90]"``, ``"sm_80 sm_90"``."""
    return ((int(major), int(minor)) for major, minor in re.findall(r"(\d+)(\d)", archs))


def _assigned(text: str) -> Iterator[tuple[str, Any]]:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.expr):
            try:
                yield target.id, ast.literal_eval(value)
            except ValueError:
                continue


def _file(name: str) -> str:
    package, _, rest = name.partition("/")
    try:
        spec = importlib.util.find_spec(package)  # of a top-level package: finds it without running it
        folders = list(spec.submodule_search_locations or ()) if spec else []
        return Path(folders[0], rest).read_text(encoding="utf-8", errors="replace") if folders else ""
    except (OSError, ValueError, ImportError):
        return ""


def declared(names: Iterable[str]) -> tuple[dict[str, str], dict[str, tuple[str, ...]], dict[str, str]]:
    """What packages say of themselves.

    Args:
        names: of packages; those not installed are left out.

    Returns:
        Versions of them and of the CUDA libraries that they ask for; their requirements without extras; the ranges of
        Python that they declare.
    """
    versions: dict[str, str] = {}
    needs: dict[str, tuple[str, ...]] = {}
    pythons: dict[str, str] = {}
    for name in names:
        about = _distribution(name)
        if about is None:
            continue
        versions[name] = about.version
        if "Requires-Python" in about.metadata:
            pythons[name] = about.metadata["Requires-Python"]
        needs[name] = tuple(need for need in about.requires or () if "extra" not in need)
        for need in needs[name]:
            other = name_in(need)
            library = _distribution(other) if _SUPPORT.fullmatch(other) else None
            if library is not None:
                versions[other] = library.version
    return versions, needs, pythons


def name_in(requirement: str) -> str:
    """The package that a requirement is about, spelt as all are: lower case, with hyphens.

    Example:
        >>> name_in("Torch_X[a] (==2.13.0)")
        'torch-x'
    """
    found = re.match(r"\s*([\w.-]+)", requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def own_ranges(own: str) -> dict[str, str]:
    """The ranges that a package was tested with: name -> range, by what it declares of itself and its extras.

    Args:
        own: its name. Where it is not installed there are none.
    """
    about = _distribution(own)
    return ranges_in(about.requires or () if about else ())


def ranges_in(requirements: Iterable[str]) -> dict[str, str]:
    """The range of each package in a list of requirements; a range for users goes before one for tests.

    Example:
        >>> ranges_in(["numpy>=1.26,<3", "torch<3,>=2.6; extra == 'torch'"])
        {'numpy': '>=1.26,<3', 'torch': '<3,>=2.6'}
    """
    ranges: dict[str, str] = {}
    for_tests: dict[str, str] = {}
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        found = re.match(r"\s*[\w.-]+\s*(?:\[[^\]]*\])?\s*\(?([^)]*)\)?\s*$", text)
        if found and found[1].strip():
            into = for_tests if re.search(r"['\"](peers|dev)['\"]", marker) else ranges
            into.setdefault(name_in(text), found[1].strip())
    return for_tests | ranges


def doubles(packages: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Pairs of packages that brought the same file, of those that bring libraries of one kind.

    Args:
        packages: names of what is installed.

    Returns:
        (package, package, one such file), each pair once. The later one wrote over the earlier one's file, and removing
        either breaks the other.
    """
    kin = [name for name in packages if name.startswith(("nvidia-", "paddlepaddle"))]
    by_kind: dict[str, list[str]] = {}
    for name in kin:
        by_kind.setdefault(re.sub(r"-(cu\d+|gpu)$", "", name), []).append(name)
    found: list[tuple[str, str, str]] = []
    for alike in by_kind.values():
        owned = {name: _files(name) for name in alike} if len(alike) > 1 else {}
        for i, first in enumerate(alike):
            for second in alike[i + 1 :]:
                both = sorted(owned[first] & owned[second]) if owned else []
                found += [(first, second, both[0])] if both else []
    return tuple(found)


def _files(name: str) -> set[str]:
    about = _distribution(name)
    listed = about.files or [] if about else []
    # An empty __init__.py of a common folder is no conflict.
    return {str(file) for file in listed if file.name != "__init__.py" and file.suffix != ".pyc"}


def _distribution(name: str) -> metadata.Distribution | None:
    try:
        found = metadata.distribution(name)
        return found if found.version else None
    except (metadata.PackageNotFoundError, OSError, KeyError, ValueError, TypeError):
        return None  # not installed, or only the remains of it
