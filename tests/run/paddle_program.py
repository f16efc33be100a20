"""What each of two processes of paddle does in the tests of `test_paddle_processes.py`: all trainings in one start.
Argument: folder. Each leaves `<name>-<rank>.json` behind.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import paddle.distributed as dist

from cadence._errors import CadenceError
from cadence.run.paddle_engine import PaddleEngine
from cadence.run.train import train

FOLDER = Path(sys.argv[1])


def watched(keys: dict[str, Any], out: str, stop_at: int | None = None) -> None:
    told: dict[str, Any] = {"rates": [], "rows": [], "weights": [], "local": [], "draws": []}
    update, evaluate = PaddleEngine.update, PaddleEngine.evaluate

    def updating(engine: PaddleEngine, batches: Any, ceiling: float | None) -> Any:
        if len(told["rates"]) == stop_at:
            raise KeyboardInterrupt
        told["rates"].append(float(engine.optimizers[0].get_lr()))
        told["rows"].append(float(sum(b.inputs.sum() for b in batches if b.tokens)))
        found = update(engine, batches, ceiling)
        told["weights"] = [float(x) for p in engine._optimizers.parameters for x in p.numpy().flatten()]
        told["draws"] = [random.getstate()[1][:3], np.random.get_state()[1][:3].tolist()]
        return found

    def evaluating(engine: PaddleEngine, batches: Any) -> Any:
        mine = evaluate(engine, batches)
        told["local"].append(mine.sums)
        return mine

    with mock.patch.object(PaddleEngine, "update", updating), mock.patch.object(PaddleEngine, "evaluate", evaluating):
        try:
            train(keys, out=FOLDER / out)
        except KeyboardInterrupt:
            pass
        except CadenceError as error:
            told["error"] = f"{type(error).__name__}: {error}"
    (FOLDER / f"{out}-{dist.get_rank()}.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    runs: dict[str, Any] = json.loads((FOLDER / "runs.json").read_text(encoding="utf-8"))
    watched(runs["plain"], "plain")
    watched(runs["frozen"], "frozen")
    watched(runs["alive"], "alive")
    watched(runs["alive"], "resumed", stop_at=13)
    watched(runs["alive"], "resumed")
    watched({**runs["plain"], "parallel": "fsdp"}, "parts")
