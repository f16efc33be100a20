"""The benchmark of the advice: its arithmetic, its losses and batches, and that its page is what is kept."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # benchmarks/ is not installed

from benchmarks.advice import results  # noqa: E402
from benchmarks.advice.page import OF_ORACLE, PAGES  # noqa: E402
from benchmarks.advice.regret import Oracle, compare, interval, oracles, summary  # noqa: E402


def row(level: str, *losses: float, seed: int = 0, pilot: int = 0) -> results.Row:
    return results.Row("task", level, seed, losses, pilot, "a machine")


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_the_page_is_what_the_script_makes_of_what_is_kept(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == PAGES[file](), "run: python -m benchmarks.advice page"


def test_what_is_kept_is_small_and_says_where_it_was_measured() -> None:
    assert results.KEPT.stat().st_size < 1.5e6
    kept = results.read_kept()
    assert {row.task for row in kept.rows} <= set(kept.tasks)
    assert all(row.machine.startswith("20") and "torch" in row.machine for row in kept.rows)
    assert max(oracle.others for oracle in oracles(kept.rows).values()) == OF_ORACLE


def test_the_oracle_is_the_best_of_its_trainings_at_their_ends_whatever_diverges() -> None:
    rows = [
        row("oracle adamw 0.1", 0.1, 0.9),
        row("oracle sgd 1"),
        row("oracle adamw 0.01", 0.8, 0.5),
        row("rules", 0.2),
    ]
    assert oracles(rows) == {("task", 0): Oracle(0.5, "adamw 0.01", 3)}


def test_regret_is_of_the_end_and_the_time_counts_the_pilot() -> None:
    found = compare(
        row("pilot", 0.9, 0.51, 0.6, 0.55, pilot=10), Oracle(0.5, "sgd 1", 14), updates=100, blind=2.0, looks=4
    )
    assert found.regret == pytest.approx(math.log(1.1))
    assert (found.reached, found.pilot, found.diverged) == (pytest.approx(0.6), pytest.approx(0.1), False)


def test_a_run_that_diverges_counts_as_if_it_had_not_looked() -> None:
    found = compare(row("rules", 0.9), Oracle(0.5, "sgd 1", 14), updates=100, blind=2.0, looks=4)
    assert (found.loss, found.diverged) == (2.0, True)
    assert found.regret == pytest.approx(math.log(4))
    assert math.isinf(found.reached)


def test_a_level_is_judged_over_tasks_and_not_over_runs() -> None:
    def runs(*losses: float) -> list:
        return [compare(row("rules", x), Oracle(1.0, "", 14), updates=10, blind=9.0, looks=1) for x in losses]

    found = summary({"a": runs(1.0, 1.0, 1.0), "b": runs(4.0), "c": runs(2.0, 2.0)})
    assert found.mean == pytest.approx(1.0)
    assert (found.worst_task, found.worst) == ("b", pytest.approx(3.0))
    assert (found.reached, found.runs, found.diverged) == (0.5, 6, 0)
    assert math.isinf(found.time)


def test_an_interval_holds_the_mean_and_is_nothing_where_nothing_varies() -> None:
    assert interval([[0.1, 0.1], [0.1]]) == pytest.approx((math.expm1(0.1),) * 2)
    low, high = interval([[0.0, 0.2], [0.1], [-0.1, 0.3, 0.1], [0.4]])
    assert low < math.expm1(0.175) < high


def test_rows_come_back_as_they_were_kept(tmp_path: Path) -> None:
    rows = (row("rules", 0.5), row("rules", 0.25, seed=1), row("sgd"))
    facts = results.Facts("one", "lm", 10, 2, 5, 1.5, 7, False)
    file, lines = tmp_path / "kept.gz", tmp_path / "lines.jsonl"
    results.keep(results.Kept({"task": facts}, (*rows, row("rules", 0.125))), file)
    first = file.read_bytes()
    assert results.read_kept(file) == results.Kept({"task": facts}, (row("rules", 0.125), *rows[1:]))
    results.keep(results.read_kept(file), file)
    assert file.read_bytes() == first
    for each in rows:
        results.add_line(lines, each)
    assert results.read_lines(lines) == list(rows)


def test_rates_begin_and_end_where_they_should() -> None:
    from benchmarks.advice import rates

    warmed = rates.warmed_cosine(1.0, 700)
    assert (warmed(0), warmed(49), warmed(50)) == pytest.approx((0.02, 1.0, 1.0))
    assert warmed(375) == pytest.approx(0.5)
    assert 0 < warmed(699) < 1e-4
    assert [rates.steps(1.0, 9)(t) for t in (0, 2, 3, 8)] == pytest.approx([1, 1, 0.1, 0.01])


def test_a_training_is_repeatable_and_its_pilot_leaves_no_trace() -> None:
    pytest.importorskip("sklearn")
    torch = pytest.importorskip("torch")
    from benchmarks.advice import tables, training

    def level(subject: training.Subject) -> training.Plan:
        return training.Plan(torch.optim.SGD(subject.model.parameters(), lr=0.05))

    def piloted(subject: training.Subject) -> training.Plan:
        losses = subject.pilot.train(lambda m: torch.optim.SGD(m.parameters(), lr=1.0), 7, lambda t: 0.01 * t)
        assert len(losses) == 7
        return level(subject)

    task = replace(tables.iris_mlp(), updates=150)
    once, again = training.run(task, level, 3), training.run(task, piloted, 3)
    assert once.losses == again.losses
    assert (len(once.losses), once.pilot, again.pilot) == (training.LOOKS, 0, 7)
    assert once.losses[-1] < 0.9 * task.blind
    before = [weights.clone() for weights in once.model.parameters()]
    assert training.rise(task, once.model, size=3.0) > 0.1
    assert all(torch.equal(a, b) for a, b in zip(before, once.model.parameters(), strict=True))


def test_the_range_test_finds_the_steepest_place() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("pytorch_optimizer")
    pytest.importorskip("schedulefree")
    from benchmarks.advice.levels import LEVELS, steepest
    from benchmarks.advice.words import LEVELS as TOLD

    rates = [10 ** (-6 + 7 * i / 99) for i in range(100)]
    falling = [2.0 - 1.5 / (1 + math.exp(-(i - 50) / 3)) for i in range(70)] + [1e9]
    assert 50 < rates.index(steepest(rates, falling)) < 65
    assert steepest(rates, [1.0] * 12) == 1e-3
    assert tuple(LEVELS) == TOLD
