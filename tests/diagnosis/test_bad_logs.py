"""Logs with too little, too much, or the wrong things in them: something is always said, and nothing falls over."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cadence.diagnosis.diagnose import diagnosed
from cadence.diagnosis.log import Facts, Log, Series


def series(values: object, t: object = None) -> Series:
    y = np.asarray(values, dtype=np.float64)
    return Series(np.arange(len(y)) if t is None else np.asarray(t, dtype=np.int64), y)


def made(loss: object = None, lr: object = None, val: object = None, **more: object) -> Log:
    return Log(
        "made", "csv",
        loss=None if loss is None else series(loss),
        lr={} if lr is None else {"all": series(lr)},
        metrics={} if val is None else {"val_loss": series(val, np.linspace(0, 100, len(np.asarray(val)), dtype=int))},
        val_loss=None if val is None else "val_loss",
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


DRAW = np.random.default_rng(0)
ODD = {
    "nothing": made(),
    "no losses": made(loss=[]),
    "one loss": made(loss=[1.0], lr=[0.1], val=[1.0]),
    "two losses": made(loss=[1.0, 0.5], lr=[0.1, 0.1]),
    "losses alone": made(loss=np.exp(-np.arange(200) / 50)),
    "rates alone": made(lr=np.linspace(0.1, 0, 100)),
    "rate zero": made(loss=np.ones(100), lr=np.zeros(100)),
    "constant loss": made(loss=np.ones(300), lr=np.full(300, 0.1), val=np.ones(20)),
    "loss zero": made(loss=np.zeros(300), lr=np.full(300, 0.1), val=np.zeros(20)),
    "below zero": made(loss=-np.arange(300.0), lr=np.full(300, 0.1), val=-np.arange(20.0)),
    "only nan": made(loss=np.full(50, np.nan), lr=np.full(50, np.nan), val=np.full(10, np.nan)),
    "some nan": made(loss=np.where(np.arange(200) % 7 == 0, np.nan, np.exp(-np.arange(200) / 50)), lr=np.full(200, 0.1)),
    "infinite": made(loss=np.append(np.ones(50), np.inf), lr=np.full(51, 0.1)),
    "huge": made(loss=10.0 ** np.linspace(0, 300, 100), lr=np.full(100, 0.1), val=10.0 ** np.linspace(0, 300, 10)),
    "tiny": made(loss=1e-300 * (1 + DRAW.random(100)), lr=np.full(100, 1e-300)),
    "noise": made(loss=DRAW.normal(size=500), lr=DRAW.random(500), val=DRAW.normal(size=30)),
    "five": made(loss=[3.0, 2.0, 1.5, 1.2, 1.1], lr=[0.1] * 5, val=[3.0, 2.0, 1.5, 1.2, 1.1]),
    "ends before it begins": made(loss=np.ones(20), lr=np.ones(20), facts=Facts(total=5)),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_log_is_judged_as_far_as_it_goes(name: str) -> None:
    diagnosis = diagnosed(ODD[name])
    assert diagnosis.findings or diagnosis.sound or diagnosis.unjudged
    json.dumps(diagnosis.to_json(), allow_nan=False)
    assert all(diagnosis.lines("en"))
    assert all(diagnosis.lines("zh"))


@pytest.mark.parametrize("seed", range(30))
def test_random_logs_of_any_length_are_judged(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(1, 400))
    loss = draw.choice([1.0, -1.0, 1e6]) * np.exp(draw.normal(size=n) * draw.choice([0.0, 0.1, 3.0]))
    loss[draw.random(n) < 0.05] = draw.choice([np.nan, np.inf, 0.0])
    lr = np.abs(
        draw.choice([draw.normal(size=n), np.repeat(draw.random(-(-n // 20)), 20)[:n], np.full(n, 0.1)], axis=0)
    )
    log = made(loss, lr, draw.normal(size=int(draw.integers(1, 40))))
    json.dumps(diagnosed(log).to_json(), allow_nan=False)


def test_noise_about_a_level_has_no_findings_about_its_course() -> None:
    # A hundred logs in which nothing happens: a threshold that chance reaches would show here.
    found: list[str] = []
    for seed in range(100):
        draw = np.random.default_rng(seed)
        t = np.arange(400)
        course = 0.5 + 2 * (1 + t / 20) ** -0.7
        loss = course * np.exp(0.15 * draw.normal(size=400))
        rate = 0.1 * np.sin(0.5 * np.pi * (400 - t) / 400) ** 2
        val = course[::20] * 1.05 * np.exp(0.01 * draw.normal(size=20))
        log = Log("made", "csv", loss=Series(t, loss), lr={"all": Series(t, rate)},
                  metrics={"val_loss": Series(t[::20], val)}, val_loss="val_loss")  # fmt: skip
        found.extend(f"{seed} {d.fault}" for d in diagnosed(log).findings)
    assert found == []
