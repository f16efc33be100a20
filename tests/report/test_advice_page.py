"""The page of a recommendation: whole in one file, in both languages, and nothing in it that the advice does not say."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import chain, repeat
from pathlib import Path

import pytest
from tests.advice.known_trainings import IMAGENET, OTHERS, PUBLISHED

import cadence as cd
from cadence.advice.words import FIELD_NAMES
from cadence.report.advice_page import advice_page
from cadence.report.advice_words import WORDS
from cadence.report.markup import VOID

EVERY = [case for case, _ in PUBLISHED.values()] + list(OTHERS)


class Outline(HTMLParser):
    """Elements that are open and not closed, ids, addresses, visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        table = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if table.get("id"):
            self.ids.append(table["id"])
        if table.get("href"):
            self.links.append(table["href"])
        assert not {"src", "onclick"} & table.keys()

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.text.append(data)


def outlined(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    assert found.open == []
    return found


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("case", EVERY, ids=lambda case: f"{case['model']}-{case.get('data', case.get('task'))}")
def test_every_choice_stands_in_the_page_with_reason_and_source(case, lang: str) -> None:
    advice = cd.recommend(**case)
    found = outlined(advice_page(advice, lang=lang))
    text = " ".join("".join(found.text).split())
    for choice in advice.choices:
        assert choice.field in found.ids
        assert " ".join(getattr(choice.reason, lang).split()) in text
        assert getattr(FIELD_NAMES[choice.field], lang) in text
    assert len(found.ids) == len(set(found.ids))
    inner = [link.removeprefix("#") for link in found.links if link.startswith("#")]
    assert set(inner) <= set(found.ids)


def test_links_lead_to_papers_and_nowhere_else() -> None:
    found = outlined(advice_page(cd.recommend(**IMAGENET, batch_size=2048)))
    outer = {link for link in found.links if not link.startswith("#")}
    assert "https://arxiv.org/abs/1706.02677" in outer
    assert all(re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", link) for link in outer)


def test_a_rate_that_is_not_known_leaves_the_curve_out_and_says_so() -> None:
    page = advice_page(cd.recommend(model="resnet50", task="other", batch_size=64, updates=2000))
    assert WORDS["no_rate"].en in page
    assert "data-chart" not in page


def test_a_pilot_has_its_table() -> None:
    pytest.importorskip("torch")
    import torch

    losses = {"losses": [1.0, 0.5], "probe_loss": 0.625}
    advice = cd.recommend(
        model=torch.nn.Linear(4, 2), task="classification", updates=600, batch_size=8, dataset_size=800,
        pilot=lambda make, updates, rate: losses,
    )  # fmt: skip
    text = "".join(outlined(advice_page(advice)).text)
    assert "short trainings of this very model" in text
    assert text.count("0.625") == len(advice.piloted.trials)


def test_a_trial_that_diverged_has_no_numbers() -> None:
    torch = pytest.importorskip("torch")
    diverges = {"losses": [1.0, float("nan")], "probe_loss": float("nan")}
    fine = {"losses": [1.0, 0.5], "probe_loss": 0.625}
    answers = chain([diverges], repeat(fine))
    advice = cd.recommend(
        model=torch.nn.Linear(4, 2), task="classification", updates=600, batch_size=8, dataset_size=800,
        pilot=lambda make, updates, rate: next(answers),
    )  # fmt: skip
    assert any(trial.diverged for trial in advice.piloted.trials)
    table = advice_page(advice).partition('id="pilot"')[2].partition("</table>")[0]
    assert "diverged" in table
    assert "nan" not in table


def test_shares_are_of_the_parameters_that_are_trained() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(40, 8), torch.nn.Linear(8, 2))
    model[0].requires_grad_(False)
    advice = cd.recommend(model=model, task="classification", updates=600, batch_size=8, dataset_size=800)
    text = "".join(outlined(advice_page(advice)).text)
    assert "matrices 89\u00a0%, biases 11\u00a0%" in text


def test_a_name_that_is_markup_stays_a_name() -> None:
    advice = cd.recommend(**IMAGENET, batch_size=256, hardware="<script>alert(1)</script>")
    page = advice_page(advice)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_in_a_browser_the_curve_can_be_read_and_no_width_scrolls_sideways(tmp_path: Path) -> None:
    pytest.importorskip("scipy")  # which the other pages want
    from tests.report.test_report_in_browser import BROWSER, shown

    if BROWSER is None:
        pytest.skip("no chromium is installed")
    for lang in ("en", "zh"):
        page = advice_page(cd.recommend(**IMAGENET, batch_size=2048, gpus=8), lang=lang)
        (tmp_path / f"{lang}.html").write_text(page, encoding="utf-8")
    assert not re.search(r'<div class="reader" hidden', shown(tmp_path / "en.html"))
    frames = "".join(
        f'<iframe src="{lang}.html" style="width:{width}px;height:900px;border:0"></iframe>'
        for lang in ("en", "zh")
        for width in (320, 400, 1200)
    )
    script = (
        "onload = () => { const pages = [...document.querySelectorAll('iframe')].map((f) => f.contentDocument);"
        "p.textContent = pages.map(({ documentElement: e }) => `${e.scrollWidth} of ${e.clientWidth}`).join(', ') }"
    )
    outer = tmp_path / "outer.html"
    outer.write_text(f"<!doctype html><body>{frames}<p id=p></p><script>{script}</script>", encoding="utf-8")
    found = re.findall(r"(\d+) of (\d+)", shown(outer, "--allow-file-access-from-files").rpartition("<p id=")[2])
    assert len(found) == 6
    assert all(scroll == client for scroll, client in found)
