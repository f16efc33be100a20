"""Stopping beside a plateau rule, and under a schedule that falls: found before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

import cadence as cd

RECIPE = "task: digits\noptimizer: {name: sgd, lr: 0.1}\ntotal: 30 epochs\n"


def found(tmp_path: Path, rest: str) -> list[tuple[str, str]]:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE + rest, encoding="utf-8")
    return [(f.code, str(f.consequence)) for f in cd.lint(path)]


@pytest.mark.parametrize(
    ("plateau", "stop", "told"),
    [
        ("patience=10", "patience=5", "ends with bad evaluation 6, the first cut would come with 11"),
        ("patience=5", "patience=5", "first cut comes with bad evaluation 6, and so does the end"),
        ("patience=5, cooldown=3", "patience=7", "comes with bad evaluation 6 and rests until 9; the run ends with 8"),
        ("patience=5, cooldown=3", "patience=8", "rests until 9; the run ends with 9"),
        ("patience=5, cooldown=3", "patience=9", None),
        ("patience=5", "patience=6", None),
        ("patience=5", "patience=5, then='cooldown 10%'", "and so does the end of the run"),
        # An evaluation is two epochs: the fifth epoch without improvement is seen by the third bad one.
        ("patience=3", "patience='5 epochs'", "ends with bad evaluation 3, the first cut would come with 4"),
        ("patience='4 epochs', cooldown='3 epochs'", "patience=3", "with bad evaluation 3 and rests until 4; the run"),
        ("patience='4 epochs', cooldown='3 epochs'", "patience=4", None),
        ("patience='100 steps'", "patience=1", None),
    ],
)
def test_a_stop_that_comes_before_a_cut_could_help(tmp_path: Path, plateau: str, stop: str, told: str | None) -> None:
    rules = f"plateau('val_loss', {plateau})", f"early_stop('val_loss', {stop})"
    for rest in (
        f"evaluate: 2 epochs\nschedule: constant() * {rules[0]}\nstop: {rules[1]}\n",
        f"evaluate: 2 epochs\nschedule: constant() * {rules[0]} * {rules[1]}\n",
    ):
        said = [consequence for code, consequence in found(tmp_path, rest) if code == "CD951"]
        assert len(said) == (told is not None)
        assert told is None or told in said[0]


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("cosine()", "halfway the rate is 50 % of its peak"),
        ("warmup('10%') >> linear()", "halfway the rate is 55.6 % of its peak"),
        ("wsd(cooldown='20%')", "halfway the rate is 100 % of its peak"),
        ("cosine(to=0.6)", None),
        ("constant() * plateau('val_loss', patience=1)", None),
        ("warmup('10%') >> constant()", None),
    ],
)
def test_a_stop_at_once_in_mid_fall(tmp_path: Path, schedule: str, told: str | None) -> None:
    said = [
        c for code, c in found(tmp_path, f"schedule: {schedule}\nstop: early_stop('val_loss')\n") if code == "CD958"
    ]
    assert len(said) == (told is not None)
    assert told is None or told in said[0]
    cooled = f"schedule: {schedule}\nstop: early_stop('val_loss', then='cooldown 10%')\n"
    assert all(code != "CD958" for code, _ in found(tmp_path, cooled))


@pytest.mark.parametrize(
    ("rule", "stopper", "hit"),
    [
        # torch cuts with bad evaluation 6, and the stop comes with the number that its patience says.
        ("torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)", "EarlyStopping(patience=6)", True),
        ("torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)", "EarlyStopping(patience=7)", False),
        ("torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=5, cooldown=2)",
         "EarlyStoppingCallback(early_stopping_patience=8)", True),
        ("torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=5, cooldown=2)",
         "EarlyStoppingCallback(early_stopping_patience=9)", False),
        # keras cuts with the fifth.
        ("keras.callbacks.ReduceLROnPlateau(patience=5)", "keras.callbacks.EarlyStopping(patience=5)", True),
        ("keras.callbacks.ReduceLROnPlateau(patience=5)", "keras.callbacks.EarlyStopping(patience=6)", False),
    ],
)  # fmt: skip
def test_a_script_that_stops_before_a_cut_could_help(tmp_path: Path, rule: str, stopper: str, hit: bool) -> None:
    path = tmp_path / "script.py"
    path.write_text(
        "import keras\nimport torch\nfrom mine import EarlyStopping, EarlyStoppingCallback, model\n"
        f"optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\nrule = {rule}\nstop = {stopper}\n",
        encoding="utf-8",
    )
    assert any(f.code == "CD412" for f in cd.lint(path)) is hit
