"""How repeatable the recommendation of a range test is: the built-in recipes, and several seeds, each with weights and
batches of its own.

No matter of time: it prints, for each recipe and budget, the mean rate, the standard deviation over the seeds in
decades (0.1 is a factor of 1.26), what the tests themselves said of it, how many of them recommended a rate, and in the
intervals of how many the mean of the others lies.

    python benchmarks/find_lr_repeats.py --seeds 8 --updates 50 100
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import math
import statistics
from typing import Any

import cadence as cd
from _bench import machine
from cadence.recipe.builtin import builtin_recipes, builtin_tasks

TWICE_NORMAL = 1.96


def line(recipe: Any, updates: int, seeds: int) -> str:
    found = [cd.find_lr(recipe, updates=updates, seed=seed).suggestions for seed in range(seeds)]
    told = [one.recommended for one in found if one.recommended is not None]
    decades = [math.log10(one.rate) for one in told]
    if len(decades) < 2:
        return f"- | - | - | {len(told)} of {seeds} | -"
    own = statistics.mean(math.log10(one.factor) / TWICE_NORMAL for one in told)
    mean = 10.0 ** statistics.mean(decades)
    others = [10.0 ** statistics.mean(decades[:i] + decades[i + 1 :]) for i in range(len(decades))]
    inside = sum(one.low <= other <= one.high for one, other in zip(told, others, strict=True))
    spread = statistics.stdev(decades)
    return f"{mean:.2g} | {spread:.2f} | {own:.2f} | {len(told)} of {seeds} | {inside} of {len(told)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--updates", type=int, nargs="+", default=[50, 100])
    given = parser.parse_args()
    print(f"{machine()}\n\n| recipe | updates | rate | spread | own | recommended | inside |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for task in builtin_tasks():
        # A range test leaves the schedule aside: recipes that differ in nothing else are one.
        different = {repr(recipe.optimizers): recipe for recipe in builtin_recipes(task)}
        for recipe in different.values():
            for updates in given.updates:
                print(f"| {task} {recipe.name} | {updates} | {line(recipe, updates, given.seeds)} |", flush=True)


if __name__ == "__main__":
    main()
