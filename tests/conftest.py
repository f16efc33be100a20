"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def x64() -> Iterator[None]:
    """Traced code in float64 for the length of one test, where jax is installed."""
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        yield
