"""The corrected articles: the pages are made of the claims, and every command shows what its row says."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cadence.cli.app import run

ROOT = Path(__file__).parents[1]


def loaded(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


pages = loaded("articles_tool", ROOT / "tools" / "articles.py")
ARTICLES = pages.claims()
CLAIMS = [(article["article"], claim) for article in ARTICLES for claim in article["claims"]]


@functools.cache
def show() -> ModuleType:
    return loaded("articles_show", ROOT / "docs" / "articles" / "show.py")


@functools.cache
def printed(command: str, folder: str) -> str:
    """What a command prints; those that several rows share are run once."""
    program, *arguments = shlex.split(command)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.chdir(folder):
        if program == "cadence":
            assert run(arguments) == 0
        else:
            assert (program, arguments[0]) == ("python", "docs/articles/show.py")
            show().main(arguments[1:])
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("articles"))


@pytest.mark.parametrize(("article", "claim"), CLAIMS, ids=[f"{a}-{i}" for i, (a, _) in enumerate(CLAIMS)])
def test_the_command_shows_what_the_row_says(article: str, claim: dict[str, Any], folder: str) -> None:
    if "compare" in claim["show"] or claim["show"].startswith("python"):
        pytest.importorskip("torch")
    if "compare" in claim["show"]:
        pytest.importorskip("scipy")
    text = " ".join(printed(claim["show"], folder).split())
    for wanted in claim["prints"]:
        assert " ".join(str(wanted).split()) in text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_is_up_to_date(lang: str) -> None:
    path = ROOT / "docs" / pages.WORDS[lang]["page"]
    assert path.read_text(encoding="utf-8") == pages.page(lang), "run: python tools/articles.py"


def test_every_measurement_is_used_by_a_row() -> None:
    pytest.importorskip("torch")
    used = {claim["show"].split()[-1] for _, claim in CLAIMS if claim["show"].startswith("python")}
    assert used == set(show().SHOWN)


@pytest.mark.parametrize(("article", "claim"), CLAIMS, ids=[f"{a}-{i}" for i, (a, _) in enumerate(CLAIMS)])
def test_a_row_is_complete_in_both_languages(article: str, claim: dict[str, Any]) -> None:
    assert set(claim) == {"says", "says_zh", "verdict", "happens", "happens_zh", "right", "show", "prints"}
    assert claim["verdict"] in ("sound", "wrong", "incomplete", "unproven")
    assert claim["prints"]
    assert all(str(claim[key]).strip() for key in claim)
