"""The schema that `cadence init --schema` prints knows what `cadence sweep` reads."""

from __future__ import annotations

from typing import Any

import pytest

from cadence.recipe.reading import read_mapping
from cadence.recipe.recipe import Recipe
from cadence.recipe.starter import starter
from cadence.search.settings import PruneSection, SearchSection, file_schema, read_settings

RECIPE = "task: digits\noptimizer: {name: adamw, lr: 0.003}\nschedule: cosine()\ntotal: 20 epochs\n"


def test_the_schema_has_every_key_of_a_search_and_of_a_recipe_and_allows_no_other() -> None:
    schema = file_schema()
    section = schema["$defs"]["SearchSection"]
    assert set(schema["properties"]) == {*Recipe.model_fields, "search"}
    assert "search" not in schema["required"]
    assert set(section["properties"]) == set(SearchSection.model_fields)
    assert set(schema["$defs"]["PruneSection"]["properties"]) == set(PruneSection.model_fields)
    for part in (schema, section, schema["$defs"]["PruneSection"]):
        assert part["additionalProperties"] is False
        assert all("description" in entry for entry in part["properties"].values() if "$ref" not in entry)


@pytest.mark.parametrize(
    ("search", "good"),
    [
        ("{space: {lr: 'log(1e-4, 1e-1)', optimizer.name: [adamw, lion]}}", True),
        ("{space: {lr: 'log(1e-4, 1e-1, points=4)'}, sampler: grid, seeds: [0, 1], trials: 4, prune: false}", True),
        ("{space: {lr: 'log(1e-4, 1e-1)'}, prune: {first: 0.5}, seeds: 3, budget: 5000}", True),
        ("{space: {lr: 'log(1e-4, 1e-1)'}, prune: {frist: 0.5}}", False),
        ("{space: {lr: 'log(1e-4, 1e-1)'}, sampler: grd}", False),
        ("{space: {lr: 'log(1e-4, 1e-1)'}, trials: 0}", False),
        ("{spaces: {lr: 'log(1e-4, 1e-1)'}}", False),
        ("8", False),
    ],
)
def test_the_schema_takes_what_a_sweep_reads_and_refuses_what_it_refuses(search: str, good: bool) -> None:
    validator: Any = pytest.importorskip("jsonschema").Draft202012Validator(file_schema())
    file = read_mapping(f"{RECIPE}search: {search}\n", "sweep.yaml")
    assert validator.is_valid(file) is good
    try:
        read_settings(file, None, None, {})
    except ValueError:
        assert not good
    else:
        assert good


def test_the_schema_is_one_and_takes_a_recipe_without_a_search() -> None:
    validator: Any = pytest.importorskip("jsonschema").Draft202012Validator
    validator.check_schema(file_schema())
    assert validator(file_schema()).is_valid(read_mapping(starter(), "recipe.yaml"))
