"""Rules by the names of their methods: a file of this folder with a rule of its own name is found."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import cadence.optim.rules as here
from cadence.optim.rules.rule import Rule


@cache
def rules() -> Mapping[str, type[Rule]]:
    """Every method's rule, sorted by name.

    Example:
        >>> rules()["lamb"].__name__
        'LambRule'
    """
    found: dict[str, type[Rule]] = {}
    for file in pkgutil.iter_modules(here.__path__):
        module = importlib.import_module(f"{here.__name__}.{file.name}")
        for rule in vars(module).values():
            if inspect.isclass(rule) and issubclass(rule, Rule) and rule is not Rule and rule.name == file.name:
                found[rule.name] = rule
    return MappingProxyType(dict(sorted(found.items())))
