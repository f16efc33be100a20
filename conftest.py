"""What every test and doctest has in common."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from cadence._errors import MissingExtraError

# Before numpy or torch is loaded: small problems run faster on one thread, and sums come out the same everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Keras reads this when it is loaded; unset it looks for a TensorFlow that no extra brings.
_BACKENDS = [name for name in ("jax", "torch", "tensorflow") if importlib.util.find_spec(name) is not None]
os.environ.setdefault("KERAS_BACKEND", _BACKENDS[0] if _BACKENDS else "numpy")

# The same examples in every run, so that whoever sees a red test sees it again; no deadlines, because other work on the
# machine is no fault of the code. For a longer search at random: pytest --hypothesis-profile=search
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("steady")

SOURCE = Path(__file__).parent / "src"
TESTS = Path(__file__).parent / "tests"

OPTIONAL = frozenset(
    {"accelerate", "jax", "joblib", "keras", "matplotlib", "mlflow", "nicegui", "optax", "optuna", "paddle", "plotly"}
    | {"ray", "safetensors", "scipy", "sklearn", "tensorboard", "torch", "visualdl"}
    | {"ignite", "pytorch_optimizer", "timm", "transformers"}
)
"""Top-level modules that extras bring. A source file that needs one that is missing has no doctests to run."""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Pass over the doctests of a framework's file where that is not installed, and over what only serves tests."""
    if TESTS in collection_path.parents and collection_path.suffix == ".py":
        # Tasks and models written for tests: imported by name, some only where torch is; they hold no test.
        return None if collection_path.name.startswith(("test_", "conftest")) else True
    if collection_path.suffix != ".py" or SOURCE not in collection_path.parents:
        return None
    parts = collection_path.relative_to(SOURCE).with_suffix("").parts
    try:
        importlib.import_module(".".join(part for part in parts if part != "__init__"))
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in OPTIONAL:
            return True
        raise
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A docstring's example that uses an optional library is skipped where that is missing."""
    try:
        return (yield)
    except doctest.UnexpectedException as failure:
        cause = failure.exc_info[1]
        # Either cadence says so, or the example imports the library itself.
        own = isinstance(cause, ModuleNotFoundError) and (cause.name or "").partition(".")[0] in OPTIONAL
        if own or isinstance(cause, MissingExtraError):
            pytest.skip(str(cause))
        raise


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test that hangs fails by itself, where pytest-timeout is installed."""
    if config.pluginmanager.hasplugin("timeout"):
        for item in items:
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))
