"""`comparison.json` is read as docs/formats.md fixes it, and refused with a sentence where it is not so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import CadenceError, RecordError, UnknownNameError
from cadence.comparison.settings import (
    Contender,
    Contest,
    Metric,
    Settings,
    folder_name,
    read_settings,
    run_folder,
    said,
    tuning_folder,
)

SGD = Contender("SGD + StepLR", "sgd", {"en": "SGD", "zh": "随机梯度下降"}, (0.01, 0.1 / 3, 0.1))
ADAM = Contender("Adam", "adam", "Adam")
DIGITS = Contest(
    "digits",
    "digits",
    "digits",
    (0, 1),
    "SGD + StepLR",
    (SGD, ADAM),
    Metric("val_accuracy", "accuracy", True, True),
    1000,
)
WHOLE = Settings((DIGITS,), {"en": "Title", "zh": "标题"}, ("cadence", "compare"), ("a note", {"en": "b", "zh": "乙"}))


def test_what_is_written_is_read_back_equal() -> None:
    assert Settings.from_json(json.loads(json.dumps(WHOLE.to_json()))) == WHOLE


def test_keys_of_others_are_passed_over_and_optional_ones_may_be_missing() -> None:
    data = WHOLE.to_json() | {"fingerprint": "abc"}
    task = data["tasks"][0] | {"recipe": {}}
    for key in ("label", "metric", "tuning"):
        del task[key]
    task["recipes"] = [{"name": "a", "folder": "a", "more": 1}]
    task["baseline"] = "a"
    read = Settings.from_json({"version": 1, "tasks": [task]})
    assert read.tasks[0].label == "digits"
    assert read.tasks[0].recipes == (Contender("a", "a", "a"),)
    assert (read.tasks[0].metric, read.tasks[0].tuning_seed, read.title) == (None, None, None)


def test_a_folder_that_is_no_comparison_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no comparison folder"):
        read_settings(tmp_path)
    with pytest.raises(RecordError, match="no comparison folder"):
        read_settings(tmp_path / "missing")


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "\xff"])
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "comparison.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError):
        read_settings(tmp_path)


def without(*path: Any) -> dict[str, Any]:
    data = json.loads(json.dumps(WHOLE.to_json()))
    place = data
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return data


@pytest.mark.parametrize(
    ("path", "named"),
    [(["tasks"], "tasks"), (["tasks", 0, "seeds"], "seeds"), (["tasks", 0, "recipes", 0, "folder"], "folder")],
)
def test_a_missing_key_is_named(path: list[Any], named: str) -> None:
    with pytest.raises(RecordError, match=f"lacks '{named}'"):
        Settings.from_json(without(*path))


def test_another_version_is_refused() -> None:
    with pytest.raises(RecordError, match="version 2"):
        Settings.from_json(WHOLE.to_json() | {"version": 2})


@given(data=st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3)))
def test_only_our_own_errors_come_out_of_nonsense(data: Any) -> None:
    with pytest.raises(CadenceError):
        Settings.from_json({"version": 1, "tasks": data})


def test_the_baseline_must_be_one_of_the_recipes() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'Adam'"):
        Contest("digits", "digits", "digits", (0,), "Adm", (SGD, ADAM))


@pytest.mark.parametrize("folder", ["", "..", ".", "a/b", "../a", "a b", "a\\b", "a\n"])
def test_a_folder_that_leads_elsewhere_is_refused(folder: str) -> None:
    with pytest.raises(RecordError, match="folder"):
        Contest("digits", "digits", "digits", (0,), "a", (Contender("a", folder, "a"),))


@pytest.mark.parametrize(
    ("seeds", "recipes"),
    [((), (SGD,)), ((0, 0), (SGD,)), ((0,), ()), ((0,), (SGD, SGD))],
)
def test_nothing_and_twice_the_same_are_refused(seeds: tuple[int, ...], recipes: tuple[Contender, ...]) -> None:
    with pytest.raises(RecordError, match=r"there are no|twice"):
        Contest("digits", "digits", "digits", seeds, SGD.name, recipes)


def test_folders_are_where_the_format_says() -> None:
    assert run_folder(DIGITS, SGD, 3) == Path("runs/digits/sgd/seed-3")
    assert tuning_folder(DIGITS, SGD, 0.1 / 3) == Path("tuning/digits/sgd/lr-0.0333333")
    assert tuning_folder(DIGITS, SGD, 1e-5) == Path("tuning/digits/sgd/lr-1e-05")


@given(names=st.lists(st.text(max_size=80), max_size=6))
def test_any_names_give_different_folder_names_that_are_allowed(names: list[str]) -> None:
    folders: list[str] = []
    for name in names:
        folders.append(folder_name(name, folders))
    assert len({folder.casefold() for folder in folders}) == len(names)
    for folder in folders:
        Contest("t", "t", "t", (0,), "a", (Contender("a", folder, "a"),))


def test_words_fall_back_to_english_and_then_to_what_there_is() -> None:
    assert said("plain", "zh") == "plain"
    assert said({"en": "one", "zh": "一"}, "zh") == "一"
    assert said({"en": "one"}, "zh") == "one"
    assert said({"fr": "un"}, "zh") == "un"
