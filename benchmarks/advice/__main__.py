"""The command line: measure, keep, page."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.advice.results import KEPT, Kept, keep, read_kept, read_lines

LINES = Path("runs") / "advice.jsonl"


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advice", description="How good the advice is.")
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help=f"add to {LINES} what is missing")
    measuring.add_argument("--seeds", default="0", help="0,1,... (0)")
    measuring.add_argument("--tasks", help="names, divided by commas (all)")
    measuring.add_argument("--what", default="levels,oracle", help="of levels, oracle, claims (levels,oracle)")
    measuring.add_argument("--workers", type=int, default=2, help="processes (2)")
    commands.add_parser("keep", help=f"put what was measured into {KEPT.name}")
    commands.add_parser("page", help="write docs/advice.md from what is kept")
    given = parser.parse_args()
    if given.command == "measure":
        _measure(given)
    elif given.command == "keep":
        from benchmarks.advice.measure import facts

        keep(Kept(facts(), (*read_kept().rows, *read_lines(LINES))))
    else:
        from benchmarks.advice.page import PAGES

        for file, text in PAGES.items():
            file.write_text(text(), encoding="utf-8")


def _measure(given: argparse.Namespace) -> None:
    from benchmarks.advice.levels import CLAIMS, LEVELS, ORACLE
    from benchmarks.advice.measure import measure
    from benchmarks.advice.tasks import TASKS

    parts = {"levels": LEVELS, "oracle": ORACLE, "claims": CLAIMS}
    names = list(TASKS) if given.tasks is None else given.tasks.split(",")
    wanted = [
        (task, level, int(seed))
        for seed in given.seeds.split(",")
        for part in given.what.split(",")
        for task in names
        for level in parts[part]
    ]
    for row in measure(wanted, LINES, given.workers):
        end = f"{row.losses[-1]:.5g}" if row.losses else "diverged"
        print(f"{row.task:20} {row.level:24} seed {row.seed}  {end}", flush=True)


if __name__ == "__main__":
    main()
