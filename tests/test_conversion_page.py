"""docs/conversion.md: every scheduler has its example, the page is up to date, and what it says is true."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from cadence._errors import CadenceError
from cadence.conversion.convert import convert
from cadence.conversion.definition import definitions
from cadence.conversion.framework import framework

ROOT = Path(__file__).parents[1]

# tools/ is no package, because it is not installed: the script is loaded from where it stands.
_spec = importlib.util.spec_from_file_location("conversion_page", ROOT / "tools" / "conversion.py")
assert _spec is not None
assert _spec.loader is not None
script: Any = importlib.util.module_from_spec(_spec)
sys.modules["conversion_page"] = script
_spec.loader.exec_module(script)

ALL = [(name, d.name) for name in script.frameworks() for d in script.members(name)]


@pytest.fixture
def everything() -> None:
    """All frameworks, for what asks each of them."""
    for name in script.frameworks():
        try:
            framework(name)
        except ImportError as missing:
            pytest.skip(f"{name}: {missing}")


@pytest.mark.parametrize(("name", "scheduler"), ALL)
def test_every_scheduler_has_an_example_that_reads_or_is_refused_with_a_reason(name: str, scheduler: str) -> None:
    native = script.example(definitions(name)[scheduler])
    assert native.framework == name
    on = script.setting((0.1,), "step", script.TOTAL, None)
    try:
        curve = on.placed(script.read(native, on))
    except CadenceError:
        assert scheduler in ("AdafactorSchedule", "greedy", "deberta_v3")
    else:
        assert curve.pairs


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.usefixtures("everything")
def test_the_page_is_up_to_date() -> None:
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run: python tools/conversion.py"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.usefixtures("everything")
def test_where_the_page_says_yes_the_numbers_are_equal() -> None:
    compared = 0
    for i, (name, scheduler) in enumerate(ALL):
        definition = definitions(name)[scheduler]
        for j, to in enumerate(script.frameworks()):
            if (i + j) % 2:
                continue  # half of the table like a chessboard: each row and each column is in it
            try:
                made = convert(script.text_of(definition), to=to, base=0.1, total=60, source_framework=name)
            except CadenceError:
                continue  # the example itself is refused, with its reason
            if made.target is None or made.difference is None:
                assert made.reason
                continue
            assert made.difference <= 1e-9, f"{made.native} for {to}: {made.target}: {made.difference} at {made.at}"
            compared += 1
    assert compared > 100


def test_the_page_stands_among_the_documents() -> None:
    text = script.PAGE.read_text(encoding="utf-8")
    assert text.startswith("# Conversion\n")
    assert "cadence convert" in text
