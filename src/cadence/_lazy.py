"""Imports that happen only when something is used."""

from __future__ import annotations

import importlib
from types import ModuleType

from cadence._errors import MissingExtraError

EXTRAS = {
    "torch": "torch", "accelerate": "torch", "sklearn": "torch", "scipy": "torch", "matplotlib": "torch",
    "safetensors": "torch", "paddle": "paddle", "jax": "jax", "optax": "jax", "keras": "keras",
    "transformers": "peers", "ignite": "peers", "pytorch_optimizer": "optimizers", "schedulefree": "optimizers",
    "PIL": "images", "optuna": "sweep",
}  # fmt: skip
"""The extra that brings a library, for libraries that a file imports at its top."""


def load(module: str) -> ModuleType:
    """Import one of cadence's own modules; if a framework it stands on is missing, say how to install that.

    Raises:
        MissingExtraError: the framework is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("tensorflow"):
            # What Keras looks for where nobody has named another backend; no extra brings it.
            raise MissingExtraError(
                "Keras finds no backend: tensorflow is not installed; name one that is before Keras is loaded, e.g. "
                "KERAS_BACKEND=torch"
            ) from None
        if missing.name not in EXTRAS:
            raise
        raise MissingExtraError(
            f"this needs {missing.name}, which is not installed; run: pip install 'cadence[{EXTRAS[missing.name]}]'"
        ) from None


def need(module: str, *, extra: str) -> ModuleType:
    """Import an optional library, or say how to install it.

    Args:
        module: dotted name, e.g. ``"matplotlib.pyplot"``.
        extra: the extra of cadence that brings it, e.g. ``"torch"``.

    Raises:
        MissingExtraError: the library is not installed; the message is the command that installs it.

    Example:
        >>> need("math", extra="torch").floor(2.5)
        2
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        # A library that is there but whose own import fails is another fault, and must be seen as it is.
        if missing.name is None or not (module + ".").startswith(missing.name + "."):
            raise
        raise MissingExtraError(
            f"this needs {module.partition('.')[0]}, which is not installed; run: pip install 'cadence[{extra}]'"
        ) from None
