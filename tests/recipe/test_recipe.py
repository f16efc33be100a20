"""What a recipe takes, what it refuses and in which words, and what its hash covers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import RecipeError
from cadence.recipe.load import recipe_from_text
from cadence.recipe.recipe import Recipe, folder_safe, make_recipe
from cadence.spec.plan import Plan


def make(**keys: Any) -> Recipe:
    return Recipe(**{"task": "digits", "optimizer": {"name": "adamw", "lr": 0.003}, "total": "20 epochs", **keys})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"optimiser": {}}, "there is no key 'optimiser' in a recipe; did you mean 'optimizer'?"),
        ({"checkpoint": {"evry": 3}}, "there is no key 'evry' under 'checkpoint'; did you mean 'every'?"),
        ({"optimizer": {"name": "adamw"}}, "the key 'optimizer.lr' is missing; write e.g. lr: 0.001"),
        (
            {"optimizer": {"name": "adamw", "lr": "0.1"}},
            "optimizer.lr is '0.1'; it must be a number above 0, e.g. lr: 0.001",
        ),
        ({"optimizer": {"name": "adamw", "lr": 0}}, "optimizer.lr is 0; it must be a number above 0"),
        ({"optimizer": {"name": "adamw", "lr": float("nan")}}, "optimizer.lr is nan; it must be a number above 0"),
        ({"optimizer": {"name": "a b", "lr": 1}}, "optimizer.name: 'a b' names no optimizer"),
        ({"optimizer": {"name": "a", "lr": 1, "eps": float("inf")}}, "optimizer.eps is inf; write a finite number"),
        ({"accumulate": 0}, "accumulate is 0; it must be a whole number from 1 to a million, e.g. accumulate: 4"),
        ({"accumulate": 2.0}, "accumulate is 2.0; it must be a whole number"),
        ({"accumulate": True}, "accumulate is true; it must be a whole number"),
        ({"batch_size": -1}, "batch_size is -1; it must be a whole number of at least 1, or null"),
        ({"total": 5.5}, "total is 5.5; it must be a number of updates, or text with a unit, e.g. total: 20 epochs"),
        ({"total": "20 epoch s"}, "total: a length cannot be read from '20 epoch s'"),
        ({"total": "5%"}, "total: the length of the run cannot be '5%' of itself"),
        ({"total": 0}, "total: a length of 0 is no training"),
        ({"total": -3}, "total: a length of -3 is negative"),
        ({"total": None}, "total is null; it must be"),
        ({"evaluate": "0 epochs"}, "evaluate: a length of '0 epochs' is no training"),
        ({"schedule": "cosin()"}, "schedule: there is no schedule called 'cosin'; did you mean 'cosine'?"),
        ({"schedule": {"lr": "cosin()"}}, "schedule: there is no schedule called 'cosin'"),
        ({"schedule": {}}, "schedule: a plan maps values to schedules"),
        ({"schedule": 3}, "schedule is 3; it must be a schedule as text"),
        ({"schedule": "__import__('os')"}, "schedule: "),
        ({"stop": "cosine()"}, "stop: 'cosine()' is no rule that ends a run; write e.g. early_stop('val_loss'"),
        ({"stop": "early_stop('score')"}, "stop: the name 'score' does not tell whether less is better"),
        ({"precision": "int8"}, "precision is 'int8'; it must be fp32, bf16 or fp16"),
        ({"seed": -1}, "seed is -1; it must be a whole number from 0 to 4294967295"),
        ({"clip_norm": 0}, "clip_norm is 0; it must be a number above 0, or null"),
        ({"tune": {}}, "tune needs rates to try"),
        ({"tune": {"factors": [1], "lr": [1]}}, "tune needs rates to try: write either factors"),
        ({"tune": {"factors": []}}, "tune needs rates to try"),
        ({"tune": {"factors": [1, -1]}}, "tune.factors is -1; it must be a list of numbers above 0"),
        ({"groups": {"head": {}}}, "the key 'groups.head.parameters' is missing"),
        (
            {"groups": {"head": {"parameters": "role:baises"}}},
            "groups.head: there is no role 'baises' of a parameter; did you",
        ),
        (
            {"groups": {"head": {"parameters": "*", "lr": "fast"}}},
            "groups.head: lr of a group must be a number, or a multiple",
        ),
        (
            {"groups": {"head": {"parameters": "*", "frozn": 3}}},
            "groups.head: a group has no key 'frozn'; did you mean 'frozen'?",
        ),
        (
            {"groups": {"head": {"parameters": "*", "frozen": "3 epocs"}}},
            "groups.head.frozen: a frozen length of '3 epocs' has no unit",
        ),
        (
            {"groups": {"head": {"parameters": "*", "frozen": 1.5}}},
            "groups.head.frozen is 1.5; it must be a number of updates, a",
        ),
        (
            {"groups": {"head": {"parameters": "*", "layer_decay": 2}}},
            "groups.head.layer_decay is 2; it must be a number above 0",
        ),
        (
            {"groups": {"head": {"parameters": "*", "optimizer": 1}}},
            "groups.head.optimizer is 1; it must be the name of one of",
        ),
        (
            {"groups": {"head": {"parameters": "*", "betas": [float("inf")]}}},
            "groups.head: a group.betas is inf; write a finite",
        ),
        ({"groups": {"rest": {"parameters": "*"}}}, "'rest' is the group of all that no pattern matches"),
        ({"groups": {"a/b": {"parameters": "*"}}}, "the group 'a/b' has '/' or ':' in its name, which separate it"),
        ({"no_decay": "yes"}, "no_decay is 'yes'; it must be true or false, e.g. no_decay: true"),
        (
            {"layer_decay": 0},
            "layer_decay is 0; it must be a number above 0 and at most 1, or null, e.g. layer_decay: 0.75",
        ),
        ({"optimizer": 3}, "optimizer is 3; it must be a mapping with name and lr"),
        ({"optimizer": {}}, "the key 'optimizer.name' is missing; write e.g. name: adamw"),
        ({"optimizer": {"a": {"name": "adamw"}}}, "the key 'optimizer.a.lr' is missing; write e.g. lr: 0.001"),
        (
            {"optimizer": {"a": {"name": "adamw", "lr": "x"}}},
            "optimizer.a.lr is 'x'; it must be a number above 0, e.g. lr: 0.001",
        ),
        (
            {"optimizer": {" ": {"name": "adamw", "lr": 1}}},
            "one of the optimizers has an empty name; call it by a word",
        ),
        ({"groups": {"head": {"parameters": []}}}, "groups.head: a group without patterns holds no parameters"),
        ({"task": "my task"}, "task: 'my task' names no task"),
        ({"task": "a.b:c d"}, "task: 'a.b:c d' names no task"),
        ({"task_args": [1]}, "task_args is [1]; it must be a mapping"),
        ({"task_args": {"a": {1: 2}}}, "task_args.a has the key 1, which is not text"),
        ({"model": "resnet"}, "model: 'resnet' cannot be imported; write package.module:function"),
        ({"model_args": {"width": 3}}, "model_args is given without model"),
        ({"tags": "one"}, "tags is 'one'; it must be a list of text"),
        ({"name": " "}, "name is empty"),
        ({"notes": "\ud800"}, "notes: the text holds half a character"),
        ({"threads": 0}, "threads is 0; it must be a whole number of at least 1"),
    ],
    ids=lambda x: x if isinstance(x, str) else "-".join(x),
)
def test_a_wrong_key_or_value_is_one_sentence(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        make(**keys)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["task", "optimizer", "total"])
def test_a_missing_key_says_what_to_write(key: str) -> None:
    keys = {"task": "digits", "optimizer": {"name": "adamw", "lr": 0.003}, "total": 5}
    del keys[key]
    with pytest.raises(RecipeError, match=f"the key '{key}' is missing; write e.g. {key}: "):
        make_recipe(keys)


def test_a_misspelt_key_is_told_before_the_one_it_leaves_missing() -> None:
    with pytest.raises(RecipeError, match="there is no key 'totl' in a recipe; did you mean 'total'"):
        make_recipe({"task": "digits", "optimizer": {"name": "adamw", "lr": 0.003}, "totl": 5})


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(RecipeError, match="1 is no key of a recipe"):
        make_recipe({1: 2})  # type: ignore[dict-item]


def test_whole_numbers_serve_where_a_number_is_wanted() -> None:
    assert make(clip_norm=1).clip_norm == 1.0
    assert make(optimizer={"name": "sgd", "lr": 1}).optimizer.lr == 1.0


def test_the_methods_own_arguments_stand_beside_name_and_rate() -> None:
    recipe = make(optimizer={"name": "adamw", "lr": 0.1, "betas": [0.9, 0.95], "weight_decay": 0})
    assert recipe.optimizer.arguments == {"betas": [0.9, 0.95], "weight_decay": 0}


def test_recipes_that_say_the_same_are_equal_and_have_one_hash() -> None:
    a = make(schedule="warmup('5%')>>cosine(to = 1e-2)", stop='early_stop("val_loss")')
    b = make(schedule="warmup('5%') >> cosine(to=0.01)", stop="early_stop('val_loss')")
    assert a == b
    assert a.content_hash == b.content_hash
    assert make(schedule="plan({'lr': cosine(), 'weight_decay': 1})") == make(
        schedule={"lr": "cosine()", "weight_decay": 1}
    )


def test_the_hash_covers_what_shapes_the_training_and_nothing_else() -> None:
    plain = make()
    for same in ({"name": "b"}, {"tags": ["x"]}, {"notes": "n"}, {"tune": {"factors": [1, 3]}}):
        assert make(**same).content_hash == plain.content_hash
    others: list[dict[str, Any]] = [
        {"seed": 1}, {"total": "21 epochs"}, {"schedule": "cosine()"}, {"accumulate": 2}, {"clip_norm": 1},
        {"optimizer": {"name": "adamw", "lr": 0.003, "weight_decay": 0}}, {"task_args": {"a": 1}}, {"evaluate": 5},
    ]  # fmt: skip
    assert len({make(**k).content_hash for k in others} | {plain.content_hash}) == len(others) + 1


def test_the_folder_name_holds_name_and_hash() -> None:
    assert make(name="AdamW + cosine").folder_name == f"AdamW-cosine-{make().content_hash[:8]}"


@given(st.text())
def test_a_folder_name_is_safe_whatever_the_name(name: str) -> None:
    safe = folder_safe(name)
    assert 1 <= len(safe) <= 60
    assert safe not in (".", "..")
    assert all(c.isascii() and (c.isalnum() or c in "._-") for c in safe)


def test_rates_are_factors_of_the_base_or_the_numbers_themselves() -> None:
    assert make(tune={"factors": [0.5, 1, 2]}).rates == [0.0015, 0.003, 0.006]
    assert make(tune={"lr": [0.1, 0.2]}).rates == [0.1, 0.2]
    assert make().rates == []


def test_a_changed_recipe_is_checked_anew() -> None:
    assert make().changed(seed=3).seed == 3
    assert make().at_rate(0.5).optimizer.lr == 0.5
    assert make(optimizer={"name": "sgd", "lr": 1, "momentum": 0.9}).at_rate(0.5).optimizer.arguments == {
        "momentum": 0.9
    }
    with pytest.raises(RecipeError, match="did you mean 'seed'"):
        make().changed(sed=3)
    with pytest.raises(RecipeError, match=r"optimizer\.lr is -1"):
        make().at_rate(-1)


def test_a_recipe_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        make().seed = 3


def test_all_defaults_are_written_out_and_read_back_equal() -> None:
    recipe = make(
        schedule={"lr": "warmup('5%') >> cosine()", "head.*/lr": "0.1 * cosine()", "weight_decay": 1},
        groups={"head.x": {"parameters": ["head.*", "out.*"], "lr": 1e-2}},
        tags=["no", "1e-3", "012"],
        notes="first line\nsecond: line # three 学习率",
        stop="early_stop('val_loss', patience='5 epochs')",
        checkpoint={"every": "1 epoch", "best": "val_loss"},
        clip_norm=1e-7,
    )
    text = recipe.to_yaml()
    assert recipe_from_text(text, "x", name="x") == recipe
    assert "accumulate: 1\n" in text
    assert isinstance(recipe.spec, Plan)
