"""For paddle, too, every method does what its paper says, however its formula is executed."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import OptimizerError

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

KERNEL = [("kernel", name, settings) for name in NAMES for settings in [{}, *mixtures(name)]]
PLAIN = [
    (path, name, settings)
    for name in NAMES
    for path, settings in zip(["whole", "pieces"] * 2, mixtures(name), strict=True)
]


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


@pytest.mark.parametrize(("path", "name", "settings"), KERNEL + PLAIN, ids=str)
def test_fifty_updates_under_a_schedule_with_groups_and_a_restart_are_those_of_the_paper(
    path: str, name: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path == "pieces":
        monkeypatch.setattr(paddle_plain, "PIECE", 7)
    assert_close(trained(name, settings, path == "kernel", tmp_path), referred(name, groups_of(settings), SCHEDULE))


OF_PADDLE = pytest.mark.filterwarnings("ignore:Tensor do not have 'place' interface:UserWarning")


def test_every_method_has_a_class_that_describes_every_setting_and_takes_it() -> None:
    for name in NAMES:
        settings = [s.name for s in rules()[name].settings if s.name != "lr"]
        described = method(name).__doc__ or ""
        assert [s for s in settings if f"        {s}: " not in described] == []
        assert list(inspect.signature(method(name)).parameters)[3:-3] == settings


# ---- static programs -------------------------------------------------------------------------------------------------


@contextmanager
def static_mode() -> Iterator[None]:
    paddle.enable_static()
    try:
        yield
    finally:
        paddle.disable_static()


def run_program(
    name: str,
    settings: dict[str, Any],
    multiples: list[float],
    steps: int,
    prepare: Callable[[Any], Any] = lambda optimizer: None,
    feed: Mapping[str, Any] | None = None,
) -> list[np.ndarray]:
    """A program of one parameter for each of the starting values, and what it makes of them under the schedule.

    Args:
        name, settings: of the method.
        multiples: of the rate, for each parameter.
        steps: to run.
        prepare: is shown the optimizer while the program is made.
        feed: further values for every run.
    """
    values = starting_values()
    base = defaults(rules()[name])["lr"]
    with static_mode():
        main, startup, scope = paddle.static.Program(), paddle.static.Program(), paddle.static.Scope()
        with paddle.static.program_guard(main, startup), paddle.utils.unique_name.guard():
            loss = paddle.zeros([], "float64")
            for i, (v, multiple) in enumerate(zip(values, multiples, strict=True)):
                start = paddle.nn.initializer.Assign(v)
                attribute = paddle.ParamAttr(f"x{i}", initializer=start, learning_rate=multiple)
                x = paddle.create_parameter(list(v.shape), "float64", attr=attribute)
                loss = loss + (x * paddle.static.data(f"g{i}", list(v.shape), "float64")).sum()
            scheduler = cd.paddle_scheduler(SCHEDULE, base=base, total=STEPS)
            optimizer = method(name)(scheduler, **settings)
            prepare(optimizer)
            optimizer.minimize(loss)
        executor = paddle.static.Executor(paddle.CPUPlace())
        with paddle.static.scope_guard(scope):
            executor.run(startup)
            for t in range(steps):
                given = {f"g{i}": g for i, g in enumerate(gradients(t + 1))}
                executor.run(main, feed={**given, **(feed or {})})
                scheduler.step()
            return [np.array(scope.find_var(f"x{i}").get_tensor()) for i in range(len(values))]


@OF_PADDLE
@pytest.mark.parametrize(("name", "settings"), [(n, s) for n in NAMES for s in mixtures(n)[:2]], ids=str)
def test_a_static_program_computes_the_same(name: str, settings: dict[str, Any]) -> None:
    multiples = [1.0, 0.5, 1.0, 2.0, 1.0, 1.0]
    groups = [{**settings, "learning_rate": m} for m in multiples]
    assert_close(run_program(name, settings, multiples, 20), referred(name, groups, SCHEDULE, 20))


@OF_PADDLE
@pytest.mark.parametrize("skip", [True, False])
def test_a_static_program_skips_the_update_where_the_loss_scaler_says_so(skip: bool) -> None:
    def prepare(optimizer: Any) -> None:
        optimizer._set_auxiliary_var("found_inf", paddle.static.data("found", [1], "bool"))

    found = run_program("adabound", {}, [1.0] * 6, 3, prepare, {"found": np.array([skip])})
    assert_close(found, starting_values() if skip else referred("adabound", [{"learning_rate": 1.0}] * 6, SCHEDULE, 3))


@OF_PADDLE
def test_a_static_program_clips_gradients_as_paddle_does_it_before() -> None:
    clip = paddle.nn.ClipGradByGlobalNorm(0.5)
    clipped = run_program("lamb", {"grad_clip": clip}, [1.0] * 6, 5)
    groups = [{"max_grad_norm": 0.5, "learning_rate": 1.0}] * 6
    assert_close(clipped, referred("lamb", groups, SCHEDULE, 5), rtol=1e-6)


@OF_PADDLE
def test_a_static_program_takes_a_number_as_its_rate_and_half_precision_too() -> None:
    with static_mode():
        main, startup, scope = paddle.static.Program(), paddle.static.Program(), paddle.static.Scope()
        with paddle.static.program_guard(main, startup), paddle.utils.unique_name.guard():
            start = paddle.nn.initializer.Constant(3.0)
            x = paddle.create_parameter([4], "float16", attr=paddle.ParamAttr("x", initializer=start))
            method("lamb")(0.25, weight_decay=0.0).minimize(x.sum())
        executor = paddle.static.Executor(paddle.CPUPlace())
        with paddle.static.scope_guard(scope):
            executor.run(startup)
            executor.run(main)
            # |x| = 6, |r| = 2: a step of 0.25 * 3.
            np.testing.assert_allclose(np.array(scope.find_var("x").get_tensor()), 2.25)


@OF_PADDLE
def test_what_static_programs_cannot_do_is_refused() -> None:
    with static_mode():
        main, startup = paddle.static.Program(), paddle.static.Program()
        with paddle.static.program_guard(main, startup), paddle.utils.unique_name.guard():
            x = paddle.create_parameter([2], "float16", default_initializer=paddle.nn.initializer.Constant(1.0))
            with pytest.raises(OptimizerError, match="a static program has no parameter groups"):
                method("lamb")(0.1, [{"params": [x]}])
            with pytest.raises(OptimizerError, match="static programs have no multi_precision"):
                method("lamb")(0.1, multi_precision=True).minimize(x.sum())


def test_paddle_s_old_programs_are_refused() -> None:
    with static_mode(), paddle.pir_utils.OldIrGuard():
        program = paddle.static.Program()
        with paddle.static.program_guard(program, paddle.static.Program()):
            x = paddle.static.create_parameter([2], "float32")
            with pytest.raises(OptimizerError, match="need paddle's new programs"):
                method("lamb")(0.1).minimize(paddle.mean(x))
