"""Scripts that are half written, or written oddly: findings or one sentence, never a crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cadence as cd
from cadence._errors import ScriptError

FOLDER = Path(__file__).parent
SCRIPTS = sorted([*FOLDER.glob("articles/*.py.txt"), *FOLDER.glob("sound/*.py.txt")])


@pytest.mark.parametrize("seed", range(5))
def test_a_script_with_lines_missing_or_twice_is_read_or_refused(seed: int) -> None:
    random = np.random.default_rng(seed)
    for path in SCRIPTS:
        lines = path.read_text(encoding="utf-8").splitlines()
        for _ in range(int(random.integers(1, 5))):
            at = int(random.integers(len(lines)))
            if random.random() < 0.5 and len(lines) > 1:
                del lines[at]
            else:
                lines.insert(at, lines[int(random.integers(len(lines)))])
        try:
            found = cd.lint("\n".join(lines) + "\n")
        except ScriptError:
            continue
        assert all(1 <= f.line <= len(lines) for f in found)


@pytest.mark.parametrize("seed", range(5))
def test_a_script_with_other_numbers_is_read(seed: int) -> None:
    random = np.random.default_rng(seed)
    for path in SCRIPTS:
        text = path.read_text(encoding="utf-8")
        for old in ("100", "90", "10", "30", "0.1", "5"):
            if random.random() < 0.4:
                text = text.replace(
                    old, str(random.choice(["0", "-1", "1", "1e9", "7", "None", "0.5", "'a'", "[1]", "n"]))
                )
        try:
            cd.lint(text)
        except ScriptError:
            continue


ODD = [
    "# nothing\n",
    "x = 1\n",
    "import torch\nfrom torch.optim import *\ns = StepLR(SGD(p, lr=0.1), 30)\n",
    "import torch\nfor i in range(10):\n    for j in range(10):\n        s.step(loss)\n",
    "import torch\ns = torch.optim.lr_scheduler.StepLR(*args, **kwargs)\ns.step()\n",
    "import torch\ns = torch.optim.lr_scheduler.StepLR()\n",
    "import torch\no = torch.optim.SGD()\nfor e in range(3):\n    o.step()\n",
    "import torch\no = torch.optim.SGD(p, lr=0)\ns = torch.optim.lr_scheduler.StepLR(o, 1)\nfor e in range(9):\n    s.step()\n",
    "import torch\no = torch.optim.SGD(p, lr=0.1)\nl = torch.optim.lr_scheduler.LambdaLR(o, lambda e: 1 / (e - 3))\n"
    "for e in range(9):\n    l.step()\n",
    "import torch\no = torch.optim.SGD(p, lr=0.1)\nl = torch.optim.lr_scheduler.LambdaLR(o, lambda e: f(e))\n"
    "for e in range(9):\n    l.step()\n",
    "class A:\n    def f(self):\n        for g in self.o.param_groups:\n            g['lr'] = 1\n",
    "for g in o.param_groups: g['lr'] = 1\n",
    "if (i + 1) % n == 0: o.step()\n",
    "for i in range(3):\n    if (i + 1) % n == 0 or x: o.step()\n",
    "async def f():\n    async for x in y:\n        z.step()\n",
    "x = lambda: (yield)\n",
]


@pytest.mark.parametrize("text", ODD)
def test_an_odd_script_is_read(text: str) -> None:
    cd.lint(text + "\n")
