"""Schedulers read from text: what a program writes, and nothing that would have to be run."""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np
import pytest

from cadence._errors import CadenceError, ConversionError, UnknownNameError
from cadence.conversion.doors import setting
from cadence.conversion.native import Native
from cadence.conversion.text import called, read_node, read_text
from cadence.conversion.written import Written, written


def torch(name: str, **arguments: Any) -> Native:
    return Native("torch", name, arguments)


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("CosineAnnealingLR(T_max=90)", torch("CosineAnnealingLR", T_max=90)),
        ("CosineAnnealingLR(90)", torch("CosineAnnealingLR", T_max=90)),
        ("CosineAnnealingLR(optimizer, 90, 1e-5)", torch("CosineAnnealingLR", T_max=90, eta_min=1e-5)),
        ("CosineAnnealingLR(optimizer=opt, T_max=90)", torch("CosineAnnealingLR", T_max=90)),
        ("lr_scheduler.StepLR(self.optimizer, step_size=30)", torch("StepLR", step_size=30)),
        ("optim.lr_scheduler.StepLR(opt, 2 * 15, gamma=1 / 10)", torch("StepLR", step_size=30, gamma=0.1)),
        ("torch.optim.lr_scheduler.StepLR(o, -(-60 // 2), gamma=+2 ** -3)", torch("StepLR", step_size=30, gamma=0.125)),
        ("MultiStepLR(o, milestones=[30, 30 * 2], gamma=0.2)", torch("MultiStepLR", milestones=[30, 60], gamma=0.2)),
        (
            "SequentialLR([LinearLR(total_iters=5), CosineAnnealingLR(85)], milestones=[5])",
            torch(
                "SequentialLR",
                schedulers=[torch("LinearLR", total_iters=5), torch("CosineAnnealingLR", T_max=85)],
                milestones=[5],
            ),
        ),
        (
            "SequentialLR(optimizer, schedulers=[LinearLR(optimizer), StepLR(optimizer, 3)], milestones=[5])",
            torch("SequentialLR", schedulers=[torch("LinearLR"), torch("StepLR", step_size=3)], milestones=[5]),
        ),
    ],
)
def test_a_call_is_read_as_data(text: str, native: Native) -> None:
    assert read_text(text) == native
    assert read_text(text, "torch") == native
    # What it prints as reads back.
    assert read_text(repr(native)) == native


def test_schedulers_of_other_frameworks_stand_inside_those_that_wrap_them() -> None:
    native = read_text("ignite.handlers.LRScheduler(torch.optim.lr_scheduler.StepLR(optimizer, 30))")
    assert native == Native("ignite", "LRScheduler", {"lr_scheduler": torch("StepLR", step_size=30)})
    warm = read_text(
        "create_lr_scheduler_with_warmup(StepLR(optimizer, 30), warmup_start_value=0.0, warmup_duration=10)"
    )
    assert warm.framework == "ignite"
    assert warm.arguments["lr_scheduler"] == torch("StepLR", step_size=30)


def test_tuples_stay_tuples_where_the_peer_wants_them() -> None:
    native = read_text('PiecewiseLinear(optimizer, "lr", milestones_values=[(0, 0.1), (90, 0.0)])')
    assert native.arguments["milestones_values"] == [(0, 0.1), (90, 0.0)]


def test_a_function_that_is_given_the_scheduler_by_name() -> None:
    native = read_text("load_lr_scheduler('rex')(optimizer, total_steps=90)")
    assert native == Native("pytorch_optimizer", "rex", {"total_steps": 90})


def test_a_name_that_several_frameworks_have_is_told_by_its_arguments() -> None:
    # `cosine` of pytorch_optimizer needs t_max and max_lr.
    assert read_text("cosine(t_max=90, max_lr=0.1)").framework == "pytorch_optimizer"


def test_more_is_known_where_the_caller_knows_names() -> None:
    text = "StepLR(optimizer, epochs // 3, gamma=args.gamma)"
    node = ast.parse(text, mode="eval").body
    native = read_node(node, text, names={"epochs": 90, "args.gamma": 0.5})
    assert native == torch("StepLR", step_size=30, gamma=0.5)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("CosineAnealingLR(T_max=90)", UnknownNameError, "did you mean 'CosineAnnealingLR'"),
        ("torch.optim.lr_scheduler.StpLR(3)", UnknownNameError, "did you mean 'StepLR'"),
        ("StepLR(30, gama=0.1)", UnknownNameError, "did you mean 'gamma'"),
        ("StepLR()", ConversionError, "needs step_size"),
        ("StepLR(30, step_size=30)", ConversionError, "twice"),
        ("StepLR(1, 2, 3, 4, 5)", ConversionError, "values at most"),
        ("StepLR(optimizer, epochs)", ConversionError, "step_size is epochs, whose value the text does not say"),
        ("MultiStepLR(optimizer, [30, n])", ConversionError, "milestones is n"),
        ("StepLR(30 * n)", ConversionError, "what n is"),
        ("StepLR(*arguments)", ConversionError, "spreads arguments"),
        ("StepLR(**arguments)", ConversionError, "spreads arguments"),
        ("StepLR(open('x'))", UnknownNameError, "'open'"),
        ("__import__('os').system('true')", ConversionError, "is not read"),
        ("StepLR([x for x in range(3)])", ConversionError, "is not read"),
        ("StepLR(f'{1}')", ConversionError, "is not read"),
        ("StepLR('a' + 'b')", ConversionError, "is not read"),
        ("StepLR(1 / 0)", ConversionError, "cannot be computed"),
        ("StepLR(10 ** 10 ** 10)", ConversionError, "too large"),
        ("StepLR((-1) ** 0.5)", ConversionError, "is not read"),
        ("StepLR(optimizer, 30", CadenceError, "cannot be read"),
        ("import os", CadenceError, "cannot be read"),
        ("", CadenceError, "cannot be read"),
        ("30", ConversionError, "constructs no scheduler"),
        ("optimizer", ConversionError, "constructs no scheduler"),
        ("StepLR(" + "+".join("1" * 6000) + ")", CadenceError, "nested too deeply"),
        ("get_scheduler(optimizer)", CadenceError, "the scheduler's name"),
        ("LambdaLR(lambda a, b: 1)", ConversionError, "not a function of one name"),
        ("LambdaLR(lambda e: total - e)", ConversionError, "uses 'total', whose value the text does not say"),
        ("LambdaLR(lambda e: e or 1)", ConversionError, "for a number"),
        ("LambdaLR(lambda e: open(e))", ConversionError, "calls open"),
        ("LambdaLR(lambda e: os.getpid())", ConversionError, "calls 'os.getpid'"),
        ("LambdaLR(lambda e: e.real)", ConversionError, "uses 'e.real'"),
        ("LambdaLR(lambda e: [e])", ConversionError, "cannot be read as a formula"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(text: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words.replace("(", r"\(").replace(")", r"\)").replace("**", r"\*\*")) as raised:
        read_text(text)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("text", ["StepLR(30)", "warmup(5) >> cosine()", "optax.linear_schedule(0.1, 0, 90)", "3"])
def test_what_a_text_calls_is_seen_before_it_is_read(text: str) -> None:
    expected = {"StepLR(30)": ("StepLR", None), "optax.linear_schedule(0.1, 0, 90)": ("linear_schedule", "optax")}
    assert called(text) == expected.get(text, (None, None))


@pytest.mark.parametrize(
    "text",
    [
        "lambda epoch: 0.95 ** epoch",
        "lambda e: 0.5 * (1 + math.cos(math.pi * e / 90))",
        "lambda e: 0.1 ** int(e / 30)",
        "lambda step: min((step + 1) ** -0.5, step * 4000 ** -1.5)",
        "lambda e: e / 10 if e < 10 and not e > 30 else 1.0",
        "lambda e: max(0.0, 1 - e / 100) if e > 5 or e < 2 else float(e >= 3)",
        "lambda e: abs(e - 3) + math.floor(e / 7) + math.ceil(e / 7)",
        "lambda e: int(e - 3) + pow(e, 2) + math.exp(-e / 9) + math.sqrt(e) + math.log(e + 1) + math.sin(e)",
        "lambda e: 1 if 3 <= e < 9 else e % 4 / 4",
    ],
)
def test_a_lambda_means_what_python_means(text: str) -> None:
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Lambda)
    read = written(text, node)
    own = eval(text, {"math": math})  # noqa: S307 - the test's own text: what python itself makes of it
    assert [read(k) for k in range(60)] == pytest.approx([own(k) for k in range(60)], rel=1e-14)
    assert read.__name__ == text


def test_a_lambda_becomes_a_formula_on_the_clock_of_the_run() -> None:
    text = "lambda epoch: 0.95 ** epoch"
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Lambda)
    read: Written = written(text, node)
    # Without a length of the run: nothing has to be sampled.
    assert repr(setting((0.1,), "step", None, None).sampled(read, "lr_lambda")) == "formula('0.95 ** t')"
    assert repr(setting((0.1,), "epoch", None, 10).sampled(read, "lr_lambda")) == "formula('0.95 ** epoch')"


def test_a_lambda_inside_a_text_is_converted_with_its_call() -> None:
    from cadence.conversion.doors import read

    native = read_text("torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda e: 1 / (1 + e))")
    on = setting((0.1,), "step", 50, None)
    curve = on.placed(read(native, on))
    np.testing.assert_allclose(curve.values(), 0.1 / (1 + np.arange(50)), rtol=1e-15)
    assert repr(native) == "LambdaLR(lr_lambda=lambda e: 1 / (1 + e))"
