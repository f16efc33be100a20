"""A training that is killed at one file operation of its start after the other, each time in a folder of its own, and
started again. Arguments: folder, and whether what is started is a run that goes on. Prints what went wrong, as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from cadence.record.reader import load_record
from cadence.run import train as module
from cadence.run.train import train

KEYS: dict[str, Any] = {
    "task": "small_tasks:rows",
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "total": 6,
    "evaluate": 2,
    "device": "cpu",
}
OPERATIONS = ("open", "mkdir", "ftruncate", "write", "replace", "rename", "unlink", "fsync", "close")
"""Functions of `os` after any of which a process may die; `write` before it, too, which is the one after another."""


def killed_at(n: int) -> None:
    """Have this process die by the n-th operation, counted from 0."""
    left = [n]

    def counted(plain: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return plain(*args, **options)

        return call

    for name in OPERATIONS:
        setattr(os, name, counted(getattr(os, name)))


def child(folder: Path, n: int | None) -> int:
    """Train in a child, which is killed by operation `n`; its exit status, below 0 for a signal."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    try:
        # What takes time, and touches no file of the run.
        os.fsync, module.environment = (lambda fd: None), (lambda data: {"device": {}})
        if n is not None:
            killed_at(n)
        train(KEYS, out=folder)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(folder: Path) -> Any:
    record = load_record(folder)
    return [(record.result or {}).get("final"), record.updates["loss"].tolist(), record.evaluations["t"].tolist()]


def main() -> None:
    folder, goes_on = Path(sys.argv[1]), sys.argv[2] == "goes on"
    # In this process: what is loaded and set up on first use is there for every child.
    torch.set_num_threads(1)
    train(KEYS, out=folder / "whole")
    wanted, wrong = ended(folder / "whole"), dict[str, Any]()
    if goes_on:
        # Behind its first checkpoint.
        child(folder / "begun", 55)
    kills = 0
    for n in range(40):
        run = folder / "run"
        if goes_on:
            shutil.copytree(folder / "begun", run)
        if child(run, n) != -signal.SIGKILL:
            break
        kills += 1
        status = child(run, None)
        if status or ended(run) != wanted:
            wrong[str(n)] = status
        shutil.rmtree(run)
    print(json.dumps({"kills": kills, "wrong": wrong}))


if __name__ == "__main__":
    main()
