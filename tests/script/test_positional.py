"""What stands where: values given by position are read as the framework's own classes bind them."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Any

import pytest

import cadence as cd
from cadence.conversion.definition import definitions
from cadence.script.names import canonical, is_scheduler
from cadence.script.read import read_script

FIRST = {"optimizer", "model", "dataloader"}
"""What a scheduler is put on: no value of a schedule."""

WRITTEN_HERE = {
    "LinearCyclicalScheduler": "CosineAnnealingScheduler",  # takes *args, and hands them on to the class above both
}


def peer(framework: str, path: str) -> Any:
    """The framework's own class or function."""
    if framework == "timm":
        pytest.importorskip("torch")
        if importlib.util.find_spec("timm") is None:
            pytest.skip("timm is not installed")
        from cadence.conversion.frameworks.timm.objects.loading import schedulers

        return getattr(schedulers(), path.rpartition(".")[2])
    home, _, name = path.rpartition(".")
    pytest.importorskip(framework)
    return getattr(importlib.import_module(home), WRITTEN_HERE.get(name, name))


def cases() -> list[tuple[str, str, str]]:
    found: dict[tuple[str, str], str] = {}
    for framework in ("torch", "paddle", "ignite", "keras", "optax", "transformers", "timm", "pytorch_optimizer"):
        registry = definitions(framework)
        for name in registry:
            path = canonical(registry[name].path)
            if is_scheduler(path) and registry[name].path.rpartition(".")[2] in (name, registry[name].name):
                found.setdefault((framework, registry[name].path), name)
    return [(framework, path, name) for (framework, path), name in found.items()]


# A framework's import may be older than the warnings that it meets.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("framework", "path", "name"), cases())
def test_values_by_position_are_read_as_the_framework_binds_them(framework: str, path: str, name: str) -> None:
    parameters = [
        p.name
        for p in inspect.signature(peer(framework, path)).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    # A number that stands for nothing else in each place; the optimizer where the framework wants it.
    values = {key: f"'sched{i}'" if key == "name" else str(1000 + i) for i, key in enumerate(parameters)}
    words = ", ".join("put_on" if key in FIRST else values[key] for key in parameters)
    home, _, called = canonical(path).rpartition(".")
    (scheduler,) = read_script(f"import {home}\nscheduler = {home}.{called}({words})\n").schedulers
    assert scheduler.native is not None, scheduler.reason
    assert {key: repr(value) for key, value in scheduler.native.arguments.items()} == {
        key: value for key, value in values.items() if key not in FIRST
    }
    assert scheduler.optimizer_text == ("put_on" if FIRST & set(parameters) else "")


IGNITE = """
import torch
from ignite.handlers import *
optimizer = torch.optim.SGD(p, lr=0.1)
scheduler = {}
"""


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('CosineAnnealingScheduler(optimizer, "lr", 0.1, 0.001, cycle_sise=100)', "has no argument 'cycle_sise'"),
        ('CosineAnnealingScheduler(optimizer, "lr", 0.1, 0.001)', "needs cycle_size"),
        ('CosineAnnealingScheduler(optimizer, "lr", 0.1, 0.001, 1)', "ignite wants more than 1"),
        ('PiecewiseLinear("lr", [(0, 0.1), (10, 0.01)])', "needs milestones_values"),
        ('LinearCyclicalScheduler(optimizer, "lr", 0.1, 0.0, 9, warmup_duration=3)', "which ignite refuses"),
        ("LRScheduler(torch.optim.lr_scheduler.StepLR(optimizer, 30), step_size=3)", "has no argument 'step_size'"),
        ('ConcatScheduler([PiecewiseLinear(optimizer, "lr", [(0, 0.1)])], [10])', "ignite wants two or more"),
    ],
)
def test_what_ignite_refuses_is_found(call: str, said: str) -> None:
    found = [f for f in cd.lint(IGNITE.format(call)) if f.code == "CD004"]
    assert found
    assert said in found[0].message


@pytest.mark.parametrize(
    "call",
    [
        'CosineAnnealingScheduler(optimizer, "lr", 0.1, 0.001, 100)',
        'LinearCyclicalScheduler(optimizer, "lr", 0.1, 0.0, 9, monotonic=True, warmup_duration=3)',
        "LRScheduler(torch.optim.lr_scheduler.StepLR(optimizer, 30))",
        "create_lr_scheduler_with_warmup(torch.optim.lr_scheduler.StepLR(optimizer, 30), 0.0, 10)",
        'ReduceLROnPlateauScheduler(optimizer, "loss", trainer=trainer, factor=0.5, patience=3)',
        'ConcatScheduler([LinearCyclicalScheduler(optimizer, "lr", 0.1, 0.5, 60), '
        'CosineAnnealingScheduler(optimizer, "lr", 0.5, 0.01, 60)], [30])',
        'ParamGroupScheduler([PiecewiseLinear(optimizer, "lr", [(0, 0.1)], param_group_index=0)], ["body"])',
    ],
)
def test_what_ignite_takes_is_left_alone(call: str) -> None:
    assert [f.message for f in cd.lint(IGNITE.format(call)) if f.code == "CD004"] == []
