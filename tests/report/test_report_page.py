"""`report.html`: one file, no network, readable by everyone, harmless whatever a recipe is called."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.comparison.synthetic import NASTY

from cadence.comparison.summary import read_summary
from cadence.report.curves import MOST_POINTS
from cadence.report.markup import VOID, join, tag
from cadence.report.page import page
from cadence.report.palette import BASE, COLOURS, DARK_BASE, DARK_COLOURS, DASHES
from cadence.report.shell import asset, document, island

pytest.importorskip("scipy")

SHAPES = {"path", "rect", "circle", "line", "polyline"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    parent: Element | None
    children: list[Element] = field(default_factory=list["Element"])
    own_text: str = ""

    def all(self, *names: str) -> Iterator[Element]:
        for child in self.children:
            if not names or child.name in names:
                yield child
            yield from child.all(*names)

    @property
    def text(self) -> str:
        return self.own_text + "".join(child.text for child in self.children)


class Reader(HTMLParser):
    """A strict reader: every element is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("document", {}, None)
        self.at = self.root
        self.feed(text)
        self.close()
        assert self.at is self.root, f"<{self.at.name}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.children.append(element)
        if tag not in VOID:
            self.at = element

    def handle_endtag(self, tag: str) -> None:
        assert self.at.name == tag, f"</{tag}> inside <{self.at.name}>"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.own_text += data


@pytest.fixture(scope="module", params=["en", "zh"])
def lang(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=["showcase", "worst"])
def html(request: pytest.FixtureRequest, lang: str) -> str:
    return page(read_summary(request.getfixturevalue(request.param)), lang=lang, version="1.2.3")


@pytest.fixture(scope="module")
def root(html: str) -> Element:
    return Reader(html).root


# ---- one file --------------------------------------------------------------------------------------------------------


def test_nothing_is_fetched(root: Element, html: str) -> None:
    for element in root.all():
        for name in ("src", "srcset", "data", "poster", "action", "formaction", "ping", "background", "xlink:href"):
            assert name not in element.attributes
        assert element.attributes.get("href", "#").startswith("#")
        assert element.name not in {"link", "iframe", "object", "embed", "img", "video", "audio", "base", "form"}
    assert not re.search(r"@import|url\(|https?://|//[a-z]", "".join(e.text for e in root.all("style")))
    scripts = "".join(e.text for e in root.all("script") if "type" not in e.attributes)
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|https?://|sendBeacon|WebSocket", scripts)


def test_the_page_itself_forbids_what_is_not_in_it(root: Element) -> None:
    meta = next(e for e in root.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy")
    policy = meta.attributes["content"]
    assert policy.startswith("default-src 'none'")
    script = next(e for e in root.all("script") if "type" not in e.attributes)
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_it_is_light(html: str) -> None:
    assert len(html.encode()) < 500_000


def test_no_run_has_more_points_than_can_be_seen(root: Element) -> None:
    data = json.loads(next(e for e in root.all("script") if e.attributes.get("type") == "application/json").text)
    lines = [line for one in data["sets"].values() for chart in one["charts"] for line in chart["lines"]]
    assert lines
    for line in lines:
        assert len(line["t"]) == len(line["v"]) <= MOST_POINTS + 4


# ---- harmless --------------------------------------------------------------------------------------------------------


def test_a_name_is_text_whatever_it_is(worst: Path, lang: str) -> None:
    text = page(read_summary(worst), lang=lang)
    root = Reader(text).root
    assert "<script>alert" not in text
    scripts = list(root.all("script"))
    assert len(scripts) == 2
    assert "alert(1)" not in next(e for e in scripts if "type" not in e.attributes).text
    assert NASTY in {e.text for e in root.all("th")}
    data = json.loads(next(e for e in scripts if "type" in e.attributes).text)
    assert NASTY in data["sets"]["worst"]["recipes"]
    # The sentence of a failed run comes from whatever failed.
    assert "<b>20</b>" not in text
    assert any("out of memory: <b>20</b> GiB" in e.text for e in root.all("small"))


def test_no_element_has_a_script_of_its_own(root: Element) -> None:
    for element in root.all():
        assert not [name for name in element.attributes if name.startswith("on")]


@given(text=st.text(), other=st.text())
def test_any_text_comes_back_out_of_the_markup(text: str, other: str) -> None:
    # The parser makes U+FFFD of what HTML has no place for, and newlines of carriage returns.
    def known(s: str) -> bool:
        return all(c == "\n" or (c >= " " and not "\x7f" <= c < "\xa0" and not "\ud800" <= c <= "\udfff") for c in s)

    if not (known(text) and known(other)):
        return
    read = Reader(tag("p", text, tag("b", other), title=text)).root.children[0]
    assert read.own_text == text
    assert read.attributes["title"] == text
    assert read.children[0].own_text == other
    assert Reader(join(text, other)).root.own_text == text + other


@given(data=st.recursive(st.text(), lambda x: st.lists(x, max_size=3)))
def test_no_data_ends_the_element_it_stands_in(data: Any) -> None:
    text = island({"data": data})
    assert "<" not in text
    assert json.loads(text) == {"data": data}


# ---- readable --------------------------------------------------------------------------------------------------------


def test_the_language_is_named(root: Element, lang: str) -> None:
    assert next(root.all("html")).attributes["lang"] == {"en": "en", "zh": "zh-CN"}[lang]
    assert next(root.all("title")).text


def test_headings_are_in_order(root: Element) -> None:
    levels = [int(e.name[1]) for e in root.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    for above, below in pairwise(levels):
        assert below <= above + 1
    assert all(e.text.strip() for e in root.all("h1", "h2", "h3", "h4"))


def test_landmarks_divide_the_page(root: Element) -> None:
    for name in ("header", "nav", "main", "footer"):
        assert len(list(root.all(name))) == 1
    for section in root.all("section"):
        assert "aria-labelledby" in section.attributes
    skip = next(root.all("a"))
    assert skip.attributes["href"] == "#main"


def test_every_reference_leads_to_exactly_one_element(root: Element) -> None:
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in root.all():
        for name in ("aria-labelledby", "aria-describedby", "for"):
            for target in element.attributes.get(name, "").split():
                assert target in ids
        if "href" in element.attributes:
            assert element.attributes["href"][1:] in ids


def test_every_table_has_a_caption_and_names_its_rows_and_columns(root: Element) -> None:
    tables = list(root.all("table"))
    assert tables
    for table in tables:
        assert table.children[0].name == "caption"
        heads = list(table.all("th"))
        assert heads
        assert all(head.attributes.get("scope") in {"col", "row"} for head in heads)
        for row in next(table.all("tbody")).children:
            assert row.children[0].attributes["scope"] == "row"
            cells = len(row.children)
            assert cells == len(next(table.all("thead")).children[0].children)


def test_every_picture_has_a_name_and_words(root: Element) -> None:
    for svg in root.all("svg"):
        if svg.attributes.get("aria-hidden") == "true":
            continue
        assert svg.attributes["role"] == "img"
        for name in ("aria-labelledby", "aria-describedby"):
            target = svg.attributes[name]
            assert next(e for e in root.all() if e.attributes.get("id") == target).text.strip()


def test_what_scrolls_can_be_reached_by_the_keyboard_and_has_a_name(root: Element) -> None:
    boxes = [e for e in root.all("div") if "box" in e.attributes.get("class", "").split()]
    assert len(boxes) == len(list(root.all("table")))
    for box in boxes:
        assert box.attributes["tabindex"] == "0"
        assert box.attributes["role"] == "region"
        assert box.attributes["aria-label"]


def test_a_phone_is_told_its_width(root: Element) -> None:
    viewport = next(e for e in root.all("meta") if e.attributes.get("name") == "viewport")
    assert viewport.attributes["content"] == "width=device-width, initial-scale=1"


def test_without_scripts_the_curves_are_drawn_and_the_slider_is_hidden(showcase: Path) -> None:
    root = Reader(page(read_summary(showcase))).root
    plots = [e for e in root.all("svg") if e.attributes.get("role") == "img"]
    assert len(plots) == 6
    for plot in plots:
        lines = [e for e in plot.all("path") if "line" in e.attributes["class"].split()]
        assert len(lines) >= 4
        assert all(re.fullmatch(r"(M(-?[\d.]+,-?[\d.]+L?)+)+", line.attributes["d"]) for line in lines)
    assert all("hidden" in e.attributes for e in root.all("div") if e.attributes.get("class") == "reader")


def test_every_number_of_the_tables_is_in_the_page(showcase: Path) -> None:
    text = Reader(page(read_summary(showcase))).root.text
    for number in (
        "98.27 ± 0.12",
        "≥ 445 ± 66",
        "2.608 ± 0.011",
        "0.03*",
        "−0.0056 to 0.0110",
        "runs/bytes/sgd_step/seed-4",
    ):
        assert number in text


# ---- colours ---------------------------------------------------------------------------------------------------------


def variables(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block))


LIGHT, DARK = (variables(block) for block in re.findall(r":root\s*\{(.*?)\}", asset("page.css"), re.DOTALL))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, "contrast ratio"."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_and_lines_can_be_seen(scheme: dict[str, str]) -> None:
    for ground in ("ground", "panel"):
        for ink in ("ink", "soft", "link", "good", "bad"):
            assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
    assert contrast(scheme["mind"], scheme["mind-ground"]) >= 4.5
    assert contrast(scheme["ink"], scheme["mind-ground"]) >= 4.5
    for line in ("base", *(f"c{i}" for i in range(8))):
        assert contrast(scheme[line], scheme["ground"]) >= 3, line


def test_both_schemes_name_the_same_colours_and_the_pictures_have_them_too() -> None:
    assert set(LIGHT) == set(DARK)
    assert (LIGHT["base"], DARK["base"]) == (BASE, DARK_BASE)
    assert tuple(LIGHT[f"c{i}"] for i in range(8)) == COLOURS
    assert tuple(DARK[f"c{i}"] for i in range(8)) == DARK_COLOURS
    assert len(set(DASHES)) == len(COLOURS) == 8


# Machado, Oliveira & Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1.
EYES = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def cielab(colour: str, eyes: list[list[float]]) -> list[float]:
    """Lightness and two axes of colour, in which a distance of 2 can just be seen (D65)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    seen = [min(1.0, max(0.0, sum(m * c for m, c in zip(row, linear, strict=True)))) for row in eyes]
    white = (0.9505, 1.0, 1.089)
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    x, y, z = (
        v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116
        for v in (sum(m * c for m, c in zip(row, seen, strict=True)) / w for row, w in zip(rows, white, strict=True))
    )
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("colours", [(BASE, *COLOURS), (DARK_BASE, *DARK_COLOURS)], ids=["light", "dark"])
def test_any_two_curves_differ_clearly_for_all_eyes(eyes: str, colours: tuple[str, ...]) -> None:
    seen = [cielab(colour, EYES[eyes]) for colour in colours]
    for i, one in enumerate(seen):
        for other in seen[:i]:
            assert math.dist(one, other) >= 18


def test_a_page_without_data_has_no_script() -> None:
    assert "<script" not in document("x", tag("p", "y"), lang="en")
