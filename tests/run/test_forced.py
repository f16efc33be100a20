"""Runs upon which another recipe was forced, with all that was decided and steered before and after: what was planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import cadence as cd
from cadence.findings.of_record import check_record
from cadence.record.commands import send
from cadence.run.branch import branch
from cadence.run.loop import Progress
from cadence.run.standing import curve_of
from cadence.run.train import train

Keys = dict[str, Any]


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


@pytest.fixture
def lively(small: Keys, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Checkpoints at every fifth update, and every update told of."""
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    return {**small, "total": 30, "evaluate": 3, "checkpoint": {"every": 5, "keep": 9}}


def ends_at(t: int) -> Any:
    def tell(progress: Progress) -> None:
        if progress.t >= t:
            raise Killed

    return tell


def test_what_was_decided_and_changed_before_a_recipe_was_forced_is_no_deviation_and_moves_nothing(
    lively: Keys,
) -> None:
    rule = "constant() * plateau('val_loss', factor=0.5, patience=0, threshold=0.9)"
    keys = {**lively, "schedule": rule}

    def left(keys: Keys, t: int, **options: Any) -> None:
        with pytest.raises(Killed):
            train(keys, out="run", progress=ends_at(t), **options)

    left(keys, 11)
    send(Path("run"), "extend", {"length": 6})
    send(Path("run"), "rewarm", {"length": 8})
    left(keys, 16)
    # It cuts no more, is longer, and has another base; and then it changes its mind again.
    other = {**keys, "schedule": "linear(to=0.1)", "optimizer": {**keys["optimizer"], "lr": 0.003}, "total": 40}
    left(other, 21, force=True)
    send(Path("run"), "set", {"values": {"lr": 0.004}})
    left(other, 26)
    record = train({**keys, "total": 50}, out="run", force=True)
    kinds = [e["kind"] for e in record.journal]
    assert {"cut", "change", "rewarm", "set"} <= set(kinds)
    assert kinds.count("force") == 2
    assert record.t == 50
    assert check_record(record) == []
    rates = record.updates["lr"][:, 0]
    plain = cd.place("linear(to=0.1)", total=40, base=0.003).values()
    assert rates[15:20].tolist() == plain[15:20].tolist()
    # The curve of what goes on is that of the newest recipe alone.
    curve = curve_of(record.run, record.journal)
    np.testing.assert_array_equal(rates[25:], curve.values(25, 50))


def test_a_branch_of_a_forced_and_steered_run_is_no_deviation(lively: Keys) -> None:
    with pytest.raises(Killed):
        train(lively, out="run", progress=ends_at(11))
    other = {**lively, "schedule": "linear(to=0.1)", "total": 40}
    with pytest.raises(Killed):
        train(other, out="run", force=True, progress=ends_at(16))
    send(Path("run"), "set", {"values": {"lr": 0.004}})
    # Followed at 15, where the checkpoint is that the branch begins at: it is not the branch's.
    with pytest.raises(Killed):
        train(other, out="run", progress=ends_at(17))
    for name, options in {"tail": {"tail": "cosine()", "total": 50}, "longer": {"total": 60}, "same": {}}.items():
        branch("run", name, at=15, **options)
        record = train(Path(name) / "recipe.yaml", out=name)
        assert check_record(record) == []
        assert "set" not in [e["kind"] for e in record.journal]
    assert check_record(train(other, out="run")) == []
