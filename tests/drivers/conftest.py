"""Loops as users write them, with what was really in force during each update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Rows = list[list[float]]


def parameters(count: int = 1, size: int = 3) -> list[Any]:
    torch = pytest.importorskip("torch")
    return [torch.ones(size, requires_grad=True) for _ in range(count)]


def give_gradients(optimizer: Any) -> None:
    torch = pytest.importorskip("torch")
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.full_like(p, 0.1)


def read(group: dict[str, Any], value: str) -> float:
    if value in ("beta1", "beta2"):
        return float(group["betas"][int(value[-1]) - 1])
    return float(group[value])


def train(optimizer: Any, driver: Any, updates: int, values: tuple[str, ...]) -> dict[str, Rows]:
    rows: dict[str, Rows] = {value: [] for value in values}

    def look(optimizer: Any, args: Any, kwargs: Any) -> None:
        for value, seen in rows.items():
            seen.append([read(group, value) for group in optimizer.param_groups])

    handle = optimizer.register_step_pre_hook(look)
    for _ in range(updates):
        give_gradients(optimizer)
        optimizer.step()
        driver.step()
    handle.remove()
    return rows


@pytest.fixture
def params() -> Callable[..., list[Any]]:
    """Makes so many parameters."""
    return parameters


@pytest.fixture
def gradients() -> Callable[[Any], None]:
    """Gives every parameter of an optimizer a gradient."""
    return give_gradients


@pytest.fixture
def used() -> Callable[..., Rows]:
    """Trains for some updates and returns, for each, the value of every group that the optimizer's own step saw."""
    return lambda optimizer, driver, updates, value="lr": train(optimizer, driver, updates, (value,))[value]


@pytest.fixture
def used_values() -> Callable[..., dict[str, Rows]]:
    """The same for several values."""
    return lambda optimizer, driver, updates, *values: train(optimizer, driver, updates, values)
