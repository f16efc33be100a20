"""transformers' objects: read in mid-run, restored, built from a schedule and written as source."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import ConversionError
from cadence.conversion.doors import inspect, setting
from cadence.conversion.framework import framework
from cadence.conversion.native import Native

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SPAN = {"num_warmup_steps": 10, "num_training_steps": 100}

NATIVES: list[tuple[str, dict[str, Any]]] = [
    ("linear", SPAN),
    ("linear", {"num_warmup_steps": 0, "num_training_steps": 60}),
    ("cosine", SPAN),
    ("cosine", {**SPAN, "num_cycles": 1.5}),
    ("cosine_with_restarts", {**SPAN, "num_cycles": 3}),
    ("cosine_with_restarts", {"num_warmup_steps": 0, "num_training_steps": 60}),
    ("polynomial", {**SPAN, "power": 2.0}),
    ("polynomial", {"num_warmup_steps": 0, "num_training_steps": 60, "lr_end": 1e-4}),
    ("constant", {}),
    ("constant_with_warmup", {"num_warmup_steps": 12}),
    ("inverse_sqrt", {"num_warmup_steps": 10}),
    ("inverse_sqrt", {"num_warmup_steps": 0, "timescale": 25}),
    ("cosine_with_min_lr", {**SPAN, "min_lr": 1e-4}),
    ("cosine_with_min_lr", {**SPAN, "min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", {**SPAN, "min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", {**SPAN, "min_lr_rate": 0.1, "warmup_lr_rate": 0.3}),
    ("warmup_stable_decay", {**SPAN, "num_decay_steps": 20}),
    ("warmup_stable_decay", {**SPAN, "num_decay_steps": 20, "decay_type": "1-sqrt", "min_lr_ratio": 0.1}),
    ("warmup_stable_decay", {**SPAN, "num_decay_steps": 90, "decay_type": "linear", "warmup_type": "cosine", "min_lr_ratio": 0.1}),
    ("warmup_stable_decay", {**SPAN, "num_decay_steps": 20, "warmup_type": "1-sqrt"}),
]  # fmt: skip


def optimizer_of(bases: list[float]) -> Any:
    groups = [{"params": [torch.zeros(1, dtype=torch.float64)], "lr": base} for base in bases]
    return torch.optim.SGD(groups, lr=bases[0])


def rates_of(scheduler: Any, optimizer: Any, steps: int) -> Any:
    rows: list[list[float]] = []
    for _ in range(steps):
        rows.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return np.array(rows).T


@pytest.mark.parametrize(("name", "arguments"), NATIVES)
@pytest.mark.parametrize("total", [100, 130])
def test_there_and_back_and_as_source_the_numbers_are_the_same(
    name: str, arguments: dict[str, Any], total: int
) -> None:
    bases = [2e-3, 5e-4]
    schedule = cd.from_native("transformers", name, arguments, base=bases, total=total)
    native = framework("transformers").run(
        Native("transformers", name, arguments), setting((2e-3, 5e-4), "step", None, None), total
    )
    # 1. The object.
    optimizer = optimizer_of(bases)
    built = cd.to_native(schedule, "transformers", optimizer, base=bases, total=total)
    np.testing.assert_allclose(rates_of(built, optimizer, total + 1), native["lr"], rtol=1e-12, atol=1e-18)
    # 2. The source.
    optimizer = optimizer_of(bases)
    scope: dict[str, Any] = {"optimizer": optimizer}
    exec(cd.to_code(schedule, "transformers", base=bases, total=total), scope)  # noqa: S102 -- our own source
    np.testing.assert_allclose(rates_of(scope["scheduler"], optimizer, total + 1), native["lr"], rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize(("name", "arguments"), NATIVES)
def test_an_object_in_mid_run_is_its_schedule_and_its_step(name: str, arguments: dict[str, Any]) -> None:
    bases = [2e-3, 5e-4]
    optimizer = optimizer_of(bases)
    own = dict(arguments)
    given = {key: own.pop(key, None) for key in ("num_warmup_steps", "num_training_steps")}
    scheduler = transformers.get_scheduler(name, optimizer, **given, scheduler_specific_kwargs=own)
    rates_of(scheduler, optimizer, 17)
    live = inspect(scheduler)
    assert (live.native.framework, live.t, live.bases) == ("transformers", 17, tuple(bases))
    curve = cd.place(cd.from_native(scheduler), base=bases)
    rest = rates_of(scheduler, optimizer, 100)
    for g in (0, 1):
        np.testing.assert_allclose(rest[g], curve.values(17, 117, group=g), rtol=1e-9, atol=1e-15)


def test_an_object_knows_the_default_rate_that_its_minimum_was_divided_by() -> None:
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": 1e-4}], lr=1e-2)
    scheduler = transformers.get_polynomial_decay_schedule_with_warmup(optimizer, 0, 10, lr_end=1e-3)
    curve = cd.place(cd.from_native(scheduler), base=1e-4)
    assert curve.at(10) == pytest.approx(1e-5, rel=1e-12)


def test_the_source_is_what_a_person_would_write() -> None:
    schedule = "linear(10, start=0, to=1) >> cosine(90)"
    assert cd.to_code(schedule, "transformers", base=1e-3, total=100) == (
        "from transformers import get_cosine_schedule_with_warmup\n"
        "\n"
        "scheduler = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=10, num_training_steps=100)\n"
    )
    # Where the run goes on, the plain cosine would rise again.
    assert "hard_restarts" in cd.to_code(schedule, "transformers", base=1e-3, total=150)


def test_get_scheduler_takes_its_own_enumeration_and_is_run_and_built_by_name() -> None:
    from transformers import SchedulerType

    given = {"name": SchedulerType.COSINE_WITH_RESTARTS, **SPAN, "scheduler_specific_kwargs": {"num_cycles": 3}}
    native, on = Native("transformers", "get_scheduler", given), setting((1e-3,), "step", 100, None)
    curve = cd.place(cd.from_native("transformers", "get_scheduler", given), base=1e-3)
    np.testing.assert_allclose(
        framework("transformers").run(native, on, 100)["lr"][0], curve.values(0, 101), rtol=1e-9, atol=1e-15
    )
    assert "num_cycles=3" in framework("transformers").code(native, on)


def test_a_plateau_is_transformers_own() -> None:
    rule = cd.constant() * cd.plateau("eval_loss", factor=0.5, patience=2, minimum=cd.absolute(1e-5), least_change=1e-8)
    assert cd.to_code(rule, "transformers", base=1e-3).splitlines()[-1] == (
        "scheduler = get_reduce_on_plateau_schedule(optimizer, factor=0.5, patience=2, min_lr=1e-05)"
    )
    optimizer = optimizer_of([1e-3])
    scheduler = cd.to_native(rule, "transformers", optimizer, base=1e-3)
    losses = [1.0, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8]
    rates = [optimizer.param_groups[0]["lr"]]
    for loss in losses:
        scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    read = cd.from_native("transformers", "reduce_lr_on_plateau", {"factor": 0.5, "patience": 2, "min_lr": 1e-5})
    np.testing.assert_allclose(cd.replay(read, losses, base=1e-3).values, rates, rtol=1e-12)
    assert min(rates) < 1e-3


def test_a_saved_state_gives_what_it_holds() -> None:
    optimizer = optimizer_of([1e-3])
    plateau = transformers.get_scheduler("reduce_lr_on_plateau", optimizer, scheduler_specific_kwargs={"patience": 4})
    read = cd.from_native("transformers", "reduce_lr_on_plateau", state=plateau.state_dict())
    assert "patience=4" in repr(read)
    constant = transformers.get_scheduler("constant", optimizer)
    assert repr(cd.from_native("transformers", "constant", state=constant.state_dict())) == "constant()"
    cosine = transformers.get_scheduler("cosine", optimizer, 10, 100)
    with pytest.raises(ValueError, match="none of its arguments"):
        cd.from_native("transformers", "cosine", state=cosine.state_dict())


def test_objects_that_are_no_schedule_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no function of the update number"):
        cd.from_native(transformers.get_scheduler("greedy", optimizer_of([1e-3])))
    adafactor = transformers.Adafactor([torch.nn.Parameter(torch.zeros(1))])
    from transformers.optimization import AdafactorSchedule

    with pytest.raises(ValueError, match="relative_step=False"):
        cd.from_native(AdafactorSchedule(adafactor))


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("warmup(10) >> linear(90)", "a line from 0"),
        ("constant(start=0.5)", "stay at the base"),
        ("steps(at=[30, 60])", "no schedule of the steps"),
        ("linear(10, start=0, to=1) >> exponential(gamma=0.9)", "the exponential"),
        ("formula('1 / (1 + t)')", "formula"),
        ("cosine(20, to=0.1).repeat(5)", "from the base to 0"),
        ("power(90, exponent=2, start=0.5)", "begin at the base"),
        ("constant(20) >> power(80)", "1-sqrt"),
        ("linear(10, start=0, to=1) >> constant() * plateau('loss')", "stand in no sequence"),
        ("plan({'lr': cosine(), 'weight_decay': linear()})", "weight_decay"),
        ("plan({'1/lr': cosine()})", "leaves out '0'"),
        ("plan({'0/lr': cosine(), '1/lr': linear()})", "one factor for all"),
    ],
)  # fmt: skip
def test_what_transformers_cannot_say_is_named(schedule: str, reason: str) -> None:
    with pytest.raises(ConversionError, match=reason) as caught:
        cd.to_code(schedule, "transformers", base=[0.1, 0.1], total=100)
    assert "cd." in str(caught.value)


def test_an_absolute_value_is_another_multiple_in_each_group() -> None:
    with pytest.raises(ValueError, match="one multiple of the base"):
        cd.to_code("linear(to=absolute(1e-3))", "transformers", base=[0.1, 0.2], total=100)
    assert "lr_end=0.001" in cd.to_code("linear(to=absolute(1e-3))", "transformers", base=0.1, total=100)
