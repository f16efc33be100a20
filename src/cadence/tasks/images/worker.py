"""A process that decodes images into memory that it shares with the one that trains.

    python -m cadence.tasks.images.worker <file descriptor> <preparation>

It reads jobs from its standard input, one JSON object per line, and answers with one line for each; when its input
ends, so does it. Nothing that it is sent is executed.
"""

from __future__ import annotations

import json
import mmap
import signal
import sys
from typing import Any

import numpy as np

from cadence._errors import CadenceError
from cadence.tasks.images.preparing import Preparation


def decode(job: dict[str, Any], preparation: Preparation, memory: Any) -> None:
    """Put the images of a job where it says.

    Args:
        job: ``at``: first byte; ``paths``: of the files; for training besides ``seed``, ``epoch`` and ``images``, the
            number of each image.
        preparation: of all images.
        memory: what is written into.

    Raises:
        CadenceError: a file cannot be read.
    """
    side, count = preparation.size, len(job["paths"])
    shape = (count, 3, side, side)
    out = np.frombuffer(memory, preparation.pixels, count * 3 * side * side, job["at"]).reshape(shape)
    for row, path in enumerate(job["paths"]):
        if "images" in job:
            preparation.training(path, job["seed"], job["epoch"], job["images"][row], out[row])
        else:
            preparation.judging(path, out[row])


def main(arguments: list[str]) -> None:
    """Work until the input ends."""
    # Ctrl-C is for the process that trains; when that ends, so does this one's input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    memory = mmap.mmap(int(arguments[0]), 0)
    preparation = Preparation.from_json(json.loads(arguments[1]))
    answers = sys.stdout.buffer
    for line in sys.stdin.buffer:
        job = json.loads(line)
        answer: dict[str, Any] = {"job": job["job"]}
        try:
            decode(job, preparation, memory)
        except CadenceError as fault:
            answer["fault"] = str(fault)
        try:
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()
        except BrokenPipeError:  # the one that trains has ended meanwhile
            return


if __name__ == "__main__":
    main(sys.argv[1:])
