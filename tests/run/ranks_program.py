"""What each of several processes does in the tests of `test_ranks.py`: all jobs in one start, as torch takes seconds to
load. Arguments: rank, folder. Each job leaves `<job>-<rank>.json` behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import cadence as cd
from cadence._errors import CadenceError, RanksError
from cadence.record.commands import send
from cadence.run import loop
from cadence.run.engine import Judged
from cadence.run.ranks import first
from cadence.run.torch_engine import TorchEngine
from cadence.run.torch_parallel import gathered
from cadence.run.torch_ranks import TorchRanks
from cadence.run.train import train

RANK, FOLDER = int(sys.argv[1]), Path(sys.argv[2])
PLATEAU = "warmup(3) >> constant() * plateau('val_loss', factor=0.5, patience=0, threshold=0.3)"

ROWS: dict[str, Any] = {
    "task": "small_tasks:rows", "task_args": {"n": 50, "double": True, "held_out": 3}, "device": "cpu",
    "optimizer": {"name": "adamw", "lr": 0.01}, "schedule": PLATEAU, "total": "4 epochs",
    # 17 batches in groups of 4 or 8: the last group has one, of two rows.
    "batch_size": 3, "update_size": 12, "clip_norm": 1.0,
}  # fmt: skip

ALIVE: dict[str, Any] = {
    **ROWS, "task_args": {"n": 50, "double": True, "held_out": 3, "dropout": 0.3, "norm": True, "augment": True},
    "average": {"decay": 0.8},
}  # fmt: skip

SCALED: dict[str, Any] = {
    **ROWS, "update_size": None, "schedule": "constant()",
    "optimizer": {"name": "adamw", "lr": 0.01, "scale_lr": {"rule": "sqrt", "reference_batch": 6}},
}  # fmt: skip

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adamw": {"name": "adamw", "lr": 0.01},
    "lamb": {"name": "lamb", "lr": 0.05},
    "lars": {"name": "lars", "lr": 0.5, "momentum": 0.9},
    "rmsprop": {"name": "rmsprop", "lr": 0.01, "centered": True},
}


class Watched:
    """What one process does in a run: its rates, its own losses, its weights, its calls to the others."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.rows: list[float] = []
        self.local: list[float] = []
        self.weights: list[list[float]] = []
        self.norms: list[float | None] = []

    @contextlib.contextmanager
    def watching(self, stop_at: int | None = None) -> Generator[None, None, None]:
        update, evaluate, save = TorchEngine.update, TorchEngine.evaluate, TorchEngine.save

        def updating(engine: TorchEngine, batches: Any, ceiling: float | None) -> Any:
            if len(self.rates) == stop_at:
                raise KeyboardInterrupt
            self.rates.append(engine.optimizers[0].param_groups[0]["lr"])
            self.rows.append(float(sum(b.inputs.sum() for b in batches if b.tokens)))
            told = update(engine, batches, ceiling)
            self.norms.append(told.grad_norm)
            return told

        def evaluating(engine: TorchEngine, batches: Any) -> Judged:
            mine = evaluate(engine, batches)
            self.local.append(mine.sums["loss"] / max(mine.targets, 1))
            return mine

        def saving(engine: TorchEngine) -> Any:
            whole = gathered(dict(engine._model.named_parameters()), engine._how)
            self.weights.append([float(x) for p in whole.values() for x in p.detach().flatten()])
            return save(engine)

        with (
            mock.patch.object(TorchEngine, "update", updating),
            mock.patch.object(TorchEngine, "evaluate", evaluating),
            mock.patch.object(TorchEngine, "save", saving),
        ):
            yield

    def told(self) -> dict[str, Any]:
        return {
            "rates": self.rates, "rows": self.rows, "local": self.local, "weights": self.weights, "norms": self.norms,
        }  # fmt: skip


def watched(keys: dict[str, Any], out: str, stop_at: int | None = None) -> dict[str, Any]:
    watch = Watched()
    with watch.watching(stop_at):
        try:
            train(keys, out=FOLDER / out)
        except KeyboardInterrupt:
            pass
        except CadenceError as error:
            return {**watch.told(), "error": f"{type(error).__name__}: {error}"}
    return watch.told()


# ---- jobs of four processes, then of two, then of four -------------------------------------------------------------


def four(job: Callable[..., None]) -> None:
    job("four", watched(ROWS, "four"))
    job("does not divide", watched({**ROWS, "update_size": 18}, "undivided"))
    job("too many", watched({**ROWS, "batch_size": 25, "update_size": None}, "many"))
    job("four sharded", watched({**ROWS, "parallel": "fsdp"}, "four-sharded"))


def two(job: Callable[..., None]) -> None:
    for name, optimizer in OPTIMIZERS.items():
        keys = {**ROWS, "optimizer": optimizer}
        if name in ("adamw", "lars"):
            job(f"copies {name}", watched(keys, f"copies-{name}"))
        job(f"parts {name}", watched({**keys, "parallel": "fsdp"}, f"parts-{name}"))
    for strategy in ("ddp", "fsdp"):
        hiccup = {
            "task": "small_tasks:rows", "model": "small_tasks:HiccupInOne", "device": "cpu", "total": 10,
            "optimizer": {"name": "sgd", "lr": 0.05}, "schedule": "linear()", "parallel": strategy, "evaluate": 10,
        }  # fmt: skip
        job(f"fp16 {strategy}", watched({**hiccup, "precision": "fp16", "clip_norm": 1.0}, f"fp16-{strategy}"))
        job(f"skip {strategy}", watched({**hiccup, "divergence": {"nonfinite": "skip"}}, f"skip-{strategy}"))
        back = {**hiccup, "divergence": {"nonfinite": "rollback"}, "checkpoint": {"every": 2}}
        job(f"back {strategy}", watched(back, f"back-{strategy}"))
        frozen = {"head": {"parameters": "head.*"}, "trunk": {"parameters": "body.*", "frozen": 6}}
        frozen = {**ROWS, "groups": frozen, "average": {"decay": 0.8}, "parallel": strategy}
        job(f"frozen {strategy}", watched(frozen, f"frozen-{strategy}"))
        bf16 = {**ROWS, "task_args": {"n": 50, "held_out": 3}, "precision": "bf16", "parallel": strategy}
        job(f"bf16 {strategy}", watched(bf16, f"bf16-{strategy}"))
    job("averaging", watched({**ROWS, "optimizer": {"name": "schedule_free_adamw", "lr": 0.01}}, "averaging"))
    drift(job)
    resume(job)
    job("own loop", own_loop())
    counts(job)


def drift(job: Callable[..., None]) -> None:
    def local(mine: Judged, t: int, values: Any, ranks: Any) -> dict[str, float]:
        return {name: value / mine.targets for name, value in mine.sums.items()}

    # A rule that looks at noise: the parts of two ranks tell it different things.
    keys = {**ROWS, "schedule": "constant() * plateau('val_loss', factor=0.5, patience=0, threshold=0.14)"}
    job("reduced", watched(keys, "reduced"))
    with mock.patch.object(loop, "judged", local):
        job("local", watched(keys, "local"))
    judged = loop.judged

    def tampered(mine: Judged, t: int, values: Any, ranks: Any) -> dict[str, float]:
        return judged(mine, t, {**values, "lr": [0.5 * x for x in values["lr"]]} if RANK else values, ranks)

    with mock.patch.object(loop, "judged", tampered):
        job("tampered", watched(keys, "tampered"))


def resume(job: Callable[..., None]) -> None:
    job("undisturbed", watched(ALIVE, "undisturbed"))
    job("disturbed", watched(ALIVE, "disturbed", stop_at=13))
    job("gone on", watched(ALIVE, "disturbed"))
    job("sharded disturbed", watched({**ROWS, "parallel": "fsdp"}, "sharded", stop_at=13))
    job("before steering", watched({**ROWS, "seed": 5}, "steered", stop_at=13))
    if RANK == 0:
        send(FOLDER / "steered", "set", {"values": {"lr": 0.002}})
    dist.barrier()
    job("steered", watched({**ROWS, "seed": 5}, "steered"))
    # With the other strategy, which is none of the recipe's content.
    job("sharded gone on", watched(ROWS, "sharded"))
    job("first of three", watched(ROWS, "three", stop_at=7))
    job("first of scaled", watched(SCALED, "scaled", stop_at=11))


def own_loop() -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, options in {"mean": {}, "local": {"reduce": lambda metrics: metrics}}.items():
        torch.manual_seed(0)
        model = DistributedDataParallel(torch.nn.Linear(3, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        driver = cd.drive(optimizer, "constant() * plateau('val_loss', factor=0.5, patience=0)", **options)
        data = torch.Generator().manual_seed(RANK)
        rates: list[float] = []
        for epoch in range(6):
            optimizer.zero_grad()
            model(torch.randn(5, 3, generator=data)).square().mean().backward()
            optimizer.step()
            driver.step()
            driver.observe({"val_loss": 1.0 - 0.1 * epoch if RANK == 0 else 1.0 + 0.1 * epoch})
            rates.append(optimizer.param_groups[0]["lr"])
        told[name] = {"rates": rates, "weights": [float(x) for p in model.parameters() for x in p.detach().flatten()]}
        if name == "mean":
            with counted() as calls:
                driver.observe({"val_loss": 1.0})
            told["calls"] = calls
            if RANK:
                driver.set(lr=1.0)
            try:
                driver.observe({"val_loss": 1.0})
            except RanksError as error:
                told["error"] = str(error)
    return told


@contextlib.contextmanager
def counted() -> Generator[list[str], None, None]:
    """Names of the collective calls that are made."""
    calls: list[str] = []
    with contextlib.ExitStack() as stack:
        for name in ("all_gather", "all_reduce", "broadcast", "all_gather_object", "broadcast_object_list", "barrier"):
            plain = getattr(dist, name)

            def count(*args: Any, plain: Any = plain, name: str = name, **kwargs: Any) -> Any:
                calls.append(name)
                return plain(*args, **kwargs)

            stack.enter_context(mock.patch.object(dist, name, count))
        yield calls


def counts(job: Callable[..., None]) -> None:
    """Collective calls between the end of an evaluation and the end of what the rules make of it."""
    told: dict[str, Any] = {"calls": []}
    plain = loop.Loop._evaluate

    def evaluate(self: loop.Loop, t: int) -> Any:
        with counted() as calls:
            fault = plain(self, t)
        told["calls"].append(calls)
        return fault

    with mock.patch.object(loop.Loop, "_evaluate", evaluate):
        train(ROWS, out=FOLDER / "counts")
    ranks = TorchRanks()
    long = ranks.exchange({"rank": RANK, "text": "x" * (10_000 if RANK else 1), "odd": float("inf")})
    told["long"] = [[one["rank"], len(one["text"]), one["odd"] == float("inf")] for one in long]

    def refuse() -> None:
        raise CadenceError("only rank 0 sees this")

    try:
        first(ranks, refuse)
    except CadenceError as error:
        told["first"] = str(error)
    job("counts", told)


def four_again(job: Callable[..., None]) -> None:
    job("third of three", watched(ROWS, "three"))


# ---- groups ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def group(name: str, world: int) -> Generator[None, None, None]:
    os.environ.update(RANK=str(RANK), WORLD_SIZE=str(world))
    dist.init_process_group("gloo", init_method=f"file://{FOLDER}/{name}", rank=RANK, world_size=world)
    try:
        yield
    finally:
        dist.barrier()
        dist.destroy_process_group()


def write(job: str, told: Any) -> None:
    (FOLDER / f"{job}-{RANK}.json").write_text(json.dumps(told), encoding="utf-8")


def alone(keys: dict[str, Any], out: str, stop_at: int | None = None) -> None:
    os.environ.pop("WORLD_SIZE", None)
    write(out, watched(keys, out, stop_at))


if __name__ == "__main__":
    with group("a", 4):
        four(write)
    if RANK < 2:
        with group("b", 2):
            two(write)
    if RANK == 0:
        alone(ROWS, "three", stop_at=10)
        alone(SCALED, "scaled")
    with group("c", 4):
        four_again(write)
