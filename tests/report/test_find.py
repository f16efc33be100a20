"""A range test as text and as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cadence as cd
from cadence._errors import SpecError
from cadence.finder.found import Found
from cadence.finder.sentences import MEANINGS, SENTENCES
from cadence.finder.suggest import suggest
from cadence.finder.sweeps import Swept
from cadence.report.find_text import find_text
from cadence.report.find_words import WORDS

RATES = np.geomspace(1e-5, 1.0, 21)


def found(middle: float = -2.5, noise: float = 0.02, repeats: int = 3, skipped: int = 0) -> Found:
    x = np.log10(RATES)
    clean = 2.0 - 1.0 / (1.0 + np.exp(-4.0 * (x - middle))) + 3.0 * np.maximum(0.0, x - middle - 1.0) ** 2
    losses = np.concatenate([[2.0], clean])[: len(x)] + noise * np.random.default_rng(0).standard_normal((repeats, 21))
    rows = tuple(tuple(row) for row in losses.tolist())
    swept = Swept(RATES, rows, np.geomspace(1e-6, 10.0, 10), (2.0, 2.0, 1.9, 1.5, 1.2, 3.0), 63)
    return Found(suggest(RATES, rows), swept, (1e-3, 1e-4), ("body", None), 0, skipped, {"name": "mine"})


def test_the_text_has_the_answer_all_suggestions_the_curve_and_what_was_done() -> None:
    text = find_text(found(skipped=2))
    assert text == cd.plot(found(skipped=2))
    lines = text.splitlines()
    assert lines[0].startswith("Recommended learning rate: 0.00")
    assert sum(line.startswith(("s  steepest", "m  middle", "v  valley", "e  edge")) for line in lines) == 4
    marked = next(
        line for line in lines if set(line.split()) == {"s", "m", "v", "e"} or set(line.split()) >= {"v", "e"}
    )
    assert marked.index("v") < marked.index("e")
    assert "3 repeats of 21 updates after a scout of 6, 63 updates altogether and 2 that were skipped." in text
    assert "Rates of the groups: body 0.00" in text
    assert "group 1 0.000" in text
    assert max(map(len, lines[:12])) < 200


def test_a_loss_stands_at_the_rate_that_led_to_it_and_the_curve_is_that_of_the_losses() -> None:
    from cadence.report.find_picture import _led_to

    # Loss k was computed before update k: it is what rate k - 1 has made.
    rates, losses = _led_to(np.array([0.1, 0.2, 0.3, 0.4]), [2.0, 1.5, 1.0, 3.0])
    assert dict(zip(rates.tolist(), losses.tolist(), strict=True)) == {0.1: 1.5, 0.2: 1.0, 0.3: 3.0}
    # It begins high, and its lowest place is in the right half, left of the end.
    text = find_text(found(), ascii_only=True).split("\n\n")[2].splitlines()
    rows = [line[line.index("|") + 1 :] if "|" in line else line[line.index("+") + 1 :] for line in text[1:13]]
    height = {at: r for r, row in enumerate(rows) for at, letter in enumerate(row) if letter == "*"}
    lowest = max(height, key=lambda at: height[at])
    assert height[min(height)] < height[lowest] - 3
    assert 32 < lowest < max(height)


def test_text_for_old_terminals_is_ascii() -> None:
    assert find_text(found(), ascii_only=True).isascii()
    assert "*" in find_text(found(), ascii_only=True)


def test_columns_of_the_chinese_table_stand_below_each_other() -> None:
    lines = find_text(found(), "zh").splitlines()
    table = lines[lines.index("") + 1 :][:5]

    def columns(text: str) -> int:
        return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)

    assert len({columns(line[: line.index("含义" if "含义" in line else MEANINGS[name]["zh"])]) for line, name in zip(
        table, ("head", "steepest", "middle", "valley", "edge"), strict=True)}) == 1  # fmt: skip


def test_what_says_nothing_is_said_without_a_curve() -> None:
    swept = Swept(RATES, ((float("nan"),),), np.empty(0), (), 1)
    text = find_text(Found(suggest(RATES, swept.losses), swept, (1e-3,), (None,), 0, 0, {}))
    assert text == "The loss is not a number before anything was trained; look at data and model."


@pytest.mark.parametrize("words", [WORDS, SENTENCES, MEANINGS])
def test_every_word_is_there_in_both_languages_with_the_same_values(words: dict[str, dict[str, str]]) -> None:
    import string

    for key, texts in words.items():
        fields = [{name for _, name, _, _ in string.Formatter().parse(texts[lang]) if name} for lang in ("en", "zh")]
        assert fields[0] == fields[1], key


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_picture_is_a_file_and_the_same_bytes_again(lang: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    assert cd.plot(found(), one, lang=lang) == one
    cd.plot(found(), other, lang=lang)
    assert one.read_bytes() == other.read_bytes()
    assert one.read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_one_repeat_of_noise_and_of_one_that_diverges_can_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for middle, noise, repeats in ((-2.5, 5.0, 1), (-4.9, 0.02, 1), (5.0, 0.0, 2)):
        cd.plot(found(middle, noise, repeats), tmp_path / "found.png")


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(SpecError, match=r"found\.html"):
        cd.plot(found(), tmp_path / "found.html")
