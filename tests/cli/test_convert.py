"""`cadence convert`: prints the source for another framework, and the largest difference."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_it_prints_the_code_and_the_largest_difference(command) -> None:
    pytest.importorskip("torch")
    done = command("convert", "--from", "torch", "StepLR(30)", "--to", "torch", "--base", "0.1", "--total", "90")
    assert done.status == 0
    assert "scheduler = StepLR(optimizer, step_size=30" in done.out
    assert "# largest relative difference between torch and torch over 90 steps: 0" in done.out
    # What is printed is a program: the proof is a comment in it.
    compile(done.out, "printed", "exec")


def test_from_may_be_left_out_and_several_targets_be_asked_for(command) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("paddle")
    done = command(
        "convert", "CosineAnnealingLR(T_max=90)", "--to", "paddle", "--to", "torch", "--base", 0.1, "--total", 90
    )
    assert done.status == 0
    assert done.out.index("# for paddle") < done.out.index("# for torch")
    assert "paddle.optimizer.lr.CosineAnnealingDecay(learning_rate=0.1, T_max=90)" in done.out


def test_json_holds_every_conversion(command) -> None:
    pytest.importorskip("torch")
    done = command("convert", "StepLR(30)", "StepLR(20)", "--to", "torch", "--total", 90, "--json")
    assert done.status == 0
    found = json.loads(done.out)["conversions"]
    assert [each["label"] for each in found] == ["StepLR(30)", "StepLR(20)"]
    assert [each["difference"] for each in found] == [0.0, 0.0]


def test_steps_may_be_epochs(command) -> None:
    pytest.importorskip("torch")
    done = command(
        "convert", "StepLR(3)", "--to", "torch", "--per", "epoch", "--steps-per-epoch", 10, "--total", "9 epochs", "--json"
    )  # fmt: skip
    made = json.loads(done.out)["conversions"][0]
    assert (done.status, made["steps"], made["difference"]) == (0, 9, 0.0)


def test_groups_have_a_base_each(command) -> None:
    pytest.importorskip("torch")
    done = command("convert", "StepLR(3)", "--to", "torch", "--base", 0.1, "--base", 0.2, "--total", 9, "--json")
    assert json.loads(done.out)["conversions"][0]["bases"] == [0.1, 0.2]


def test_what_has_no_equal_ends_with_status_1_and_the_adapter(command) -> None:
    pytest.importorskip("ignite")
    done = command("convert", "exponential(gamma=0.9) + formula('u')", "--to", "ignite", "--total", 90)
    # torch's LambdaLR may say it for ignite; a rule that follows a metric it cannot.
    followed = command("convert", "exponential(gamma=0.9) * plateau('val_loss')", "--to", "ignite", "--total", 90)
    assert done.status in (0, 1)
    assert followed.status == 1
    assert "cd.drive(optimizer, \"exponential(gamma=0.9) * plateau('val_loss')\", total=90)" in followed.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["CosineAnnealingL(T_max=90)", "--to", "torch"], "did you mean 'CosineAnnealingLR'"),
        (["CosineAnnealingLR(T_mx=90)", "--to", "torch"], "did you mean 'T_max'"),
        (["StepLR(30)", "--to", "tensorflw"], "there is no framework 'tensorflw'"),
        (["StepLR(30)", "--from", "torh", "--to", "torch"], "did you mean 'torch'"),
        (["StepLR(n)", "--to", "torch"], "(n, in front, is taken for the optimizer)"),
        (["StepLR(optimizer, n)", "--to", "torch"], "whose value the text does not say"),
        (["StepLR(30", "--to", "torch"], "cannot be read"),
        (["StepLR(0)", "--to", "torch"], "step_size"),
        (["StepLR(30)"], "--to"),
        (["StepLR(30)", "--to", "torch", "--per", "batch"], "per is 'step' or 'epoch'"),
        (["StepLR(30)", "--to", "torch", "--total", "ninety"], "total"),
    ],
)
def test_bad_input_ends_with_status_2_and_one_sentence(command, arguments: list[str], words: str) -> None:
    pytest.importorskip("torch")
    done = command("convert", *arguments)
    assert done.status == 2
    assert words in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""
