"""What a checkpoint costs: beside the time of writing its bytes, and of the training that it holds up.

A state of 100 million float32 values in 40 arrays. The floor writes the same bytes with plain `write` and `fsync`, and
removes the file of the round before, as everybody does who keeps the newest. A checkpoint copies them, writes them,
sums them up (SHA-256), makes file and folder durable, writes its JSON, and removes the checkpoint before. Both sides of
each pair run one after the other in turns; the disk's time varies, so ratios are of medians. `blocked` is the time in
which the training waits: the call of `save`.

    python benchmarks/checkpoint.py --rounds 9
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import torch

from cadence.run.checkpoint import Checkpoints
from cadence.run.engine import Engine, Saved
from cadence.run.torch_state import Parts, Shelf, file_of_tensors, take_apart


class State:
    """An engine's arrays, saved as the engine for torch does."""

    def __init__(self, values: int, arrays: int) -> None:
        self._state = {f"w{i}": torch.randn(values // arrays) for i in range(arrays)}
        self._shelf = Shelf()

    def save(self) -> Saved:
        parts = Parts(self._shelf)
        rest = take_apart({"model": self._state}, "", parts)
        return Saved(file_of_tensors(parts.tensors), rest)


def plain(pieces: list[memoryview | bytes], path: Path, before: Path) -> float:
    """Seconds to write bytes, to make them durable, and to remove those before."""
    begin = time.perf_counter()
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    before.unlink(missing_ok=True)
    return time.perf_counter() - begin


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--values", type=int, default=100_000_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", default=None, help="on the disk to measure; default: that of temporary files")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    state = State(arguments.values, 40)
    found: dict[str, list[float]] = {"plain": [], "blocked": [], "checkpoint": []}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        checkpoints = Checkpoints(folder, keep=1, best=None)
        content: dict[str, Any] = {}
        for t in range(arguments.rounds + 1):
            begin = time.perf_counter()
            checkpoints.save(t, cast("Engine", state), content, {})
            blocked = time.perf_counter() - begin
            checkpoints.wait()
            whole = time.perf_counter() - begin
            pieces = list(state.save().file)
            bytes_alone = plain(pieces, folder / f"plain{t}", folder / f"plain{t - 1}")
            if t == 0:
                # The memory of the copy is asked for once in a run.
                print(f"first: blocked {blocked:.3f} s of {whole:.3f} s; bytes alone {bytes_alone:.3f} s")
                continue
            found["plain"].append(bytes_alone)
            found["blocked"].append(blocked)
            found["checkpoint"].append(whole)
    middle = {what: statistics.median(seconds) for what, seconds in found.items()}
    for what, seconds in found.items():
        print(f"{what:>11}: median {middle[what]:.3f} s, {min(seconds):.3f} to {max(seconds):.3f} s")
    paired = statistics.median(a / b for a, b in zip(found["checkpoint"], found["plain"], strict=True))
    ratio, share = middle["checkpoint"] / middle["plain"], middle["blocked"] / middle["checkpoint"]
    print(f"checkpoint / bytes alone: {ratio:.2f} of medians, {paired:.2f} median of pairs (at most 1.5 is promised)")
    print(f"blocked / checkpoint: {share:.3f} (less than 0.2 is promised)")


if __name__ == "__main__":
    main()
