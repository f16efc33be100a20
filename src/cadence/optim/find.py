"""From a name to a class: cadence's own, the framework's, schedulefree's, pytorch_optimizer's, or a user's."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cadence._errors import OptimizerError, neighbours
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

FOR_MORE = frozenset({"adagrad", "adamw"})
"""Methods of cadence that stand back behind the framework's, unless an argument asks for what only they can do: the
framework has a faster form of its own, or takes sparse gradients."""

MEANINGS_APART = {
    "paddle:asgd": "torch's averages the weights, and paddle's the gradients of the last batch_num batches",
}
"""Names under which a framework has another method than torch; they must be named with their source."""


@dataclass(frozen=True)
class Method:
    """What a name stands for.

    Attributes:
        name: as it was given.
        plain: without its source.
        source: `"cadence"`, `"torch"`, `"paddle"`, `"schedulefree"`, `"pytorch_optimizer"`, or `"import"`.
        framework: of the parameters.
        make: the class.
    """

    name: str
    plain: str
    source: str
    framework: Framework
    make: Callable[..., Any]

    @property
    def key(self) -> str:
        """Name with its source, which is unambiguous."""
        return f"{self.source}:{self.plain}"

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Arguments of the class by name, without the parameters to train."""
        return keywords(self.make)

    @property
    def takes_all(self) -> bool:
        """Whether the class takes any argument. (pytorch_optimizer's do, and look at none that they do not name.)"""
        return self.source == "import" and any(p.kind is p.VAR_KEYWORD for p in self.parameters.values())


def find(name: str, framework: Framework, keys: Collection[str] = ()) -> Method:
    """The method that a name stands for.

    Args:
        name: `"adamw"`; with its source `"pytorch_optimizer:lamb"`; or an import path `"package.module:Class"`.
        framework: of the parameters.
        keys: arguments that will be given; they decide between two classes of one name.

    Raises:
        OptimizerError: there is none.
        MissingExtraError: the framework, or the library that has the method, is not installed.
    """
    if not isinstance(name, str):
        raise OptimizerError(f"an optimizer is named by text, not by {name!r}; write e.g. 'adamw'")
    need(framework, extra=framework)
    source, _, plain = name.rpartition(":")
    # A class is written with a capital, and the names of methods are not: so 'schedulefree:AdamWScheduleFree' is one.
    if source and (source not in _all_sources() or plain.lower() != plain):
        return Method(name, plain, "import", framework, _imported(name))
    _check_made(name, plain, source)
    if source and source not in SOURCES[framework]:
        raise OptimizerError(
            f"{name!r} is of {source}, and the parameters are of {framework}; sources for {framework} are "
            f"{', '.join(SOURCES[framework])}"
        )
    for candidate in [source] if source else SOURCES[framework]:
        if plain not in names_of(candidate, framework):
            continue
        if not source and f"{candidate}:{plain}" in MEANINGS_APART:
            raise OptimizerError(
                f"{plain!r} is another method in {candidate} than in torch: {MEANINGS_APART[f'{candidate}:{plain}']}; "
                f"write '{candidate}:{plain}' if {candidate}'s is meant"
            )
        make = _class_of(candidate, plain, framework, keys)
        if source or candidate != "cadence" or _wanted(make, plain, framework, keys):
            return Method(name, plain, candidate, framework, make)
    raise _unknown(name, plain, source, framework)


def all_names(framework: Framework) -> list[str]:
    """Every name for a framework, sorted; without those that only import paths reach."""
    need(framework, extra=framework)
    return sorted({name for source in SOURCES[framework] for name in names_of(source, framework)})


def keywords(make: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Arguments of a class by name, without the parameters to train."""
    try:
        parameters = list(inspect.signature(make).parameters.values())
    except (TypeError, ValueError):  # a class without a readable signature takes what it takes
        return {"kwargs": inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)}
    first = holder(make)
    return {p.name: p for p in parameters if p.name != first and p.kind is not p.VAR_POSITIONAL}


def holder(make: Callable[..., Any]) -> str:
    """Name of the argument that takes the parameters to train: torch has it first, paddle somewhere."""
    try:
        names = list(inspect.signature(make).parameters)
    except (TypeError, ValueError):
        return "params"
    return next((name for name in names if name in ("params", "parameters", "parameter_list")), names[0])


# ---- names -----------------------------------------------------------------------------------------------------------


@functools.cache
def names_of(source: str, framework: Framework) -> frozenset[str]:
    """Names that a source has for a framework."""
    match source:
        case "cadence":
            return frozenset(_own(framework))
        case "torch":
            # torch is loaded, and knows best what it has.
            return frozenset(_of_torch())
        case "paddle":
            return frozenset(PADDLE_METHODS)
        case "schedulefree":
            return frozenset(known.SCHEDULEFREE)
        case _:
            return frozenset(known.PYTORCH_OPTIMIZER | _later())


def _all_sources() -> frozenset[str]:
    return frozenset(source for sources in SOURCES.values() for source in sources)


@functools.cache
def _own(framework: Framework) -> Mapping[str, str]:
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
def _of_torch() -> Mapping[str, type[Any]]:
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


# ---- classes ---------------------------------------------------------------------------------------------------------


def _class_of(source: str, plain: str, framework: Framework, keys: Collection[str]) -> Callable[..., Any]:
    match source:
        case "cadence":
            return getattr(importlib.import_module(f"cadence.optim.for_{framework}.{plain}"), _own(framework)[plain])
        case "torch":
            return _of_torch()[plain]
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


def _wanted(own: Callable[..., Any], plain: str, framework: Framework, keys: Collection[str]) -> bool:
    """Whether cadence's class is to be taken where the framework may have one of the same name.

    An argument that only one of them has decides; without such an argument cadence's own is the faster one, but for
    those of `FOR_MORE`.
    """
    if plain not in names_of(framework, framework):
        return True
    ours = set(keywords(own))
    if framework == "paddle":
        theirs = {*PADDLE_METHODS[plain].names, *PADDLE_METHODS[plain].own}
    else:
        theirs = set(keywords(_of_torch()[plain]))
    if any(key in ours - theirs for key in keys):
        return True
    return plain not in FOR_MORE and not any(key in theirs - ours for key in keys)


def _imported(path: str) -> Callable[..., Any]:
    """A class by its import path."""
    name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in name.split(".")) or not attribute.isidentifier():
        raise OptimizerError(f"{path!r} does not name an optimizer; write 'package.module:Class'")
    here = os.getcwd()
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)  # where `python -m` has it
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise OptimizerError(
            f"importing {name} for the optimizer {path!r} failed with {type(error).__name__}: {error}; "
            f"run in the folder that holds it, or install it"
        ) from error
    found = getattr(module, attribute, None)
    if found is None:
        classes = [n for n, member in vars(module).items() if isinstance(member, type)]
        remedy = neighbours(attribute, classes) if classes else "it has no classes"
        raise OptimizerError(f"the module {name} has no class called {attribute!r}; {remedy}")
    if not callable(found):
        raise OptimizerError(f"{path!r} is {type(found).__name__}, which cannot be called; name a class")
    return found


# ---- what is not there -----------------------------------------------------------------------------------------------


def _check_made(name: str, plain: str, source: str) -> None:
    if plain in known.NOT_MADE and source in ("", "pytorch_optimizer"):
        raise OptimizerError(
            f"{name!r} of pytorch_optimizer {known.NOT_MADE[plain]}, so it cannot be made by name; make it yourself, "
            f"and train in a loop of your own"
        )


def _unknown(name: str, plain: str, source: str, framework: Framework) -> OptimizerError:
    """The error for a name that nobody has, or only others."""
    there = f"there is no optimizer called {name!r}"
    if plain.lower() in known.INSTEAD and not source:
        return OptimizerError(f"{there}; {known.INSTEAD[plain.lower()]}")
    if source:
        return OptimizerError(
            f"{source} has no optimizer called {plain!r}; {_near(plain, names_of(source, framework))}"
        )
    others = _elsewhere(plain, framework)
    if others:
        core = sorted(names_of("cadence", framework) | names_of(framework, framework))
        return OptimizerError(f"{there} for {framework}, only for {others}; {framework} has {', '.join(core)}")
    return OptimizerError(f"{there}; {_near(plain, all_names(framework), framework)}")


def _elsewhere(plain: str, framework: Framework) -> str:
    """Which other frameworks have a name, without loading them."""
    if framework == "torch":
        return "paddle" if plain in PADDLE_METHODS or plain in _own("paddle") else ""
    if plain in known.TORCH or plain in _own("torch"):
        return "torch"
    library = "schedulefree" if plain in known.SCHEDULEFREE else "pytorch_optimizer"
    return f"torch (from {library})" if plain in known.SCHEDULEFREE.keys() | known.PYTORCH_OPTIMIZER else ""


def _near(plain: str, names: Collection[str], framework: Framework | None = None) -> str:
    """Neighbours; where there are none the names, of which the libraries have too many to read."""
    told = neighbours(plain.lower(), names)
    if framework is None or told.startswith("did you mean"):
        return told
    core = sorted(names_of("cadence", framework) | names_of(framework, framework))
    rest = len(set(names) - set(core))
    return f"known are: {', '.join(core)}" + (f", and {rest} of schedulefree and pytorch_optimizer" if rest else "")
