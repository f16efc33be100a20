"""Every method does what its paper says, in each of its variants, however its formula is executed."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import cadence as cd

torch = pytest.importorskip("torch")

from cadence.optim.rules.found import rules  # noqa: E402
from cadence.optim.rules.rule import defaults  # noqa: E402
from optim_cases import NAMES, gradients, method, mixtures, singles, starting_values  # noqa: E402
from optim_references import METHODS, Reference  # noqa: E402

STEPS = 50
SCHEDULE = "warmup(5) >> cosine(to=0.1)"

PATHS: dict[str, dict[str, Any]] = {
    "kernel": {"compiled": True},
    "pieces": {"compiled": False},
    # With counters on the device a step looks at whole tensors, and reads none of them.
    "whole": {"capturable": True},
}
KINDS = [(name, settings) for name in NAMES for settings in [{}, *mixtures(name)]]
ALONE = [(name, settings) for name in NAMES for settings in singles(name)]


def groups_of(name: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Three groups: the settings, the settings with another rate and decay, and none of the settings."""
    base = defaults(rules()[name])["lr"]
    other = {**settings, "weight_decay": settings.get("weight_decay", 0.0) / 2}
    return [{**settings, "lr": base}, {**other, "lr": 3 * base}, {"lr": 0.5 * base}]


def parts(values: list[Any]) -> list[list[Any]]:
    return [values[:3], values[3:5], values[5:]]


def referred(name: str, settings: dict[str, Any], schedule: str) -> list[np.ndarray]:
    """What the reference makes of the starting values."""
    own = [{**defaults(rules()[name]), **group} for group in groups_of(name, settings)]
    bases = [group["lr"] for group in own]
    reference = Reference(name, list(zip(parts(starting_values()), own, strict=True)))
    curve = cd.place(cd.parse(schedule), total=STEPS, base=1.0)
    for t in range(STEPS):
        for (_, group), base in zip(reference.groups, bases, strict=True):
            group["lr"] = base * curve.at(t)
        reference.step(parts(gradients(t + 1)))
    return [x for xs, _ in reference.groups for x in xs]


def trained(name: str, settings: dict[str, Any], schedule: str, path: str) -> list[np.ndarray]:
    """The same by the optimizer under a driver, saved and gone on from in the middle."""

    def made(xs: list[Any]) -> Any:
        groups = [{"params": ps, **own} for ps, own in zip(parts(xs), groups_of(name, settings), strict=True)]
        optimizer = method(name)(groups, **PATHS[path])
        return optimizer, cd.drive(optimizer, schedule, total=STEPS)

    xs = [torch.nn.Parameter(torch.tensor(v)) for v in starting_values()]
    optimizer, driver = made(xs)
    for t in range(STEPS):
        if t == STEPS // 2:
            file = io.BytesIO()
            torch.save([[x.detach() for x in xs], optimizer.state_dict(), driver.state_dict()], file)
            file.seek(0)
            values, state, place = torch.load(file, weights_only=True)
            xs = [torch.nn.Parameter(x) for x in values]
            optimizer, driver = made(xs)
            optimizer.load_state_dict(state)
            driver.load_state_dict(place)
        for x, g in zip(xs, gradients(t + 1), strict=True):
            x.grad = torch.tensor(g)
        optimizer.step()
        driver.step()
    return [x.detach().numpy() for x in xs]


def assert_close(one: list[np.ndarray], other: list[np.ndarray], *, rtol: float = 1e-9) -> None:
    for a, b in zip(one, other, strict=True):
        # Relative to the tensor: single elements may pass near 0.
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * float(np.abs(b).max()))


def test_every_method_has_a_reference_and_a_class() -> None:
    assert set(METHODS) == set(NAMES)
    assert [method(name).rule.name for name in NAMES] == NAMES
    assert {"adabound", "adagrad", "adamw", "lamb", "lars", "rmsprop"} <= set(NAMES)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("name", "settings"), KINDS, ids=str)
def test_fifty_updates_under_a_schedule_with_groups_and_a_restart_are_those_of_the_paper(
    name: str, settings: dict[str, Any], path: str
) -> None:
    assert_close(trained(name, settings, SCHEDULE, path), referred(name, settings, SCHEDULE))


@pytest.mark.parametrize(("name", "settings"), ALONE, ids=str)
def test_each_setting_alone_does_what_the_reference_does_and_makes_a_difference(
    name: str, settings: dict[str, Any]
) -> None:
    theirs = referred(name, settings, SCHEDULE)
    assert_close(trained(name, settings, SCHEDULE, "pieces"), theirs)
    without = dict(settings)
    without.popitem()
    assert (
        max(float(np.abs(a - b).max()) for a, b in zip(theirs, referred(name, without, SCHEDULE), strict=True)) > 1e-9
    )
