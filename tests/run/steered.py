"""A program that trains in children of its own, so that the frameworks are imported once; each is a process like any.

It reads requests, one JSON object in a line, and answers each with one: ``{"start": [arguments of `cadence`], "cwd",
"stderr"}`` and ``{"help": [recipe, folder, commands, moment], "cwd"}`` with the child's number, ``{"wait": number}`` with
its exit status, below 0 for a signal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from cadence.drivers import steering
from cadence.drivers.driver import Driver
from cadence.record.commands import send
from cadence.run import loop, torch_engine  # noqa: F401
from cadence.run.loop import Progress
from cadence.run.train import train


def helped(recipe: str, folder: str, asked: str, moment: str) -> None:
    """Train, be asked to change after update 20, and be killed at a moment."""
    # Look between any two updates, and tell of every one, so that everything happens where it is meant to.
    steering.LOOK_SECONDS = loop.PROGRESS_SECONDS = 0.0
    told = False
    answered = steering.answer

    def tell(now: Progress) -> None:
        nonlocal told
        if now.t == 20 and not told:
            told = True
            for each in asked.split(";"):
                name, _, length = each.partition(" ")
                given = int(length) if length.isdecimal() else length
                send(Path(folder), name, {"length": given} if length else {})
        if moment == "later" and now.t == 27:
            os.kill(os.getpid(), signal.SIGKILL)

    def answer(*given: Any) -> None:
        if moment == "before the answer":
            os.kill(os.getpid(), signal.SIGKILL)
        answered(*given)
        if moment == "after the answer":
            os.kill(os.getpid(), signal.SIGKILL)

    change = Driver.change

    def changed(driver: Driver, kind: str, arguments: Any, **options: Any) -> None:
        change(driver, kind, arguments, **options)
        if moment == "after the change":
            os.kill(os.getpid(), signal.SIGKILL)

    steering.answer = answer
    Driver.change = changed  # type: ignore[method-assign]
    train(recipe, out=folder, progress=tell)


def started(arguments: list[str], stderr: str) -> int:
    """One command, as the program does it."""
    from cadence.cli.app import run

    sys.stderr = open(stderr, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    status = run(arguments)
    sys.stderr.flush()
    return status


def child(request: dict[str, Any]) -> int:
    """The number of a child that does what is asked for."""
    number = os.fork()
    if number:
        return number
    status = 70
    try:
        os.chdir(request["cwd"])
        # Waiting for the disk costs most of the time, and only matters where power fails.
        os.fsync = lambda fd: None
        if "help" in request:
            helped(*request["help"])
            status = 0
        else:
            status = started(request["start"], request["stderr"])
    finally:
        os._exit(status)


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            reply = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            reply = child(request)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
