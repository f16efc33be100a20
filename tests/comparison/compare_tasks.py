"""A task and models that train in milliseconds, as a user's own module would bring them; some of them misbehave."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cadence.tasks import ArrayData, Task


def square(outputs: Any, targets: Any) -> Any:
    return ((outputs.squeeze(-1) - targets) ** 2).mean()


def rows(n: int = 48) -> Task:
    """A straight line with noise; three equal parts."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3 * n, 3)).astype(np.float32)
    y = (x @ np.array([1.0, -2.0, 0.5]) + 0.3 * rng.normal(size=3 * n)).astype(np.float32)
    data = ArrayData(
        x[:n], y[:n], val=(x[n : 2 * n], y[n : 2 * n]), tune=(x[2 * n :], y[2 * n :]), default_batch_size=8
    )
    return Task(
        "rows", data, models={"torch": lambda: torch.nn.Linear(3, 1)}, losses={"torch": square},
        metrics={"torch": square}, metric_name="square", metric_better="min",
    )  # fmt: skip


def chatty() -> Task:
    """Prints and reads, as code of others does; neither may disturb the pipe to the parent."""
    print('{"job": 0, "kind": "done", "result": {}}', flush=True)
    os.write(1, b"more\n")
    assert sys.stdin.read() == ""
    return rows()


class Line(torch.nn.Module):
    """One layer that does something beside every training step from the third on."""

    def __init__(self, deed: Any) -> None:
        super().__init__()
        self.line = torch.nn.Linear(3, 1)
        self.deed = deed
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls += 1
            if self.calls > 2:
                self.deed()
        return self.line(x)


def slow(seconds: float) -> torch.nn.Module:
    return Line(lambda: time.sleep(seconds))


def fails() -> torch.nn.Module:
    def deed() -> None:
        raise IndexError("row 7 of 7")

    return Line(deed)


def dies(marker: str | None = None) -> torch.nn.Module:
    """Kills its process: every time, or only where the marker is not there yet."""

    def deed() -> None:
        if marker is None or not Path(marker).exists():
            if marker is not None:
                Path(marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return Line(deed)


def exits() -> torch.nn.Module:
    return Line(lambda: sys.exit("that was it"))


def waits_for(child_of: str) -> torch.nn.Module:
    """Starts a process of its own that outlives a training, and writes its number down."""

    def deed() -> None:
        path = Path(child_of)
        if not path.exists():
            import subprocess

            process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
            path.write_text(str(process.pid))
        time.sleep(0.05)

    return Line(deed)
