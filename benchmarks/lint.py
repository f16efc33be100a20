"""What `cadence lint` costs on a script of 2,000 lines: processor time of fresh processes, and of the work alone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from _bench import Benchmark, Limit, main, process

PYTHON = sys.executable

HEAD = """import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = CosineAnnealingLR(optimizer, T_max=90)
for epoch in range(90):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    scheduler.step()
    print(epoch, validate(model), scheduler.get_last_lr())
"""

PIECE = """

class Block{i}(torch.nn.Module):
    def __init__(self, width, depth=2):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(width, width) for _ in range(depth))
        self.norm = torch.nn.LayerNorm(width)

    def forward(self, x):
        for layer in self.layers:
            x = x + torch.relu(layer(self.norm(x)))
        return x


def report_{i}(values, limit={i}):
    kept = [value for value in values if value > limit]
    total = sum(kept) / max(len(kept), 1)
    print("block {i}", len(kept), total)
    return {{"count": len(kept), "mean": total, "limit": limit}}
"""


def script(lines: int) -> str:
    """A training of that many lines: the loop, and classes and functions around it."""
    text, i = HEAD, 0
    while text.count("\n") < lines:
        text += PIECE.format(i=i)
        i += 1
    return "\n".join(text.splitlines()[:lines]) + "\n"


def cases(folder: Path) -> list[Benchmark]:
    """The command on a short and on a long script."""
    short, long = folder / "short.py", folder / "long.py"
    short.write_text(HEAD, encoding="utf-8")
    # The last piece may be cut in the middle of a function; whole pieces parse.
    long.write_text(script(2000).rpartition("\n\nclass ")[0] + "\n", encoding="utf-8")
    command = "import sys; sys.argv = ['cadence', 'lint', {path!r}]; from cadence.cli.app import main; main()"
    return [
        Benchmark(
            "cadence lint",
            [
                process("python", [PYTHON, "-c", "pass"]),
                process("cadence lint, 14 lines", [PYTHON, "-c", command.format(path=str(short))]),
                process("cadence lint, 2,000 lines", [PYTHON, "-c", command.format(path=str(long))]),
            ],
            [Limit("cadence lint, 2,000 lines", "python", seconds=0.5)],
        )
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(cases(Path(folder)))
