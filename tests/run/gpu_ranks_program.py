"""One process that trains on a GPU as several would: NCCL, copies and parts. Argument: folder."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from cadence.run import torch_engine, train
from cadence.run.ranks import Ranks
from cadence.run.torch_copies import Copies
from cadence.run.torch_parts import Parts
from cadence.run.torch_ranks import open_ranks

KEYS: dict[str, Any] = {
    "task": "small_tasks:rows", "optimizer": {"name": "lamb", "lr": 0.05}, "total": "4 epochs", "device": "cuda",
    "effective_rates": None, "clip_norm": 1.0, "batch_size": 3, "accumulate": 2, "precision": "bf16",
    "schedule": "warmup(3) >> constant() * plateau('val_loss', factor=0.5, patience=0, threshold=0.3)",
}  # fmt: skip


def trained(ranks: Ranks, name: str, how: Any, **more: Any) -> dict[str, Any]:
    @contextlib.contextmanager
    def same(engine: str, device: str) -> Generator[Ranks, None, None]:
        del engine, device
        yield ranks

    def parallel(model: torch.nn.Module, strategy: Any, ranks: Ranks, *, resting: bool) -> Any:
        del strategy
        return how(model, ranks, resting=resting) if how is Copies else how(model, ranks)

    with mock.patch.object(train, "together", same), mock.patch.object(torch_engine, "parallel", parallel):
        record = train.train({**KEYS, **more}, out=name)
    return {"losses": record.updates["loss"].tolist(), "rates": record.updates["lr"][:, 0].tolist()}


if __name__ == "__main__":
    told: dict[str, Any] = {}
    with open_ranks("cuda") as ranks:
        told["totals"] = ranks.total([0.1, 2.0])
        told["exchanged"] = ranks.exchange({"rank": ranks.rank, "odd": float("inf")}) == [
            {"rank": 0, "odd": float("inf")}
        ]
        told["device"] = torch.cuda.current_device()
        for name, how in (("copies", Copies), ("parts", Parts)):
            told[name] = trained(ranks, name, how)
            told[f"{name} fp16"] = trained(ranks, f"{name}-fp16", how, precision="fp16")
    Path(sys.argv[1], "told.json").write_text(json.dumps(told), encoding="utf-8")
