"""timm's objects: read, restored, built from a schedule and written as source."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import ConversionError
from cadence.conversion.doors import inspect, setting
from cadence.conversion.framework import framework
from cadence.conversion.native import Native

torch = pytest.importorskip("torch")
if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed", allow_module_level=True)

from cadence.conversion.frameworks.timm.objects.loading import schedulers  # noqa: E402

WARM = {"warmup_t": 5, "warmup_lr_init": 1e-5}
LOW = {"lr_min": 1e-4}

NATIVES: list[tuple[str, dict[str, Any]]] = [
    ("CosineLRScheduler", {"t_initial": 60, **LOW}),
    ("CosineLRScheduler", {"t_initial": 60, **LOW, **WARM}),
    ("CosineLRScheduler", {"t_initial": 60, **WARM, "warmup_prefix": True}),
    ("CosineLRScheduler", {"t_initial": 20, **LOW, **WARM, "cycle_limit": 3}),
    ("CosineLRScheduler", {"t_initial": 10, **LOW, "cycle_mul": 2, "cycle_limit": 3, "cycle_decay": 0.5}),
    ("CosineLRScheduler", {"t_initial": 10, "cycle_limit": 5, "cycle_decay": 0.5, **WARM, "warmup_prefix": True}),
    ("CosineLRScheduler", {"t_initial": 60, **LOW, "k_decay": 1.5}),
    ("CosineLRScheduler", {"t_initial": 60, **LOW, **WARM, "lr_scale": [1.0, 0.5]}),
    ("TanhLRScheduler", {"t_initial": 60}),
    ("TanhLRScheduler", {"t_initial": 60, **LOW, "lb": -6.0, "ub": 2.5, **WARM, "warmup_prefix": True}),
    ("TanhLRScheduler", {"t_initial": 60, **WARM}),
    ("TanhLRScheduler", {"t_initial": 60, **LOW, **WARM}),
    ("PolyLRScheduler", {"t_initial": 60, "power": 0.9, **WARM, "warmup_prefix": True}),
    ("PolyLRScheduler", {"t_initial": 60, **LOW, "power": 1, **WARM}),
    ("PolyLRScheduler", {"t_initial": 60, **LOW, "power": 2.5, "k_decay": 0.5}),
    ("StepLRScheduler", {"decay_t": 20, "decay_rate": 0.1}),
    ("StepLRScheduler", {"decay_t": 20, "decay_rate": 0.5, **WARM}),
    ("StepLRScheduler", {"decay_t": 20, "decay_rate": 0.5, **WARM, "warmup_prefix": False}),
    ("MultiStepLRScheduler", {"decay_t": [10, 30, 30], "decay_rate": 0.5}),
    ("MultiStepLRScheduler", {"decay_t": [10, 30], "decay_rate": 0.5, **WARM}),
    ("MultiStepLRScheduler", {"decay_t": [3, 30], "decay_rate": 0.5, **WARM, "warmup_prefix": False}),
    ("WSDLRScheduler", {"t_initial": 60, "decay_t": 20, **WARM}),
    ("WSDLRScheduler", {"t_initial": 60, "decay_t": 20, **LOW, "decay_fn": "cosine", **WARM}),
    ("WSDLRScheduler", {"t_initial": 60, "decay_t": 20, "decay_fn": "linear", "stable_fn": "rsqrt", **WARM}),
    ("WSDLRScheduler", {"t_initial": 60, "decay_t": 60, "stable_fn": "power", "stable_power": 0.3, "stable_timescale": 7}),
]  # fmt: skip


def optimizer_of(bases: list[float]) -> Any:
    return torch.optim.SGD(
        [{"params": [torch.zeros(1, dtype=torch.float64)], "lr": base} for base in bases], lr=bases[0]
    )


def rates_of(scheduler: Any, optimizer: Any, steps: int, *, by_update: bool) -> Any:
    rows: list[list[float]] = []
    for k in range(steps):
        scheduler.step_update(k) if by_update else scheduler.step(k)
        rows.append([group["lr"] for group in optimizer.param_groups])
    return np.array(rows).T


@pytest.mark.parametrize(("name", "arguments"), NATIVES)
@pytest.mark.parametrize("per", ["step", "epoch"])
def test_there_and_back_and_as_source_the_numbers_are_the_same(name: str, arguments: dict[str, Any], per: str) -> None:
    bases, total = [2e-3, 5e-4], 90
    run: dict[str, Any] = {"base": bases, "total": total, "per": per, "steps_per_epoch": 1}
    schedule = cd.from_native("timm", name, arguments, **run)
    theirs = framework("timm").run(Native("timm", name, arguments), setting(tuple(bases), per, total, 1), total)["lr"]
    # 1. The object.
    optimizer = optimizer_of(bases)
    built = cd.to_native(schedule, "timm", optimizer, **run)
    assert type(built).__name__ == name
    rates = rates_of(built, optimizer, total + 1, by_update=per == "step")
    np.testing.assert_allclose(rates, theirs, rtol=1e-12, atol=1e-18)
    # 2. The source.
    optimizer, source = optimizer_of(bases), cd.to_code(schedule, "timm", **run)
    scope: dict[str, Any] = {"optimizer": optimizer, name: getattr(schedulers(), name)}
    exec(source.partition("\n")[2], scope)  # noqa: S102 -- our own source
    rates = rates_of(scope["scheduler"], optimizer, total + 1, by_update=per == "step")
    np.testing.assert_allclose(rates, theirs, rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize(("name", "arguments"), NATIVES)
def test_an_object_and_its_saved_state_are_its_schedule(name: str, arguments: dict[str, Any]) -> None:
    bases = [2e-3, 5e-4]
    optimizer, given = optimizer_of(bases), dict(arguments)
    for group, scale in zip(optimizer.param_groups, given.pop("lr_scale", []), strict=False):
        group["lr_scale"] = scale
    scheduler = getattr(schedulers(), name)(optimizer, **given)
    scheduler.step(17)
    live = inspect(scheduler)
    assert (live.native.framework, live.native.name, live.t, live.bases) == ("timm", name, None, tuple(bases))
    curve = cd.place(cd.from_native(scheduler, total=90), base=bases, total=90)
    rates = rates_of(scheduler, optimizer, 91, by_update=False)
    for g in (0, 1):
        np.testing.assert_allclose(rates[g], curve.values(0, 91, group=g), rtol=1e-9, atol=1e-15)
    restored = cd.from_native("timm", name, state=scheduler.state_dict(), total=90)
    if "lr_scale" not in arguments:
        assert restored == cd.from_native(scheduler, total=90)


def test_the_source_is_what_a_person_would_write() -> None:
    schedule = "linear(5, start=0, to=1) >> cosine(85, to=absolute(1e-5))"
    assert cd.to_code(schedule, "timm", base=1e-3, total=90, per="epoch", steps_per_epoch=1) == (
        "from timm.scheduler import CosineLRScheduler\n"
        "\n"
        "scheduler = CosineLRScheduler(optimizer, t_initial=85, lr_min=1e-05, warmup_t=5, warmup_prefix=True)\n"
        "# after epoch number n, counted from 1: scheduler.step(n)\n"
    )
    assert "t_in_epochs=False" in cd.to_code(schedule, "timm", base=1e-3, total=90)


def test_a_plateau_after_a_warmup_cuts_when_timm_s_does() -> None:
    given = {"decay_rate": 0.5, "patience_t": 1, "warmup_t": 3, "warmup_lr_init": 1e-4, "lr_min": 1e-4, "mode": "min"}
    read = cd.from_native("timm", "PlateauLRScheduler", given, base=1e-3)
    metrics = [0.5, 0.4, 0.9, 0.4, 0.4, 0.4, 0.4, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    optimizer = optimizer_of([1e-3])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PlateauLRScheduler is deprecated", FutureWarning)
        scheduler = schedulers().PlateauLRScheduler(optimizer, **given)
    rates = [optimizer.param_groups[0]["lr"]]
    for epoch, metric in enumerate(metrics):
        scheduler.step(epoch + 1, metric)
        rates.append(optimizer.param_groups[0]["lr"])
    assert min(rates[4:]) == 1e-4
    np.testing.assert_allclose(cd.replay(read, metrics, base=1e-3).values, rates, rtol=1e-12)
    assert repr(cd.from_native(scheduler)) == repr(read)
    built = cd.to_native(read, "timm", optimizer_of([1e-3]), base=1e-3)
    assert vars(built.lr_scheduler)["patience"] == 1
    assert (built.warmup_t, built.warmup_lr_init) == (3, 1e-4)
    with pytest.raises(ValueError, match="none of its arguments"):
        cd.from_native("timm", "PlateauLRScheduler", state=scheduler.state_dict())


def test_noise_is_refused_by_name_in_objects_too() -> None:
    scheduler = schedulers().CosineLRScheduler(optimizer_of([1e-3]), t_initial=9, noise_range_t=(2, 5))
    with pytest.raises(ValueError, match="random numbers"):
        cd.from_native(scheduler)


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("constant(start=0.5) >> linear(10)", "no schedule of the constant"),
        ("warmup(10) >> linear(90)", "one absolute rate"),
        ("linear(10, start=0, to=1) >> exponential(gamma=0.9)", "the exponential"),
        ("formula('1 / (1 + t)')", "formula"),
        ("cosine(20).past_end('mirror')", "past its end"),
        ("tanh(100)", "the tanh phase"),
        ("constant() * plateau('loss', threshold_mode='abs')", "relative threshold"),
        ("plan({'lr': cosine(), 'momentum': linear()})", "momentum"),
        ("plan({'1/lr': cosine()})", "leaves out '0'"),
        ("plan({'0/lr': cosine(), '1/lr': linear()})", "lr_scale"),
        ("cosine(100, to=0.1)", "no schedule of the cosine"),
    ],
)  # fmt: skip
def test_what_timm_cannot_say_is_named(schedule: str, reason: str) -> None:
    bases: dict[str, Any] = {"base": [0.1, 0.2]}
    with pytest.raises(ConversionError, match=reason) as caught:
        cd.to_code(schedule, "timm", **bases, total=100)
    assert "cd." in str(caught.value)


def test_a_value_that_is_only_kept_needs_no_phase_of_its_own() -> None:
    with_hold = cd.to_code("cosine(60, to=0.1) >> constant(start=0.1)", "timm", base=0.1, total=90)
    assert with_hold == cd.to_code("cosine(60, to=0.1)", "timm", base=0.1, total=90)


def test_a_minimum_that_is_one_number_is_expressed_for_equal_bases() -> None:
    assert "lr_min=0.01" in cd.to_code("cosine(100, to=0.1)", "timm", base=[0.1, 0.1], total=100)


def test_the_loader_leaves_nothing_behind_that_looks_like_timm() -> None:
    import sys

    schedulers()
    assert "timm" not in sys.modules or hasattr(sys.modules["timm"], "create_model")
