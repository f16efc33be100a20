"""Where methods come from, and what each source has."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cadence._errors import OptimizerError
from cadence._lazy import need
from cadence.optim import known
from cadence.optim.paddle_names import METHODS as PADDLE_METHODS
from cadence.optim.trained import Framework

SOURCES: Mapping[Framework, tuple[str, ...]] = MappingProxyType(
    {
        "torch": ("cadence", "torch", "schedulefree", "pytorch_optimizer"),
        "paddle": ("cadence", "paddle"),
    }
)
"""Where the methods of a framework come from; the first that has a name gives it its meaning."""


@functools.cache
def names_of(source: str, framework: Framework) -> frozenset[str]:
    """Names that a source has for a framework."""
    match source:
        case "cadence":
            return frozenset(own(framework))
        case "torch":
            # torch is loaded, and knows best what it has.
            return frozenset(of_torch())
        case "paddle":
            return frozenset(PADDLE_METHODS)
        case "schedulefree":
            return frozenset(known.SCHEDULEFREE)
        case _:
            return frozenset(known.PYTORCH_OPTIMIZER | _later())


def all_sources() -> frozenset[str]:
    """Every source of any framework."""
    return frozenset(source for sources in SOURCES.values() for source in sources)


@functools.cache
def own(framework: Framework) -> Mapping[str, str]:
    """Methods of cadence: name of the file -> name of the class. Nothing is imported for it."""
    package = importlib.util.find_spec("cadence.optim")
    folders = [Path(place) / f"for_{framework}" for place in (package and package.submodule_search_locations) or []]
    found: dict[str, str] = {}
    for folder in folders:
        for module in pkgutil.iter_modules([str(folder)]):
            text = (folder / f"{module.name}.py").read_text(encoding="utf-8") if not module.ispkg else ""
            named = re.search(rf"^class ({re.escape(module.name)})\b", text, re.IGNORECASE | re.MULTILINE)
            if named is not None:
                found[module.name] = named[1]
    return found


@functools.cache
def of_torch() -> Mapping[str, type[Any]]:
    """Classes of `torch.optim` by their names in lower case."""
    optim = need("torch.optim", extra="torch")
    classes = [c for c in vars(optim).values() if isinstance(c, type) and issubclass(c, optim.Optimizer)]
    return MappingProxyType({c.__name__.lower(): c for c in classes if c is not optim.Optimizer})


@functools.cache
def _later() -> frozenset[str]:
    """What another release of pytorch_optimizer than the one that is known has as well; loading it takes seconds."""
    import importlib.metadata  # which itself takes a while to load

    try:
        installed = importlib.metadata.version("pytorch_optimizer")
    except importlib.metadata.PackageNotFoundError:
        return frozenset()
    if installed == known.PYTORCH_OPTIMIZER_VERSION:
        return frozenset()
    names: Iterable[str] = need("pytorch_optimizer", extra="optimizers").get_supported_optimizers()
    return frozenset(names) - known.NOT_MADE.keys()


def class_of(source: str, plain: str, framework: Framework, keys: Collection[str]) -> Callable[..., Any]:
    """The class that a source has under a name.

    Args:
        source: one of `SOURCES`.
        plain: one of its names.
        framework: of the parameters.
        keys: arguments that will be given; where a framework has two classes for a name, they decide.

    Raises:
        MissingExtraError: the library is not installed.
        OptimizerError: the installed release does not have it.
    """
    match source:
        case "cadence":
            return getattr(importlib.import_module(f"cadence.optim.for_{framework}.{plain}"), own(framework)[plain])
        case "torch":
            return of_torch()[plain]
        case "paddle":
            module, _, name = PADDLE_METHODS[plain].class_for(keys).partition(":")
            return getattr(need(module, extra="paddle"), name)
        case "schedulefree":
            return getattr(need("schedulefree", extra="optimizers"), known.SCHEDULEFREE[plain])
        case _:
            try:
                return need("pytorch_optimizer", extra="optimizers").load_optimizer(plain)
            except NotImplementedError:
                raise OptimizerError(
                    f"the installed pytorch_optimizer has no {plain!r}, which release "
                    f"{known.PYTORCH_OPTIMIZER_VERSION} has; install that one or a later one"
                ) from None
