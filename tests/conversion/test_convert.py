"""`convert`: the other framework's equal, and the proof that it is one."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from typing import Any

import numpy as np
import pytest

import cadence as cd
from cadence._errors import CadenceError, ConversionError, MissingExtraError, UnknownNameError
from cadence.conversion import convert as module
from cadence.conversion.convert import adapter, convert, converted, difference, read_source
from cadence.conversion.framework import framework
from cadence.conversion.native import Native


def built(code: str, **names: Any) -> Any:
    """What a code builds."""
    scope = dict(names)
    exec(code, scope)  # noqa: S102 - the code under test
    return scope["scheduler"]


@pytest.fixture
def optimizer() -> Any:
    torch = pytest.importorskip("torch")
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)


def needs(*modules: str) -> None:
    for name in modules:
        pytest.importorskip(name)


# ---- without any framework ---------------------------------------------------------------------------------------


def test_a_source_is_read_without_its_framework() -> None:
    read = read_source("CosineAnnealingLR(T_max=90)", base=0.1, total=90)
    assert read.framework == "torch"
    assert repr(read.schedule) == "cosine(90).past_end('mirror')"
    assert read.on.bases == (0.1,)


@pytest.mark.parametrize("text", ["cosine(90)", "warmup(5) >> cosine(to=0.01)", "cosine(90).past_end('mirror')"])
def test_a_text_of_cadence_is_told_from_a_call(text: str) -> None:
    read = read_source(text, total=100)
    assert (read.framework, read.native) == ("cadence", None)
    assert read.schedule == cd.parse(text)
    assert read_source(cd.parse(text), total=100).schedule == read.schedule
    assert read_source(text, total=100, source_framework="cadence").schedule == read.schedule


def test_a_name_of_cadence_and_of_a_framework_is_told_by_its_arguments() -> None:
    assert read_source("cosine(t_max=90, max_lr=0.1)").framework == "pytorch_optimizer"
    assert read_source("linear(90, to=0.1)").framework == "cadence"


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"source": "StpLR(30)", "to": "torch"}, UnknownNameError, "did you mean 'StepLR'"),
        ({"source": "StepLR(30)", "to": "torh"}, UnknownNameError, "did you mean 'torch'"),
        ({"source": "StepLR(30)", "to": "torch", "source_framework": "pytorch"}, UnknownNameError, "'pytorch'"),
        ({"source": "StepLR(30)", "to": "torch", "source_framework": "cadence"}, CadenceError, "StepLR"),
        ({"source": "StepLR(30)", "to": "torch", "per": "batch"}, ConversionError, "per is 'step' or 'epoch'"),
        ({"source": "StepLR(30)", "to": "torch", "total": "5%"}, CadenceError, "but of what"),
        ({"source": "StepLR(30)", "to": "torch", "base": -1.0}, CadenceError, "base is -1"),
        ({"source": "cosine()", "to": "torch", "base": []}, CadenceError, "base has no number"),
        ({"source": 3, "to": "torch"}, ConversionError, "scheduler of no framework"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(arguments: dict[str, Any], kind: type[Exception], words: str) -> None:
    needs("torch")
    with pytest.raises(kind, match=words):
        convert(**arguments)


def test_the_difference_is_relative_to_the_value_or_to_a_thousandth_of_the_peak() -> None:
    def rows(*values: float) -> dict[str, Any]:
        return {"lr": np.array([values])}

    assert difference(rows(1.0, 0.5), rows(1.0, 0.5)) == (0.0, 0)
    assert difference(rows(1.0, 0.5, 0.25), rows(1.0, 0.5, 0.5)) == (1.0, 2)
    assert difference(rows(1.0, 0.0), rows(1.0, 1e-6)) == (pytest.approx(1e-3), 1)
    assert difference(rows(0.0, 0.0), rows(0.0, 0.0)) == (0.0, 0)
    assert difference(rows(0.0, 0.0), rows(0.0, 1e-9))[0] == np.inf
    assert difference(rows(1.0, 1.0), rows(1.0, np.nan))[0] == np.inf
    assert difference(rows(1.0, np.nan), rows(1.0, np.nan)) == (0.0, 0)


def test_an_adapter_names_the_schedule_and_the_run() -> None:
    source = read_source("formula('1 / (1 + t)')", base=0.1, total=90)
    assert adapter(source, "torch") == (
        "import cadence as cd\n\nscheduler = cd.torch_scheduler(optimizer, \"formula('1 / (1 + t)')\", total=90)\n"
    )
    assert "cd.optax_schedule(\"formula('1 / (1 + t)')\", total=90, base=0.1)" in adapter(source, "optax")
    epochs = read_source("cosine()", base=0.1, total="9 epochs", per="epoch", steps_per_epoch=10)
    assert "total='9 epochs', steps_per_epoch=10" in adapter(epochs, "torch")


def test_what_follows_a_metric_has_an_adapter_where_metrics_can_be_observed() -> None:
    source = read_source("constant() * plateau('val_loss')", base=0.1)
    assert adapter(source, "keras") == adapter(source, "optax") == ""
    assert "driver.observe(engine.state.metrics)" in adapter(source, "ignite")
    assert "cd.torch_scheduler" in adapter(source, "torch")


def test_a_framework_that_is_not_installed_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise MissingExtraError(f"this needs {name}, which is not installed; run: pip install 'cadence[{name}]'")

    monkeypatch.setattr(module, "framework", missing)
    made = converted(read_source("StepLR(30)", base=0.1, total=90), "paddle")
    assert made.target is None
    assert made.difference is None
    assert "pip install 'cadence[paddle]'" in made.reason


# ---- by running the frameworks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "StepLR(30)",
        "MultiStepLR([30, 60], gamma=0.2)",
        "CosineAnnealingLR(T_max=90)",
        "SequentialLR([LinearLR(total_iters=5), CosineAnnealingLR(85)], milestones=[5])",
        "OneCycleLR(max_lr=0.1, total_steps=90)",
    ],
)
@pytest.mark.parametrize("to", ["torch", "paddle", "ignite", "pytorch_optimizer"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_two_frameworks_own_numbers_agree(text: str, to: str) -> None:
    needs("torch", to)
    made = convert(text, to=to, base=0.1, total=90, source_framework="torch")
    assert made.bases == (0.1,)
    assert made.steps == (90 if made.target is not None else 0)
    if made.target is None:
        # A scheduler of paddle moves no momentum, and pytorch_optimizer hands on no sequence.
        assert made.reason
        assert made.difference is None
        assert "cd." in made.code
    else:
        assert made.difference is not None
        assert made.difference <= 1e-9
        assert made.reason == ""


def test_the_code_builds_what_was_compared(optimizer: Any) -> None:
    made = convert("CosineAnnealingLR(T_max=90)", to="torch", base=0.1, total=90)
    scheduler = built(made.code, optimizer=optimizer)
    assert type(scheduler).__name__ == "CosineAnnealingLR"
    assert scheduler.T_max == 90


def test_a_difference_that_is_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("torch")
    made = framework("torch")
    # A target that is nearly right: one milestone too late.
    wrong = Native("torch", "MultiStepLR", {"milestones": [31], "gamma": 0.1})
    monkeypatch.setattr(type(made), "express", lambda self, curve: wrong)
    found = convert("MultiStepLR([30])", to="torch", base=0.1, total=90)
    assert found.difference == pytest.approx(9.0)
    assert found.at == 30
    assert "9, at step 30" in str(found)


def test_a_schedule_of_cadence_is_compared_with_the_framework() -> None:
    needs("torch")
    made = convert("warmup(10) >> cosine(to=0.01)", to="torch", base=0.1, total=100)
    assert made.source == "cadence"
    assert made.native is None
    assert made.difference is not None
    assert made.difference <= 1e-9
    assert "cadence and torch" in made.proof


def test_a_live_scheduler_keeps_its_bases_and_says_where_it_stands(optimizer: Any) -> None:
    torch = importlib.import_module("torch")
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    made = convert(scheduler, to="torch", total=9)
    assert (made.t, made.bases) == (4, (0.1,))
    assert made.native == Native("torch", "StepLR", {"step_size": 3})
    assert made.difference == 0.0


def test_rates_that_were_changed_by_hand_go_along(optimizer: Any) -> None:
    torch = importlib.import_module("torch")
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 30)
    optimizer.step()
    scheduler.step()
    optimizer.param_groups[0]["lr"] *= 0.5
    optimizer.step()
    scheduler.step()
    made = convert(scheduler, to="torch", total=90)
    assert repr(made.schedule) == "steps(every=30) * 0.5"
    assert made.difference is not None
    assert made.difference <= 1e-12


def test_several_groups_have_their_own_bases() -> None:
    needs("torch")
    made = convert("CosineAnnealingLR(T_max=9, eta_min=0.01)", to="torch", base=[0.1, 0.2], total=20)
    assert made.bases == (0.1, 0.2)
    assert made.difference is not None
    assert made.difference <= 1e-9


def test_steps_may_be_epochs() -> None:
    needs("torch")
    made = convert("StepLR(3)", to="torch", base=0.1, total="9 epochs", per="epoch", steps_per_epoch=10)
    assert made.steps == 9
    assert made.difference == 0.0
    assert "staircase" in repr(made.schedule)


def test_without_a_length_what_comes_after_the_end_is_compared_too() -> None:
    needs("torch")
    made = convert("CosineAnnealingLR(T_max=90)", to="torch", base=0.1)
    assert made.steps > 90
    assert made.difference == 0.0


def test_a_conversion_is_frozen_and_plain_data() -> None:
    needs("torch")
    made = convert("StepLR(30)", to="torch", base=0.1, total=90)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.code = ""  # pyright: ignore[reportAttributeAccessIssue]
    data = json.loads(json.dumps(made.to_json()))
    assert data["native"] == "StepLR(step_size=30)"
    assert data["schedule"] == "steps(every=30)"
    assert data["difference"] == 0.0


def test_it_is_a_public_name() -> None:
    assert cd.convert is convert
