"""For paddle, too, every method does what its paper says, however its formula is executed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cadence as cd

paddle = pytest.importorskip("paddle")

from cadence.optim.rules.found import rules  # noqa: E402
from cadence.optim.rules.rule import defaults  # noqa: E402
from cadence.optim.stepping import paddle_plain  # noqa: E402
from cadence.optim.stepping.paddle_method import PaddleMethod  # noqa: E402
from optim_cases import NAMES, gradients, mixtures, starting_values  # noqa: E402
from optim_references import Reference  # noqa: E402

STEPS = 50
SCHEDULE = "warmup(5) >> cosine(to=0.1)"
MULTIPLES = (1.0, 3.0, 0.5)

KINDS = [(name, settings) for name in NAMES for settings in [{}, *mixtures(name)]]


def method(name: str) -> type[PaddleMethod]:
    module = importlib.import_module(f"cadence.optim.for_paddle.{name}")
    return next(x for x in vars(module).values() if isinstance(x, type) and getattr(x, "rule", None) is rules()[name])


def parameters(values: list[np.ndarray], dtype: str = "float64") -> list[Any]:
    def start(value: np.ndarray) -> Any:
        return paddle.nn.initializer.Assign(value.astype(dtype))

    return [paddle.create_parameter(list(v.shape), dtype, default_initializer=start(v)) for v in values]


def parts(values: list[Any]) -> list[list[Any]]:
    return [values[:3], values[3:5], values[5:]]


def groups_of(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Three groups: the settings, the settings with another rate and decay, and none of the settings."""
    other = {**settings, "weight_decay": settings.get("weight_decay", 0.0) / 2}
    return [{**own, "learning_rate": m} for own, m in zip([settings, other, dict[str, Any]()], MULTIPLES, strict=True)]


def referred(name: str, groups: list[dict[str, Any]], schedule: str, steps: int = STEPS) -> list[np.ndarray]:
    """What the reference makes of the starting values."""
    base = defaults(rules()[name])["lr"]
    own = [{**defaults(rules()[name]), **g, "lr": base * g["learning_rate"]} for g in groups]
    split = parts(starting_values()) if len(groups) == 3 else [[x] for x in starting_values()]
    reference = Reference(name, list(zip(split, own, strict=True)))
    curve = cd.place(cd.parse(schedule), total=STEPS, base=base)
    for t in range(steps):
        for (_, group), given in zip(reference.groups, groups, strict=True):
            group["lr"] = curve.at(t) * given["learning_rate"]
        gs = gradients(t + 1)
        reference.step(parts(gs) if len(groups) == 3 else [[g] for g in gs])
    return [x for xs, _ in reference.groups for x in xs]


def trained(name: str, settings: dict[str, Any], compiled: bool, folder: Path) -> list[np.ndarray]:
    """The same by the optimizer under a driver, saved and gone on from in the middle."""

    def made(values: list[np.ndarray]) -> Any:
        with paddle.utils.unique_name.guard():
            xs = parameters(values)
        groups = [{"params": ps, **own} for ps, own in zip(parts(xs), groups_of(settings), strict=True)]
        optimizer = method(name)(defaults(rules()[name])["lr"], groups, compiled=compiled)
        return xs, optimizer, cd.drive(optimizer, SCHEDULE, total=STEPS)

    xs, optimizer, driver = made(starting_values())
    for t in range(STEPS):
        if t == STEPS // 2:
            paddle.save(optimizer.state_dict(), str(folder / "optimizer.pdopt"))
            place = driver.state_dict()
            xs, optimizer, driver = made([x.numpy() for x in xs])
            optimizer.set_state_dict(paddle.load(str(folder / "optimizer.pdopt")))
            driver.load_state_dict(place)
        for x, g in zip(xs, gradients(t + 1), strict=True):
            x.grad = paddle.to_tensor(g)
        optimizer.step()
        driver.step()
    return [x.numpy() for x in xs]


def assert_close(one: list[np.ndarray], other: list[np.ndarray], *, rtol: float = 1e-12) -> None:
    for a, b in zip(one, other, strict=True):
        # Relative to the tensor: single elements may pass near 0.
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * float(np.abs(b).max()))


@pytest.mark.parametrize("path", ["kernel", "whole", "pieces"])
@pytest.mark.parametrize(("name", "settings"), KINDS, ids=str)
def test_fifty_updates_under_a_schedule_with_groups_and_a_restart_are_those_of_the_paper(
    name: str, settings: dict[str, Any], path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path == "pieces":
        monkeypatch.setattr(paddle_plain, "PIECE", 7)
    assert_close(trained(name, settings, path == "kernel", tmp_path), referred(name, groups_of(settings), SCHEDULE))


OF_PADDLE = pytest.mark.filterwarnings("ignore:Tensor do not have 'place' interface:UserWarning")

# ---- static programs -------------------------------------------------------------------------------------------------


@contextmanager
def static_mode() -> Iterator[None]:
    paddle.enable_static()
    try:
        yield
    finally:
        paddle.disable_static()


def run_program(
    name: str, settings: dict[str, Any], multiples: list[float], steps: int, dtype: str = "float64", **options: Any
) -> list[np.ndarray]:
    """A program of one parameter for each of the starting values, and what it makes of them under the schedule."""
    values = starting_values()
    base = defaults(rules()[name])["lr"]
    with static_mode():
        main, startup, scope = paddle.static.Program(), paddle.static.Program(), paddle.static.Scope()
        with paddle.static.program_guard(main, startup), paddle.utils.unique_name.guard():
            loss = paddle.zeros([], dtype)
            for i, (v, multiple) in enumerate(zip(values, multiples, strict=True)):
                attribute = paddle.ParamAttr(
                    f"x{i}",
                    initializer=paddle.nn.initializer.Assign(v.astype(dtype)),
                    learning_rate=multiple,
                )
                x = paddle.create_parameter(list(v.shape), dtype, attr=attribute)
                loss = loss + (x * paddle.static.data(f"g{i}", list(v.shape), dtype)).sum()
            scheduler = cd.paddle_scheduler(SCHEDULE, base=base, total=STEPS)
            method(name)(scheduler, **options, **settings).minimize(loss)
        executor = paddle.static.Executor(paddle.CPUPlace())
        with paddle.static.scope_guard(scope):
            executor.run(startup)
            for t in range(steps):
                executor.run(main, feed={f"g{i}": g.astype(dtype) for i, g in enumerate(gradients(t + 1))})
                scheduler.step()
            return [np.array(scope.find_var(f"x{i}").get_tensor()) for i in range(len(values))]


@OF_PADDLE
@pytest.mark.parametrize(("name", "settings"), [k for k in KINDS if k[1]][::2], ids=str)
def test_a_static_program_computes_the_same(name: str, settings: dict[str, Any]) -> None:
    multiples = [1.0, 0.5, 1.0, 2.0, 1.0, 1.0]
    groups = [{**settings, "learning_rate": m} for m in multiples]
    assert_close(run_program(name, settings, multiples, 20), referred(name, groups, SCHEDULE, 20))
