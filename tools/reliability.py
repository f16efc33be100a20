"""Kill a training again and again at random moments, and compare its end with that of an undisturbed one.

A parent process that has loaded the framework forks a child for every start of the training (so a start costs no
imports), kills it by SIGKILL, and goes on in the same folder, until the run is finished; then weights, learning rates,
losses, evaluations and decisions are compared to the bit with those of a run that nothing disturbed, and the next run
begins.
Half of the moments are drawn evenly over a run, the others over the time just after a checkpoint has begun. What the
child was doing when it was killed is told by a byte of memory that both see.

    python tools/reliability.py --kills 500
    python tools/reliability.py --kills 60 --engine paddle
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib
import json
import mmap
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "run"))

from cadence.record.names import CLOCKS, JOURNAL
from cadence.record.reader import Record, load_record
from cadence.run import loop
from cadence.run.checkpoint import Checkpoints
from cadence.run.engine import Engine, engine_module
from cadence.run.train import train

TASKS = {"torch": "small_tasks:poisoned", "paddle": "small_paddle:poisoned"}

KEYS: dict[str, Any] = {
    "task_args": {"far": 1e4, "lively": True},
    "seed": 42,
    "device": "cpu",
    "optimizer": {"name": "adamw", "lr": 0.02, "weight_decay": 0.01},
    "groups": {"no_decay": {"parameters": "*.bias", "weight_decay": 0.0}},
    "schedule": "warmup(4) >> constant() * plateau('val_loss', factor=0.5, patience=1)",
    "clip_norm": 1.0,
    "total": 90,
    "evaluate": 6,
    "checkpoint": {"every": 2, "keep": 2, "best": "val_loss"},
    "divergence": {"spike": "rollback", "window": 10, "threshold": 100.0, "rewarm": 5, "rollbacks": 10},
}
"""Dropout, batch statistics, augmentation, clipping, groups, a rule that cuts, a rollback or two."""

PHASES = (
    "starting", "updates", "copying the state", "writing arrays", "writing JSON", "removing old ones", "evaluation",
    "rollback",
)  # fmt: skip
"""What a child may be doing. Writing goes on beside updates; then it is the writing that counts."""

AFTER_CHECKPOINT = 0.01
"""Seconds after the beginning of a checkpoint over which half of the moments are drawn."""


class Board:
    """Two bytes that parent and child see: what the child does, and how often it has begun a checkpoint."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 2)

    @property
    def phase(self) -> str:
        """What the child does."""
        return PHASES[self._memory[0]]

    @property
    def checkpoints(self) -> int:
        """How often it has begun a checkpoint, modulo 256."""
        return self._memory[1]

    def clear(self) -> None:
        """Before a start."""
        self._memory[0] = self._memory[1] = 0

    @contextlib.contextmanager
    def during(self, phase: str) -> Generator[None, None, None]:
        """Show a phase while the block lasts."""
        before, self._memory[0] = self._memory[0], PHASES.index(phase)
        self._memory[1] = (self._memory[1] + (phase == "copying the state")) % 256
        try:
            yield
        finally:
            self._memory[0] = before if phase not in ("starting",) else 1

    def begun(self) -> None:
        """The first update is about to come."""
        self._memory[0] = 1


def engine_class(name: str) -> type[Engine]:
    """The engine of a framework."""
    return getattr(engine_module(name), f"{name.title()}Engine")


def watched(board: Board, engine: type[Engine]) -> None:
    """In the child: make everything that may be interrupted show itself."""

    def show(owner: Any, name: str, phase: str) -> None:
        method: Callable[..., Any] = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with board.during(phase):
                return method(*args, **kwargs)

        setattr(owner, name, call)

    show(engine, "save", "copying the state")
    show(engine, "evaluate", "evaluation")
    show(Checkpoints, "_write", "writing arrays")
    show(Checkpoints, "_write_json", "writing JSON")
    show(Checkpoints, "_remove_old", "removing old ones")
    show(loop, "go_back", "rollback")
    run = loop.Loop.run

    def begun(self: loop.Loop) -> Any:
        board.begun()
        return run(self)

    loop.Loop.run = begun  # type: ignore[method-assign]


def child(board: Board, keys: dict[str, Any], folder: Path, sync: bool) -> int:
    """Start the training in a process of its own; returns its number."""
    board.clear()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        if not sync:
            os.fsync = lambda fd: None
        watched(board, engine_class(keys["engine"]))
        train(keys, out=folder)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def killed(pid: int, board: Board, moments: random.Random, seconds: float) -> str | None:
    """Kill a child at a random moment; returns what it was doing, None where it had ended before.

    Raises:
        RuntimeError: it ended by a fault of its own.
    """
    if moments.random() < 0.5:
        deadline = time.perf_counter() + moments.uniform(0, seconds)
    else:
        wanted, begin = moments.randint(1, 10), time.perf_counter()
        while board.checkpoints < wanted and time.perf_counter() < begin + 2 * seconds and not _over(pid):
            time.sleep(0.0002)
        deadline = time.perf_counter() + moments.uniform(0, AFTER_CHECKPOINT)
    while time.perf_counter() < deadline and not _over(pid):
        time.sleep(0.0002)
    phase = board.phase
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return phase
    if os.WEXITSTATUS(status):
        raise RuntimeError("a training ended by a fault of its own, see above")
    return None


def _over(pid: int) -> bool:
    """Whether a child has ended, without taking note of it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def differences(one: Record, other: Record) -> list[str]:
    """In what two runs differ, to the bit, apart from the time they took and from having been resumed."""
    found: list[str] = []
    for table in ("updates", "evaluations"):
        a, b = getattr(one, table), getattr(other, table)
        columns = sorted({*a, *b} - {*CLOCKS})
        found += [f"{table}: {c}" for c in columns if c not in a or c not in b or a[c].tobytes() != b[c].tobytes()]
    a, b = one.result or {}, other.result or {}
    found += [f"result: {k}" for k in ("status", "updates", "final", "best", "sentence") if a.get(k) != b.get(k)]
    events = [_events(record) for record in (one, other)]
    found += ["journal"] if events[0] != events[1] else []
    ends = [_weights(record) for record in (one, other)]
    found += ["weights"] if ends[0] != ends[1] else []
    return found


def _events(record: Record) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (record.folder / JOURNAL).read_text().splitlines()]
    return [event for event in events if event["kind"] != "resume"]


def _weights(record: Record) -> dict[str, bytes]:
    t = (record.result or {})["updates"]
    # By its name, because its types are not all known.
    tensors = importlib.import_module("safetensors.numpy").load_file(record.folder / "checkpoints" / f"{t}.safetensors")
    return {name: x.tobytes() for name, x in tensors.items()}


def storm(keys: dict[str, Any], kills: int, seed: int, folder: Path, *, sync: bool, seconds: float) -> dict[str, Any]:
    """Run after run, killed until there were so many kills, or the time is over.

    Returns:
        What happened, as plain data.
    """
    board, moments, phases = Board(), random.Random(seed), Counter[str]()
    # In this process: what is loaded and set up on first use is there for every child.
    whole = train(keys, out=folder / "whole")
    begin = time.perf_counter()
    os.waitpid(child(board, keys, folder / "alone", sync), 0)
    alone = time.perf_counter() - begin
    runs, most, wrong = 0, 0, differences(load_record(folder / "alone"), whole)
    while phases.total() < kills and time.perf_counter() - begin < seconds:
        run, here = folder / f"run{runs}", 0
        while (phase := killed(child(board, keys, run, sync), board, moments, alone)) is not None:
            phases[phase] += 1
            here += 1
            if phases.total() >= kills:
                os.waitpid(child(board, keys, run, sync), 0)
                break
        wrong += [f"run {runs}, killed {here} times: {what}" for what in differences(load_record(run), whole)]
        runs, most = runs + 1, max(most, here)
        shutil.rmtree(run)
    return {
        "kills": phases.total(),
        "while": {phase: phases[phase] for phase in PHASES if phases[phase]},
        "runs": runs,
        "most_kills_of_one_run": most,
        "rollbacks_per_run": sum(e["kind"] == "rollback" for e in _events(whole)),
        "checkpoints_per_run": KEYS["total"] // KEYS["checkpoint"]["every"],
        "undisturbed_seconds": round(alone, 2),
        "seconds": round(time.perf_counter() - begin, 1),
        "fsync": sync,
        "differences": wrong,
    }


def main() -> int:
    """Parse, storm, print; status 1 where a run came to another end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--engine", choices=sorted(TASKS), default="torch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3600.0, help="begin no further run after this time")
    parser.add_argument("--no-fsync", action="store_true", help="do not wait for the disk: SIGKILL does not need it")
    arguments = parser.parse_args()
    # A child is forked: no threads before.
    os.environ["OMP_NUM_THREADS"] = "1"
    framework = importlib.import_module(arguments.engine)
    if arguments.engine == "torch":
        framework.set_num_threads(1)
    keys = {**KEYS, "engine": arguments.engine, "task": TASKS[arguments.engine]}
    with tempfile.TemporaryDirectory(prefix="cadence-reliability-") as folder:
        sync, seconds = not arguments.no_fsync, arguments.seconds
        told = storm(keys, arguments.kills, arguments.seed, Path(folder), sync=sync, seconds=seconds)
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    machine = f"{machine}, {arguments.engine} {framework.__version__}"
    print(json.dumps({"date": f"{datetime.date.today()}", "machine": machine, **told}, indent=2))
    return 1 if told["differences"] or told["kills"] < arguments.kills else 0


if __name__ == "__main__":
    sys.exit(main())
