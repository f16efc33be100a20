"""What torch's schedulers read as, and what is refused, with the reason."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

import cadence as cd
from cadence._errors import CadenceError, ConversionError, UnknownNameError
from cadence.conversion.definition import definitions

READ: list[tuple[str, dict[str, Any], int | None, str]] = [
    ("StepLR", {"step_size": 30}, 90, "steps(every=30)"),
    ("MultiStepLR", {"milestones": [60, 30, 30]}, 90, "steps(at=[60, 30, 30])"),
    ("MultiStepLR", {"milestones": [-5, 2.5]}, 90, "constant()"),
    ("ConstantLR", {}, 90, "constant(5, start=0.3333333333333333) >> constant()"),
    ("ConstantLR", {"factor": 0.5}, None, "(constant(5, start=0.5) >> constant()).cut()"),
    ("ConstantLR", {"factor": 0.5, "total_iters": 0}, 90, "constant(start=0.5)"),
    ("LinearLR", {"start_factor": 0.1}, 90, "linear(5, to=1, start=0.1)"),
    ("ExponentialLR", {"gamma": 0.95}, None, "exponential(gamma=0.95)"),
    ("ExponentialLR", {"gamma": 1}, None, "constant()"),
    ("PolynomialLR", {"total_iters": 9}, 90, "linear(9)"),
    ("PolynomialLR", {"total_iters": 9, "power": 0.9}, 90, "power(9, exponent=0.9)"),
    ("CosineAnnealingLR", {"T_max": 90}, 90, "cosine(90).past_end('mirror')"),
    ("CosineAnnealingLR", {"T_max": 90, "eta_min": 1e-5}, 90, "cosine(90, to=absolute(1e-05)).past_end('mirror')"),
    ("CosineAnnealingWarmRestarts", {"T_0": 10, "T_mult": 2}, 90, "cosine(10).repeat(grow=2)"),
    ("SWALR", {"swa_lr": 0.05, "anneal_strategy": "linear"}, 90, "linear(10, to=absolute(0.05))"),
    ("LambdaLR", {"lr_lambda": lambda t: 1.0 if t < 2 else 0.5}, 4, "piecewise([(0, 1), (2, 0.5)])"),
    ("MultiplicativeLR", {"lr_lambda": lambda t: 0.5}, 2, "piecewise([(0, 1), (1, 0.5), (2, 0.25)])"),
    (
        "CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 20, "cycle_momentum": False}, 90,
        "(linear(20, to=absolute(0.1), start=absolute(0.01)) >> "
        "linear(20, to=absolute(0.01), start=absolute(0.1))).repeat()",
    ),
    (
        "OneCycleLR", {"max_lr": 0.1, "total_steps": 100, "cycle_momentum": False}, 100,
        "(cosine(29, to=absolute(0.1), start=absolute(0.004)) >> "
        "cosine(71, to=absolute(4e-07), start=absolute(0.1), ends='closed')).past_end('raise')",
    ),
    (
        "SequentialLR",
        {"schedulers": [("LinearLR", {"start_factor": 0.1}), ("CosineAnnealingLR", {"T_max": 85})], "milestones": [5]},
        90, "linear(5, to=1, start=0.1) >> cosine(85).past_end('mirror')",
    ),
    (
        "SequentialLR",
        {"schedulers": [("LinearLR", {}), ("StepLR", {"step_size": 3}), ("CosineAnnealingLR", {"T_max": 9})],
         "milestones": [9, 20]},
        None,
        "(linear(5, to=1, start=0.3333333333333333).cut(9) >> steps(11, every=3, local=True) >> "
        "cosine(9).past_end('mirror')).cut()",
    ),
    (
        "ChainedScheduler", {"schedulers": [("StepLR", {"step_size": 30}), ("ExponentialLR", {"gamma": 0.99})]}, None,
        "steps(every=30) * exponential(gamma=0.99)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "total", "text"), READ)
def test_a_scheduler_reads_as_people_would_write_it(
    name: str, arguments: dict[str, Any], total: int | None, text: str
) -> None:
    made = cd.from_native("torch", name, arguments, base=0.1, total=total)
    assert repr(made) == text
    assert cd.parse(text) == made


def test_the_momentum_moves_in_a_plan() -> None:
    made = cd.from_native("torch", "CyclicLR", {"base_lr": 0.01, "max_lr": 0.1}, base=0.1)
    assert repr(made).startswith("plan({'lr': (linear(2000")
    assert "'momentum': (linear(2000, to=absolute(0.8), start=absolute(0.9))" in repr(made)


def test_groups_that_differ_make_a_plan_by_their_numbers() -> None:
    lambdas = {"lr_lambda": [lambda t: 1.0, lambda t: 0.5]}
    made = cd.from_native("torch", "LambdaLR", lambdas, base=[0.1, 0.2], total=3)
    assert repr(made) == "plan({'0/lr': piecewise([(0, 1)]), '1/lr': piecewise([(0, 0.5)])})"


def test_groups_with_one_meaning_share_one_schedule() -> None:
    made = cd.from_native("torch", "CosineAnnealingLR", {"T_max": 9, "eta_min": 0.01}, base=[0.1, 0.2])
    assert repr(made) == "cosine(9, to=absolute(0.01)).past_end('mirror')"


def test_stepped_per_epoch_lengths_are_epochs_and_values_change_once_in_each() -> None:
    made = cd.from_native("torch", "CosineAnnealingLR", {"T_max": 9}, base=0.1, per="epoch", steps_per_epoch=10)
    assert repr(made) == "cosine('9 epochs').past_end('mirror').staircase('1 epoch')"
    step = cd.from_native("torch", "StepLR", {"step_size": 2}, per="epoch", steps_per_epoch=10)
    curve = cd.place(step, total=60, steps_per_epoch=10)
    assert curve.at([19, 20, 39, 40]).tolist() == pytest.approx([1, 0.1, 0.1, 0.01])


def nest(*parts: Any, milestones: list[int]) -> dict[str, Any]:
    return {"schedulers": list(parts), "milestones": milestones}


STEP = ("StepLR", {"step_size": 3})

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("StepLR", {"step_size": 0}, "step_size is 0, and torch divides by it"),
    ("StepLR", {"step_size": 5, "gamma": -0.1}, "gamma is -0.1; it must be at least 0"),
    ("MultiStepLR", {"milestones": 30}, "milestones is a list of steps, not 30"),
    ("ConstantLR", {"factor": 1.5}, "factor is 1.5; it must be at most 1"),
    ("ConstantLR", {"factor": 0.0}, "factor is 0, and torch divides by it at step 5"),
    ("LinearLR", {"start_factor": 0.0}, "start_factor is 0; torch wants more than 0"),
    ("LinearLR", {"start_factor": 1.1}, "start_factor is 1.1; it must be at most 1"),
    ("LinearLR", {"end_factor": 2.0}, "end_factor is 2; it must be at most 1"),
    ("PolynomialLR", {"power": -1.0}, "power is -1, and torch divides by zero at step 5"),
    ("CosineAnnealingLR", {"T_max": 0}, "T_max is 0, and torch divides by it"),
    ("CosineAnnealingLR", {"T_max": "90"}, "T_max is a number, not '90'"),
    ("CosineAnnealingWarmRestarts", {"T_0": 0}, "T_0 is 0; it must be at least 1"),
    ("CosineAnnealingWarmRestarts", {"T_0": 5.0}, "T_0 is 5.0, and torch wants a whole number there; write 5"),
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 1.5}, "T_mult is 1.5, and torch wants a whole number"),
    ("SWALR", {"swa_lr": 0.1, "anneal_strategy": "cosine"}, "anneal_strategy is 'cos' or 'linear', not 'cosine'"),
    ("SWALR", {"swa_lr": 0.1, "anneal_epochs": -1}, "anneal_epochs is -1; it must be at least 0"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "mode": "sine"}, "mode is one of triangular, triangular2, exp_range"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "step_size_up": 0}, "step_size_up is 0, and torch divides by it"),
    ("OneCycleLR", {"max_lr": 0.1}, "OneCycleLR needs its length"),
    ("OneCycleLR", {"max_lr": 0.1, "epochs": 3}, "OneCycleLR needs its length"),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 0}, "total_steps is 0; it must be at least 1"),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9.0}, "total_steps is 9.0, and torch wants a whole number"),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9, "pct_start": 1}, "pct_start is a float from 0.0 to 1.0, not 1"),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 10, "pct_start": 0.1}, "leaves the rise no length"),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 9, "div_factor": 0.0}, "div_factor is 0, and rates are divided by it"),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 20}, "OneCycleLR is made for 20 steps, and the run has 30"),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 30, "last_epoch": 4}, "last_epoch is 4, where OneCycleLR looks for"),
    ("SequentialLR", nest(milestones=[]), "has no scheduler inside"),
    ("SequentialLR", nest(STEP, STEP, milestones=[]), "2 schedulers need 1 milestones"),
    ("SequentialLR", nest(STEP, ("ReduceLROnPlateau", {}), milestones=[5]), "torch refuses ReduceLROnPlateau inside"),
    (
        "SequentialLR", nest(STEP, ("SequentialLR", nest(STEP, milestones=[])), milestones=[5]),
        "fails at step 5: NotImplementedError",
    ),
    (
        "SequentialLR", nest(STEP, ("LinearLR", {"total_iters": 0}), milestones=[5]),
        "fails at step 5: ZeroDivisionError",
    ),
    ("ChainedScheduler", {"schedulers": []}, "has no scheduler inside"),
    ("ChainedScheduler", {"schedulers": [("ReduceLROnPlateau", {})]}, "torch refuses ReduceLROnPlateau inside"),
    ("LambdaLR", {"lr_lambda": 0.5}, "lr_lambda is a function of the step, not 0.5"),
    ("LambdaLR", {"lr_lambda": [lambda t: 1.0, lambda t: 2.0]}, "lr_lambda of LambdaLR has 2 values where there are 1"),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (5 - t)}, "lr_lambda fails at 5: ZeroDivisionError"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "sentence"), REFUSED)
def test_what_torch_refuses_is_refused_with_the_reason(name: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CadenceError) as fault:
        cd.from_native("torch", name, arguments, base=0.1, total=30)
    assert sentence in str(fault.value)


@pytest.mark.parametrize(("name", "arguments", "sentence"), REFUSED)
def test_and_torch_does_refuse_it(name: str, arguments: dict[str, Any], sentence: str) -> None:
    pytest.importorskip("torch")
    from tests.conversion.torch_cases import native, run_of, torch_numbers

    negative = "gamma is -0.1" in sentence
    try:
        rates = torch_numbers(native(name, arguments), run_of((0.1,), 30), 30)["lr"]
    except ConversionError:
        return
    # It takes what no learning rate can be.
    assert negative
    assert (rates < 0).any()


def test_a_negative_rate_is_refused_where_torch_computes_it() -> None:
    with pytest.raises(ConversionError, match=r"lr_lambda leads to -0\.5 times the base at step 2"):
        cd.from_native("torch", "LambdaLR", {"lr_lambda": lambda t: 0.5 - t / 2}, total=9)


@pytest.mark.parametrize("name", ["LambdaLR", "MultiplicativeLR"])
def test_a_function_needs_the_length_of_the_run(name: str) -> None:
    with pytest.raises(
        ConversionError, match=r"lr_lambda is a function, which is sampled over the whole run.*give total="
    ):
        cd.from_native("torch", name, {"lr_lambda": lambda t: 1.0})


def test_names_that_do_not_exist_list_their_neighbours() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'T_max'"):
        cd.from_native("torch", "CosineAnnealingLR", {"Tmax": 90})
    with pytest.raises(UnknownNameError, match=r"did you mean .*'CosineAnnealingLR'"):
        cd.from_native("torch", "CosineAnealingLR", {"T_max": 90})


def test_definitions_are_read_without_torch() -> None:
    code = (
        "import sys, cadence as cd\n"
        "print(cd.from_native('torch', 'SequentialLR', {'schedulers': [('LinearLR', {'start_factor': 0.5}), "
        "('CosineAnnealingLR', {'T_max': 9})], 'milestones': [5]}, total=14))\n"
        "assert 'torch' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "linear(5, to=1, start=0.5) >> cosine(9).past_end('mirror')"


USUAL: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 3}, "MultiStepLR": {"milestones": [3]}, "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 9}, "CosineAnnealingWarmRestarts": {"T_0": 5}, "SWALR": {"swa_lr": 0.1},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.2}, "OneCycleLR": {"max_lr": 0.1, "total_steps": 30},
    "LambdaLR": {"lr_lambda": lambda t: 1.0}, "MultiplicativeLR": {"lr_lambda": lambda t: 1.0},
    "SequentialLR": nest(STEP, STEP, milestones=[5]), "ChainedScheduler": {"schedulers": [STEP, STEP]},
}  # fmt: skip

ODD = [None, "a", math.nan, math.inf, -1, 10**400, 1 + 2j, object(), {"a": 1}, [[1]], [("StepLR", 3)], lambda t: 1 / 0]


@pytest.mark.parametrize("name", definitions("torch").names())
def test_values_of_the_wrong_kind_are_refused_in_a_sentence_or_taken_as_torch_takes_them(name: str) -> None:
    refused = 0
    for parameter in definitions("torch")[name].parameters:
        for odd in ODD:
            try:
                cd.from_native("torch", name, {**USUAL.get(name, {}), parameter.name: odd}, base=0.1, total=30)
            except CadenceError as fault:
                refused += len(str(fault)) > 10
    assert refused > len(ODD) / 2
