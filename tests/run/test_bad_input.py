"""What cannot be trained is said in one sentence before anything is trained, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

from cadence._errors import CadenceError
from cadence.run.train import train

Keys = dict[str, Any]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"task": "digit"}, "there is no task called 'digit'; did you mean 'digits'?"),
        (
            {"task": "no_such_module:rows"},
            "there is no module called 'no_such_module' for the task 'no_such_module:rows'",
        ),
        ({"task": "small_tasks:row"}, "no function called 'row'; did you mean 'rows'?"),
        ({"task_args": {"nn": 3}}, "has no argument 'nn'"),
        ({"task": "small_tasks:from_folder", "task_args": {"folder": "no/such"}}, "misses a file or folder: no/such"),
        ({"engine": "torhc"}, "there is no engine called 'torhc'; did you mean 'torch'?"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used here"),
        ({"device": "gpu"}, "device 'gpu' cannot be used here"),
        ({"device": "meta"}, "device 'meta' computes nothing"),
        ({"model": "no_such_module:net"}, "there is no module 'no_such_module' for model 'no_such_module:net'; run in"),
        ({"model": "small_tasks:wid"}, "small_tasks has no 'wid' for model 'small_tasks:wid'; did you mean 'wide'?"),
        ({"model": "small_tasks:wide", "model_args": {"widht": 3}}, "has no argument 'widht'; did you mean 'width'?"),
        ({"model": "small_tasks:wide", "model_args": {"width": "x"}}, "model 'small_tasks:wide' failed with TypeError"),
        (
            {"model": "small_tasks:no_model"},
            "model 'small_tasks:no_model' gives a str; it must return a torch.nn.Module",
        ),
        ({"model": "small_tasks:Path"}, "gives a PosixPath; it must return"),
        ({"optimizer": {"name": "adamv", "lr": 1}}, "there is no optimizer called 'adamv'; did you mean 'adam'"),
        ({"optimizer": {"name": "sgd", "lr": 1, "momentun": 0.9}}, "no argument 'momentun'; did you mean 'momentum'?"),
        ({"optimizer": {"name": "adamw", "lr": 1, "betas": [0.9]}}, "betas of the optimizer 'adamw' must be 2 numbers"),
        (
            {"optimizer": {"name": "lbfgs", "lr": 1}},
            "the optimizer 'lbfgs' needs a closure, which a recipe cannot give",
        ),
        ({"schedule": "warmup('4 epochs') >> cosine()"}, "a warmup of 28 updates does not fit in a run of 21 updates"),
        (
            {"schedule": "warmup('2e6 tokens') >> cosine()"},
            "the task 'rows' counts no tokens; write it in updates, epochs or samples",
        ),
        (
            {"schedule": {"wieght_decay": "cosine()"}},
            "the optimizer has no value 'wieght_decay'; did you mean 'weight_decay'?",
        ),
        ({"schedule": {"lr": "cosine()", "head/lr": "linear()"}}, "the pattern 'head/lr' matches no parameter group"),
        ({"schedule": {"beta1": "cosine()"}}, "the optimizer has no value 'beta1'"),
        ({"total": "1e6 tokens"}, "the task 'rows' counts no tokens; write it in updates, epochs or samples"),
        ({"evaluate": "1e6 tokens"}, "the task 'rows' counts no tokens; write it in updates, epochs or samples"),
        ({"batch_size": 51}, "batch_size is 51, and there are 50 training examples; write at most that"),
        (
            {"stop": "early_stop('val_accuracy')"},
            "watches 'val_accuracy', which the task 'rows' does not report; known are",
        ),
        ({"stop": "early_stop('val_los', mode='min')"}, "does not report; did you mean 'val_loss'"),
        (
            {"schedule": "constant() * plateau('train_loss')"},
            "watches 'train_loss', which the task 'rows' does not report",
        ),
        (
            {"checkpoint": {"best": "val_accuracy"}},
            "checkpoint.best is 'val_accuracy', which the task 'rows' does not report",
        ),
        (
            {"groups": {"head": {"parameters": "haed.*"}}},
            "the pattern 'haed.*' of 'head' matches no parameter; did you mean 'head'",
        ),
        ({"groups": {"rest": {"parameters": "head.*"}}}, "'rest' is the group of all that no pattern matches"),
        (
            {"groups": {"a": {"parameters": "*"}, "b": {"parameters": "head.*"}}},
            "'head.weight' is claimed twice, by 'a' ('*') and by 'b' ('head.*')",
        ),
        ({"groups": {"a": {"parameters": "*", "lr": "fast"}}}, "lr of a group must be a number, or a multiple"),
        (
            {"groups": {"a": {"parameters": "*", "momentun": 0.5}}},
            "a group of the optimizer 'sgd' has the key 'momentun'; did you mean 'momentum'?",
        ),
        (
            {"groups": {"a": {"parameters": "*", "rho": 0.5}}},
            "groups: 'a' has a value 'rho', and the optimizer 'sgd' has none; known are: ",
        ),
        (
            {"groups": {"a": {"parameters": "*", "optimizer": "muon"}}},
            "'a' chooses the optimizer 'muon', which there is not; there is only one",
        ),
        (
            {"optimizer": {"one": {"name": "sgd", "lr": 0.1}, "two": {"name": "adamw", "lr": 0.1}}},
            "the optimizer 'two' gets no parameters; let a group choose it",
        ),
        (
            {
                "optimizer": {"one": {"name": "sgd", "lr": 0.1}, "two": {"name": "adamw", "lr": 0.1}},
                "groups": {"a": {"parameters": "head.*", "optimizer": "tow"}},
            },
            "'a' chooses the optimizer 'tow', which there is not; did you mean 'two'?",
        ),
        ({"optimizer": {"name": "lyon", "lr": 0.1}}, "there is no optimizer called 'lyon'; did you mean 'lion'"),
        ({"optimizer": {"name": "lomo", "lr": 0.1}}, "updates within the backward pass"),
        ({"optimizer": {"name": "muon", "lr": 0.1}}, "takes only matrices, and '"),
    ],
    ids=lambda x: None if isinstance(x, dict) else x[:40],
)
def test_bad_input_is_one_sentence_and_no_folder(small: Keys, keys: Keys, said: str, tmp_path: Path) -> None:
    with pytest.raises(CadenceError) as caught:
        train({**small, **keys}, progress=lambda p: pytest.fail("it trains"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_run_among_several_processes_is_refused(small: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(CadenceError, match="started as one of 2 processes, and trains in one"):
        train(small)


def test_a_recipe_file_that_is_missing_is_refused() -> None:
    with pytest.raises(CadenceError, match=r"there is no recipe 'recipe[.]yaml'; `cadence init` writes"):
        train("recipe.yaml")


@pytest.mark.parametrize(("keys", "said"), [({"seed": -1}, "seed is -1"), ({"updates": 0}, "total: a length of 0")])
def test_what_is_given_instead_of_the_recipes_is_checked_as_well(small: Keys, keys: Keys, said: str) -> None:
    with pytest.raises(CadenceError, match=said):
        train(small, **keys)


def test_a_split_that_does_not_exist_is_refused_before_training(small: Keys) -> None:
    with pytest.raises(CadenceError, match="write 'val' or 'tune'"):
        train(small, split="test", progress=lambda p: pytest.fail("it trains"))  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written_is_refused(small: Keys) -> None:
    Path("taken").write_text("a file")
    with pytest.raises(CadenceError, match="a file stands where a folder is needed"):
        train(small, out="taken/run")
