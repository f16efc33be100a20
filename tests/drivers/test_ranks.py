"""Two real processes: with different metrics, every rank has the same rates; without the reduction they drift apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch.distributed")

PROGRAM = """
import json, sys
import torch, torch.distributed as dist
import cadence as cd

rank, store, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]

def driven(**options):
    optimizer = torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.1)
    return optimizer, cd.drive(optimizer, "constant() * plateau('val_loss', factor=0.5, patience=0)", **options)

runs = {"made before the group": driven()}
dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
runs["mean"] = driven(record=folder)
runs["local"] = driven(reduce=lambda metrics: metrics)
told = {name: {"rates": [], "sentences": []} for name in runs}
for epoch in range(6):
    # One rank sees a loss that falls, the other one that rises; their mean falls once, and then never again.
    loss = 1.0 - 0.1 * epoch if rank == 0 else 1.0 + 0.1 * epoch - (0.03 if epoch == 1 else 0.0)
    for name, (optimizer, driver) in runs.items():
        optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
        optimizer.step()
        if name == "mean":
            driver.log(loss=loss)
        driver.step()
        [decision] = driver.observe({"val_loss": loss, "extra": rank})
        told[name]["rates"].append(optimizer.param_groups[0]["lr"])
        told[name]["sentences"].append(decision.sentence)
driver = runs["mean"][1]
driver.close()
for metrics in ({"val_loss": 1.0, ("a" if rank else "b"): 1.0}, {"val_loss": float("nan") if rank else 1.0}):
    try:
        driver.observe(metrics)
    except cd._errors.FeedbackError as error:
        told.setdefault("errors", []).append(str(error))
print(json.dumps(told))
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder, and what each of two processes told."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(folder / "store"), str(folder / "run")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    told: list[dict[str, Any]] = []
    for process in processes:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        told.append(json.loads(out.splitlines()[-1]))
    return folder, told


@pytest.mark.parametrize("name", ["mean", "made before the group"])
def test_ranks_with_different_metrics_keep_the_same_rates(name: str, ranks: Any) -> None:
    first, second = (told[name] for told in ranks[1])
    assert first == second
    assert first["rates"] == [0.1, 0.1, 0.05, 0.025, 0.0125, 0.00625]
    assert first["sentences"][2].startswith("val_loss = 1 is not below the best, 0.985 after 2 updates")


def test_ranks_that_decide_for_themselves_drift_apart(ranks: Any) -> None:
    first, second = (told["local"]["rates"] for told in ranks[1])
    assert first == [0.1] * 6
    assert second == [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125]


def test_ranks_that_report_different_names_or_no_number_fail_together(ranks: Any) -> None:
    first, second = (told["errors"] for told in ranks[1])
    assert first == second
    assert first[0].startswith("ranks report different metrics: [['b', 'val_loss'], ['a', 'val_loss']]")
    assert first[1].startswith("val_loss is not a number")


def test_of_a_run_there_is_one_record_and_rank_0_writes_it(ranks: Any) -> None:
    folder, _ = ranks
    rows = [
        json.loads(line) for line in (folder / "run" / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [row["extra"] for row in rows] == [0.5] * 6
    rows = [json.loads(line) for line in (folder / "run" / "updates.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["loss"] for row in rows] == pytest.approx([1.0 - 0.1 * epoch for epoch in range(6)])
