"""The benchmarks' own arithmetic: what they report is what was sampled."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"

_spec = importlib.util.spec_from_file_location("_bench", FOLDER / "_bench.py")
assert _spec is not None
assert _spec.loader is not None
bench = importlib.util.module_from_spec(_spec)
sys.modules["_bench"] = bench
_spec.loader.exec_module(bench)


def given(name: str, values: list[float]) -> object:
    rest: Iterator[float] = iter(values)
    return bench.Case(name, lambda: next(rest))


def test_the_first_round_is_thrown_away_and_the_others_are_kept() -> None:
    assert bench.measure([given("a", [9.0, 1.0, 2.0]), given("b", [9.0, 3.0, 4.0])], 2) == {
        "a": [1.0, 2.0],
        "b": [3.0, 4.0],
    }


def test_cases_take_turns_at_being_first() -> None:
    order: list[str] = []
    cases = [bench.Case(n, lambda n=n: order.append(n) or 1.0) for n in "abc"]
    bench.measure(cases, 2)
    assert "".join(order) == "abcbcacab"


def test_a_table_shows_medians_ratios_to_the_first_case_and_whether_promises_are_kept() -> None:
    work = bench.Benchmark(
        "work",
        [given("floor", []), given("ours", [])],
        [bench.Limit("ours", "floor", ratio=2.0), bench.Limit("ours", "floor", seconds=1e-6)],
    )
    shown = bench.table(work, {"floor": [1e-6, 1e-6, 5e-6], "ours": [3e-6, 3e-6, 4e-6]})
    assert "| floor | 1.00 us | 0% | 1.00 |" in shown
    assert "| ours | 3.00 us | 0% | 3.00 |" in shown
    assert "- ours: 3.00 times floor, promised at most 2: **not kept**" in shown
    assert "- ours: 2.00 us more than floor, promised at most 1.00 us: **not kept**" in shown


def test_a_pair_is_compared_within_its_round() -> None:
    # The machine was ten times slower in the second round: the ratio does not change.
    assert bench.paired({"a": [2.0, 20.0, 2.0], "b": [1.0, 10.0, 1.0]}, "a", "b") == (2.0, 1.0)


def test_an_operation_is_repeated_to_fill_a_sample() -> None:
    calls = 0

    def operation() -> None:
        nonlocal calls
        calls += 1

    assert bench.timed("a", operation).sample() > 0
    assert calls > 10


@pytest.mark.skipif(not hasattr(__import__("os"), "wait4"), reason="needs POSIX processes")
def test_a_process_is_charged_its_own_processor_time() -> None:
    sleeps = bench.process("sleeps", [sys.executable, "-S", "-c", "import time; time.sleep(0.5)"]).sample()
    works = bench.process("works", [sys.executable, "-S", "-c", "sum(range(30_000_000))"]).sample()
    assert 0 < sleeps < works


@pytest.mark.skipif(not hasattr(__import__("os"), "wait4"), reason="needs POSIX processes")
def test_a_process_that_fails_is_no_sample() -> None:
    with pytest.raises(RuntimeError, match="ended with status 3"):
        bench.process("fails", [sys.executable, "-S", "-c", "raise SystemExit(3)"]).sample()


def test_every_sample_is_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    work = bench.Benchmark("work", [given("floor", [1.0, 2.0, 3.0])])
    bench.main([work], arguments=["--rounds", "2", "--json", str(file)])
    assert json.loads(file.read_text(encoding="utf-8"))["seconds"] == {"work": {"floor": [2.0, 3.0]}}
    assert "Python 3." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5e-7, "250 ns"), (1.5e-9, "1.50 ns"), (0.0123, "12.3 ms"), (1.5, "1.50 s"), (0.0, "0.00 ns")],
)
def test_seconds_have_the_unit_that_people_would_use(seconds: float, text: str) -> None:
    assert bench.human(seconds) == text
