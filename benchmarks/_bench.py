"""What the benchmarks share: interleaved samples in one process, medians, ratios, one table.

A benchmark is a list of cases that do comparable work. In every round each case gives one sample, in an order that
turns with the round, so that whatever else the machine does meets all of them alike. What counts is the ratio to
another case of the same table; seconds are shown, never judged. Nothing here is a test.

    python benchmarks/imports.py --rounds 15 --json imports.json
"""

from __future__ import annotations

import argparse
import atexit
import datetime
import functools
import gc
import importlib.metadata
import json
import math
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

SAMPLE_SECONDS = 0.02
"""One sample repeats its operation for about this long, so that reading the clock is far below one percent of it."""


@dataclass(frozen=True)
class Case:
    """One way of doing the work.

    Attributes:
        name: as it stands in the table.
        sample: does the work and returns the seconds that one operation took.
    """

    name: str
    sample: Callable[[], float]


@dataclass(frozen=True)
class Limit:
    """What is promised: `case` takes at most `ratio` times as long as `other`, or at most `seconds` more."""

    case: str
    other: str
    ratio: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Benchmark:
    """Cases that are compared with each other.

    Attributes:
        title: what is measured.
        cases: the first is the floor, which every ratio in the table refers to.
        limits: what is promised of them.
    """

    title: str
    cases: Sequence[Case]
    limits: Sequence[Limit] = ()


def timed(name: str, operation: Callable[[], object], *, clock: Callable[[], float] = time.perf_counter) -> Case:
    """A case that repeats an operation without arguments as often as fits into a sample.

    Args:
        name: as it stands in the table.
        operation: must do the same work in every call.
        clock: `time.process_time` where the processor's time of all threads is meant.
    """
    calls = 0

    def once(n: int) -> float:
        begin = clock()
        for _ in repeat(None, n):
            operation()
        return clock() - begin

    def sample() -> float:
        nonlocal calls
        if not calls:
            # Twice: the first call pays for caches and lazy imports.
            seconds = min(once(1), once(1))
            calls = max(1, min(1_000_000, int(SAMPLE_SECONDS / max(seconds, 1e-7))))
        return once(calls) / calls

    return Case(name, sample)


def process(name: str, command: Sequence[str]) -> Case:
    """A case that runs a command in a fresh process, silent, and takes its processor time, user and system.

    Compiled modules are kept between the samples, as they are where a package is installed; the round that is thrown
    away makes them.
    """

    def sample() -> float:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": _compiled()}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        silent = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_RDWR, 0) for n in (0, 1, 2)]
        pid = os.posix_spawnp(command[0], list(command), environment, file_actions=silent)
        _, status, usage = os.wait4(pid, 0)
        if status != 0:
            raise RuntimeError(f"{' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}")
        return usage.ru_utime + usage.ru_stime

    return Case(name, sample)


@functools.cache
def _compiled() -> str:
    """Where compiled modules are kept until the benchmark ends."""
    folder = tempfile.mkdtemp(prefix="cadence-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def measure(cases: Sequence[Case], rounds: int, seconds: float = math.inf) -> dict[str, list[float]]:
    """Samples of every case, in seconds per operation, interleaved; one round before them is thrown away.

    Args:
        cases: compared.
        rounds: so many at most.
        seconds: no round begins later than this, the first one excepted.
    """
    samples: dict[str, list[float]] = {case.name: [] for case in cases}
    if len(samples) < len(cases):
        raise ValueError("two cases have one name")
    enabled, end = gc.isenabled(), time.perf_counter() + seconds
    gc.disable()
    try:
        for number in range(rounds + 1):
            if number > 1 and time.perf_counter() > end:
                break
            gc.collect()
            turn = number % len(cases)
            for case in [*cases[turn:], *cases[:turn]]:
                seconds = case.sample()
                if number:
                    samples[case.name].append(seconds)
    finally:
        if enabled:
            gc.enable()
    return samples


def machine(packages: Sequence[str] = ("numpy", "torch", "paddlepaddle")) -> str:
    """One line that says where and when: a number without it is worth little."""
    versions: list[str] = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{datetime.datetime.now(datetime.UTC).date().isoformat()}, {platform.system()} {platform.machine()}, "
        f"{_processor()}, {os.cpu_count()} cores{load}, Python {platform.python_version()}, " + ", ".join(versions)
    ).rstrip(", ")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def human(seconds: float) -> str:
    """Seconds with the unit that people would use.

    >>> human(2.5e-7), human(0.0123), human(1.5), human(0.0)
    ('250 ns', '12.3 ms', '1.50 s', '0.00 ns')
    """
    unit, size = next((u for u in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)) if seconds >= u[1]), ("ns", 1e-9))
    number = seconds / size
    return f"{number:.{0 if number >= 100 else 1 if number >= 10 else 2}f} {unit}"


def table(benchmark: Benchmark, samples: dict[str, list[float]]) -> str:
    """The result as a Markdown table: median, half the distance between the quartiles, ratio to the first case."""
    floor = statistics.median(samples[benchmark.cases[0].name])
    lines = [f"### {benchmark.title}", "", "| case | median | +- | ratio |", "|---|---|---|---|"]
    for name, values in samples.items():
        middle = statistics.median(values)
        lines.append(f"| {name} | {human(middle)} | {_spread(values):.0%} | {middle / floor:.2f} |")
    if benchmark.limits:
        lines += ["", *(_verdict(limit, samples) for limit in benchmark.limits)]
    return "\n".join([*lines, ""])


def _spread(values: Sequence[float]) -> float:
    if len(values) < 4:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4)
    return (high - low) / 2 / middle


def paired(samples: dict[str, list[float]], case: str, other: str) -> tuple[float, float]:
    """Median ratio and median difference in seconds of two cases, each taken within a round."""
    pairs = list(zip(samples[case], samples[other], strict=True))
    return statistics.median(a / b for a, b in pairs), statistics.median(a - b for a, b in pairs)


def _verdict(limit: Limit, samples: dict[str, list[float]]) -> str:
    ratio, difference = paired(samples, limit.case, limit.other)
    if limit.ratio is not None:
        kept, what = ratio <= limit.ratio, f"{ratio:.2f} times {limit.other}, promised at most {limit.ratio:g}"
    elif limit.seconds is not None:
        kept = difference <= limit.seconds
        sign = "-" if difference < 0 else ""
        what = f"{sign}{human(abs(difference))} more than {limit.other}, promised at most {human(limit.seconds)}"
    else:
        raise ValueError(f"the limit on {limit.case} has neither a ratio nor seconds")
    return f"- {limit.case}: {what}: {'kept' if kept else '**not kept**'}"


def main(benchmarks: Iterable[Benchmark], *, rounds: int = 15, arguments: Sequence[str] | None = None) -> None:
    """Run benchmarks from the command line: print the tables, write the samples where `--json` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"samples of each case ({rounds})")
    parser.add_argument("--only", metavar="TEXT", default="", help="only benchmarks with this in their title")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    given = parser.parse_args(arguments)
    if given.rounds < 1:
        parser.error(f"--rounds {given.rounds} leaves nothing to take a median of; write at least 1")
    line = machine()
    print(f"{line}; medians of {given.rounds} interleaved rounds\n")
    results: dict[str, dict[str, list[float]]] = {}
    for benchmark in benchmarks:
        if given.only in benchmark.title:
            results[benchmark.title] = measure(benchmark.cases, given.rounds)
            print(table(benchmark, results[benchmark.title]), flush=True)
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"machine": line, "seconds": results}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    sys.exit("this file is what the benchmarks share; run one of the others")
