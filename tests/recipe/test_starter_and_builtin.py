"""The recipe that `cadence init` writes, the schema for editors, and the recipes of the default comparison."""

from __future__ import annotations

import pytest

from cadence._errors import RecipeError, UnknownNameError
from cadence.curve.place import place
from cadence.recipe.builtin import NAMES, builtin_recipes, builtin_tasks
from cadence.recipe.load import recipe_from_text
from cadence.recipe.recipe import Recipe
from cadence.recipe.starter import recipe_schema, starter


@pytest.mark.parametrize("task", ["digits", "bytes"])
def test_the_starter_is_the_built_in_adamw_recipe(task: str) -> None:
    builtin = next(r for r in builtin_recipes(task) if r.name == "adamw-cosine")
    assert recipe_from_text(starter(task), "recipe.yaml", name="adamw-cosine") == builtin


def test_a_starter_for_a_task_of_ones_own_names_it() -> None:
    assert recipe_from_text(starter("mine.tasks:cats"), "recipe.yaml", name="x").task == "mine.tasks:cats"
    with pytest.raises(RecipeError, match="names no task"):
        starter("my task")


def test_the_starter_explains_every_key_and_shows_it_uncommented_or_as_default() -> None:
    lines = starter().splitlines()
    for key in Recipe.model_fields:
        if key != "name":
            assert any(line.startswith(f"# {key}: ") for line in lines), key
    assert all(len(line) <= 110 for line in lines)
    # Taking the # off any line of a default leaves a recipe that reads.
    defaults = [line.removeprefix("# ") for line in lines if line.startswith("# accumulate: 1")]
    assert recipe_from_text(starter() + "\n".join(defaults), "x", name="x").accumulate == 1


def test_the_schema_knows_every_key_and_allows_no_other() -> None:
    schema = recipe_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Recipe.model_fields)
    assert set(schema["required"]) == {"task", "optimizer", "total"}
    assert all("description" in entry for entry in schema["properties"].values())


def test_both_embedded_tasks_have_the_four_recipes_with_the_baseline_first() -> None:
    assert builtin_tasks() == ["bytes", "digits"]
    for task in builtin_tasks():
        assert [r.name for r in builtin_recipes(task)] == list(NAMES)
    with pytest.raises(UnknownNameError, match="did you mean 'digits'"):
        builtin_recipes("digit")


@pytest.mark.parametrize("task", ["digits", "bytes"])
def test_the_four_recipes_of_a_task_differ_only_in_method_rate_and_schedule(task: str) -> None:
    def rest(recipe: Recipe) -> dict[str, object]:
        return {k: v for k, v in recipe.model_dump().items() if k not in ("name", "optimizer", "schedule")}

    recipes = builtin_recipes(task)
    assert all(rest(r) == rest(recipes[0]) for r in recipes)
    # The same number of rates, each a factor 3 from the next: equal tuning budgets.
    for recipe in recipes:
        low, middle, high = recipe.rates
        assert middle / low == pytest.approx(3)
        assert high / middle == pytest.approx(3)


def test_the_baseline_is_cut_to_a_tenth_after_each_third() -> None:
    baseline = builtin_recipes("bytes")[0]
    curve = place(baseline.spec, total=300, base=1.0)
    assert [curve.at(t) for t in (0, 99, 100, 199, 200, 299)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("total", [20, 21, 300])
def test_the_built_in_schedules_fit_short_runs_too(total: int) -> None:
    for task in builtin_tasks():
        for recipe in builtin_recipes(task):
            assert place(recipe.spec, total=total, base=recipe.optimizer.lr).total == total
