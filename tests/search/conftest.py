"""Databases of tests need not outlive a power cut: without waiting for the disk they are twenty times as fast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def databases_do_not_wait_for_the_disk() -> Iterator[None]:
    """SQLite returns from a commit before the disk has it; other processes see it all the same."""
    try:
        from sqlalchemy import Engine, event
    except ModuleNotFoundError:
        yield
        return

    def connected(connection: Any, record: Any) -> None:
        if type(connection).__module__ == "sqlite3":
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", connected)
    yield
    event.remove(Engine, "connect", connected)
