"""Correct, idiomatic trainings in the style of the frameworks' tutorials: no finding at all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cadence as cd

SOUND = sorted((Path(__file__).parent / "sound").glob("*.py.txt"))


@pytest.mark.parametrize("script", SOUND, ids=lambda path: path.name.partition(".")[0])
def test_a_sound_script_is_silent(script: Path) -> None:
    assert [f"{finding}; {finding.consequence}" for finding in cd.lint(script)] == []


def test_there_are_enough_of_them_and_all_of_them_parse() -> None:
    assert len(SOUND) >= 50
    for script in SOUND:
        ast.parse(script.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "word", ["torch", "paddle", "keras", "optax", "lightning", "transformers", "accelerate", "ignite"]
)
def test_every_framework_is_among_them(word: str) -> None:
    assert any(f"import {word}" in t or f"from {word}" in t for t in (s.read_text(encoding="utf-8") for s in SOUND))
