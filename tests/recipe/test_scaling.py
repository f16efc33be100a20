"""A rate that is stated for another batch."""

from __future__ import annotations

import pytest

import cadence as cd
from cadence._errors import RecipeError, SpecError, UnknownNameError
from cadence.curve.place import as_plan
from cadence.recipe.recipe import Recipe
from cadence.recipe.scaling import RULES, scaling, with_warmup

KEYS = {"task": "digits", "total": "10 epochs", "optimizer": {"name": "sgd", "lr": 0.1}}
SCALED = {"rule": "linear", "reference_batch": 256}


def recipe(scale: object, **more: object) -> Recipe:
    return Recipe(**{**KEYS, "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "scale_lr": scale}, **more})


@pytest.mark.parametrize(
    ("rule", "batch", "rate"),
    # Goyal et al. 2017, section 2.1: 0.1 for 256; section 5.1: 3.2 for 8192.
    [("linear", 256, 0.1), ("linear", 8192, 3.2), ("linear", 64, 0.025), ("sqrt", 1024, 0.2), ("sqrt", 64, 0.05)],
)
def test_known_rates(rule: str, batch: int, rate: float) -> None:
    assert cd.scale_lr(0.1, batch=batch, reference=256, rule=rule) == pytest.approx(rate, rel=1e-15)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_undoes_itself_and_changes_nothing_at_the_reference(rule: str) -> None:
    there = cd.scale_lr(0.3, batch=777, reference=100, rule=rule)
    assert cd.scale_lr(there, batch=100, reference=777, rule=rule) == pytest.approx(0.3, rel=1e-14)
    assert cd.scale_lr(0.3, batch=100, reference=100, rule=rule) == 0.3
    assert "arXiv:" in RULES[rule].source


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"lr": 0.0}, "lr is 0.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": True}, "lr is True"),
        ({"batch": 0}, "batch is 0; a batch has a whole number of examples"),
        ({"batch": 2.5}, "batch is 2.5"),
        ({"reference": -1}, "reference is -1"),
    ],
)
def test_what_is_no_rate_and_no_batch_is_refused(wrong: dict[str, object], said: str) -> None:
    given: dict[str, object] = {"lr": 0.1, "batch": 512, "reference": 256, **wrong}
    with pytest.raises(SpecError, match=said):
        cd.scale_lr(given.pop("lr"), rule="linear", **given)  # type: ignore[arg-type]


def test_an_unknown_rule_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'linear'"):
        cd.scale_lr(0.1, batch=512, reference=256, rule="liner")


def test_the_climb_begins_at_the_rate_of_the_reference_batch() -> None:
    plan = with_warmup(as_plan("constant()"), scaling("linear", 0.1, 256, 2048), "4 epochs")
    curve = cd.place(plan, total="10 epochs", steps_per_epoch=5, base=0.8)
    assert [curve.at(t) for t in (0, 10, 20, 49)] == pytest.approx([0.1, 0.45, 0.8, 0.8], rel=1e-14)


def test_the_climb_is_one_of_rates_alone_and_of_every_group() -> None:
    given = as_plan({"lr": "cosine()", "weight_decay": "constant()", "head/lr": "linear()"})
    plan = with_warmup(given, scaling("sqrt", 0.1, 256, 1024), 10)
    base = {"lr": 1.0, "weight_decay": 0.5}
    curve = cd.place(plan, total=100, base=base, groups=["head", "rest"])
    assert [curve.at(0, group=g) for g in ("head", "rest")] == pytest.approx([0.5, 0.5])
    assert curve.at(0, group="rest", value="weight_decay") == 0.5
    assert curve.at(50, group="head") == pytest.approx(0.5)


def test_a_rate_that_becomes_smaller_has_nothing_to_climb() -> None:
    plan = as_plan("cosine()")
    assert with_warmup(plan, scaling("linear", 0.1, 256, 64), "4 epochs") == plan


# ---- in a recipe -----------------------------------------------------------------------------------------------------


def test_a_recipe_is_as_it_was_written() -> None:
    made = recipe({**SCALED, "warmup": "5 epochs"}, tune={"factors": [0.5, 1, 2]})
    assert made.optimizer.lr == 0.1
    assert made.optimizer.arguments == {"momentum": 0.9}
    assert made.rates == [0.05, 0.1, 0.2]
    assert made.at_rate(0.3).optimizer.scale_lr == made.optimizer.scale_lr
    assert "scale_lr: {rule: linear, reference_batch: 256, warmup: 5 epochs}" in made.to_yaml()


def test_it_shapes_the_training_and_so_is_part_of_the_hash() -> None:
    plain = Recipe(**KEYS)
    hashes = {
        each.content_hash
        for each in (
            recipe(None), recipe(SCALED), recipe({**SCALED, "rule": "sqrt"}), recipe({**SCALED, "reference_batch": 128}),
            recipe({**SCALED, "warmup": 3}),
        )
    }  # fmt: skip
    assert len(hashes) == 5
    assert Recipe(**{**KEYS, "optimizer": {"name": "sgd", "lr": 0.1, "scale_lr": None}}) == plain
    assert Recipe(**{**KEYS, "optimizer": {"name": "sgd", "lr": 0.1, "scale_lr": None}}).content_hash == (
        plain.content_hash
    )


def test_what_is_measured_is_no_part_of_the_hash() -> None:
    assert Recipe(**KEYS).effective_rates == 20
    assert {Recipe(**KEYS, effective_rates=n).content_hash for n in (None, 1, 20)} == {Recipe(**KEYS).content_hash}
    for wrong in (0, -3, 2.5, "often"):
        with pytest.raises(
            RecipeError, match=r"effective_rates is .*; it must be a whole number of at least 1, or null"
        ):
            Recipe(**KEYS, effective_rates=wrong)


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        ({"rule": "linear"}, "the key 'optimizer.scale_lr.reference_batch' is missing"),
        ({**SCALED, "rule": "cube"}, "optimizer.scale_lr.rule is 'cube'; it must be linear or sqrt"),
        ({**SCALED, "reference_batch": 0}, "reference_batch is 0; it must be a whole number of at least 1"),
        ({**SCALED, "warmup": "5 eons"}, "eons"),
        ({**SCALED, "warmup": 0}, "no training"),
        ({**SCALED, "warm_up": 5}, "did you mean 'warmup'"),
        ("linear", "optimizer.scale_lr is 'linear'"),
    ],
)
def test_faults_are_said_with_their_key(scale: object, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipe(scale)
