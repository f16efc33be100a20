"""From a name to a class: cadence's own, the framework's, schedulefree's, pytorch_optimizer's, or a user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cadence._errors import OptimizerError, neighbours
from cadence._lazy import need
from cadence.optim import known, sources
from cadence.optim.imported import imported
from cadence.optim.paddle_names import METHODS as PADDLE_METHODS
from cadence.optim.signatures import keywords
from cadence.optim.trained import Framework

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
        theirs = str(getattr(self.make, "__module__", "")).startswith("pytorch_optimizer")
        return not theirs and any(p.kind is p.VAR_KEYWORD for p in self.parameters.values())


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
    if source and (source not in sources.all_sources() or plain.lower() != plain):
        return Method(name, plain, "import", framework, imported(name))
    _check_made(name, plain, source)
    if source and source not in sources.SOURCES[framework]:
        raise OptimizerError(
            f"{name!r} is of {source}, and the parameters are of {framework}; sources for {framework} are "
            f"{', '.join(sources.SOURCES[framework])}"
        )
    for candidate in [source] if source else sources.SOURCES[framework]:
        if plain not in sources.names_of(candidate, framework):
            continue
        if not source and f"{candidate}:{plain}" in MEANINGS_APART:
            raise OptimizerError(
                f"{plain!r} is another method in {candidate} than in torch: {MEANINGS_APART[f'{candidate}:{plain}']}; "
                f"write '{candidate}:{plain}' if {candidate}'s is meant"
            )
        make = sources.class_of(candidate, plain, framework, keys)
        if source or candidate != "cadence" or _wanted(make, plain, framework, keys):
            return Method(name, plain, candidate, framework, make)
    raise _unknown(name, plain, source, framework)


def all_names(framework: Framework) -> list[str]:
    """Every name for a framework, sorted; without those that only import paths reach."""
    need(framework, extra=framework)
    return sorted({name for source in sources.SOURCES[framework] for name in sources.names_of(source, framework)})


def _wanted(own: Callable[..., Any], plain: str, framework: Framework, keys: Collection[str]) -> bool:
    """Whether cadence's class is to be taken where the framework may have one of the same name.

    An argument that only one of them has decides; without such an argument cadence's own is the faster one, but for
    those of `FOR_MORE`.
    """
    if plain not in sources.names_of(framework, framework):
        return True
    ours = set(keywords(own))
    if framework == "paddle":
        theirs = {*PADDLE_METHODS[plain].names, *PADDLE_METHODS[plain].own}
    else:
        theirs = set(keywords(sources.of_torch()[plain]))
    if any(key in ours - theirs for key in keys):
        return True
    return plain not in FOR_MORE and not any(key in theirs - ours for key in keys)


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
            f"{source} has no optimizer called {plain!r}; {_near(plain, sources.names_of(source, framework))}"
        )
    others = _elsewhere(plain, framework)
    if others:
        core = sorted(sources.names_of("cadence", framework) | sources.names_of(framework, framework))
        return OptimizerError(f"{there} for {framework}, only for {others}; {framework} has {', '.join(core)}")
    return OptimizerError(f"{there}; {_near(plain, all_names(framework), framework)}")


def _elsewhere(plain: str, framework: Framework) -> str:
    """Which other frameworks have a name, without loading them."""
    if framework == "torch":
        return "paddle" if plain in PADDLE_METHODS or plain in sources.own("paddle") else ""
    if plain in known.TORCH or plain in sources.own("torch"):
        return "torch"
    library = "schedulefree" if plain in known.SCHEDULEFREE else "pytorch_optimizer"
    return f"torch (from {library})" if plain in known.SCHEDULEFREE.keys() | known.PYTORCH_OPTIMIZER else ""


def _near(plain: str, names: Collection[str], framework: Framework | None = None) -> str:
    """Neighbours; where there are none the names, of which the libraries have too many to read."""
    told = neighbours(plain.lower(), names)
    if framework is None or told.startswith("did you mean"):
        return told
    core = sorted(sources.names_of("cadence", framework) | sources.names_of(framework, framework))
    rest = len(set(names) - set(core))
    return f"known are: {', '.join(core)}" + (f", and {rest} of schedulefree and pytorch_optimizer" if rest else "")
