"""The space of a search: how ranges are written, what is refused, and the recipe that a trial is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cadence._errors import RecipeError, SearchError
from cadence.recipe.load import load_recipe
from cadence.recipe.recipe import Recipe
from cadence.search.ranges import Choices, Floats, Wholes, read_range
from cadence.search.settings import read_settings, read_space
from cadence.search.space import make_space

KEYS: dict[str, Any] = {
    "task": "digits",
    "optimizer": {"name": "adamw", "lr": 0.003, "betas": [0.9, 0.99]},
    "total": 90,
}


def base(**keys: Any) -> Recipe:
    return Recipe(**{**KEYS, **keys})


def test_ranges_are_read_from_text() -> None:
    assert read_range("x", "log(1e-4, 1e-1)") == Floats(1e-4, 0.1, log=True)
    assert read_range("x", " uniform( -1 , 2.5 ) ") == Floats(-1.0, 2.5, log=False)
    assert read_range("x", "int(1, 10, step=4)") == Wholes(1, 9, 4, log=False)
    assert read_range("x", "int(16, 512, log=True)") == Wholes(16, 512, 1, log=True)
    assert read_range("x", "uniform(0, 1, points=5)") == Choices((0, 0.25, 0.5, 0.75, 1))
    assert read_range("x", "log(1e-3, 10, points=5)") == Choices((1e-3, 0.01, 0.1, 1.0, 10))
    assert read_range("x", ["a", None, [1, 2], {"k": True}]) == Choices(("a", None, [1, 2], {"k": True}))
    assert read_range("x", "warmup({w})") is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("log(1e-1, 1e-4)", "is empty"),
        ("log(2, 2)", "holds one value only"),
        ("log(0, 1)", "has no logarithm"),
        ("log(-1, 1)", "has no logarithm"),
        ("log(1e-4)", "has 1 ends"),
        ("log(1, 2, 3)", "has 3 ends"),
        ("log(1, 2, point=3)", "did you mean 'points'"),
        ("log(1, 2, points=1)", "whole number from 2"),
        ("log(1, 1e999)", "finite numbers only"),
        ("uniform(0, __import__('os').getpid())", "finite numbers only"),
        ("uniform(0, 10**9**9)", "finite numbers only"),
        ("uniform(0, (1).real)", "finite numbers only"),
        ("int(1.5, 3)", "whole numbers"),
        ("int(0, 8, log=True)", "begins at 1"),
        ("int(1, 2, step=5)", "holds one value only, 1"),
        ("log(1, 2", "not a whole range"),
        ([], "no choices"),
        ([1], "one choice only"),
        ([1, 1.0, 1], "twice"),
        ([float("nan"), 1], "finite numbers"),
        (3, "nothing to search"),
        (None, "nothing to search"),
    ],
)
def test_what_is_no_range_is_said_with_its_remedy(given: Any, said: str) -> None:
    with pytest.raises(SearchError) as fault:
        read_range("lr", given)
    assert said in str(fault.value)
    assert str(fault.value).startswith("lr")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lrr": "log(1e-4, 1)"}, "did you mean 'lr'"),
        ({"shedule": ["constant()", "cosine()"]}, "did you mean 'schedule'"),
        ({"optimizer.betas.2": [0.1, 0.2]}, "places are 0 to 1"),
        ({"average.decay": [0.1, 0.2]}, "average is null"),
        ({"divergence.spke": ["skip", None]}, "did you mean 'spike'"),
        ({"seed": [0, 1]}, "seeds: 3"),
        ({"task": ["digits", "bytes"]}, "cannot be compared"),
        ({"name": ["a", "b"]}, "changes nothing"),
        ({"lr": "log(1e-4, 1)", "optimizer.lr": [0.1, 0.2]}, "same field"),
        ({"lr": "loguniform(1e-4, 1)"}, "is no range"),
        ({"schedule": "cosine()"}, "nothing to search"),
        ({"schedule": "warmup({w}) >> cosine()"}, "which nothing fills in"),
        ({"schedule": "warmup({w}) >> cosine()", "w": [[1], [2]]}, "numbers or texts"),
        ({"schedule": ["cosine()", "cosin()"]}, "did you mean 'cosine'"),
        ({"batch_size": "log(8, 64)"}, "int(low, high)"),
        ({"clip_norm": "uniform(-1, 1)"}, "clip_norm is -1.0"),
        ({}, "nothing is searched"),
    ],
)
def test_a_space_that_is_none_is_said_before_anything_is_trained(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SearchError) as fault:
        make_space(base(), given)
    assert said in str(fault.value)


def test_values_go_where_their_field_is() -> None:
    space = make_space(
        base(),
        {
            "lr": "log(1e-4, 1e-1)",
            "optimizer.betas.1": [0.9, 0.999],
            "optimizer.weight_decay": "uniform(0, 1)",
            "schedule": ["warmup('{w}%') >> cosine(to={end})", "constant()"],
            "total": "{n} epochs",
            "w": "int(1, 20)",
            "end": [0, 0.1],
            "n": [2, 3],
            "divergence": [{"nonfinite": "skip"}, {}],
        },
    )
    params = {
        "lr": 0.01, "optimizer.betas.1": 0.999, "optimizer.weight_decay": 0.25, "w": 7, "end": 0.1, "n": 3,
        "schedule": "warmup('{w}%') >> cosine(to={end})", "divergence": {"nonfinite": "skip"},
    }  # fmt: skip
    recipe = space.recipe_at(params)
    assert recipe.main.lr == 0.01
    assert recipe.main.arguments == {"betas": [0.9, 0.999], "weight_decay": 0.25}
    assert recipe.schedule == "warmup('7%') >> cosine(to=0.1)"
    assert recipe.total == "3 epochs"
    assert recipe.divergence.nonfinite == "skip"
    # The recipe that is searched is untouched, and the same values give the same training.
    assert space.recipe == base()
    assert space.recipe_at(params).content_hash == recipe.content_hash


def test_lr_means_all_optimizers_of_several_as_elsewhere() -> None:
    several = base(optimizer={"a": {"name": "adamw", "lr": 0.01}, "b": {"name": "sgd", "lr": 0.1}})
    recipe = make_space(several, {"lr": "log(1e-4, 1)"}).recipe_at({"lr": 0.02})
    assert [one.lr for one in recipe.optimizers.values()] == [0.02, 0.2]
    apart = make_space(several, {"lr": "log(1e-4, 1)", "optimizer.b.lr": [0.3, 0.4]})
    recipe = apart.recipe_at({"lr": 0.02, "optimizer.b.lr": 0.3})
    assert [one.lr for one in recipe.optimizers.values()] == [0.02, 0.3]


def test_keys_with_dots_of_their_own_are_found() -> None:
    planned = base(schedule={"lr": "cosine()", "head.*/lr": "constant()"}, groups={"head": {"parameters": "head.*"}})
    space = make_space(planned, {"schedule.head.*/lr": ["constant()", "linear()"]})
    found = space.recipe_at({"schedule.head.*/lr": "linear()"}).schedule
    assert isinstance(found, dict)
    assert found["head.*/lr"] == "linear()"


def test_a_grid_is_every_combination_once_the_last_field_fastest() -> None:
    space = make_space(base(), {"lr": [0.1, 0.2], "batch_size": "int(16, 48, step=16)"})
    points = [tuple(space.point(n).values()) for n in range(space.size)]
    assert points == [(0.1, 16), (0.1, 32), (0.1, 48), (0.2, 16), (0.2, 32), (0.2, 48)]
    with pytest.raises(SearchError, match="points=5"):
        _ = make_space(base(), {"lr": "log(1e-4, 1e-1)"}).size


def test_random_values_of_any_space_make_recipes_that_differ_in_nothing_else() -> None:
    rng = np.random.default_rng(7)
    for _ in range(50):
        low = float(10 ** rng.uniform(-6, -2))
        space = make_space(base(), {"lr": f"log({low!r}, {low * 100!r})", "batch_size": "int(1, 64)"})
        params = {"lr": low * float(rng.uniform(1, 100)), "batch_size": int(rng.integers(1, 65))}
        assert all(space.ranges[name].holds(value) for name, value in params.items())
        recipe = space.recipe_at(params)
        assert (recipe.main.lr, recipe.batch_size) == (params["lr"], params["batch_size"])
        assert recipe.changed(batch_size=None).at_rate(0.003) == base()


# ---- the section and the options -------------------------------------------------------------------------------------


def test_options_win_over_the_section_and_what_is_left_out_has_its_default(tmp_path: Any) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "task: digits\noptimizer: {name: adamw, lr: 0.003}\ntotal: 90\n"
        "search:\n  space: {lr: 'log(1e-4, 1)', batch_size: [8, 16]}\n  trials: 7\n  prune: {factor: 4}\n"
    )
    made = read_settings(file, {"lr": "log(1e-3, 1)"}, 12, {"sampler": "random", "trials": None})
    assert (made.recipe.name, made.recipe.total, made.trials, made.sampler) == ("mine", 12, 7, "random")
    assert made.space.said == {"lr": "log(0.001, 1)", "batch_size": "[8, 16]"}
    assert made.prune is not None
    assert (made.prune.first, made.prune.factor, made.prune.spare) == (0.25, 4, 5)
    assert (made.seeds, str(made.objective), made.confirm) == ((0,), "final val_loss", (1000, 1001, 1002))
    assert read_settings(file, None, None, {"prune": False, "seeds": 2, "confirm": 0}).prune is None


def test_more_trials_are_the_same_search_and_another_space_is_another() -> None:
    section = {"space": {"lr": "log(1e-4, 1)"}, "trials": 5}

    def fingerprint(**changed: Any) -> str:
        return read_settings({**KEYS, "search": {**section, **changed}}, None, None, {}).fingerprint

    assert fingerprint() == fingerprint(trials=50) == fingerprint(confirm=0) == fingerprint(budget=9000)
    others = [fingerprint(space={"lr": "log(1e-3, 1)"}), fingerprint(seeds=2), fingerprint(objective="best val_loss")]
    others += [fingerprint(prune=False), fingerprint(sampler="random")]
    assert len({fingerprint(), *others}) == 6
    two = {"lr": [0.1, 0.2], "batch_size": [8, 16]}
    turned = dict(reversed(two.items()))
    assert fingerprint(space=two, sampler="grid") != fingerprint(space=turned, sampler="grid")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"trails": 3}, "did you mean 'trials'"),
        ({"trials": 0}, "trials: 40"),
        ({"sampler": "bayes"}, "tpe, random or grid"),
        ({"seeds": 0}, "seeds: 3"),
        ({"seeds": [1, 1]}, "one twice"),
        ({"objective": "val_loss"}, "final val_loss"),
        ({"prune": {"first": 2}}, "first: 0.25"),
        ({"prune": "hard"}, "true, false, or a mapping"),
        ({"confirm": -1}, "from 0 to 100"),
        ({"space": "lr"}, "mapping from fields"),
    ],
)
def test_a_section_that_cannot_be_used_is_one_sentence(section: dict[str, Any], said: str) -> None:
    keys = {**KEYS, "search": {"space": {"lr": "log(1e-4, 1)"}, **section}}
    with pytest.raises((RecipeError, SearchError)) as fault:
        read_settings(keys, None, None, {})
    assert said in str(fault.value)


def test_fields_of_the_command_line_are_texts_and_lists() -> None:
    found = read_space(["lr = log(1e-4, 1)", "schedule=[\"warmup('5%') >> cosine()\", constant()]", "w=warmup('{x}%')"])
    assert found == {
        "lr": "log(1e-4, 1)",
        "schedule": ["warmup('5%') >> cosine()", "constant()"],
        "w": "warmup('{x}%')",
    }
    for wrong in (["lr"], ["=log(1, 2)"], ["lr="], ["lr=[1, 2]", "lr=[3, 4]"]):
        with pytest.raises(SearchError, match="--search"):
            read_space(wrong)
    with pytest.raises(RecipeError, match="--search lr"):
        read_space(["lr=[1, 2"])


def test_training_a_file_with_a_search_says_where_the_section_belongs(tmp_path: Any) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("task: digits\noptimizer: {name: adamw, lr: 0.1}\ntotal: 9\nsearch: {space: {lr: [0.1, 0.2]}}\n")
    with pytest.raises(RecipeError, match="cadence sweep"):
        load_recipe(file)
