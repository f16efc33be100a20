"""Every rule finds what it is for, and is silent on the like that is sound."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.findings.examples import CONFIGS, SCRIPTS, script
from tests.findings.test_articles import ARTICLES, expected

import cadence as cd
from cadence.findings.rule import RULES, rules
from cadence.findings.text import explained


def codes(path: Path, **told: object) -> set[str]:
    return {finding.code for finding in cd.lint(path, **told)}  # type: ignore[arg-type]


@pytest.mark.parametrize("code", SCRIPTS)
def test_a_script_that_a_rule_is_for_is_found_and_a_sound_one_is_not(code: str, tmp_path: Path) -> None:
    faulty, sound = SCRIPTS[code]
    (tmp_path / "faulty.py").write_text(script(faulty), encoding="utf-8")
    (tmp_path / "sound.py").write_text(script(sound), encoding="utf-8")
    assert code in codes(tmp_path / "faulty.py")
    assert codes(tmp_path / "sound.py") == set()


@pytest.mark.parametrize("code", CONFIGS)
def test_a_yaml_file_that_a_rule_is_for_is_found_and_a_sound_one_is_not(code: str, tmp_path: Path) -> None:
    faulty, sound = CONFIGS[code]
    (tmp_path / "faulty.yaml").write_text(faulty, encoding="utf-8")
    (tmp_path / "sound.yaml").write_text(sound, encoding="utf-8")
    assert code in codes(tmp_path / "faulty.yaml")
    assert codes(tmp_path / "sound.yaml") == set()


def test_no_rule_is_without_an_example() -> None:
    elsewhere = {"CD005", "CD107", "CD109"}  # a page's block, waypoints, schedules: tests of their own
    shown = {code for article in ARTICLES for code in expected(article)} | set(SCRIPTS) | set(CONFIGS) | elsewhere
    assert sorted(set(RULES) - shown) == []


def test_a_block_of_a_page_that_is_no_python_is_said_and_the_others_are_checked(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n```python\nfor epoch in range(90)\n```\n\n```python\nimport torch\n"
        "s = torch.optim.lr_scheduler.StepLR(o, 30, verbose=True)\n```\n",
        encoding="utf-8",
    )
    assert [(f.code, f.line) for f in cd.lint(page)] == [("CD005", 4), ("CD301", 9)]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("torch.optim.lr_scheduler.StepLR(o, step_size=0)", "step_size is 0"),
        ("torch.optim.lr_scheduler.LinearLR(o, start_factor=0)", "start_factor is 0; torch wants more than 0"),
        ("torch.optim.lr_scheduler.ReduceLROnPlateau(o, factor=1.5)", "factor is 1.5; torch wants less than 1"),
        ("torch.optim.lr_scheduler.StepLR(o)", "needs step_size"),
        ("torch.optim.lr_scheduler.StepLR(o, step=30)", "has no argument 'step'"),
    ],
)
def test_arguments_that_torch_would_not_take_are_refused_with_its_reason(call: str, said: str) -> None:
    found = cd.lint(f"import torch\no = torch.optim.SGD(p, lr=0.1)\ns = {call}\n")
    assert [f.code for f in found] == ["CD004"]
    assert said in found[0].message


@pytest.mark.parametrize(
    "call",
    [
        "StepLR(o, step_size=n)", "LambdaLR(o, f)", "LambdaLR(o, lambda e: 0.9**e)", "ReduceLROnPlateau(o)",
        "MultiStepLR(o, milestones=marks)", "OneCycleLR(o, 0.1, epochs=3, steps_per_epoch=len(loader))",
        "CosineAnnealingLR(o, T_max=n * len(loader))", "CyclicLR(o, 0.01, 0.1)",
    ],
)  # fmt: skip
def test_arguments_that_torch_takes_or_that_cannot_be_told_are_not_refused(call: str) -> None:
    assert (
        cd.lint(f"import torch\no = torch.optim.SGD(p, lr=0.1, momentum=0.9)\ns = torch.optim.lr_scheduler.{call}\n")
        == []
    )


WANTED = "1 if epoch < 50 else max(0.1, 1 - (epoch - 50) * {slope})"


def test_a_formula_that_misses_its_waypoints_is_found_with_the_value_it_has() -> None:
    text = f"formula('{WANTED.format(slope=0.001875)}')"
    found = cd.lint(text, total="100 epochs", steps_per_epoch=1, base=0.1, expect="0:0.1, 50:0.1, 75:0.055, 100:0.01")
    assert [(f.code, f.consequence) for f in found] == [("CD107", "it is 0.0953"), ("CD107", "it is 0.0906")]


def test_a_formula_that_passes_its_waypoints_is_silent() -> None:
    text = f"formula('{WANTED.format(slope=0.018)}')"
    assert (
        cd.lint(text, total="100 epochs", steps_per_epoch=1, base=0.1, expect="0:0.1, 50:0.1, 75:0.055, 100:0.01") == []
    )


def test_a_lambda_of_a_script_is_held_against_waypoints(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(
        script(
            """
            import torch
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            f = lambda e: 1.0 if e < 50 else max(0.1, 1 - (e - 50) * 0.001875)
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=f)
            for epoch in range(101):
                train(model, optimizer)
                print(epoch, validate(model), scheduler.get_last_lr())
                scheduler.step()
            """
        ),
        encoding="utf-8",
    )
    found = [f for f in cd.lint(file, expect="50:0.1, 100:0.01") if f.code == "CD107"]
    assert [(f.line, f.consequence) for f in found] == [(4, "it is 0.0906")]
    assert "CD107" not in codes(file)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.code)
def test_a_rule_says_what_it_is_in_both_languages(rule) -> None:
    assert re.fullmatch(r"CD\d{3}", rule.code)
    for text in (rule.title, rule.why, rule.fix, rule.source, rule.example, *rule.zh):
        assert text.strip()
    assert all(re.search("[\u4e00-\u9fff]", text) for text in rule.zh)
    assert rule.look.__doc__
    assert rule.code in explained(rule)
    assert rule.zh[0] in explained(rule, "zh")


@pytest.mark.parametrize("article", ARTICLES, ids=lambda path: path.name.partition(".")[0])
def test_a_finding_says_where_what_and_what_to_write(article: Path) -> None:
    lines = article.read_text(encoding="utf-8").splitlines()
    for finding in cd.lint(article):
        assert 1 <= finding.line <= len(lines)
        assert 1 <= finding.column <= len(lines[finding.line - 1]) + 1
        assert finding.message
        assert finding.fix
        assert all(finding.zh[i] for i in (0, 1, 3))
        assert json.loads(json.dumps(finding.to_json()))["code"] == finding.code
