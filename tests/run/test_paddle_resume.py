"""A run in paddle that ends in the middle goes on to the very same end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("paddle")
pytest.importorskip("safetensors")

import paddle
from safetensors.paddle import load_file

import cadence as cd
from cadence._errors import StateError
from cadence.record.reader import Record
from cadence.run.loop import Progress
from cadence.run.nested import put_together, take_apart
from cadence.run.paddle_state import Parts, Seeds, read_tensors, write_tensors
from cadence.run.train import train

Keys = dict[str, Any]


class Killed(BaseException):
    """Ends a run in the middle, as Ctrl-C does."""


@pytest.fixture
def lively(small: Keys, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Dropout, batch statistics, augmentation, tied weights, clipping, groups of micro-batches, a rule, frozen groups."""
    monkeypatch.setattr("cadence.run.loop.PROGRESS_SECONDS", 0.0)
    return {
        **small,
        "engine": "paddle",
        "task": "small_paddle:alive",
        "optimizer": {
            "main": {"name": "adamw", "lr": 0.02, "weight_decay": 0.01},
            "other": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        },
        "groups": {
            "body": {"parameters": "body.*", "optimizer": "other", "frozen": 3},
            "norm": {"parameters": "norm.*", "lr": "x0.5", "frozen": 6},
        },
        "no_decay": True,
        "schedule": "warmup(3) >> constant() * plateau('val_loss', factor=0.5, patience=1)",
        "accumulate": 2,
        "clip_norm": 1.0,
        "total": 18,
        "evaluate": 3,
        "checkpoint": {"every": 1, "keep": 3, "best": "val_loss"},
    }


def ends_at(t: int) -> Any:
    def tell(progress: Progress) -> None:
        if progress.t >= t:
            raise Killed

    return tell


def same(a: Record, b: Record) -> None:
    """To the bit, apart from seconds, and from the lines that say that a run was resumed."""
    for table in ("updates", "evaluations"):
        one, other = getattr(a, table), getattr(b, table)
        assert set(one) == set(other)
        for column in one:
            if column != "seconds":
                assert one[column].tobytes() == other[column].tobytes(), (table, column)
    events = [[{k: v for k, v in e.items() if k != "made"} for e in r.journal if e["kind"] != "resume"] for r in (a, b)]
    assert events[0] == events[1]
    files = [load_file(r.folder / "checkpoints" / f"{r.result['updates']}.safetensors") for r in (a, b)]  # type: ignore[index]
    assert files[0].keys() == files[1].keys()
    assert all(w.numpy().tobytes() == files[1][name].numpy().tobytes() for name, w in files[0].items())


def test_a_run_resumed_at_any_update_equals_an_undisturbed_one(lively: Keys) -> None:
    whole = train(lively, out="whole")
    for t in (2, 3, 4, 6, 7, 12, 17):
        with pytest.raises(Killed):
            train(lively, out=f"at{t}", progress=ends_at(t))
        same(train(lively, out=f"at{t}"), whole)


@pytest.mark.parametrize("name", ["adam", "sgd", "lamb", "adagrad", "rmsprop", "paddle:adamw", "nadam"])
def test_every_method_goes_on_where_it_was(lively: Keys, name: str) -> None:
    keys = {**lively, "optimizer": {"name": name, "lr": 0.01}, "groups": {}, "total": 8}
    whole = train(keys, out="whole")
    with pytest.raises(Killed):
        train(keys, out="part", progress=ends_at(5))
    same(train(keys, out="part"), whole)


def test_a_process_killed_in_the_midst_comes_to_the_same_end(lively: Keys) -> None:
    keys = {**lively, "total": 120, "checkpoint": {"every": 2, "keep": 2, "best": "val_loss"}}
    whole = train(keys, out="whole")
    Path("keys.json").write_text(json.dumps(keys))
    # It says when training begins, and with each of its checkpoints how far it is: so the moments lie in the training.
    program = (
        "import json, os; from cadence.run import train as t, checkpoint as c\n"
        "os.fsync = lambda fd: None\n"
        "save = c.Checkpoints.save\n"
        "def told(self, n, *rest):\n    print(n, flush=True); save(self, n, *rest)\n"
        "c.Checkpoints.save = told\n"
        "t.train(json.load(open('keys.json')), out='killed')"
    )
    here = Path(__file__).parent
    path = os.pathsep.join(
        [str(here), str(Path(cd.__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    )
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert any(int(line) >= 44 for line in child.stdout)
    # Anywhere within writing this checkpoint, and a little beyond.
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.003)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert not (Path("killed") / "result.json").exists()
    same(train(keys, out="killed"), whole)


def test_a_model_that_changed_meanwhile_is_refused(lively: Keys) -> None:
    keys = {**lively, "model": "small_paddle:wide", "groups": {}, "optimizer": {"name": "sgd", "lr": 0.01}}
    with pytest.raises(Killed):
        train(keys, out="run", progress=ends_at(5))
    import small_paddle  # type: ignore[import-not-found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_paddle.wide, "__defaults__", (8,))
        with pytest.raises(StateError, match="does not fit this recipe's model or optimizer"):
            train(keys, out="run")


def test_weights_in_half_precision_come_back(lively: Keys) -> None:
    keys = {**lively, "model": "small_paddle:in_half", "groups": {}, "optimizer": {"name": "sgd", "lr": 0.01}}
    with pytest.raises(Killed):
        train(keys, out="run", progress=ends_at(5))
    found = load_file("run/checkpoints/4.safetensors")["model.kept"]
    assert found.dtype == paddle.bfloat16
    assert found.astype("float32").numpy().tolist() == [0.10009765625] * 3
    assert train(keys, out="run").status == "finished"


def test_arrays_of_every_type_come_back_to_the_bit(tmp_path: Path) -> None:
    kinds = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "bool", "uint8"]
    state = {
        kind: (paddle.to_tensor([0.0, 1.5, 2.0]).astype(kind), [paddle.to_tensor(1.0).astype(kind)]) for kind in kinds
    }
    state["array"] = (np.arange(3), [])
    parts = Parts()
    rest = json.loads(json.dumps(take_apart({1: state, "seeds": Seeds(3).state()}, "", parts)))
    write_tensors(tmp_path / "x.safetensors", parts.tensors)
    back = put_together(rest, read_tensors(tmp_path / "x.safetensors"))
    for kind in kinds:
        one, (other,) = back[1][kind]
        assert (one.dtype, other.dtype, other.shape) == (state[kind][0].dtype, state[kind][0].dtype, [])
        assert one.astype("float64").tolist() == state[kind][0].astype("float64").tolist()
    assert back[1]["array"][0].tolist() == [0, 1, 2]
    assert back["seeds"] == Seeds(3).state()


def test_tied_weights_are_held_once() -> None:
    x, parts = paddle.ones([2]), Parts()
    assert take_apart({"a": x, "b": x}, "m", parts)["map"] == {"a": {"tensor": "m.a"}, "b": {"tensor": "m.a"}}
    assert list(parts.tensors) == ["m.a"]
