"""What is said of a script's rate: in few words where there are such, and a reason where it cannot be told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cadence._errors import ScriptError
from cadence.script.rates import rates
from cadence.script.read import read_script
from script.corpus import BATCHES, PREAMBLE, SCRIPTS

HEAD = """import torch
from torch.optim import lr_scheduler
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""


def told(text: str, steps: int | None = None, **options: object) -> str:
    (rate,) = rates(read_script(text, steps_per_epoch=steps), **options)  # type: ignore[arg-type]
    return repr(rate.schedule)


@pytest.mark.parametrize(
    ("name", "per_epoch", "schedule"),
    [
        ("constant", BATCHES, "constant()"),
        ("step per epoch", BATCHES, "steps(every='3 epochs', gamma=0.5).staircase('1 epoch')"),
        ("step per epoch", None, "steps(every=3, gamma=0.5)"),
        ("cosine over all steps", BATCHES, "cosine(15, to=absolute(1e-05))"),
        ("cosine too short", None, "cosine(9).past_end('mirror')"),
        ("warmup then cosine by hand", None, "linear(3, to=1, start=0.1) >> cosine(9)"),
        ("accumulation", BATCHES, "steps(every=2, gamma=0.5)"),
        ("a trainer class", None, "steps(at=[2, 4], gamma=0.3)"),
    ],
)
def test_a_rate_is_said_in_the_fewest_words_that_are_true(name: str, per_epoch: int | None, schedule: str) -> None:
    assert told(PREAMBLE + SCRIPTS[name], per_epoch) == schedule


def test_a_warmup_that_does_not_end_where_the_next_begins_is_no_sequence_of_the_two() -> None:
    # The order trap: the second scheduler was made after the first had lowered the rate, and the first goes on from there.
    assert told(PREAMBLE + SCRIPTS["the order trap"]).startswith("piecewise([(0, absolute(0.1)), (1, absolute(0.39")


def test_updates_that_are_not_in_the_script_are_taken_for_granted_and_said() -> None:
    text = HEAD + "s = lr_scheduler.StepLR(optimizer, 30)\nfor epoch in range(90):\n    train(model)\n    s.step()\n"
    (rate,) = rates(read_script(text))
    assert (repr(rate.schedule), rate.total, rate.per) == ("steps(every=30)", 90, "epoch")
    assert "the optimizer's own steps are not in the script" in rate.assumed[0]


def test_a_plateau_is_followed_as_if_its_metric_always_improved() -> None:
    text = HEAD + (
        "warm = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=4)\nplateau = lr_scheduler.ReduceLROnPlateau(optimizer)\n"
        "for epoch in range(20):\n    for x in train_loader:\n        optimizer.step()\n"
        "    warm.step() if epoch < 4 else plateau.step(validate())\n"
    )
    (rate,) = rates(read_script(text))
    assert rate.curve().at([0, 2, 4, 19]).tolist() == pytest.approx([0.01, 0.055, 0.1, 0.1])
    assert any("ReduceLROnPlateau in line 5 always improves" in sentence for sentence in rate.assumed)


def test_an_early_stop_is_taken_not_to_come() -> None:
    text = (
        HEAD
        + "for epoch in range(4):\n    for x in loader:\n        optimizer.step()\n    if stopper.stop:\n        break\n"
    )
    (rate,) = rates(read_script(text))
    assert rate.total == 4
    assert "`stopper.stop` in line 7 never holds" in rate.assumed


def test_a_file_of_functions_is_followed_as_if_they_were_called() -> None:
    text = (
        "import torch\ndef train(model, loader, lr=0.1, epochs=3):\n    opt = torch.optim.SGD(model.parameters(), lr=lr)\n"
        "    s = torch.optim.lr_scheduler.ExponentialLR(opt, 0.5)\n    for epoch in range(epochs):\n"
        "        for batch in loader:\n            opt.step()\n        s.step()\n"
    )
    (rate,) = rates(read_script(text))
    assert (repr(rate.schedule), rate.total) == ("exponential(gamma=0.5)", 3)
    assert "train() is called once, by whoever uses this file" in rate.assumed


def test_the_base_and_the_length_may_be_given() -> None:
    text = "import torch\no = torch.optim.SGD(p, lr=float(input()))\nwhile not done:\n    o.step()\n"
    (rate,) = rates(read_script(text), total=5, base=0.3)
    assert (rate.bases, rate.total) == ((0.3,), 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "makes no optimizer that can be seen"),
        (HEAD, "nothing in <script> steps the SGD of line 3, nor a scheduler of it; its rate is 0.1"),
        (HEAD + "if args.x:\n    pass\nfor b in loader:\n    if flag():\n        optimizer.step()\n", "`flag()` in line 7"),
        (HEAD + "s = lr_scheduler.StepLR(optimizer, n)\nfor b in loader:\n    optimizer.step()\n    s.step()\n", "step_size of the StepLR of line 4 cannot be told without running the script: n"),
        (HEAD + "s = lr_scheduler.StepLR(optimizer, 3)\nfor b in loader:\n    optimizer.step()\n    s.step()\n", "say it: --steps-per-epoch 500"),
        (HEAD + "s = lr_scheduler.OneCycleLR(optimizer, 1, 3 * len(loader))\nfor b in loader:\n    optimizer.step()\n    s.step()\n", "--steps-per-epoch 500"),
        (HEAD + "s = lr_scheduler.StepLR(optimizer, 3)\nfor e in range(9):\n    optimizer.step()\n    s.step(loss.item())\n", "line 7 gives loss.item() to the step of a StepLR, which takes it for an epoch"),
        (HEAD + "s = lr_scheduler.StepLr(optimizer, 3)\nfor e in range(9):\n    optimizer.step()\n    s.step()\n", "did you mean 'StepLR'"),
        (HEAD + "for e in range(args.epochs):\n    optimizer.step()\n", "how often the loop of line 4 turns, range(args.epochs)"),
        (HEAD + "while loss > 0.1:\n    optimizer.step()\n", "how long `while loss > 0.1` in line 4 goes on"),
        (HEAD + "step = 0\nwhile step < 5:\n    optimizer.step()\n", "never ends by what can be seen"),
        (HEAD + "for e in range(9):\n    for g in optimizer.param_groups:\n        g['lr'] = best(e)\n    optimizer.step()\n", "line 6 writes a rate that cannot be told without running the script: best(e)"),
        (HEAD + "x = 1\nfor e in range(9):\n    optimizer.step()\n    x /= 0\n    optimizer.param_groups[0]['lr'] = x\n", "line 8 writes a rate that cannot be told without running the script: x"),
        ("import torch\no = torch.optim.SGD(p, lr=float(x))\nfor e in range(3):\n    o.step()\n", "the learning rate of SGD in line 2, float(x), cannot be told"),
        (HEAD + "s = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=3)\nfor e in range(9):\n    optimizer.step()\n    s.step()\n", "line 7: step 4 of the OneCycleLR fails: Tried to step 4 times"),
        (HEAD + "s = lr_scheduler.LambdaLR(optimizer, lambda e: table[e])\nfor e in range(9):\n    optimizer.step()\n    s.step()\n", "what lambda e: table[e] returns cannot be told"),
        ("import torch\ndef f(opt):\n    s = torch.optim.lr_scheduler.StepLR(opt, 3)\n    for e in range(3):\n        s.step()\no = Unknown()\nq = torch.optim.SGD(p, 0.1)\nr = torch.optim.SGD(p, 0.1)\nf(o)\n", "which optimizer the StepLR of line 3 belongs to cannot be seen"),
    ],
)  # fmt: skip
def test_what_only_a_run_would_show_is_refused_in_a_sentence_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ScriptError) as caught:
        rates(read_script(text))
    assert words in str(caught.value)


def test_a_loop_that_is_too_long_to_follow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence.script.follow.MOST_TURNS", 100)
    text = HEAD + "for e in range(10 ** 9):\n    optimizer.step()\n    optimizer.param_groups[0]['lr'] = 0.1\n"
    with pytest.raises(ScriptError, match="takes more than 100 turns, too many to follow one by one"):
        rates(read_script(text))


def test_long_runs_whose_turns_are_alike_are_followed_whole() -> None:
    text = HEAD + (
        "s = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=100 * len(loader))\nfor e in range(100):\n"
        "    for batch in loader:\n        optimizer.step()\n        s.step()\n"
    )
    (rate,) = rates(read_script(text, steps_per_epoch=1500))
    assert (rate.total, rate.steps_per_epoch) == (150_000, 1500)
    assert rate.curve().at(45_000) == pytest.approx(1.0, rel=1e-6)


def test_reading_and_following_a_script_loads_no_framework() -> None:
    code = (
        "import sys\nsys.path.insert(0, 'tests')\nfrom script.corpus import PREAMBLE, SCRIPTS\n"
        "from cadence.script.read import read_script\nfrom cadence.script.rates import rates\n"
        "rates(read_script(PREAMBLE + SCRIPTS['schedulers that fight']))\n"
        "assert not {'torch', 'paddle', 'transformers', 'jax', 'keras', 'typer', 'rich'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
