"""What `lint` takes: files of all kinds, folders, text, schedules, live schedulers; and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cadence as cd
from cadence._errors import CadenceError, HorizonError, RecipeError, ScriptError, SpecError, UnknownNameError

FAULTY = """import torch
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90)
for epoch in range(100):
    train(model, optimizer)
    scheduler.step()
    print(epoch, validate(model), scheduler.get_last_lr())
"""


def codes(*arguments: object, **told: object) -> list[str]:
    return [finding.code for finding in cd.lint(*arguments, **told)]  # type: ignore[arg-type]


def test_a_script_is_read_from_its_path_and_from_its_text(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(FAULTY, encoding="utf-8")
    assert codes(file) == codes(str(file)) == codes(FAULTY) == ["CD111", "CD101"]
    assert [f.path for f in cd.lint(FAULTY)] == ["<text>", "<text>"]


def test_a_notebook_is_read_with_cell_and_line(tmp_path: Path) -> None:
    first, rest = FAULTY.split("\n", 1)
    cells = [
        {"cell_type": "markdown", "source": "# title"},
        {"cell_type": "code", "source": ["%matplotlib inline\n", first + "\n"]},
        {"cell_type": "code", "source": rest},
    ]
    file = tmp_path / "train.ipynb"
    file.write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")
    found = next(f for f in cd.lint(file) if f.code == "CD101")
    assert (found.cell, found.line, found.edits) == (3, 2, ())


def test_each_block_of_a_page_is_a_script_with_the_lines_of_the_page(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"# Title\n\n```python\n{FAULTY}```\n\n```sh\nls\n```\n", encoding="utf-8")
    assert [(f.code, f.line) for f in cd.lint(file)] == [("CD111", 6), ("CD101", 6)]


def test_a_folder_is_read_whole_without_what_others_installed(tmp_path: Path) -> None:
    for name in ("a.py", "deep/b.py", ".hidden/c.py", "venv/d.py", "deep/__pycache__/e.py", "site-packages/f.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(FAULTY, encoding="utf-8")
    (tmp_path / "other.yaml").write_text("just: something\n", encoding="utf-8")
    assert {Path(f.path).name for f in cd.lint(tmp_path)} == {"a.py", "b.py"}


def test_a_recipe_is_checked_with_its_own_schedule(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    text = "task: digits\noptimizer: {name: adamw, lr: 0.01}\ntotal: 20 epochs\nschedule: cosine('10 epochs')\n"
    file.write_text(text, encoding="utf-8")
    found = cd.lint(file)
    assert [(f.code, f.line) for f in found] == [("CD111", 4)]
    assert found[0].consequence == "1000 of 2000 updates (0.5 of the run) train nothing"
    file.write_text(text.replace("cosine('10 epochs')", "cosine(to=0.01)"), encoding="utf-8")
    assert cd.lint(file) == []


@pytest.mark.parametrize(
    "name", ["digits-sgd-step", "digits-adamw-cosine", "bytes-lamb-cosine", "bytes-adamw-constant"]
)
def test_the_built_in_recipes_are_sound(name: str) -> None:
    assert cd.lint(Path(cd.__file__).parent / "recipe" / "builtin" / f"{name}.yaml") == []


@pytest.mark.parametrize(
    ("schedule", "total", "code"),
    [
        ("cosine(90)", 100, "CD111"),
        ("cosine(90).past_end('mirror')", 100, "CD101"),
        ("warmup(10) >> cosine(100)", 60, "CD109"),
        ("cosine(30).cut(20) >> constant()", 100, None),
        ("(linear(20, start=0.1, to=1) >> cosine(80)).cut()", 90, None),
        ("warmup('5%') >> cosine(to=0.01)", 100, None),
        ("warmup('5%') >> constant() >> decay('20%', shape='1-sqrt')", 1000, None),
        ("restarts(25, decay=0.5)", 100, None),
        ("one_cycle()", 1000, None),
    ],
)
def test_a_schedule_is_checked_over_its_run(schedule: str, total: int, code: str | None) -> None:
    assert set(codes(schedule, total=total)) - {code} == set()
    assert (code in codes(cd.parse(schedule), total=total)) is (code is not None)


def test_a_schedule_that_is_cut_off_ends_at_the_rate_that_is_said() -> None:
    (finding,) = cd.lint("warmup(10) >> cosine(100)", total=60, base=0.1)
    assert finding.consequence == f"the rate ends at {0.1 * 0.5:.3g} instead of 0"


def test_a_schedule_without_an_end_is_silent() -> None:
    assert cd.lint("constant() * plateau('val_loss')") == []


def test_a_live_scheduler_is_checked_over_the_run_it_will_have() -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90)
    found = cd.lint(scheduler, total=100)
    assert [f.code for f in found] == ["CD101"]
    assert "up to 2.45e-05" in found[0].consequence
    assert cd.lint(scheduler, total=90) == []


def test_what_is_known_of_the_run_is_used(tmp_path: Path) -> None:
    text = FAULTY.replace("range(100)", "range(epochs)").replace("    scheduler.step()", "    scheduler.step()")
    assert codes(text) == []
    per_batch = """import torch
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=900)
for x, y in loader:
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()
    scheduler.step()
"""
    assert codes(per_batch) == []
    assert "CD101" in codes(per_batch, total=1000)
    assert "CD101" in codes(per_batch, steps_per_epoch=1000)
    assert codes(per_batch, total=900) == []


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("  # cadence: ignore", []),
        ("  # cadence: ignore CD101", ["CD111"]),
        ("  # cadence: ignore CD101, CD111", []),
        ("  # cadence: ignore CD999", ["CD111", "CD101"]),
        ("  # ignore", ["CD111", "CD101"]),
    ],
)
def test_a_comment_silences_what_it_names(comment: str, left: list[str]) -> None:
    line = "T_max=90)"
    assert codes(FAULTY.replace(line, line + comment)) == left
    lines = FAULTY.splitlines(keepends=True)
    assert codes("".join([*lines[:2], comment.strip() + "\n", *lines[2:]])) == left


def test_codes_are_selected_and_ignored_by_their_beginnings() -> None:
    assert codes(FAULTY, select=["CD101"]) == ["CD101"]
    assert codes(FAULTY, select=["CD1"], ignore=["cd111"]) == ["CD101"]
    assert codes(FAULTY, select=["CD4"]) == []
    with pytest.raises(UnknownNameError, match="CD77"):
        cd.lint(FAULTY, select=["CD77"])


BAD = [
    ("missing.py", None, "missing.py", OSError),
    ("binary.py", b"\x00\x01\x02", "binary", ScriptError),
    ("latin.py", "x = 'é'\n".encode("latin-1"), "UTF-8", ScriptError),
    ("broken.py", b"for epoch in range(90)\n    train()\n", "line 1", ScriptError),
    ("broken.yaml", b"a: [1, 2\n", "no YAML", ScriptError),
    ("list.yaml", b"- 1\n", "no mapping", ScriptError),
    ("other.yaml", b"a: 1\n", "neither a recipe", ScriptError),
    ("broken.ipynb", b"{", "no notebook", ScriptError),
    ("recipe.yaml", b"task: digits\noptimizer: {name: adamw, lr: 1}\ntotl: 3\n", "did you mean 'total'", RecipeError),
]


@pytest.mark.parametrize(("name", "content", "said", "kind"), BAD, ids=[name for name, *_ in BAD])
def test_what_cannot_be_read_is_refused_in_one_sentence(
    name: str, content: bytes | None, said: str, kind: type[Exception], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(kind, match=said) as caught:
        cd.lint(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("thing", "told", "kind"),
    [
        ("cosin()", {}, UnknownNameError),
        ("cosin(to=0.1)", {"total": 9}, UnknownNameError),
        ("warmup('5%') >> cosin(\n  to=0.1)", {"total": 9}, UnknownNameError),
        ("cosine(to=0.01)", {}, HorizonError),
        ("constant()", {"total": 10, "expect": "ten"}, SpecError),
        ("constant()", {"total": 10, "expect": "-1:0.1"}, SpecError),
        (object(), {}, CadenceError),
    ],
)
def test_what_is_no_schedule_and_no_script_is_refused(
    thing: object, told: dict[str, object], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        cd.lint(thing, **told)  # type: ignore[arg-type]


def test_nothing_is_executed_and_no_framework_is_imported(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.py"
    bomb.write_text(FAULTY + "open('executed', 'w').close()\nraise SystemExit(9)\n", encoding="utf-8")
    code = (
        "import sys, cadence as cd\n"
        f"assert [f.code for f in cd.lint({str(bomb)!r})] == ['CD111', 'CD101']\n"
        "print(sorted({'torch', 'paddle', 'jax', 'keras'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
    assert not (tmp_path / "executed").exists()
