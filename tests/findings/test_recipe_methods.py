"""Recipes whose method is unlike others: what is certain about them is said, with its numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

import cadence as cd


def found(tmp_path: Path, optimizer: str, rest: str) -> list[str]:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"task: digits\noptimizer: {optimizer}\n{rest}\n", encoding="utf-8")
    return [f"{f.code}: {f.message}; {f.consequence}" for f in cd.lint(path)]


@pytest.mark.parametrize(
    ("schedule", "silent"),
    [
        ("constant()", True),
        ("warmup('5%')", True),
        ("warmup('5%') >> constant() * early_stop('val_loss', patience=3)", True),
        ("warmup('5%') >> cosine()", False),
        ("steps(at=['5 epochs'], gamma=0.1)", False),
        ("constant() * plateau('val_loss', patience=2)", False),
        ("{weight_decay: cosine()}", True),
        ("{lr: constant(), weight_decay: cosine()}", True),
        ("{'rest/lr': cosine()}", False),
    ],
)
def test_a_schedule_free_method_wants_a_warmup_at_most(tmp_path: Path, schedule: str, silent: bool) -> None:
    for name in ("schedule_free_sgd", "schedulefreeadamw", "schedulefree:RAdamScheduleFree"):
        said = found(tmp_path, f"{{name: {name}, lr: 0.1}}", f"total: 10 epochs\nschedule: {schedule}")
        assert any(s.startswith("CD955") for s in said) is not silent
    assert found(tmp_path, "{name: sgd, lr: 0.1}", f"total: 10 epochs\nschedule: {schedule}") == []


@pytest.mark.parametrize(
    ("rest", "line"),
    [
        ("stop: early_stop('val_loss', patience=5, then='cooldown 10%')", 4),
        ("schedule: warmup('5%') >> constant() * early_stop('val_loss', patience=5, then='cooldown 10%')", 4),
        ("stop: early_stop('val_loss', patience=5)", None),
        # The rate is not driven, so no cooldown reaches it.
        ("schedule: {weight_decay: constant()}\nstop: early_stop('val_loss', patience=5, then='cooldown 10%')", None),
    ],
)
def test_a_schedule_free_method_wants_no_cooldown_at_its_end(tmp_path: Path, rest: str, line: int | None) -> None:
    path = tmp_path / "recipe.yaml"
    text = f"task: digits\noptimizer: {{name: schedule_free_adamw, lr: 0.0025}}\ntotal: 10 epochs\n{rest}\n"
    path.write_text(text, encoding="utf-8")
    said = [f for f in cd.lint(path) if f.code == "CD955"]
    assert [f.spot.line for f in said] == ([] if line is None else [line])
    assert all("then='cooldown 10%'" in f.message for f in said)
    path.write_text(text.replace("schedule_free_adamw", "adamw"), encoding="utf-8")
    assert not [f for f in cd.lint(path) if f.code == "CD955"]


@pytest.mark.parametrize(
    ("schedule", "silent"),
    [
        ("constant()", True),
        ("cosine()", False),
        ("{'*/lr': constant(), 'body/lr': cosine()}", False),
        ("{'*/lr': cosine(), 'body/lr': constant()}", True),
    ],
)
def test_of_several_optimizers_the_schedule_of_those_that_average_is_looked_at(
    tmp_path: Path, schedule: str, silent: bool
) -> None:
    several = "{main: {name: adamw, lr: 0.001}, other: {name: schedule_free_sgd, lr: 0.1}}"
    groups = "groups: {body: {parameters: 'body.*', optimizer: other}}"
    said = found(tmp_path, several, f"{groups}\ntotal: 10 epochs\nschedule: {schedule}")
    assert any(s.startswith("CD955") for s in said) is not silent
    (rate,) = found(tmp_path, "{a: {name: sgd, lr: 0.1}, b: {name: prodigy, lr: 0.1e-2}}", "total: 10")
    assert rate.startswith("CD956")


def test_the_update_from_which_adafactor_goes_its_own_way(tmp_path: Path) -> None:
    # 1 / sqrt(t) falls below 0.1 with the 101st update, number 100.
    (said,) = found(tmp_path, "{name: adafactor, lr: 0.1}", "total: 1000")
    assert "from update 100 on the scheduled rate is above 1 / sqrt(t) = 0.0995" in said
    assert "not in force in 900 updates" in said
    assert found(tmp_path, "{name: adafactor, lr: 0.1}", "total: 100") == []
    assert found(tmp_path, "{name: adafactor, lr: 0.1}", "total: 1000\nschedule: linear(50, to=0.01)") == []
    # In epochs of a task nobody has asked yet, it cannot be told.
    assert found(tmp_path, "{name: adafactor, lr: 0.1}", "total: 10 epochs") == []


def test_the_adafactor_of_pytorch_optimizer_takes_no_notice_of_the_rate(tmp_path: Path) -> None:
    (said,) = found(tmp_path, "{name: 'pytorch_optimizer:adafactor', lr: 0.1}", "total: 1000")
    assert "lr=0.1 and the schedule change nothing" in said
    optimizer = "{name: 'pytorch_optimizer:adafactor', lr: 0.001, relative_step: false}"
    assert found(tmp_path, optimizer, "total: 1000") == []


def test_that_is_what_the_adafactors_do() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("pytorch_optimizer")

    def moved(name: str, lr: float, updates: int) -> float:
        p = torch.nn.Parameter(torch.full((4, 4), 100.0))
        made = cd.optimizer(name, [p], lr=lr)
        for _ in range(updates):
            before = p.detach().clone()
            p.grad = torch.ones(4, 4)
            made.step()
        return float((before - p.detach()).mean() / before.mean().abs())

    assert moved("adafactor", 0.1, 400) == pytest.approx(1 / 20, rel=1e-3)
    assert moved("adafactor", 0.1, 50) == pytest.approx(0.1, rel=1e-3)
    theirs = "pytorch_optimizer:adafactor"
    assert moved(theirs, 0.1, 30) == moved(theirs, 0.003, 30) > 0
