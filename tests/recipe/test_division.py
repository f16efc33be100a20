"""What a recipe says of several optimizers and of groups, and what of it shapes the training."""

from __future__ import annotations

from typing import Any

import pytest

from cadence._errors import RecipeError
from cadence.recipe.bases import base_of, group_names
from cadence.recipe.load import recipe_from_text
from cadence.recipe.recipe import Recipe
from cadence.spec.groups import Multiple

TWO = {"main": {"name": "adamw", "lr": 0.003, "weight_decay": 0.1}, "matrices": {"name": "muon", "lr": 0.02}}
BODY = {"parameters": "role:matrix", "optimizer": "matrices"}


def make(**keys: Any) -> Recipe:
    return Recipe(**{"task": "digits", "optimizer": {"name": "adamw", "lr": 0.003}, "total": 10, **keys})


def test_one_optimizer_is_the_only_one_and_the_main_one() -> None:
    recipe = make()
    assert list(recipe.optimizers) == ["optimizer"]
    assert recipe.main.lr == 0.003


def test_of_several_optimizers_the_first_is_the_main_one_and_all_keep_their_ratio() -> None:
    recipe = make(optimizer=TWO, groups={"body": BODY}, tune={"factors": [1, 2]})
    assert (list(recipe.optimizers), recipe.main.name) == (["main", "matrices"], "adamw")
    assert recipe.rates == [0.003, 0.006]
    other = recipe.at_rate(0.006)
    assert [one.lr for one in other.optimizers.values()] == pytest.approx([0.006, 0.04])
    assert other.main.arguments == {"weight_decay": 0.1}


def test_groups_are_read_as_they_are_written() -> None:
    recipe = recipe_from_text(
        """
task: digits
optimizer: {name: adamw, lr: 1e-3}
groups:
  head: {parameters: "head.*", lr: x10, frozen: 3 epoch}
  body: {parameters: [role:matrix, type:Conv2d], without: head.weight, no_decay: true, betas: [0.8, 0.9]}
no_decay: false
layer_decay: 0.75
total: 5 epochs
""",
        "a.yaml",
        name="a",
    )
    (head, first), (body, second) = recipe.division.groups
    assert (head, body, recipe.division.layer_decay) == ("head", "body", 0.75)
    assert first.values == (("lr", Multiple(10.0)),)
    assert str(first.frozen) == "3 epochs"
    assert [str(p) for p in second.claims] == ["role:matrix", "type:Conv2d"]
    assert (second.without[0].kind, second.no_decay, second.values) == ("name", True, (("betas", [0.8, 0.9]),))


@pytest.mark.parametrize(
    "keys",
    [
        {"no_decay": True},
        {"layer_decay": 0.5},
        {"optimizer": TWO, "groups": {"body": BODY}},
        {"groups": {"a": {"parameters": "a.*", "frozen": "2 epochs"}}},
        {"groups": {"a": {"parameters": "a.*", "frozen": True}}},
        {"groups": {"a": {"parameters": "a.*", "lr": "x0.5"}}},
    ],
    ids=str,
)
def test_what_shapes_the_training_changes_its_hash_and_comes_back_from_yaml(keys: dict[str, Any]) -> None:
    recipe = make(**keys)
    assert recipe.content_hash != make().content_hash
    back = recipe_from_text(recipe.to_yaml(), "b.yaml", name="b")
    assert back == recipe
    assert back.content_hash == recipe.content_hash


def test_the_defaults_change_no_hash() -> None:
    plain = {"parameters": "a.*"}
    written = {**plain, "frozen": False, "without": None, "optimizer": None}
    assert make(no_decay=False, layer_decay=None).content_hash == make().content_hash
    assert make(groups={"a": written}).content_hash == make(groups={"a": plain}).content_hash
    # One spelling of a length.
    a, b = ({"a": {**plain, "frozen": x}} for x in ("3 epoch", "3.0 epochs"))
    assert make(groups=a).content_hash == make(groups=b).content_hash


def test_the_order_counts_where_it_shapes_the_training() -> None:
    groups = {"a": {"parameters": "a.*"}, "b": {"parameters": "b.*"}}
    plan = {"*/lr": "cosine()", "a/lr": "linear()"}
    for key, value in (("groups", groups), ("schedule", plan), ("optimizer", TWO)):
        there, back = make(**{key: value}), make(**{key: dict(reversed(value.items()))})
        assert there.content_hash != back.content_hash, key
    one = {"name": "adamw", "lr": 0.003, "weight_decay": 0.1}
    assert make(optimizer=one).content_hash == make(optimizer=dict(reversed(one.items()))).content_hash


def test_what_a_recipe_says_of_its_groups_without_its_model() -> None:
    groups = {"body": {**BODY, "lr": "x0.5"}, "head": {"parameters": "head.*", "lr": 0.1, "weight_decay": "x2"}}
    plan = {"lr": "cosine()", "head:3/lr": "linear()", "*:no_decay/weight_decay": "constant()"}
    recipe = make(optimizer=TWO, groups=groups, schedule=plan)
    assert group_names(recipe) == ["body", "head", "rest", "head:3", "*:no_decay"]
    assert [base_of(recipe, g, "lr") for g in group_names(recipe)] == [0.01, 0.1, 0.003, 0.1, 0.003]
    assert [base_of(recipe, g, "weight_decay") for g in ("body", "head", "rest")] == [None, 0.2, 0.1]
    astray = make(optimizer=TWO, groups={"body": {**BODY, "optimizer": "matrixes"}})
    with pytest.raises(RecipeError, match="chooses the optimizer 'matrixes'; did you mean 'matrices'"):
        base_of(astray, "body", "lr")
