"""Finds the base rates of the built-in recipes: the same rule for all of them.

Every recipe is trained at rates a factor of about 3 apart, on seeds that no report uses, judged on the tuning split.
The rate with the lowest mean loss at the end is the centre that the recipe is written with; `cadence compare` then
tries it and its two neighbours again. Prints the table that stands in `src/cadence/recipe/builtin/rates.md`.

    python benchmarks/builtin_rates.py --tasks digits,bytes --seeds 3
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import math
import tempfile
from pathlib import Path

from cadence.recipe.builtin import builtin_recipes, builtin_tasks
from cadence.recipe.recipe import Recipe
from cadence.run.train import train

FIRST_SEED = 2000
GRID = {
    "sgd-step": (3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0),
    "adamw-constant": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "adamw-cosine": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "lamb-cosine": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1),
}
"""Two decades and a half around what the methods are used with; a best rate at an end would mean a grid too narrow."""


def loss_at(recipe: Recipe, rate: float, seed: int) -> float:
    quiet = recipe.at_rate(rate).changed(evaluate=10**6, checkpoint={"every": 10**6})
    with tempfile.TemporaryDirectory() as folder:
        result = train(quiet, out=Path(folder) / "run", seed=seed, split="tune").result
    return math.inf if result is None or result["status"] == "diverged" else result["final"]["val_loss"]


def row(recipe: Recipe, seeds: int) -> str:
    losses = {
        rate: sum(loss_at(recipe, rate, FIRST_SEED + s) for s in range(seeds)) / seeds for rate in GRID[recipe.name]
    }
    best = min(losses, key=lambda rate: losses[rate])
    cells = [f"{rate:g}: {'**' * (rate == best)}{loss:.4f}{'**' * (rate == best)}" for rate, loss in losses.items()]
    return f"| {recipe.task} | {recipe.name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(builtin_tasks()), help="with commas between")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for name in given.tasks.split(","):
        for one in builtin_recipes(name):
            print(row(one, given.seeds), flush=True)
