"""Two real processes of paddle: with different metrics, every rank has the same rates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paddle")

PROGRAM = """
import json, pathlib, sys, warnings

warnings.simplefilter("ignore")
import paddle
import cadence as cd

PLATEAU = "constant() * plateau('val_loss', factor=0.5, patience=0)"

def own_loop(rank):
    told = {}
    for name, options in {"mean": {}, "local": {"reduce": lambda metrics: metrics}}.items():
        paddle.seed(0)
        layer = paddle.nn.Linear(3, 1)
        model = paddle.DataParallel(layer)
        optimizer = paddle.optimizer.SGD(0.1, parameters=model.parameters())
        driver = cd.drive(optimizer, PLATEAU, **options)
        rates = []
        for epoch in range(5):
            model(paddle.full([2, 3], 1.0 + rank + 0.1 * epoch)).square().mean().backward()
            optimizer.step()
            optimizer.clear_grad()
            driver.step()
            driver.observe({"val_loss": 1.0 - 0.1 * epoch if rank == 0 else 1.0 + 0.1 * epoch})
            rates.append(optimizer.get_lr())
        told[name] = {"rates": rates, "weights": [float(x) for x in layer.weight.numpy().flatten()]}
    return told

def work(folder):
    optimizer = paddle.optimizer.SGD(0.1, parameters=[paddle.create_parameter([2], "float32")])
    before = cd.drive(optimizer, PLATEAU)
    paddle.distributed.init_parallel_env()
    rank = paddle.distributed.get_rank()
    second = paddle.optimizer.SGD(0.1, parameters=[paddle.create_parameter([2], "float32")])
    told = {"rates": [], "errors": []}
    runs = [(optimizer, before), (second, cd.drive(second, PLATEAU, record=folder + "/run"))]
    scheduler = cd.paddle_scheduler(PLATEAU, base=0.1)
    for epoch in range(6):
        # One rank sees a loss that falls, the other one that rises; their mean falls once, and then never again.
        loss = 1.0 - 0.1 * epoch if rank == 0 else 1.0 + 0.1 * epoch - (0.03 if epoch == 1 else 0.0)
        for optimizer, driver in runs:
            optimizer.step()
            driver.step()
            driver.observe({"val_loss": loss, "extra": rank})
        scheduler.step(loss)
        told["rates"].append([scheduler(), *(optimizer.get_lr() for optimizer, _ in runs)])
    calls = []
    plain = paddle.distributed.all_gather
    paddle.distributed.all_gather = lambda *args, **kwargs: (calls.append(1), plain(*args, **kwargs))[1]
    before.observe({"val_loss": 1.0})
    told["calls"] = len(calls)
    try:
        before.observe({"val_loss": 1.0, ("a" if rank else "b"): 1.0})
    except cd._errors.FeedbackError as error:
        told["errors"].append(str(error))
    if rank:
        before.set(lr=1.0)
    try:
        before.observe({"val_loss": 1.0})
    except cd._errors.RanksError as error:
        told["errors"].append(str(error))
    runs[1][1].close()
    told |= own_loop(rank)
    # A wrapper of fleet's, which is no optimizer by its class.
    strategy = paddle.distributed.fleet.DistributedStrategy()
    strategy.hybrid_configs = {"dp_degree": 2, "mp_degree": 1, "pp_degree": 1}
    paddle.distributed.fleet.init(is_collective=True, strategy=strategy)
    inner = paddle.optimizer.AdamW(0.1, parameters=(network := paddle.nn.Linear(2, 1)).parameters())
    network = paddle.distributed.fleet.distributed_model(network)
    outer = paddle.distributed.fleet.distributed_optimizer(inner)
    driver = cd.drive(outer, "linear()", total=10)
    for _ in range(3):
        network(paddle.ones([2, 2])).mean().backward()
        outer.step()
        outer.clear_grad()
        driver.step()
    told["fleet"] = [driver.t, inner.get_lr()]
    pathlib.Path(folder, f"{rank}.json").write_text(json.dumps(told))

if __name__ == "__main__":
    paddle.distributed.spawn(work, (sys.argv[1],), nprocs=2, backend="gloo")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote."""
    folder = tmp_path_factory.mktemp("ranks")
    program = folder / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    subprocess.run(
        [sys.executable, str(program), str(folder)], check=True, timeout=240, env=environment, capture_output=True
    )
    return folder


def told(folder: Path, rank: int) -> Any:
    return json.loads((folder / f"{rank}.json").read_text(encoding="utf-8"))


def test_ranks_with_different_metrics_keep_the_same_rates(folder: Path) -> None:
    assert told(folder, 0)["rates"] == told(folder, 1)["rates"]
    assert told(folder, 0)["rates"] == [[x] * 3 for x in (0.1, 0.1, 0.05, 0.025, 0.0125, 0.00625)]


def test_ranks_that_report_different_names_fail_together(folder: Path) -> None:
    first, second = (told(folder, rank)["errors"] for rank in range(2))
    assert first == second
    assert first[0].startswith("ranks report different metrics: [['b', 'val_loss'], ['a', 'val_loss']]")


def test_a_decision_takes_one_collective_call_and_rates_that_differ_are_found(folder: Path) -> None:
    first, second = (told(folder, rank) for rank in range(2))
    assert first["calls"] == second["calls"] == 1
    assert first["errors"][1] == second["errors"][1]
    assert "after 6 updates lr of group 0 is 0.003125 on rank 0 and 1.0 on rank 1" in first["errors"][1]


def test_a_loop_of_ones_own_keeps_rates_and_weights_the_same_and_drifts_without_the_mean(folder: Path) -> None:
    first, second = (told(folder, rank) for rank in range(2))
    assert first["mean"] == second["mean"]
    assert first["mean"]["rates"] == [0.1, 0.05, 0.025, 0.0125, 0.00625]
    assert first["local"]["rates"] == [0.1] * 5
    assert second["local"]["rates"] == first["mean"]["rates"]
    assert first["local"]["weights"] != second["local"]["weights"]


def test_of_a_run_there_is_one_record_and_rank_0_writes_it(folder: Path) -> None:
    lines = (folder / "run" / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["extra"] for line in lines] == [0.5] * 6


def test_an_optimizer_of_fleet_is_driven_through_its_wrapper(folder: Path) -> None:
    for rank in range(2):
        assert told(folder, rank)["fleet"] == [3, pytest.approx(0.07)]
