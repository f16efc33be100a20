"""Commands to a run from outside: files in its folder, each whole or not there, each with an answer beside it.

Whoever asks writes ``commands/<id>.json``; the run answers with ``commands/<id>.answer.json``. Ids sort by time. The
answer is on the disk before anything is changed, and says at which update it will be: a run that is killed in between
finds it when it is taken up again, and does then what it has promised, once.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cadence._errors import RecordError
from cadence.record.files import make_folder, read_json, trouble, write_json
from cadence.record.names import COMMANDS

VERSION = 1
ANSWER = ".answer.json"


@dataclass(frozen=True)
class Command:
    """Something that a run was asked to do.

    Attributes:
        id: name of its file; commands are followed in the order of their ids.
        name: what is to be done.
        arguments: of it, plain data.
        answer: what the run said to it; None: nothing yet.
    """

    id: str
    name: str
    arguments: Mapping[str, Any]
    answer: Mapping[str, Any] | None


def send(folder: Path, name: str, arguments: Mapping[str, Any]) -> str:
    """Leave a command in a run's folder.

    Returns:
        Its id.

    Raises:
        RecordError: the folder cannot be written.
    """
    make_folder(folder / COMMANDS)
    # Fixed width, so that the order of the names is that of time; of two at the same moment either may be first.
    name_of_file = f"{time.time_ns():020d}-{secrets.token_hex(3)}"
    content = {"version": VERSION, "command": name, "arguments": dict(arguments)}
    write_json(folder / COMMANDS / f"{name_of_file}.json", content)
    return name_of_file


def answer(folder: Path, command: str, content: Mapping[str, Any]) -> None:
    """Answer a command, durably."""
    write_json(folder / COMMANDS / f"{command}{ANSWER}", {"version": VERSION, **content})


def withdraw(folder: Path, command: str) -> None:
    """Take a command back. Only where no run can be about to read it."""
    with contextlib.suppress(FileNotFoundError):
        (folder / COMMANDS / f"{command}.json").unlink()


def answer_to(folder: Path, command: str) -> Mapping[str, Any] | None:
    """What a run said to a command; None: nothing yet."""
    path = folder / COMMANDS / f"{command}{ANSWER}"
    return cast("Mapping[str, Any]", read_json(path)) if path.exists() else None


def commands(folder: Path) -> list[Command]:
    """All commands that a run ever got, in order.

    A file that is no command is none: whoever wrote it gets an answer that says so.

    Raises:
        RecordError: the folder cannot be read.
    """
    try:
        names = sorted(path.name for path in (folder / COMMANDS).iterdir()) if (folder / COMMANDS).is_dir() else []
    except OSError as fault:
        raise trouble(fault, folder / COMMANDS, "read") from fault
    ids = [n.removesuffix(".json") for n in names if n.endswith(".json") and not n.endswith(ANSWER) and n[0] != "."]
    return [_command(folder, each) for each in ids]


def _command(folder: Path, command: str) -> Command:
    said = answer_to(folder, command)
    try:
        content = read_json(folder / COMMANDS / f"{command}.json")
        name, arguments = content["command"], content["arguments"]
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise TypeError
    except (RecordError, KeyError, TypeError):
        return Command(command, "", {}, said)
    return Command(command, name, cast("dict[str, Any]", arguments), said)
