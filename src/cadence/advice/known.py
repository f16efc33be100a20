"""A model by whatever names it: the object, an import path, or a name that is known."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from cadence._errors import AdviceError, RecipeError, neighbours
from cadence.advice.counts import Counts, count
from cadence.advice.known_models import KNOWN, KnownModel, known_model
from cadence.findings.finding import Both


class Named(NamedTuple):
    """What is known of a model.

    Attributes:
        counts: what it is made of.
        facts: of a model that is known by name; None elsewhere.
        assumed: what was taken for granted.
    """

    counts: Counts
    facts: KnownModel | None
    assumed: tuple[Both, ...]


def look_at(model: Any, arguments: Mapping[str, Any] | None = None) -> Named:
    """Count a model, or find what is known of its name.

    Args:
        model: a torch module or a paddle layer; ``"package.module:function"`` that returns one, which is imported and
            called on the device ``meta`` where torch has it, so that no memory is taken; or a known name.
        arguments: of that function.

    Raises:
        AdviceError: a name that nothing is known of, or a model without trained parameters.
        RecipeError: a function that cannot be imported, of a model that is not known by name either.
    """
    if not isinstance(model, str):
        if isinstance(model, (int, float)) or model is None:
            raise AdviceError(
                f"model is {model!r:.60}; give the model, or the name of a known one: {', '.join(list(KNOWN)[:4])}, ..."
            )
        return Named(count(model), None, ())
    facts = known_model(model)
    if ":" not in model:
        if facts is None:
            raise AdviceError(
                f"no model is known by the name {model!r:.60}; {neighbours(model, KNOWN)}; or give the model itself, "
                f"or package.module:function"
            )
        return Named(facts.counts, facts, ())
    try:
        return Named(count(_made(model, arguments or {})), facts, ())
    except RecipeError as fault:
        if facts is None:
            raise
        package = model.partition(".")[0].partition(":")[0]
        if package in sys.modules:
            raise
        return Named(facts.counts, facts, (_not_there(model, package, str(fault)),))


def _not_there(model: str, package: str, fault: str) -> Both:
    del fault
    return Both(
        f"{package} is not installed here, so {model.rpartition(':')[2]} was not counted: its numbers are those of a "
        f"table, with the head it was published with",
        f"此处未安装 {package}，因此没有实际统计 {model.rpartition(':')[2]}：数值取自内置表，输出层为发布时的形式",
    )


def _made(path: str, arguments: Mapping[str, Any]) -> Any:
    """What the function gives, on a device that holds no numbers where that can be had."""
    from cadence.run.imports import called

    with contextlib.suppress(ImportError):
        import torch

        try:
            with torch.device("meta"):
                return called(path, "model", arguments)
        except RecipeError as fault:
            # A model that looks at its own numbers while it is made cannot be made without them.
            if not isinstance(fault.__cause__, (NotImplementedError, RuntimeError, ValueError)):
                raise
    return called(path, "model", arguments)
