"""Accelerate: prepared schedulers, accumulation, saved states, and two processes, for which it steps twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cadence as cd

torch = pytest.importorskip("torch")
accelerate = pytest.importorskip("accelerate")

SCHEDULE = "warmup(3) >> cosine(to=0.01)"
PLAN = {"lr": SCHEDULE, "weight_decay": "linear(to=2)", "beta1": "linear(to=0.5)"}
PLATEAU = "warmup(3) >> constant() * plateau('loss', factor=0.5, patience=0)"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Accelerate keeps its state in the process."""
    yield
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


class Training:
    """A prepared training of one weight, which notes what each update really uses."""

    def __init__(self, schedule: Any, base: float = 0.1, accelerator: Any = None, **options: Any) -> None:
        self.accelerator = accelerator or accelerate.Accelerator(cpu=True)
        model = torch.nn.Linear(2, 1)
        groups = [{"params": [model.weight]}, {"params": [model.bias], "lr": base / 10}]
        optimizer = torch.optim.AdamW(groups, lr=base)
        self.inner = cd.torch_scheduler(optimizer, schedule, **options)
        data = torch.utils.data.TensorDataset(torch.ones(12, 2))
        loader = torch.utils.data.DataLoader(data, batch_size=2)
        self.model, self.optimizer, self.scheduler, self.loader = self.accelerator.prepare(
            model, optimizer, self.inner, loader
        )
        self.seen: list[Any] = []
        optimizer.register_step_pre_hook(lambda o, a, k: self.seen.append([dict(g) for g in o.param_groups]))

    def epochs(self, count: int, feedback: bool = False) -> None:
        for _ in range(count):
            for (x,) in self.loader:
                with self.accelerator.accumulate(self.model):
                    self.accelerator.backward(self.model(x).mean())
                    self.optimizer.step()
                    if not feedback:
                        self.scheduler.step()
                    self.optimizer.zero_grad()
            if feedback:
                self.scheduler.step(1.0)

    def rows(self) -> list[Any]:
        return [[(g["lr"], g["weight_decay"], g["betas"][0]) for g in groups] for groups in self.seen]


def test_a_prepared_scheduler_is_wrapped_and_follows_a_plan() -> None:
    training = Training(PLAN, total=18)
    assert type(training.scheduler).__name__ == "AcceleratedScheduler"
    training.epochs(3)
    base = {"lr": [0.1, 0.01], "weight_decay": [0.01, 0.01], "beta1": [0.9, 0.9]}
    curve = cd.place(PLAN, total=18, base=base)
    for g in range(2):
        for i, value in enumerate(PLAN):
            assert [row[g][i] for row in training.rows()] == pytest.approx(curve.values(group=g, value=value))


@pytest.mark.parametrize("adjust", [True, False])
def test_accumulation_counts_updates(adjust: bool) -> None:
    plugin = accelerate.utils.GradientAccumulationPlugin(num_steps=4, adjust_scheduler=adjust)
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_plugin=plugin)
    training = Training(SCHEDULE, total=6, accelerator=accelerator)
    training.epochs(3)  # of 6 batches: an update after 4, and one after the 2 that are left
    assert [row[0][0] for row in training.rows()] == cd.place(SCHEDULE, total=6, base=0.1).values().tolist()


def test_a_plateau_is_stepped_by_hand_and_its_warmup_by_updates() -> None:
    training = Training(PLATEAU)
    assert type(training.scheduler).__name__ == "AcceleratedScheduler"
    training.epochs(4, feedback=True)
    warm = cd.place("warmup(3) >> constant()", base=0.1)
    rates = [row[0][0] for row in training.rows()]
    assert rates == [warm.at(t) for t in range(12)] + [0.05] * 6 + [0.025] * 6


@pytest.mark.parametrize(("schedule", "options"), [(PLAN, {"total": 24}), (PLATEAU, {})])
def test_a_state_that_is_saved_and_loaded_goes_on_as_if_unbroken(
    tmp_path: Path, schedule: Any, options: dict[str, int]
) -> None:
    feedback = schedule == PLATEAU
    unbroken = Training(schedule, **options)
    unbroken.epochs(4, feedback)
    accelerator = accelerate.Accelerator(cpu=True)
    first = Training(schedule, accelerator=accelerator, **options)
    first.epochs(2, feedback)
    accelerator.save_state(str(tmp_path))
    accelerator.free_memory()
    second = Training(schedule, base=0.7, accelerator=accelerator, **options)
    accelerator.load_state(str(tmp_path))
    second.epochs(2, feedback)
    assert first.rows() + second.rows() == unbroken.rows()
    assert (len(unbroken.rows()), second.inner.last_epoch) == (24, 24)


# ---- two processes ---------------------------------------------------------------------------------------------------

PROGRAM = """
import json, pathlib, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[2])
import test_accelerate as here
from accelerate.utils import DataLoaderConfiguration

told, folder = {}, pathlib.Path(sys.argv[1])
for name, options, config in (
    ("once per process", {"steps_per_update": 2}, {}),
    ("uncorrected", {}, {}),
    ("split batches", {}, {"split_batches": True}),
):
    accelerator = here.accelerate.Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**config))
    training = here.Training(here.SCHEDULE, total=9, accelerator=accelerator, **options)
    training.epochs(3 if not config else 2)
    told[name] = [row[0][0] for row in training.rows()]
accelerator = here.accelerate.Accelerator(cpu=True)
training = here.Training(here.PLATEAU, accelerator=accelerator, steps_per_update=2)
training.epochs(5, True)
told["plateau"] = [row[0][0] for row in training.rows()]
accelerator.free_memory()
training = here.Training(here.SCHEDULE, total=9, accelerator=accelerator, steps_per_update=2)
training.epochs(1)
training.accelerator.save_state(str(folder / "state"))
training.accelerator.free_memory()
second = here.Training(here.SCHEDULE, 0.7, training.accelerator, total=9, steps_per_update=2)
training.accelerator.load_state(str(folder / "state"))
second.epochs(2)
told["resumed"] = [row[0][0] for row in [*training.rows(), *second.rows()]]
told["processes"] = training.accelerator.num_processes
pathlib.Path(folder, f"{training.accelerator.process_index}.json").write_text(json.dumps(told))
here.torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes told."""
    folder = tmp_path_factory.mktemp("two")
    processes = []
    for rank in range(2):
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "RANK": str(rank), "WORLD_SIZE": "2",
            "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(29500 + os.getpid() % 1000),
            "ACCELERATE_USE_CPU": "true",
        }  # fmt: skip
        arguments = [sys.executable, "-c", PROGRAM, str(folder), str(Path(__file__).parent)]
        processes.append(subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True))
    ended = [(process.communicate(timeout=240)[1], process.returncode) for process in processes]
    assert all(code == 0 for _, code in ended), ended
    return [json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


def test_two_processes_are_two_and_do_the_same(two: Any) -> None:
    assert two[0] == two[1]
    assert two[0]["processes"] == 2


def test_what_steps_once_for_each_process_is_corrected_and_resumed(two: Any) -> None:
    wanted = cd.place(SCHEDULE, total=9, base=0.1).values().tolist()
    # Two processes share 12 samples: 3 updates an epoch.
    assert two[0]["once per process"] == two[0]["resumed"] == wanted
    assert two[0]["uncorrected"] == [cd.place(SCHEDULE, total=9, base=0.1).at(2 * t) for t in range(9)]


def test_split_batches_need_no_correction(two: Any) -> None:
    assert two[0]["split batches"][:9] == cd.place(SCHEDULE, total=9, base=0.1).values().tolist()


def test_an_evaluation_that_is_told_twice_is_one(two: Any) -> None:
    warm = cd.place("warmup(3) >> constant()", base=0.1)
    # After 3 updates (the warmup's), 6 (the best), and 9 and 12, which cut; if each counted twice, 6 would cut, too.
    assert two[0]["plateau"] == [warm.at(t) for t in range(9)] + [0.05] * 3 + [0.025] * 3
