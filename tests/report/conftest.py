"""Comparison folders that several tests of reports read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.comparison.synthetic import write_showcase, write_worst


@pytest.fixture(scope="session")
def showcase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks, four recipes each; one with small gaps, one with large ones."""
    return write_showcase(tmp_path_factory.mktemp("showcase"))


@pytest.fixture(scope="session")
def worst(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that can go wrong, with a name that is no name."""
    return write_worst(tmp_path_factory.mktemp("worst"))
