"""Long logs: seconds and memory of reading and diagnosing CSV and JSON Lines of ten million rows.

Each case runs in a fresh process, whose processor time, wall time and largest resident memory are reported.

    python benchmarks/diagnose.py --rows 10000000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

BLOCK = 500_000

READ = """
import resource, sys, time
begin = time.perf_counter()
from cadence.diagnosis.reading.find import read_log
log = read_log(sys.argv[1])
middle = time.perf_counter()
if sys.argv[2] == "diagnose":
    from cadence.diagnosis.diagnose import diagnosed
    from cadence.diagnosis.story import story_of
    story_of(diagnosed(log))
usage = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss, which begins with that of the process that started this one.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(log.loss.rows.sum()), time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, peak / 1024)
"""


def write(folder: Path, rows: int) -> dict[str, Path]:
    """The same training as CSV with six digits, and as JSON Lines with every digit."""
    paths = {"CSV, 6 digits": folder / "log.csv", "JSON Lines, all digits": folder / "log.jsonl"}
    rng = np.random.default_rng(0)
    with paths["CSV, 6 digits"].open("w") as table, paths["JSON Lines, all digits"].open("w") as lines:
        table.write("step,loss,lr,grad_norm\n")
        for begin in range(0, rows, BLOCK):
            t = np.arange(begin, min(begin + BLOCK, rows))
            loss = 0.3 + 2 * np.exp(-t / (0.3 * rows)) + rng.normal(0, 0.1, len(t))
            rate = 1e-3 * np.minimum((t + 1) / (0.01 * rows), 1) * np.where(t < 0.7 * rows, 1.0, 0.1)
            norm = np.exp(rng.normal(0, 0.3, len(t)))
            columns = [x.tolist() for x in (t, loss, rate, norm)]
            table.write("".join(map("%d,%.6g,%.6g,%.6g\n".__mod__, zip(*columns, strict=True))))
            form = '{"step": %d, "loss": %r, "lr": [%r], "grad_norm": %r}\n'
            lines.write("".join(map(form.__mod__, zip(*columns, strict=True))))
    return paths


def measured(path: Path, what: str) -> tuple[int, float, float, float]:
    """Rows, seconds by the clock, seconds of the processor, and MiB, of one fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path), what], check=True, capture_output=True, encoding="utf-8", env=os.environ
    )
    rows, *rest = done.stdout.split()
    wall, processor, memory = map(float, rest)
    return int(rows), wall, processor, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cadence-bench-") as folder:
        paths = write(Path(folder), arguments.rows)
        print("| log | size, MB | to do | seconds | of the processor | MiB |\n|---|---|---|---|---|---|")
        for name, path in paths.items():
            for what in ("read", "diagnose"):
                rows, wall, processor, memory = measured(path, what)
                assert rows == arguments.rows, "every row is read"
                size = path.stat().st_size / 1e6
                print(f"| {name} | {size:.0f} | {what} | {wall:.1f} | {processor:.1f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
