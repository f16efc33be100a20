"""`cadence find-lr`: what it prints and writes, and with which status it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("sklearn")

SMALL = "{name: small, task: digits, optimizer: {name: adamw, lr: 0.001}, schedule: cosine(), total: 400}"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def test_the_answer_comes_first_and_a_picture_lies_beside_it(recipe: Path, command) -> None:
    pytest.importorskip("matplotlib")
    done = command("find-lr", recipe, "--updates", 60)
    assert done.status == 0
    assert done.out.startswith("Recommended learning rate: 0.00")
    assert [line.split()[1] for line in done.out.splitlines() if line[:3] in ("s  ", "m  ", "v  ")] == [
        "steepest", "middle", "valley",
    ]  # fmt: skip
    assert re.search(r"\d repeats of \d+ updates after a scout of \d+, (5\d|60) updates altogether", done.out)
    assert Path("runs/find-lr-small.png").read_bytes().startswith(b"\x89PNG")
    assert done.err == ""


def test_json_has_the_suggestions_and_every_loss(recipe: Path, command) -> None:
    done = command("find-lr", recipe, "--updates", "10%", "--start", 1e-4, "--end", 0.1, "--repeats", 2, "--json")
    assert done.status in (0, 1)
    said = json.loads(done.out)
    assert said["updates"] == 40
    assert [len(row) for row in said["sweep"]["losses"]] == [20, 20]
    assert said["scout"]["losses"] == []
    assert (said["recommended"] is None) == (done.status == 1)
    assert set(said["suggestions"]) <= {"steepest", "middle", "valley", "edge"}


def test_it_speaks_chinese_and_writes_the_picture_where_it_is_told(recipe: Path, command) -> None:
    pytest.importorskip("matplotlib")
    done = command("find-lr", recipe, "--updates", 40, "--lang", "zh", "--out", "deep/found.pdf")
    assert "推荐学习率" in done.out or "不一致" in done.out
    assert Path("deep/found.pdf").read_bytes().startswith(b"%PDF")
    assert not Path("runs").exists()


def test_a_test_that_does_not_tell_ends_with_1(recipe: Path, command) -> None:
    recipe.write_text(SMALL.replace("total", "clip_norm: 1, seed: 3, total"), encoding="utf-8")
    done = command("find-lr", recipe, "--updates", 30, "--start", 1e-9, "--end", 1e-7, "--repeats", 2)
    assert done.status == 1
    assert "does not fall clearly at any rate" in done.out


@pytest.mark.parametrize("code", ["x * float('nan')", "x * 1e4 ** self.calls"])
def test_a_loss_that_is_no_number_or_diverges_everywhere_ends_with_3(
    code: str, recipe: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"broken_{'nan' if 'nan' in code else 'wild'}"
    Path(f"{module}.py").write_text(
        "import torch\n\n\nclass Wild(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layer, self.calls = torch.nn.Linear(64, 10), 0\n\n    def forward(self, x):\n        self.calls += 1\n"
        f"        x = self.layer(x.flatten(1))\n        return {code}\n\n\ndef make():\n    return Wild()\n",
        encoding="utf-8",
    )
    recipe.write_text(SMALL.replace("total", f"model: '{module}:make', total"), encoding="utf-8")
    done = command("find-lr", recipe, "--updates", 30)
    assert done.status == 3
    assert "not a number" in done.out or "diverges at the lowest rate" in done.out
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--start", 1, "--end", 0.1), "the range 1 to 0.1 is upside down"),
        (("--updates", 5), "a range test of 5 updates says nothing"),
        (("--updates", "ten"), "ten"),
        (("--out", "found.gif"), "found.gif"),
    ],
)
def test_bad_input_is_one_sentence(options: tuple[object, ...], told: str, recipe: Path, command) -> None:
    done = command("find-lr", recipe, *options)
    assert done.status == 2
    assert told in done.err
    assert len(done.err.strip().splitlines()) == 1
