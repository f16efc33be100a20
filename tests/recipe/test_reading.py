"""YAML from outside: what is read, and that nothing but our own errors comes out, in bounded time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import RecipeError
from cadence.recipe.load import load_recipe, recipe_from_text
from cadence.recipe.reading import LONGEST, read_mapping
from cadence.recipe.recipe import Recipe
from cadence.recipe.writing import to_yaml

PLAIN = "task: digits\noptimizer: {name: adamw, lr: 1e-3}\ntotal: 20 epochs\n"


def read(text: str) -> dict[str, object]:
    return read_mapping(text, "a.yaml")


T = TypeVar("T")


def said(reading: Callable[[], T]) -> T | str:
    """What is read, or the sentence that is said instead; any other exception goes through, and fails the test."""
    try:
        return reading()
    except RecipeError as error:
        return str(error)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        # By YAML 1.1, which PyYAML follows, the first is text, and the next four are 0.1, False, 8 and 90.
        ("1e-3", 0.001),
        ("1e5", 100000.0),
        ("no", "no"),
        ("010", 10),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("+3", 3),
        (".inf", math.inf),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("0x10", "0x10"),
        ("5%", "5%"),
        ("'1e-3'", "1e-3"),
    ],
)
def test_scalars_are_read_as_yaml_1_2_has_them(written: str, meant: object) -> None:
    found = read(f"key: {written}")["key"]
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.yaml is empty"),
        ("# nothing\n", "a.yaml is empty"),
        ("just text", "holds 'just text' where a recipe has keys"),
        ("- a\n- b", "holds a list"),
        ("total: 1\nlr: 2\ntotal: 3", "the key 'total' in line 1 and in line 3; keep one"),
        ("optimizer: {lr: 1, lr: 2}", "the key 'lr' in line 1 and in line 1"),
        ("a:\n\tb: 1", "line 2, column 1: a tab where YAML wants spaces"),
        ("a: *b", "undefined alias 'b'"),
        ("a: &x [*x]", "contains itself"),
        ("a: &x {b: *x}", "contains itself"),
        ("a: !!python/object/apply:os.system [true]", "a tag builds an object"),
        ("a: !unknown 1", "a tag builds an object"),
        ("a: 1\n---\nb: 2", "more than one document"),
        ("a: b: c", "line 1, column 5"),
        ("a: 'b", "cannot be read as YAML"),
        ("a: \x00", "special characters"),
        ("? [1]\n: 2", "unhashable"),
        ("!!int x: 1", "cannot be read"),
        ("a: " + "9" * 40, "too long"),
        ("[" * 3000, "nests too deeply"),
        ("a: " * 3000, "cannot be read"),
        ("x" * (LONGEST + 1), "at most"),
    ],
)
def test_what_is_no_recipe_gets_one_sentence(text: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "a.yaml" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            [f"k0: &a0 [{','.join('1' * 10)}]"]
            + [f"k{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 60)]
        ),
        "\n".join(
            ["k0: &a0 {x: 1}"] + [f"k{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 40)]
        ),
    ],
    ids=["lists", "merges"],
)
def test_a_billion_laughs_are_refused_at_once(text: str) -> None:
    begin = time.process_time()
    with pytest.raises(RecipeError, match="10000 values"):
        read(text)
    assert time.process_time() - begin < 5


def test_anchors_and_merges_serve_as_usual() -> None:
    assert read("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}") == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}


@given(st.text(max_size=200))
def test_arbitrary_text_gives_a_recipe_error_or_a_mapping(text: str) -> None:
    found = said(lambda: read(text))
    assert isinstance(found, dict) or "\n" not in found


@given(st.binary(max_size=200))
def test_arbitrary_bytes_in_a_file_give_a_recipe_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError):
        load_recipe(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "task",
        "optimizer",
        "total",
        "schedule",
        "stop",
        "checkpoint",
        "tune",
        "groups",
        "seed",
        "tags",
        "task_args",
        "lr",
    ]
)


@given(st.dictionaries(KEYS | st.text(max_size=6), JSON, max_size=5), st.booleans())
def test_any_values_under_any_keys_give_a_recipe_or_one_sentence(keys: dict[str, object], complete: bool) -> None:
    if complete:
        keys = {"task": "digits", "optimizer": {"name": "adamw", "lr": 0.1}, "total": 5, **keys}
    text = json.dumps(keys)
    found = said(lambda: recipe_from_text(text, "a.yaml", name="a"))
    if isinstance(found, Recipe):
        assert recipe_from_text(found.to_yaml(), "b.yaml", name="b") == found
    else:
        assert not any(word in found for word in ("\n", "validation error", "pydantic"))


@given(st.text(max_size=20))
def test_text_is_written_so_that_yaml_1_1_and_1_2_both_read_it_as_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    written = to_yaml({"key": text})
    assert read(written) == {"key": text}
    assert yaml.safe_load(written) == {"key": text}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_to_the_bit(number: float) -> None:
    assert read(to_yaml({"key": number})) == {"key": number}


def test_a_missing_file_names_the_recipes_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(PLAIN)
    with pytest.raises(RecipeError, match=r"there is no recipe .*bass\.yaml'; there are base\.yaml"):
        load_recipe(tmp_path / "bass.yaml")
    with pytest.raises(RecipeError, match="is a folder"):
        load_recipe(tmp_path)


def test_a_file_in_another_encoding_says_which_byte(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"notes: caf\xe9")
    with pytest.raises(RecipeError, match=r"a.yaml is no text in UTF-8 \(byte 10 is 0xe9\)"):
        load_recipe(tmp_path / "a.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + PLAIN.encode())
    assert load_recipe(tmp_path / "a.yaml").task == "digits"


def test_a_very_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(10**10)  # a hole: no disk is used
    with pytest.raises(RecipeError, match="at most"):
        load_recipe(tmp_path / "a.yaml")


def test_the_files_name_is_the_recipes_name_where_it_gives_none(tmp_path: Path) -> None:
    (tmp_path / "wide.yaml").write_text(PLAIN)
    assert load_recipe(tmp_path / "wide.yaml").name == "wide"
    (tmp_path / "wide.yaml").write_text(PLAIN + "name: narrow\n")
    assert load_recipe(tmp_path / "wide.yaml").name == "narrow"


def test_faults_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PLAIN + "totl: 3\n")
    with pytest.raises(RecipeError, match=r"^a\.yaml: there is no key 'totl' in a recipe; did you mean 'total'"):
        load_recipe(tmp_path / "a.yaml")
