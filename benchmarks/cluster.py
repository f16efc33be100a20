"""What a run costs more on a Ray cluster than in a worker process of this machine.

A cluster of one node is started here, so that both sides compute with the same processor; one worker each, warm, in
turns. A run is the task `digits` for so many updates, from the moment it is given to that at which all of its record is
here. What a network adds is not in it. `first run`: from no pool at all to the end of its first run, imports included.

    python benchmarks/cluster.py --rounds 15
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Ray lets what its workers do wait for what its own processes do; on a busy machine it would be that which is measured.
os.environ.setdefault("RAY_worker_niceness", "0")

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

from ray.cluster_utils import Cluster

from _bench import human, machine
from cadence.comparison.cluster.pool import RayPool
from cadence.comparison.pool import Job, Pool
from cadence.comparison.processes import ProcessPool
from cadence.recipe.recipe import Recipe

LENGTHS = ((20, 20), (100, 20))
"""Updates of a run, and between its checkpoints."""


def seconds_of(pool: Pool, job: Job) -> float:
    """From giving a job to its end."""
    begin = time.perf_counter()
    pool.give(job)
    while True:
        told = pool.wait()
        if told is not None and told.kind in ("done", "failed"):
            if told.kind == "failed":
                raise RuntimeError(told.sentence)
            return time.perf_counter() - begin


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    number = itertools.count()
    print(machine(("ray", "torch")))
    with tempfile.TemporaryDirectory() as name:

        def job(updates: int, every: int) -> Job:
            optimizer = {"name": "adamw", "lr": 0.002}
            checkpoint = {"every": f"{every} steps"}
            recipe = Recipe(
                task="digits", device="cpu", optimizer=optimizer, total=updates, evaluate=every, checkpoint=checkpoint
            )
            n = next(number)
            return Job(n, "train", {"recipe": recipe.model_dump(), "split": "val"}, str(Path(name, str(n))))

        pools: dict[str, Pool] = {}
        for place in ("process", "Ray"):
            begin = time.perf_counter()
            pools[place] = (
                ProcessPool(1) if place == "process" else RayPool(cluster.address, 1, threads=1, devices={"cpu"})
            )
            seconds_of(pools[place], job(*LENGTHS[0]))
            print(f"{place}: first run {human(time.perf_counter() - begin)}")
        try:
            for length in LENGTHS:
                found: dict[str, list[float]] = {place: [] for place in pools}
                for turn in range(arguments.rounds):
                    for place in sorted(pools, reverse=bool(turn % 2)):
                        found[place].append(seconds_of(pools[place], job(*length)))
                middle = {place: statistics.median(values) for place, values in found.items()}
                more = statistics.median([b - a for a, b in zip(found["process"], found["Ray"], strict=True)])
                print(
                    f"{length[0]} updates, a checkpoint every {length[1]}: process {human(middle['process'])}, Ray "
                    f"{human(middle['Ray'])}; paired median of what it is more {more * 1000:.0f} ms"
                )
        finally:
            for pool in pools.values():
                pool.close()
            cluster.shutdown()


if __name__ == "__main__":
    main()
