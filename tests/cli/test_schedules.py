"""`cadence schedules` and the gallery."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import cadence
from cadence.report.gallery import card, cards, example_curve, gallery, write_gallery
from cadence.report.gallery_picture import thinned
from cadence.report.gallery_words import CHINESE, PAGE
from cadence.report.sparkline import sparkline

DOCS = Path(__file__).parents[2] / "docs"
NAMES = [c.name for c in cards()]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_gallery_in_the_documents_is_up_to_date(lang: str) -> None:
    page = DOCS / ("gallery.md" if lang == "en" else "gallery.zh.md")
    text, pictures = gallery(lang)
    remedy = f"run: cadence schedules --lang {lang} --gallery {page.relative_to(DOCS.parent)}"
    assert page.read_text(encoding="utf-8") == text, remedy
    there = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "gallery").iterdir()}
    assert there == pictures, remedy


def test_the_gallery_has_every_constructor_that_cadence_offers() -> None:
    from cadence import _CONSTRUCTORS

    # Shapes whose name is no Python name ('1-sqrt') are in the gallery too, and no attribute of the package.
    assert {name for name in NAMES if name in cadence.__all__} == set(_CONSTRUCTORS)
    assert all(not name.isidentifier() for name in set(NAMES) - set(_CONSTRUCTORS))


@pytest.mark.parametrize("name", NAMES)
def test_each_card_is_complete_in_both_languages(name: str) -> None:
    for lang in ("en", "zh"):
        shown = card(name, lang)
        assert all(str(value).strip() for value in vars(shown).values())
        assert shown.about.endswith((".", "。"))
    assert name in CHINESE
    assert set(PAGE["en"]) == set(PAGE["zh"])


@pytest.mark.parametrize("name", NAMES)
def test_each_example_parses_and_its_text_form_gives_the_same_curve(name: str) -> None:
    shown = card(name)
    assert repr(cadence.parse(shown.reads)) == shown.reads
    if shown.family != "adaptive":
        units = {"total": 1000, "steps_per_epoch": 10}
        a, b = (cadence.place(text, **units).values() for text in (shown.example, shown.reads))
        np.testing.assert_array_equal(a, b)


def test_the_plateau_example_shows_cuts_and_the_early_stop_ends_early() -> None:
    plateau = example_curve(card("plateau"))
    assert plateau.at(60) == 1.0
    assert sum(e["kind"] == "cut" for e in plateau.journal) == 4
    assert plateau.at(999) == 0.5**4
    assert example_curve(card("early_stop")).end == 240


@pytest.mark.parametrize("name", NAMES)
def test_each_picture_is_a_drawing_with_words_that_passes_through_the_curve(name: str) -> None:
    curve = example_curve(card(name))
    picture = gallery()[1][f"{name}.svg"]
    root = ElementTree.fromstring(picture)
    space = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{space}title") == card(name).example
    assert "over" in (root.findtext(f"{space}desc") or "")
    line = root.find(f"{space}polyline")
    assert line is not None
    points = np.array([p.split(",") for p in line.attrib["points"].split()], dtype=float)
    # Its ends are the curve's, on axes from (44, 184) to (626, 12).
    end = curve.end or 1000
    values = curve.at(np.arange(end + 1))
    x, y = (points[:, 0] - 44) / 582 * 1000, (184 - points[:, 1]) / 172 * values.max()
    np.testing.assert_allclose(x[[0, -1]], [0, end], atol=0.2)
    np.testing.assert_allclose(y[[0, -1]], values[[0, -1]], atol=2e-3)
    # Everywhere else it is nearer than a line is wide.
    t = np.arange(0, end, 7)
    drawn = np.interp(t, x, y)
    jumps = np.abs(np.diff(values, append=values[-1])) > 0.05
    near_jump = np.convolve(jumps, np.ones(9), mode="same")[t] > 0
    np.testing.assert_allclose(drawn[~near_jump], values[t][~near_jump], atol=0.03)


def test_thinning_keeps_ends_and_corners_and_drops_what_lies_on_the_line() -> None:
    points = [(float(x), abs(float(x) - 50)) for x in range(101)]
    assert thinned(points, 0.1) == [(0.0, 50.0), (50.0, 0.0), (100.0, 50.0)]
    assert thinned([(1.0, 2.0)], 0.1) == [(1.0, 2.0)]


def test_the_list_shows_every_schedule_once_with_its_family(command) -> None:
    done = command("schedules")
    assert done.status == 0
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines if line and line.split()[0] in NAMES] != []
    for name in NAMES:
        assert sum(line.split()[:1] == [name] for line in lines) == 1
    assert [line for line in lines if line in ("Scheduled", "Adaptive", "Custom")] == [
        "Scheduled",
        "Adaptive",
        "Custom",
    ]
    assert all(line == line.rstrip() for line in lines)


def test_the_list_in_json_holds_formula_source_and_when(command) -> None:
    found = {row["name"]: row for row in json.loads(command("schedules", "--json").out)}
    assert sorted(found) == sorted(NAMES)
    assert found["cosine"]["source"].startswith("Loshchilov")
    assert found["plateau"]["family"] == "adaptive"
    assert found["wsd"]["reads"] == "warmup('2%') >> constant() >> decay('20%', shape='1-sqrt')"


@pytest.mark.parametrize("name", NAMES)
def test_one_schedule_is_shown_with_its_curve_and_reasons(name: str, command) -> None:
    done = command("schedules", name)
    assert done.status == 0
    # Wrapped to the width of the output.
    text = re.sub(r"\s+", " ", done.out)
    shown = card(name)
    for part in (shown.about, shown.source, shown.when, shown.avoid):
        assert re.sub(r"\s+", " ", part).replace("`", "") in text
    assert "┤" in done.out


def test_chinese_is_chinese(command) -> None:
    assert "预定型" in command("schedules", "--lang", "zh").out
    assert "已知运行长度时的通用衰减" in command("schedules", "cosine", "--lang", "zh").out


def test_the_gallery_command_writes_page_and_pictures(command, tmp_path: Path) -> None:
    done = command("schedules", "--gallery", tmp_path / "docs", "--json")
    files = [Path(file) for file in json.loads(done.out)]
    assert files[0] == tmp_path / "docs" / "gallery.md"
    assert all(file.is_file() for file in files)
    assert len(files) == len(NAMES) + 1
    assert write_gallery(tmp_path / "z.zh.md", lang="zh")[1].parent == tmp_path / "z"


def test_a_sparkline_is_high_where_the_curve_is() -> None:
    assert sparkline(cadence.place("steps(at=[50])", total=100), 4) == "██▁▁"
    assert sparkline(cadence.place("constant(start=0)"), 3) == "▁▁▁"
