"""Columns about time and machine."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Any

import pytest

from cadence.run.meter import Meter, resident
from cadence.run.timing import Stopwatch

Keys = dict[str, Any]


def test_seconds_go_to_what_they_were_spent_on_and_into_the_next_row(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def takes(seconds: float) -> str:
        nonlocal now
        now += seconds
        return "done"

    watch = Stopwatch(tokens_per_example=10)
    assert watch.timed("data", takes, 0.5) == "done"
    watch.timed("update", takes, 1.5)
    assert watch.of_update({"t": 0, "samples": 8}) == {
        "t": 0, "samples": 8, "seconds": 2.0, "data_seconds": 0.5, "update_seconds": 1.5,
    }  # fmt: skip
    watch.timed("evaluation", takes, 3.0)
    # 80 tokens in two seconds of training.
    assert watch.of_evaluation({"t": 1}) == {
        "t": 1, "seconds": 5.0, "evaluation_seconds": 3.0, "tokens_per_second": 40.0,
    }  # fmt: skip
    watch.timed("checkpoint", takes, 0.25)
    watch.timed("data", takes, 0.0)
    watch.timed("update", takes, 1.0)
    row = watch.of_update({"t": 1, "samples": 8})
    assert (row["checkpoint_seconds"], row["data_seconds"], row["update_seconds"]) == (0.25, 0.0, 1.0)
    assert watch.spent == {"data": 0.5, "update": 2.5, "evaluation": 3.0, "checkpoint": 0.25}
    assert watch.beside == 3.25
    other = Stopwatch()
    other.go_on(watch.seconds, watch.spent)
    assert (other.seconds, other.spent) == (watch.seconds, watch.spent)


def test_what_fails_took_time_too() -> None:
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError):
        watch.timed("update", lambda: 1 / 0)
    assert watch.spent["update"] > 0


def test_the_machine_is_looked_at_sparsely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadence.run.timing.SAMPLE_SECONDS", 3600.0)
    watch = Stopwatch(Meter({"type": "cpu"}))
    rows = [watch.of_update({"t": t}) for t in range(3)]
    assert ["memory" in row for row in rows] == [resident() is not None, False, False]
    assert ("memory" in watch.of_evaluation({"t": 3})) == (resident() is not None)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say")
def test_memory_is_that_of_this_process() -> None:
    before = resident()
    held = bytearray(64 << 20)
    after = resident()
    assert before is not None
    assert after is not None
    assert 60 << 20 < after - before + (len(held) - (64 << 20)) < 80 << 20


class Nvml:
    """The driver's library, as far as it is asked."""

    def __init__(self, result: int = 0) -> None:
        self.result = result
        self.index: int | None = None

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:
        self.index = index.value
        return self.result

    def nvmlDeviceGetUtilizationRates(self, handle: Any, rates: Any) -> int:
        rates._obj.gpu, rates._obj.memory = 37, 12
        return self.result


@pytest.mark.parametrize(("visible", "index", "physical"), [(None, 1, 1), ("3,5", 1, 5), ("3", 0, 3), ("GPU-ab", 0, 0)])
def test_the_use_of_the_gpu_that_trains_is_a_share(
    visible: str | None, index: int, physical: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Nvml()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Meter({"type": "cuda", "index": index}).read()["gpu_use"] == 0.37
    assert library.index == physical


def test_a_driver_that_refuses_or_is_not_there_gives_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Nvml(result=3))
    assert "gpu_use" not in Meter({"type": "cuda"}).read()

    def missing(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert "gpu_use" not in Meter({"type": "cuda"}).read()
    assert "gpu_use" not in Meter({"type": "cpu"}).read()


def test_the_record_of_a_run_says_where_its_time_went(small: Keys) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from cadence.record.time_spent import time_spent
    from cadence.run.train import train

    record = train(small, out="run")
    updates, evaluations, spent = record.updates, record.evaluations, record.result["spent"]  # type: ignore[index]
    assert updates["data_seconds"].sum() == pytest.approx(spent["data"])
    assert updates["update_seconds"].sum() == pytest.approx(spent["update"])
    assert evaluations["evaluation_seconds"].sum() == pytest.approx(spent["evaluation"])
    # After every evaluation but the last, and seen in the row after it.
    assert updates["t"][updates.present("checkpoint_seconds")].tolist() == [7, 14]
    assert sum(spent.values()) <= record.result["seconds"]  # type: ignore[index]
    assert (evaluations["samples_per_second"] > 0).all()
    found = time_spent(record)
    assert found is not None
    assert found.seconds == spent
    assert f"Of {found.whole:.4g} s: " in record.describe()
