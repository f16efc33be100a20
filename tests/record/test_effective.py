"""What a run really did to each group, summed up from its record."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from cadence.record.effective import effects_of
from cadence.record.reader import Record

pytest.importorskip("numpy")


def record(folder: Path, rows: list[dict[str, Any]], **more: Any) -> Record:
    horizon = {"total": 100, "steps_per_epoch": 10, "batch_size": None, "tokens_per_step": None}
    run = {"version": 1, "name": "x", "spec": "constant()", "horizon": horizon, "groups": ["a", "b"], "values": ["lr"]}
    (folder / "run.json").write_text(json.dumps({**run, "bases": {"lr": [0.1, 0.1]}, **more}), encoding="utf-8")
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "updates.jsonl").write_text(text, encoding="utf-8")
    return Record(folder)


def test_a_half_life_of_known_rates(tmp_path: Path) -> None:
    rows = [{"t": t, "lr": [0.1, 0.1], "decay_rate": [0.5, None]} for t in range(4)]
    a, b = effects_of(record(tmp_path, rows, decay=["coupled", "gradient"]))
    assert (a.decay_sum, a.decay_left, a.half_life, a.half_life_epochs) == (2.0, 0.0625, 1.0, 0.1)
    assert (b.decay, b.decay_sum, b.decay_left, b.half_life) == ("gradient", None, None, None)


def test_updates_that_a_loop_left_out_had_the_values_before_them(tmp_path: Path) -> None:
    rows = [{"t": t, "decay_rate": [rate, 0.0]} for t, rate in ((0, 0.25), (3, 0.5), (4, 0.0))]
    a, b = effects_of(record(tmp_path, rows, decay=["coupled", "coupled"]))
    assert a.decay_sum == 0.25 * 3 + 0.5
    assert a.decay_left == pytest.approx(0.75**3 * 0.5)
    assert a.half_life == pytest.approx(5 * math.log(0.5) / math.log(0.75**3 * 0.5))
    assert (b.decay_sum, b.decay_left, b.half_life) == (0.0, 1.0, None)


def test_a_decay_that_leaves_nothing(tmp_path: Path) -> None:
    rows = [{"t": t, "decay_rate": [1.5, 0.0]} for t in range(2)]
    a, _ = effects_of(record(tmp_path, rows))
    assert (a.decay_sum, a.decay_left, a.half_life) == (3.0, 0.0, 0.0)


def test_what_was_measured_is_summed_up_without_what_is_no_number(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"t": 0, "update_norm": [1.0, None], "weight_norm": [2.0, None], "update_ratio": [0.5, None]},
        {"t": 1, "loss": 1.0},
        {"t": 2, "update_norm": [3.0, 1.0], "weight_norm": [4.0, 0.0], "update_ratio": [0.75, None]},
        {"t": 3, "update_norm": ["NaN", 1.0], "weight_norm": ["NaN", 5.0], "update_ratio": ["NaN", 0.2]},
        {"t": 4, "update_norm": [1.0, 1.0], "weight_norm": [1.0, 1.0], "update_ratio": [1.0, 1.0]},
    ]
    a, b = effects_of(record(tmp_path, rows))
    assert (a.measured, a.update_ratio, a.weight_norm) == (3, (0.5, 0.75, 1.0), (2.0, 1.0))
    assert (b.measured, b.update_ratio, b.weight_norm) == (3, (0.2, 0.6, 1.0), (0.0, 1.0))
    assert (a.trust, a.decay_sum) == (None, None)


def test_records_without_it_say_nothing_of_it(tmp_path: Path) -> None:
    there = record(tmp_path, [{"t": 0, "loss": 1.0, "lr": [0.1, 0.1]}])
    assert there.effective_rates == []
    assert "Group" not in there.describe()


def test_the_description_has_a_sentence_for_each_group(tmp_path: Path) -> None:
    row = {"update_norm": [1.0, 2.0], "weight_norm": [4.0, 4.0], "update_ratio": [0.25, 0.5]}
    trust = {"trust_min": [None, 0.5], "trust_median": [None, 1.0], "trust_max": [None, 2.0]}
    rows = [{"t": t, "loss": 1.0, **row, **trust, "decay_rate": [0.5, None]} for t in range(2)]
    said = record(tmp_path, rows, decay=["coupled", "adapted"]).describe().splitlines()
    assert (
        "Group 'a': an update moved it by 0.25 of its norm (median; 0.25 to 0.25); rates of decay add up to 1, "
        in (said[3])
    )
    assert said[3].endswith("with a half-life of 1 updates, 0.1 epochs.")
    assert said[4].endswith("(median; 0.5 to 0.5); trust ratios 0.5 to 2 (median 1).")


def test_many_groups_do_not_fill_the_description(tmp_path: Path) -> None:
    names = [f"layer {i}" for i in range(30)]
    row = {"update_norm": [1.0] * 30, "weight_norm": [4.0] * 30, "update_ratio": [0.25] * 30}
    said = record(tmp_path, [{"t": 0, **row}], groups=names).describe().splitlines()
    assert sum(line.startswith("Group") for line in said) == 8
    assert "And 22 further groups." in said
