"""`cadence plot` and `cadence convert` with a training script."""

from __future__ import annotations

import json

import pytest

SCRIPT = """import argparse
import torch
p = argparse.ArgumentParser()
p.add_argument("--lr", type=float, default=0.1)
args = p.parse_args()
optimizer = torch.optim.SGD([{"params": a, "lr": args.lr / 10}, {"params": b}], lr=args.lr)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 30)
for epoch in range(90):
    for batch in train_loader:
        optimizer.step()
    scheduler.step()
"""

PER_STEP = SCRIPT.replace("    scheduler.step()", "        scheduler.step()")


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def test_plot_draws_the_rate_of_each_group_and_says_what_it_took_for_granted(command, script) -> None:
    done = command("plot", script)
    assert done.status == 0
    assert "a  group 0 of optimizer" in done.out
    assert "b  group 1 of optimizer" in done.out
    assert "line 6): steps(every=30)" in done.out
    assert "Taken for granted: --lr is its default, 0.1." in done.out
    assert "one update stands for an epoch" in done.out


def test_plot_gives_the_same_as_json(command, script) -> None:
    done = command("plot", script, "--steps-per-epoch", 2, "--json")
    first, second = json.loads(done.out)["curves"]
    assert (first["total"], first["line"], first["per"]) == (180, 6, "update")
    assert (first["values"]["0/lr"][0], second["values"]["0/lr"][0]) == (0.01, 0.1)
    assert "Taken" not in done.out


def test_plot_writes_a_picture_with_a_name_for_each_curve(command, script, tmp_path) -> None:
    done = command("plot", script, "constant(90)", "--out", tmp_path / "x.svg")
    assert done.status == 0
    assert "group 1 of optimizer" in (tmp_path / "x.svg").read_text(encoding="utf-8")


def test_plot_asks_for_the_length_of_the_epoch_in_one_sentence(command, script) -> None:
    script.write_text(PER_STEP, encoding="utf-8")
    done = command("plot", script)
    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "say it: --steps-per-epoch 500" in done.err
    assert command("plot", script, "--steps-per-epoch", 3).status == 0


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.py", b"for x in", "is no Python that can be read"),
        ("t.py", b"\0\1", "is a binary file"),
        ("t.py", b"x = 1\n", "makes no optimizer that can be seen"),
        ("t.py", b"import torch optimizer = torch.optim.SGD(p)", "ran together"),
        ("t.ipynb", b"{}", "is no notebook"),
        ("t.md", b"# nothing", "there is no Python in"),
    ],
)
def test_what_is_no_script_ends_with_status_2_and_one_sentence(command, tmp_path, name, content, words) -> None:
    (tmp_path / name).write_bytes(content)
    done = command("plot", tmp_path / name)
    assert (done.status, done.out) == (2, "")
    assert words in done.err
    assert done.err.count("\n") == 1


def test_a_script_that_is_not_there_ends_with_status_2(command, tmp_path) -> None:
    done = command("plot", tmp_path / "none.py")
    assert done.status == 2
    assert "No such file" in done.err


def test_convert_writes_each_scheduler_of_a_script_with_its_line(command, script) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("paddle")
    script.write_text(SCRIPT.replace('[{"params": a, "lr": args.lr / 10}, {"params": b}]', "p"), encoding="utf-8")
    done = command("convert", script, "--to", "paddle")
    assert done.status == 0
    assert "line 7: torch.optim.lr_scheduler.StepLR(optimizer, 30) for paddle" in done.out
    assert "paddle.optimizer.lr.StepDecay(learning_rate=0.1, step_size=30" in done.out
    assert "over 90 steps" in done.out


def test_convert_names_what_it_cannot_and_ends_with_status_1(command, script) -> None:
    pytest.importorskip("torch")
    script.write_text(
        SCRIPT + "a = torch.optim.lr_scheduler.StepLr(optimizer, 3)\n"
        "b = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 3 * len(train_loader))\n",
        encoding="utf-8",
    )
    done = command("convert", script, "--to", "torch", "--json")
    found = json.loads(done.out)
    assert done.status == 1
    assert len(found["conversions"]) == 1
    assert "did you mean 'StepLR'" in found["unread"][0]["reason"]
    assert "--steps-per-epoch 500" in found["unread"][1]["reason"]
