"""`cadence diagnose`: text, JSON, page and exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Command
from tests.diagnosis.logs import write_csv

import cadence as cd

N = 400


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A training without a fault: a power law under warmup and cosine."""
    t = np.arange(N)
    rng = np.random.default_rng(0)
    rates = cd.place("warmup(20) >> cosine(to=0.01)", total=N, base=3e-3).values()
    done = np.cumsum(rates)
    loss = 0.8 + 1.5 * (1 + 60 * done / done[-1]) ** -0.6 + rng.normal(0, 0.02, N)
    return write_csv(
        tmp_path / "sound.csv", ("step", "loss", "lr"), zip(t.tolist(), loss.tolist(), rates.tolist(), strict=True)
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """One that blows up."""
    rows = [(t, 2.5 * 1.1 ** max(0, t - 100) if t < 250 else float("nan"), 0.5) for t in range(N)]
    return write_csv(tmp_path / "broken.csv", ("step", "loss", "lr"), rows)


def test_nothing_found_is_said_with_status_0(command: Command, sound: Path) -> None:
    done = command("diagnose", sound)
    assert (done.status, done.err) == (0, "")
    assert "Nothing is wrong that this log would show." in done.out
    assert "warmup(20) >> cosine(to=0.01), base 0.003" in " ".join(done.out.split())
    assert "the rise ends at update 20" in done.out


def test_findings_have_evidence_a_change_to_try_and_status_1(command: Command, broken: Path) -> None:
    done = command("diagnose", broken)
    assert done.status == 1
    for part in ("! CL", "Evidence:", "Try:", "Expected:"):
        assert part in done.out
    assert max(map(len, done.out.splitlines())) <= 110


def test_json_is_strict_and_has_everything(command: Command, sound: Path, broken: Path) -> None:
    done = command("diagnose", sound, broken, "--json")
    assert done.status == 1
    content = json.loads(done.out, parse_constant=lambda name: pytest.fail(name))
    first, second = content["logs"]
    assert first["findings"] == []
    assert first["rates"][0]["schedule"]["text"] == "warmup(20) >> cosine(to=0.01)"
    assert [event["kind"] for event in first["rates"][0]["events"]] == ["rise ends"]
    assert second["findings"][0]["fault"] == "divergence"
    assert {"milestones", "verdicts", "jumps", "sound", "unjudged", "notes"} <= set(first)


def test_bad_input_is_one_sentence_and_the_other_logs_are_told_all_the_same(
    command: Command, sound: Path, tmp_path: Path
) -> None:
    done = command("diagnose", tmp_path / "gone.csv", sound)
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert "gone.csv does not exist" in done.err
    assert "Nothing is wrong" in done.out
    assert "--column is ROLE=NAME" in command("diagnose", sound, "--column", "loss").err
    assert "did you mean 'loss'" in command("diagnose", sound, "--column", "los=x").err


def test_a_log_without_a_rate_is_diagnosed_as_far_as_it_goes(command: Command, tmp_path: Path) -> None:
    rows = [(t, 2.5 * 1.1 ** max(0, t - 100)) for t in range(N)]
    done = command("diagnose", write_csv(tmp_path / "a.csv", ("step", "loss"), rows))
    assert done.status == 1
    assert "has no learning rate" in " ".join(done.out.split())
    assert "divergence" in done.out or "CL1" in done.out


def test_columns_may_be_named(command: Command, tmp_path: Path) -> None:
    rows = [(t, 1 / (t + 1), 7.0) for t in range(50)]
    path = write_csv(tmp_path / "a.csv", ("when", "mine", "loss"), rows)
    done = command("diagnose", path, "--column", "step=when", "--column", "loss=mine", "--json")
    assert json.loads(done.out)["logs"][0]["updates"] == 50


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_is_one_file_without_network_and_says_what_the_text_says(
    command: Command, sound: Path, broken: Path, tmp_path: Path, lang: str
) -> None:
    page = tmp_path / "page.html"
    done = command("diagnose", broken, sound, "--html", page, "--lang", lang)
    assert done.status == 1
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"(?!#)", text)
    assert text.count("<svg") >= 3
    assert ("Findings" if lang == "en" else "发现") in text
    assert ("建议" in text) == (lang == "zh")
    # Boxes that scroll can be reached with the keyboard, and say what they show.
    assert text.count('tabindex="0"') == text.count("<svg")


def test_what_a_log_calls_itself_is_text_in_the_page(command: Command, tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    rows = [(t, 1 + 1 / (t + 1), 0.9) for t in range(60)]
    path = write_csv(tmp_path / "a.csv", ("step", "loss", f"val_loss {name}"), rows)
    page = tmp_path / "page.html"
    command("diagnose", path, "--html", page)
    assert name not in page.read_text(encoding="utf-8")


def test_what_the_log_counts_is_said_and_drawn_with_its_name(command: Command, tmp_path: Path) -> None:
    rows = [(t, 1 / (t + 1), 0.1 if t < 30 else 0.01) for t in range(60)]
    for column, note, axis in (
        ("epoch", "what is called an update below is an epoch", "epoch"),
        ("odd", "What is called an update below is a row", "row"),
        ("step", None, "update"),
    ):
        path = write_csv(tmp_path / f"{column}.csv", (column, "loss", "lr"), rows)
        page = tmp_path / "new" / "pages" / f"{column}.html"  # folders are made
        done = command("diagnose", path, "--html", page)
        text = " ".join(done.out.split())
        assert (note is None and "is called an update" not in text) or note in text
        assert f'text-anchor="end">{axis}</text>' in page.read_text(encoding="utf-8")
    one = write_csv(tmp_path / "one.csv", ("step", "loss"), rows[:1])
    assert "CSV, 1 update\n" in command("diagnose", one).out


def test_a_verdict_says_what_can_be_told_and_no_more(command: Command, sound: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    loss = [1.0 + 0.01 * rng.standard_normal() + (0.1 if t >= 200 else 0.0) for t in range(400)]
    rows = [(t, loss[t] if t < 300 else float("nan"), (0.1, 0.01, 0.001, 0.0001)[t // 100]) for t in range(400)]
    out = " ".join(command("diagnose", write_csv(tmp_path / "a.csv", ("step", "loss", "lr"), rows)).out.split())
    assert "unknown" not in out
    assert "lies -" not in out
    hurt = out.partition("at update 200: the loss changed by")[2].partition(". - ")[0]
    assert "above where it was heading: hurt" in hurt
    assert "lies 0." in hurt
    assert "at update 300: the loss changed by" in out
    last = out.partition("at update 300: the loss changed by")[2]
    assert "behind it" not in last.partition("cannot tell")[0]


def test_a_loss_that_has_diverged_says_nothing_of_milestones(command: Command, broken: Path) -> None:
    assert "Where a lower rate was due" not in command("diagnose", broken).out
    held = [(t, 1.0 + 0.01 * (t % 3), 0.5) for t in range(N)]
    assert "Where a lower rate was due" in command("diagnose", write_csv(broken, ("step", "loss", "lr"), held)).out


def test_chinese_has_its_own_signs(command: Command, broken: Path) -> None:
    out = command("diagnose", broken, "--lang", "zh").out
    assert "学习率背后的调度：\n" in out
    assert not re.search(r"[\u4e00-\u9fff]: |： ", out)
