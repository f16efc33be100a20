"""What each of two processes does in the tests of `test_ranks_steering.py`: runs that are paused, stopped, branched while
both train. Arguments: rank, folder, as for `ranks_program.py`, which has what is used here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest import mock

import torch.distributed as dist
from ranks_program import ALIVE, FOLDER, RANK, group, watched, write

from cadence.drivers import steering
from cadence.record.commands import answer_to, send
from cadence.run import loop
from cadence.run.branch import branch
from cadence.run.torch_engine import TorchEngine

KEYS: dict[str, Any] = {
    **ALIVE, "schedule": "warmup(3) >> constant()", "total": 30, "evaluate": 5, "checkpoint": {"every": 10, "keep": 9},
}  # fmt: skip


def answered(folder: Path, command: str, **arguments: Any) -> int:
    """Ask, and wait for the answer; the update of it."""
    ident = send(folder, command, arguments)
    while (said := answer_to(folder, ident)) is None:
        time.sleep(0.01)
    assert said["status"] == "applied", said
    return int(said["t"])


def pauses(folder: Path) -> None:
    """Pause, change the rate meanwhile, go on."""
    at = answered(folder, "pause")
    while not (folder / "checkpoints" / f"{at}.json").exists():
        time.sleep(0.01)
    assert answered(folder, "set", values={"lr": 0.002}) == at
    assert answered(folder, "resume") == at


@contextlib.contextmanager
def at_update(n: int, rank: int, do: Any) -> Generator[None, None, None]:
    """Have one process do something when it begins update `n`."""
    update, count = TorchEngine.update, [0]

    def updating(engine: TorchEngine, *args: Any) -> Any:
        if count[0] == n and rank == RANK:
            do()
        count[0] += 1
        return update(engine, *args)

    with mock.patch.object(TorchEngine, "update", updating):
        yield


def helped(name: str, do: Any) -> dict[str, Any]:
    """A run that somebody outside takes a hand in from update 7 on."""
    with at_update(7, 0, lambda: threading.Thread(target=do, args=(FOLDER / name,), daemon=True).start()):
        return watched(KEYS, name)


def promised() -> None:
    """A change is promised for update 12, between those at which ranks agree; then checkpoint 12 is lost."""
    keys = {**KEYS, "checkpoint": {"every": 3, "keep": 9}}
    write("promised plain", watched(keys, "promised", stop_at=13))
    if RANK == 0:
        send(FOLDER / "promised", "set", {"values": {"lr": 0.002}})
    dist.barrier()
    write("promised", watched(keys, "promised", stop_at=2))
    if RANK == 0:
        (FOLDER / "promised" / "checkpoints" / "12.json").unlink()
    dist.barrier()
    write("promised again", watched(keys, "promised"))


def main() -> None:
    write("plain", watched(KEYS, "plain"))
    write("paused", helped("paused", pauses))
    write("stopped", helped("stopped", lambda folder: answered(folder, "stop")))
    write("went on", watched(KEYS, "stopped"))
    promised()
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    with at_update(7, 1, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        write("left", watched(KEYS, "left"))
    if RANK == 0:
        branch(FOLDER / "plain", FOLDER / "same", at=10)
        branch(FOLDER / "paused", FOLDER / "other", at=20, tail="linear(to=0.5)", total=40)
    dist.barrier()
    for name in ("same", "other"):
        write(name, watched(FOLDER / name / "recipe.yaml", name))  # type: ignore[arg-type]


if __name__ == "__main__":
    # So that everything happens within few updates, and with time for somebody outside.
    loop.AGREED_EVERY, steering.LOOK_SECONDS, loop.LOOK_SECONDS = 5, 0.0, 0.02
    slowed = TorchEngine.update

    def slowly(engine: TorchEngine, *args: Any) -> Any:
        time.sleep(0.02)
        return slowed(engine, *args)

    TorchEngine.update = slowly  # type: ignore[method-assign]
    with group("steered", 2):
        main()
    # Threads of the libraries sometimes end the process by a signal when the interpreter takes them down.
    os._exit(0)
