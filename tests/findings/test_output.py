"""How findings are shown: text with a caret, SARIF, patches, the page of all rules."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cadence as cd
from cadence.findings.finding import Edit, Finding, Spot
from cadence.findings.fixing import diff, patched
from cadence.findings.page import page
from cadence.findings.rule import RULES
from cadence.findings.sarif import sarif
from cadence.findings.text import counted, shown

ARTICLES = Path(__file__).parent / "articles"
DOCS = Path(__file__).parents[2] / "docs"

FIXED = {
    "plateau_verbose": ("CD301", 'ReduceLROnPlateau(optimizer, mode="min", patience=5, factor=0.1)'),
    "cosine_truncated": ("CD101", "CosineAnnealingLR(optimizer, T_max=60)"),
    "resnet_example": ("CD305", "resnet50(weights=None, num_classes=1000)"),
    "step_with_epoch": ("CD302", "    scheduler.step()\n"),
    "launcher": ("CD304", "    torchrun --nproc_per_node=4 train.py"),
    "sequential_inner_clock": ("CD106", "CosineAnnealingLR(optimizer, T_max=90)"),
    "amp_loop": ("CD402", "    scaler.unscale_(optimizer)\n    torch.nn.utils.clip_grad_norm_"),
}


@pytest.mark.parametrize("article", FIXED)
def test_a_patch_removes_its_finding_and_leaves_the_rest(article: str) -> None:
    code, line = FIXED[article]
    before = (ARTICLES / f"{article}.py.txt").read_text(encoding="utf-8")
    mine = [f for f in cd.lint(before) if f.code == code]
    after, done = patched(before, mine)
    assert line in after
    ast.parse(after)
    assert done
    assert all(f.edits for f in done)
    left = [f.code for f in cd.lint(after)]
    assert left.count(code) == len([f for f in mine if not f.edits])


def test_the_old_amp_names_are_patched_with_their_import() -> None:
    before = (ARTICLES / "amp_loop.py.txt").read_text(encoding="utf-8")
    after, done = patched(before, [f for f in cd.lint(before) if f.code == "CD303"])
    assert len(done) == 2
    assert "from torch.amp import GradScaler, autocast" in after
    assert 'scaler = GradScaler("cuda")' in after
    assert 'with autocast("cuda"):' in after
    assert patched("x = torch.cuda.amp.autocast(True)\n", [])[0].startswith("x = torch.cuda")
    text = "import torch\nwith torch.cuda.amp.autocast(enabled=False):\n    pass\n"
    assert (
        patched(text, cd.lint(text))[0] == 'import torch\nwith torch.amp.autocast("cuda", enabled=False):\n    pass\n'
    )


def test_all_patches_of_a_file_together_leave_a_script_that_parses() -> None:
    for article in ARTICLES.glob("*.py.txt"):
        text = article.read_text(encoding="utf-8")
        after, done = patched(text, cd.lint(text))
        if done:
            ast.parse(after)


def test_patches_that_overlap_are_not_both_made() -> None:
    def one(begin: int, end: int, text: str) -> Finding:
        return Finding("CD1", "error", "", "", "", "", edits=(Edit(Spot(1, begin, 1, end), text),))

    after, done = patched("abcdef", [one(1, 4, "X"), one(3, 5, "Y"), one(5, 7, "Z")])
    assert after == "XdZ"
    assert len(done) == 2


def test_the_diff_shows_both_lines() -> None:
    assert "-a\n+b\n" in diff("a\n", "b\n", "x.py")


def test_a_finding_is_shown_with_its_line_and_a_caret_under_wide_letters_too() -> None:
    text = "optimizer = f()\nx = '学习率'; s = torch.optim.lr_scheduler.StepLR(o, 3, verbose=True)\nimport torch\n"
    finding = next(f for f in cd.lint(text) if f.code == "CD301")
    lines = shown(finding, text.splitlines()).splitlines()
    assert lines[0].startswith("<text>:2:")
    caret, source = lines[2].partition("| ")[2], lines[1].partition("| ")[2]
    width = sum(2 if "\u4e00" <= c <= "\u9fff" else 1 for c in source[: source.index("verbose")])
    assert caret == " " * width + "^" * len("verbose=True")


def test_chinese_output_is_chinese() -> None:
    finding = next(f for f in cd.lint(ARTICLES / "resnet_example.py.txt") if f.code == "CD101")
    text = shown(finding, [], "zh")
    assert "余弦周期与训练长度不符：T_max=90，而调度器共走 100 步" in text
    assert "重新上升，最高 2.45e-05" in text
    assert "写 T_max=100" in text
    assert counted([finding], "zh") == "0 个错误，1 个警告，0 条提示"
    assert counted([]) == "no findings"


def test_sarif_has_what_the_standard_demands() -> None:
    path = ARTICLES / "resnet_example.py.txt"
    log = sarif(cd.lint(path), "1.2.3")
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "cadence"
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"].endswith(".")
        (location,) = result["locations"]
        region = location["physicalLocation"]["region"]
        assert region["startLine"] >= 1
        assert (region["endLine"], region["endColumn"]) >= (region["startLine"], region["startColumn"])
        assert location["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")
        for fix in result.get("fixes", ()):
            (change,) = fix["artifactChanges"]
            assert all({"deletedRegion", "insertedContent"} == set(r) for r in change["replacements"])
    assert any("fixes" in result for result in run["results"])


def test_the_page_of_all_rules_is_up_to_date() -> None:
    text = (DOCS / "lint.md").read_text(encoding="utf-8")
    assert text == page(), "run: cadence lint --explain all > docs/lint.md"
    assert all(f"### {code}: " in text for code in RULES)


def test_the_page_is_there_in_chinese_too() -> None:
    text = page("zh")
    assert all(f"### {code}: {RULES[code].zh[0]}" in text for code in RULES)
