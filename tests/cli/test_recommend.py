"""`cadence recommend`: text, JSON, files, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

IMAGENET = (
    "--model",
    "torchvision.models:resnet50",
    "--data",
    "imagenet",
    "--gpus",
    8,
    "--batch",
    2048,
    "--epochs",
    90,
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_imagenet_is_explained_without_its_library(command) -> None:
    done = command("recommend", *IMAGENET)
    assert done.status == 0
    assert "25,557,032 trained parameters" in done.out
    for word in ("sgd (momentum 0.9)", "0.8", "5 epochs", "arXiv:1706.02677", "Taken for granted", "0.8 ┤"):
        assert word in done.out
    assert max(map(len, done.out.splitlines())) <= 110


def test_the_same_in_chinese(command) -> None:
    done = command("recommend", *IMAGENET, "--lang", "zh")
    assert done.status == 0
    assert "学习率" in done.out
    assert "默认假定" in done.out


def test_json_has_every_choice_and_the_profile(command) -> None:
    data = json.loads(command("recommend", *IMAGENET, "--json").out)
    assert data["choices"]["learning_rate"]["value"] == 0.8
    assert data["choices"]["learning_rate"]["confidence"] == "high"
    assert data["profile"]["model"]["norms"] == 53_120
    assert data["profile"]["updates"] == 56_340


def test_page_and_recipe_are_written_by_their_endings(command) -> None:
    done = command(
        "recommend", *IMAGENET, "--out", "advice.html", "--out", "new/r.yaml", "--train-task", "mine.task:make"
    )
    assert done.status == 0
    assert done.out.splitlines()[-2:] == ["advice.html", "new/r.yaml"]
    assert "<!doctype html>" in Path("advice.html").read_text(encoding="utf-8")
    text = Path("new/r.yaml").read_text(encoding="utf-8")
    assert "model: torchvision.models:resnet50" in text
    assert "lr: 0.8" in text


def test_a_search_around_the_advice_is_written(command) -> None:
    command("recommend", *IMAGENET, "--out", "s.yaml", "--train-task", "mine.task:make", "--search")
    assert "search:" in Path("s.yaml").read_text(encoding="utf-8")


def test_what_is_of_a_recipe_that_is_not_written_is_refused(command) -> None:
    said = ("recommend", "--model", "resnet50", "--data", "imagenet", "--batch", 256, "--epochs", 90)
    for option in (("--search",), ("--train-task", "digits"), ("--search", "--out", "page.html")):
        done = command(*said, *option)
        assert (done.status, done.out) == (2, "")
        assert "name its file: --out recipe.yaml" in done.err


def test_no_rate_is_a_finding(command) -> None:
    done = command("recommend", "--model", "resnet50", "--task", "other", "--batch", 8, "--updates", 100)
    assert done.status == 1
    assert "not known" in done.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "neither a recipe nor a model is named"),
        (("--model", "resnet50", "--pilot"), "a pilot trains, and needs to know on what"),
        (("--model", "resnet50", "--data", "imagenet"), "batch_size (--batch) is not said"),
        (("--model", "resnet", "--data", "imagenet", "--batch", 8), "no model is known by the name 'resnet'"),
        ((*IMAGENET, "--out", "x.pdf"), "'x.pdf' is no file that is written"),
        ((*IMAGENET, "--out", "x.yaml"), "a recipe needs the task by name"),
        (("nothing.yaml",), "there is no recipe 'nothing.yaml'"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(command, arguments, sentence: str) -> None:
    done = command("recommend", *arguments)
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err
    assert len(done.err.splitlines()) == 1


def test_a_recipe_and_an_option_that_belongs_into_it_are_refused(command) -> None:
    Path("r.yaml").write_text("{task: digits, total: 90}", encoding="utf-8")
    done = command("recommend", "r.yaml", "--epochs", 3)
    assert done.status == 2
    assert "write total into r.yaml" in done.err


def test_a_recipe_is_filled_in_with_a_pilot(command) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    Path("r.yaml").write_text("{task: digits, total: 300, batch_size: 16}", encoding="utf-8")
    done = command("recommend", "r.yaml", "--pilot", "--out", "filled.yaml", "--out", "page.html")
    assert done.status == 0
    assert "a pilot of" in done.out
    assert "[3 short trainings of this model" in Path("filled.yaml").read_text(encoding="utf-8").replace("\n# ", " ")
