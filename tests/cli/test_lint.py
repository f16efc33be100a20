"""`cadence lint`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

FAULTY = """import torch
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90, verbose=True)
"""
SOUND = FAULTY.replace(", verbose=True", "")


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    file = tmp_path / "train.py"
    file.write_text(FAULTY, encoding="utf-8")
    return file


def test_findings_are_printed_with_line_and_fix_and_status_1(faulty: Path, command) -> None:
    done = command("lint", faulty)
    assert done.status == 1
    assert f"{faulty}:4:77: error CD301" in done.out
    assert "    4 | scheduler" in done.out
    assert "fix: take it out" in done.out
    assert done.out.rstrip().endswith("1 error, 0 warnings, 0 for information")


def test_a_sound_script_is_status_0(tmp_path: Path, command) -> None:
    (tmp_path / "train.py").write_text(SOUND, encoding="utf-8")
    done = command("lint", tmp_path / "train.py")
    assert (done.status, done.out) == (0, "no findings\n")


def test_information_alone_is_status_0(tmp_path: Path, command) -> None:
    (tmp_path / "train.py").write_text("import torchtext\n", encoding="utf-8")
    done = command("lint", tmp_path)
    assert done.status == 0
    assert "information CD308" in done.out


def test_json_and_sarif_are_data(faulty: Path, command) -> None:
    (finding,) = json.loads(command("lint", faulty, "--json").out)
    assert (finding["code"], finding["line"], finding["severity"]) == ("CD301", 4, "error")
    log = json.loads(command("lint", faulty, "--format", "sarif").out)
    assert log["runs"][0]["results"][0]["ruleId"] == "CD301"
    assert json.loads(command("lint", faulty, "--ignore", "CD301", "--json").out) == []


def test_diff_shows_the_patch_and_fix_writes_it(faulty: Path, command) -> None:
    shown = command("lint", faulty, "--diff")
    assert shown.status == 1
    assert "+scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90)\n" in shown.out
    assert faulty.read_text(encoding="utf-8") == FAULTY
    fixed = command("lint", faulty, "--fix")
    assert fixed.status == 0
    assert "-scheduler" in fixed.out
    assert faulty.read_text(encoding="utf-8") == SOUND


def test_a_patch_keeps_line_ends_and_what_is_no_ascii(tmp_path: Path, command) -> None:
    file = tmp_path / "train.py"
    text = "# 学习率\n" + FAULTY
    file.write_bytes(text.replace("\n", "\r\n").encode())
    command("lint", file, "--fix")
    assert file.read_bytes() == text.replace(", verbose=True", "").replace("\n", "\r\n").encode()


def test_stdin_is_a_script(command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(FAULTY))
    done = command("lint", "-")
    assert done.status == 1
    assert "<text>:4:77: error CD301" in done.out
    assert "    4 | scheduler" in done.out


def test_a_schedule_is_text(command) -> None:
    done = command("lint", "cosine(90)", "--total", "100")
    assert done.status == 1
    assert "CD111" in done.out
    done = command("lint", "linear(to=0.5)", "--total", "100", "--base", "0.1", "--expect", "0:0.1, 50:0.075, 100:0.05")
    assert (done.status, done.out) == (0, "no findings\n")


def test_explain_says_what_a_code_means(command) -> None:
    done = command("lint", "--explain", "CD101")
    assert done.status == 0
    assert "T_max" in done.out
    assert "余弦" in command("lint", "--explain", "cd101", "--lang", "zh").out
    assert json.loads(command("lint", "--explain", "CD101", "--json").out)["code"] == "CD101"
    assert "### CD101" in command("lint", "--explain", "all").out


def test_chinese_is_asked_for(faulty: Path, command) -> None:
    assert "错误 CD301" in command("lint", faulty, "--lang", "zh").out


BAD = [
    (["lint"], "nothing to look at"),
    (["lint", "missing.py"], "missing.py"),
    (["lint", "broken.py"], "broken.py, line 1"),
    (["lint", "binary.py"], "binary"),
    (["lint", "cosin()"], "did you mean 'cosine'?"),
    (["lint", "constant()", "--total", "5", "--format", "xml"], "xml"),
    (["lint", "--explain", "CD1001"], "CD1001"),
    (["lint", "constant()", "--total", "5", "--select", "XX"], "XX"),
    (["lint", "constant()", "--total", "5", "--expect", "soon"], "soon"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=lambda x: " ".join(x) if isinstance(x, list) else None)
def test_bad_input_is_one_sentence_and_status_2(
    arguments: list[str], said: str, command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("for epoch in range(90)\n", encoding="utf-8")
    (tmp_path / "binary.py").write_bytes(b"\0\1")
    done = command(*arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1
