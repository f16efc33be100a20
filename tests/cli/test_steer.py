"""`cadence steer`: what it shows, what it asks for, what it refuses; in sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("sklearn")

from cadence.record.commands import commands
from cadence.run.train import train


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run, asked to go on."""
    monkeypatch.chdir(tmp_path)
    recipe: dict[str, Any] = {
        "name": "short", "task": "digits", "optimizer": {"name": "sgd", "lr": 0.1}, "device": "cpu",
        "schedule": "linear(to=0.5)", "total": 4, "evaluate": 2, "checkpoint": {"every": 2, "keep": 5},
    }  # fmt: skip
    train(recipe, out="x")
    return Path("x")


def test_the_whole_way(run: Path, command: Any) -> None:
    shown = command("steer", run, "extend", "4", "--dry-run")
    assert (shown.status, shown.err) == (0, "")
    assert shown.out.startswith("lr before and after\n")
    assert "a  before\nb  after" in shown.out
    assert "over 8 updates instead of linear(to=0.5) over 4 updates, without a jump." in shown.out
    assert "Nothing was changed" in shown.out
    assert commands(run) == []
    done = command("steer", run, "extend", "4")
    assert "cadence train x/recipe.yaml --out x" in done.out
    cooled = json.loads(command("steer", run, "cooldown", "25%", "--shape", "linear", "--json").out)
    assert (cooled["status"], cooled["t"]) == ("waiting", 4)
    assert (cooled["before"]["total"], cooled["after"]["total"]) == (8, 6)
    # 0.05 at update 4, where the change begins; then in a line to 0.
    assert cooled["after"]["values"]["rest/lr"][4:] == pytest.approx([0.05, 0.025, 0.0])
    standing = json.loads(command("steer", run, "show", "--json").out)
    assert (standing["status"], standing["t"], standing["total"]) == ("finished", 4, 6)
    assert [each["command"] for each in standing["waiting"]] == ["extend", "cooldown"]
    assert "waits to be followed: cooldown" in command("steer", run, "show").out
    trained = command("train", "x/recipe.yaml", "--out", "x")
    assert trained.status == 0
    assert "finished after 6 updates" in trained.out
    listed = json.loads(command("runs", ".", "--json").out)
    assert [(row["updates"], row["total"]) for row in listed] == [(6, 6)]


def test_a_branch_is_listed_with_where_it_began(run: Path, command: Any) -> None:
    made = command("steer", run, "branch", "y", "--at", "2", "--schedule", "linear()", "--total", "1 epoch")
    assert made.status == 0, made.err
    assert "y begins at update 2 of x; train it with: cadence train y/recipe.yaml --out y" in made.out
    listed = command("runs", ".").out
    assert "y (branch of x at 2)" in listed
    assert json.loads(command("runs", ".", "--json").out)[1]["branched_from"]["folder"] == "x"
    assert command("train", "y/recipe.yaml", "--out", "y").status == 0


def test_the_words_are_there_in_chinese(run: Path, command: Any) -> None:
    shown = command("steer", run, "extend", "4", "--dry-run", "--lang", "zh").out
    assert "a  之前\nb  之后" in shown
    assert "未作任何更改" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["coldown", "10%"], "a run cannot be told to 'coldown'; did you mean 'cooldown'?"),
        (["cooldown"], "cooldown takes a length, e.g. '10%', and got nothing"),
        (["pause", "now"], "pause takes nothing, and got now"),
        (["branch"], "branch takes a new folder, and got nothing"),
        (["set"], "set needs at least one value; write e.g. set lr=1e-4"),
        (["set", "lr"], "set takes values by name, e.g. lr=1e-4, not 'lr'"),
        (["set", "lr=1e-4", "lr=1e-3"], "lr is given twice, as 0.0001 and as 1e-3; give it once"),
        (["set", "lr=fast"], "lr cannot be set to 'fast'; write a number, e.g. lr=1e-4"),
        (["extend", "4", "--to", "0.1"], "--to is of cooldown, and means nothing to extend; leave it out"),
        (["set", "lr=1"], "the run in x is over: it finished after 4 updates; extend it first, or branch from it"),
        (["cooldown", "1"], "the run in x is over: it finished after 4 updates; extend it first, or branch from it"),
        (["extend", "3 parsecs"], "3 parsecs"),
        (["pause"], "nobody trains x now (finished), so there is nothing to pause"),
        (["branch", "y", "--at", "3"], "x has no whole checkpoint at update 3; there are: 2, 4"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    run: Path, command: Any, arguments: list[str], told: str
) -> None:
    done = command("steer", run, *arguments)
    assert done.status == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert commands(run) == []
    assert (run / "result.json").exists()


def test_what_does_not_fit_after_what_waits_is_refused(run: Path, command: Any) -> None:
    command("steer", run, "extend", "4")
    for arguments, told in (
        (["cooldown", "5"], "a cooldown of 5 updates does not fit into the 4 that are left at update 4 of 8"),
        (["shorten", "4"], "the run is at update 4 of 8, and 4 updates less would end it at 4, which is past"),
        (["set", "momentum=0.5"], "the plan does not govern 'momentum'; known are: lr"),
        (["release"], "nothing is held"),
    ):
        done = command("steer", run, *arguments)
        assert (done.status, told in done.err) == (2, True), done.err
    command("steer", run, "hold")
    assert "held already" in command("steer", run, "hold", "2").err
    assert [c.name for c in commands(run)] == ["extend", "hold"]


def test_a_folder_without_a_run_is_bad_input(tmp_path: Path, command: Any) -> None:
    done = command("steer", tmp_path, "extend", "5")
    assert done.status == 2
    assert "no run folder" in done.err


def test_a_change_of_one_group_is_drawn_for_that_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe: dict[str, Any] = {
        "name": "short", "task": "digits", "optimizer": {"name": "sgd", "lr": 0.1}, "device": "cpu", "total": 8,
        "groups": {"biases": {"parameters": "*.bias"}}, "checkpoint": {"every": 4, "keep": 5}, "evaluate": 4,
    }  # fmt: skip
    train(recipe, out="x")
    Path("x/result.json").unlink()
    Path("x/checkpoints/8.json").unlink()
    shown = command("steer", "x", "set", "lr=0.3", "--group", "biases")
    assert shown.out.startswith("biases/lr before and after\n"), shown.err
    assert "Set by hand: lr = 0.3 of group 'biases'." in shown.out
    assert command("train", "x/recipe.yaml", "--out", "x").status == 0
    from cadence import load_record

    record = load_record("x")
    rates = record.updates["lr"]
    names = record.run["groups"]
    assert rates[:, names.index("biases")].tolist() == pytest.approx([0.1] * 4 + [0.3] * 4)
    assert rates[:, names.index("rest")].tolist() == pytest.approx([0.1] * 8)
