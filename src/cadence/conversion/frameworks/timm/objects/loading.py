"""timm's package of schedulers, also where timm's other dependencies are missing."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from cadence._errors import MissingExtraError


def schedulers() -> ModuleType:
    """`timm.scheduler`.

    Raises:
        MissingExtraError: timm is not installed.
    """
    if "timm.scheduler" in sys.modules:
        return sys.modules["timm.scheduler"]
    try:
        return importlib.import_module("timm.scheduler")
    except ModuleNotFoundError as missing:
        spec = importlib.util.find_spec("timm") if missing.name != "timm" else None
        if spec is None or spec.submodule_search_locations is None:
            raise MissingExtraError("this needs timm, which is not installed; run: pip install timm") from None
        return _without_models(list(spec.submodule_search_locations))


def _without_models(path: list[str]) -> ModuleType:
    """The schedulers alone: timm's first line imports its models, which need torchvision; its schedulers need torch."""
    package = ModuleType("timm")
    package.__path__ = path
    sys.modules["timm"] = package
    try:
        return importlib.import_module("timm.scheduler")
    finally:
        # Whoever imports timm itself shall hear what is missing.
        del sys.modules["timm"]
