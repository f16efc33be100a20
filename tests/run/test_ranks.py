"""Real processes that train one model: two and four of them, by copies and by parts, killed, resumed, compared."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch.distributed")
pytest.importorskip("safetensors")

from safetensors.numpy import load_file

import cadence as cd
from cadence._errors import RecipeError
from cadence.recipe.recipe import make_recipe
from cadence.recipe.writing import to_yaml
from cadence.record.reader import load_record
from cadence.run.course import settle
from cadence.run.feed import groups
from cadence.run.ranks import Alone, Ranks, attempted, first, refuse_many, share, together
from cadence.run.train import train
from cadence.tasks import ArrayData, resolve_task

HERE = Path(__file__).parent
PROGRAM = HERE / "ranks_program.py"
PLATEAU = "warmup(3) >> constant() * plateau('val_loss', factor=0.5, patience=0, threshold=0.3)"
WITHIN = 120
"""Seconds that processes may take on a machine that is busy; they take a tenth of it."""

Told = dict[str, Any]

SCALED: Told = {
    "update_size": None, "schedule": "constant()",
    "optimizer": {"name": "adamw", "lr": 0.01, "scale_lr": {"rule": "sqrt", "reference_batch": 6}},
}  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    paths = [str(HERE), str(Path(cd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What four processes left behind."""
    folder = tmp_path_factory.mktemp("ranks")
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(rank), str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(), cwd=folder,
        )
        for rank in range(4)
    ]  # fmt: skip
    try:
        for process in processes:
            said, _ = process.communicate(timeout=WITHIN)
            assert process.returncode == 0, said
    finally:
        for process in processes:
            process.kill()
    return folder


def told(folder: Path, job: str, world: int = 2) -> list[Told]:
    return [json.loads((folder / f"{job}-{rank}.json").read_text(encoding="utf-8")) for rank in range(world)]


def rows(**changes: Any) -> Told:
    return {
        "task": "small_tasks:rows", "task_args": {"n": 50, "double": True, "held_out": 3}, "device": "cpu",
        "optimizer": {"name": "adamw", "lr": 0.01}, "schedule": PLATEAU, "total": "4 epochs",
        "batch_size": 3, "update_size": 12, "clip_norm": 1.0, **changes,
    }  # fmt: skip


def same_weights(run: Path, other: Path, within: float = 1e-6) -> None:
    """Both runs end with the same weights."""
    ends = [load_file(max((f / "checkpoints").glob("*.safetensors"), key=lambda p: int(p.stem))) for f in (run, other)]
    names = [{n for n in end if n.startswith("model.")} for end in ends]
    # Weights that two modules share are one tensor, or the same one twice where they were gathered.
    assert len(names[0] & names[1]) >= 4
    for name in names[0] & names[1]:
        np.testing.assert_allclose(ends[0][name], ends[1][name], rtol=within, atol=within)


# ---- several are as one ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("job", "world"), [("copies adamw", 2), ("parts adamw", 2), ("four", 4), ("four sharded", 4)])
def test_several_processes_train_what_one_trains(folder: Path, job: str, world: int) -> None:
    one = train(rows(), out="one")
    ranks = told(folder, job, world)
    # Each sees other rows and another loss, and all have the same rates and weights to the bit.
    assert len({tuple(rank["rows"]) for rank in ranks}) == len({tuple(rank["local"]) for rank in ranks}) == world
    for rank in ranks:
        assert rank["rates"] == ranks[0]["rates"] == one.updates["lr"][:, 0].tolist()
        assert rank["weights"] == ranks[0]["weights"]
    assert len(set(ranks[0]["rates"][5:])) > 1
    there = load_record(folder / job.replace(" ", "-"))
    assert there.updates["samples"].tolist() == one.updates["samples"].tolist()
    assert there.updates["samples"].tolist()[:5] == [12, 12, 12, 12, 2]
    for column in ("loss", "grad_norm"):
        assert there.updates[column] == pytest.approx(one.updates[column], rel=1e-6)
    assert there.evaluations["val_loss"] == pytest.approx(one.evaluations["val_loss"], rel=1e-6)
    assert there.run["processes"] == world
    same_weights(there.folder, one.folder)


@pytest.mark.parametrize("name", ["lamb", "lars", "rmsprop"])
def test_methods_that_measure_weights_measure_whole_ones_where_these_are_divided(folder: Path, name: str) -> None:
    optimizers = {
        "lamb": {"name": "lamb", "lr": 0.05},
        "lars": {"name": "lars", "lr": 0.5, "momentum": 0.9},
        "rmsprop": {"name": "rmsprop", "lr": 0.01, "centered": True},
    }
    one = train(rows(optimizer=optimizers[name]), out="one")
    same_weights(folder / f"parts-{name}", one.folder)
    if name == "lars":
        same_weights(folder / "copies-lars", one.folder)


@pytest.mark.parametrize("job", ["bf16 ddp", "bf16 fsdp", "averaging", "frozen ddp", "frozen fsdp"])
def test_precision_averages_and_frozen_groups_are_the_same_on_every_rank(folder: Path, job: str) -> None:
    ranks = told(folder, job)
    assert "error" not in ranks[0]
    assert ranks[0]["rates"] == ranks[1]["rates"]
    assert ranks[0]["weights"] == ranks[1]["weights"]
    frozen = {"head": {"parameters": "head.*"}, "trunk": {"parameters": "body.*", "frozen": 6}}
    keys = {
        "bf16": rows(task_args={"n": 50, "held_out": 3}, precision="bf16"),
        "averaging": rows(optimizer={"name": "schedule_free_adamw", "lr": 0.01}),
        "frozen": rows(groups=frozen, average={"decay": 0.8}),
    }[job.split()[0]]
    one = train(keys, out="one")
    # In bfloat16 it matters which rows are computed together.
    same_weights(folder / job.replace(" ", "-"), one.folder, 2e-3 if "bf16" in job else 1e-6)


# ---- skipped updates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("job", ["fp16", "skip"])
def test_an_update_that_overflows_on_one_rank_is_skipped_on_all_and_the_schedule_waits(
    folder: Path, job: str, strategy: str
) -> None:
    ranks = told(folder, f"{job} {strategy}")
    assert ranks[0]["rates"] == ranks[1]["rates"]
    assert ranks[0]["weights"] == ranks[1]["weights"]
    planned = cd.place("linear()", total=10, base=0.05).values().tolist()
    tried = ranks[0]["rates"]
    # A rate that is tried twice was skipped: the third batch for one, and in fp16 those that the first scale is too
    # large for.
    assert len(tried) > 10
    assert sorted(set(tried), reverse=True) == planned
    assert tried.count(planned[2]) > 1 or job == "fp16"
    record = load_record(folder / f"{job}-{strategy}")
    assert record.updates["lr"][:, 0].tolist() == planned
    assert np.isfinite(record.updates["loss"][-1])


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_an_update_that_overflows_on_one_rank_takes_all_of_them_back(folder: Path, strategy: str) -> None:
    ranks = told(folder, f"back {strategy}")
    assert ranks[0]["rates"] == ranks[1]["rates"]
    assert ranks[0]["weights"] == ranks[1]["weights"]
    record = load_record(folder / f"back-{strategy}")
    assert [event["kind"] for event in record.journal if event["kind"] in ("rollback", "skip")] == ["rollback"]
    assert record.updates["t"].tolist() == list(range(10))
    assert record.result["status"] == "finished"


def test_a_command_is_followed_by_all_ranks_at_the_same_update(folder: Path) -> None:
    ranks = told(folder, "steered")
    assert ranks[0]["rates"] == ranks[1]["rates"]
    assert ranks[0]["rates"][0] == pytest.approx(0.002)
    assert ranks[0]["weights"] == ranks[1]["weights"]
    assert [event["kind"] for event in load_record(folder / "steered").journal].count("set") == 1


# ---- decisions -------------------------------------------------------------------------------------------------------


def test_ranks_that_decide_from_their_own_losses_drift_apart(folder: Path) -> None:
    reduced, local = told(folder, "reduced"), told(folder, "local")
    assert reduced[0]["rates"] == reduced[1]["rates"]
    assert reduced[0]["weights"] == reduced[1]["weights"]
    assert local[0]["rates"] != local[1]["rates"]
    assert local[0]["weights"][-1] != local[1]["weights"][-1]


def test_rates_that_differ_between_ranks_end_the_run_on_all_with_the_reason(folder: Path) -> None:
    first_rank, second = told(folder, "tampered")
    assert first_rank["error"] == second["error"]
    assert first_rank["error"].startswith("RanksError: after 5 updates lr of group 0 is 0.01 on rank 0 and 0.005 on")
    record = load_record(folder / "tampered")
    assert record.status == "failed"
    assert record.result["sentence"] in first_rank["error"]


def test_a_decision_takes_one_collective_call(folder: Path) -> None:
    for rank in told(folder, "counts"):
        assert rank["calls"] == [["all_gather"]] * 4
        # What is too long for one call takes a second, and comes back to the bit.
        assert rank["long"] == [[0, 1, True], [1, 10_000, True]]
        assert rank["first"] == "only rank 0 sees this"


def test_a_loop_of_ones_own_keeps_rates_and_weights_and_says_where_they_part(folder: Path) -> None:
    one, other = told(folder, "own loop")
    assert one["mean"] == other["mean"]
    assert one["calls"] == other["calls"] == ["all_gather"]
    assert one["error"] == other["error"]
    assert "after 6 updates lr of group 0 is 0.0015625 on rank 0 and 1.0 on rank 1" in one["error"]
    assert one["local"]["rates"] != other["local"]["rates"]
    assert np.abs(np.subtract(one["local"]["weights"], other["local"]["weights"])).max() > 1e-3


# ---- resume ----------------------------------------------------------------------------------------------------------


def test_two_processes_go_on_to_the_bit_with_random_numbers_of_each(folder: Path) -> None:
    for rank in range(2):
        whole, begun, rest = (told(folder, job)[rank] for job in ("undisturbed", "disturbed", "gone on"))
        # The checkpoint is that of update 10.
        assert begun["rates"][:10] + rest["rates"] == whole["rates"]
        assert begun["rows"][:10] + rest["rows"] == whole["rows"]
        assert rest["weights"][-1] == whole["weights"][-1]
        # Each has statistics of its own, and judges by those of rank 0, averaged or not.
        assert begun["local"] + rest["local"] == whole["local"]
    # Dropout differs between them: what one of them draws, the other does not.
    assert len({tuple(rank["local"]) for rank in told(folder, "undisturbed")}) == 2


def test_a_run_goes_on_with_another_number_of_processes_and_another_strategy(folder: Path) -> None:
    one = train(rows(), out="one")
    # Two processes until update 5, one until 10, four to the end.
    assert load_record(folder / "three").updates["lr"][:, 0].tolist() == one.updates["lr"][:, 0].tolist()
    same_weights(folder / "three", one.folder)
    same_weights(folder / "sharded", one.folder)


def test_rates_that_are_stated_for_a_batch_do_not_go_on_with_another_number_of_processes(folder: Path) -> None:
    (alone,) = told(folder, "scaled", 1)
    said = "with updates of 6 examples, now they have 3, and its rates are stated for a batch (scale_lr); put back"
    assert said in alone["error"]
    assert alone["rates"] == []
    record = train(rows(**SCALED), out=folder / "scaled", force=True)
    assert record.updates["lr"][:9, 0].tolist() == [0.01] * 9
    assert record.updates["lr"][9:, 0] == pytest.approx(0.01 / 2**0.5)


# ---- the end of one --------------------------------------------------------------------------------------------------


def free_port() -> str:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return str(there.getsockname()[1])


def test_a_process_that_is_killed_ends_the_others_with_a_sentence(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(to_yaml(rows(model="small_tasks:Killer", task_args={"n": 50})), encoding="utf-8")
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "cadence", "train", str(recipe), "--out", "run"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path,
            env=environment(**common, RANK=str(rank)),
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        said = [rank.communicate(timeout=WITHIN)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert ranks[1].returncode == -9
    assert ranks[0].returncode == 3, said
    assert "rank 0 of 2 waited for another process, which is gone or does not answer" in said[0]
    record = load_record(tmp_path / "run")
    assert record.status == "failed"
    assert "waited for another process" in record.result["sentence"]


def test_torchrun_trains_and_one_process_talks(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(to_yaml(rows(parallel="fsdp")), encoding="utf-8")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port(),
        "-m", "cadence", "train", str(recipe), "--out", "run", "--json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment(), timeout=WITHIN)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["updates"] == 20
    one = train(rows(), out="one")
    assert load_record(tmp_path / "run").updates["lr"][:, 0].tolist() == one.updates["lr"][:, 0].tolist()
    same_weights(tmp_path / "run", one.folder)


# ---- before anything is trained --------------------------------------------------------------------------------------


def test_a_number_of_processes_that_does_not_fit_is_refused_on_all(folder: Path) -> None:
    assert {rank["error"] for rank in told(folder, "does not divide", 4)} == {
        "RecipeError: update_size is 18, and batches of 3 in 4 processes do not divide it; start 1, 2, 3, 6 processes, "
        "or choose another batch_size"
    }
    assert {rank["error"] for rank in told(folder, "too many", 4)} == {
        "RecipeError: there are 4 processes, and an epoch has 2 batches of 25; start at most 2 processes, or write a "
        "smaller batch_size"
    }
    assert not (folder / "undivided").exists()
    assert not (folder / "many").exists()


def test_update_size_and_accumulate_say_the_same_and_one_of_them_is_enough() -> None:
    with pytest.raises(RecipeError, match="update_size is 12 and accumulate 2, and one follows from the other"):
        make_recipe(rows(accumulate=2))
    task = resolve_task("small_tasks:rows", n=50)
    assert [settle(make_recipe(rows()), task, "val", world).accumulate for world in (1, 2, 4)] == [4, 2, 1]
    runs = [settle(make_recipe(rows()), task, "val", world).horizon for world in (1, 2, 4)]
    assert runs[0] == runs[1] == runs[2]
    # Without it an update grows with the processes, and an epoch has fewer of them.
    grown = settle(make_recipe(rows(update_size=None)), task, "val", 4).horizon
    assert (grown.batch_size, grown.steps_per_epoch, grown.total) == (12, 5, 20)


def test_another_launcher_than_the_engines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    with pytest.raises(
        RecipeError, match="has started 2 processes, and the recipe's engine is 'torch'; start it with torchrun"
    ):
        train(rows())
    with pytest.raises(RecipeError, match="compare is one process, and python -m paddle"):
        refuse_many("compare")
    with pytest.raises(RecipeError, match="engine is 'nobody'; start it with cadence train"), together("nobody", "cpu"):
        pass


# ---- in turn ---------------------------------------------------------------------------------------------------------


class Seen(Ranks):
    """One of several, who never speak."""

    def __init__(self, rank: int, world: int, told: list[Any] | None = None) -> None:
        self._rank, self._world, self._told = rank, world, told

    @property
    def rank(self) -> int:
        return self._rank

    @property
    def world(self) -> int:
        return self._world

    def total(self, numbers: Any) -> list[float]:
        raise NotImplementedError

    def exchange(self, value: Any) -> list[Any]:
        assert self._told is not None
        return [value if rank == self._rank else there for rank, there in enumerate(self._told)]

    def explained(self, fault: Exception) -> None:
        return None


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize(("n", "size", "accumulate"), [(50, 3, 2), (12, 3, 1), (13, 1, 3), (7, 2, 1)])
@pytest.mark.parametrize("position", [0, 1, 4])
def test_processes_take_the_micro_batches_of_an_update_in_turn(
    world: int, n: int, size: int, accumulate: int, position: int
) -> None:
    x = np.arange(float(n + 4)).reshape(-1, 1)
    data = ArrayData(x[:n], x[:n, 0], val=(x[n:-2], x[n:-2, 0]), tune=(x[-2:], x[-2:, 0]))
    keys = {**rows(update_size=None), "batch_size": size, "accumulate": accumulate, "total": "2 epochs"}
    task = resolve_task("small_tasks:rows", n=n)
    courses = {w: settle(make_recipe(keys), task, "val", w) for w in (1, world)}
    assert courses[world].horizon.steps_per_epoch is not None
    per_epoch = courses[world].horizon.steps_per_epoch
    feeds = [groups(data, courses[world], 5, position, Seen(rank, world)) for rank in range(world)]
    whole = [batch for epoch in range(10) for batch in data.batches(5, epoch, size)]
    count = data.batches_per_epoch(size)
    for update in range(position, position + 5):
        parts = [next(feed) for feed in feeds]
        # As many on each, for those that compute together.
        assert len({len(part) for part in parts}) == 1
        epoch, i = divmod(update, per_epoch)
        begin = epoch * count + i * accumulate * world
        wanted = whole[begin : min(begin + accumulate * world, (epoch + 1) * count)]
        turns = [part[k] for k in range(len(parts[0])) for part in parts]
        got = [batch for batch in turns if batch.tokens]
        assert [batch.targets.tolist() for batch in got] == [batch.targets.tolist() for batch in wanted]
        assert all(batch.examples == 0 for batch in turns if not batch.tokens)


def test_a_share_of_an_evaluation_is_every_row_once_and_as_many_batches_on_each() -> None:
    batches = list(resolve_task("small_tasks:rows", held_out=3).data.held_out("val"))
    parts = [list(share(batches, Seen(rank, 4))) for rank in range(4)]
    assert {len(part) for part in parts} == {2}
    rows_seen = [x for turn in zip(*parts, strict=True) for b in turn if b.tokens for x in b.targets.tolist()]
    assert rows_seen == [x for batch in batches for x in batch.targets.tolist()]
    assert list(share(batches, Alone())) == batches


def test_what_fails_on_one_rank_fails_on_all() -> None:
    def refuse() -> None:
        raise RecipeError("this cannot be")

    with pytest.raises(RecipeError, match="this cannot be"):
        attempted(Seen(1, 2, [None, None]), refuse)
    with pytest.raises(RecipeError, match="rank 1: this cannot be"):
        attempted(Seen(0, 2, [None, {"error": "this cannot be", "class": "RecipeError"}]), lambda: 5)
    assert attempted(Seen(0, 2, [None, None]), lambda: 5) == 5
    assert first(Alone(), lambda: 5) == 5
    with pytest.raises(RecipeError, match="this cannot be"):
        first(Alone(), refuse)
