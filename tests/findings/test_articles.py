"""The scripts of the articles, written anew: what is faulty is found, what is sound is silent.

The first line of each says what is expected: `# found: CD101 CD111`, or `# sound`. The one without such a line is the
snippet that lost its line breaks.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cadence as cd

ARTICLES = sorted((Path(__file__).parent / "articles").glob("*.py.txt"))


def expected(script: Path) -> list[str]:
    first = script.read_text(encoding="utf-8").partition("\n")[0]
    if first == "# sound":
        return []
    return sorted(re.findall(r"CD\d+", first)) if first.startswith("# found:") else ["CD001"]


@pytest.mark.parametrize("script", ARTICLES, ids=lambda path: path.name.partition(".")[0])
def test_what_is_wrong_in_an_article_is_found_and_nothing_else(script: Path) -> None:
    assert sorted({finding.code for finding in cd.lint(script)}) == expected(script)


def test_there_are_faulty_and_sound_ones() -> None:
    kinds = [bool(expected(script)) for script in ARTICLES]
    assert kinds.count(True) >= 50
    assert kinds.count(False) >= 10
