"""Logs that the programs themselves wrote: TensorBoard, VisualDL, Trainer, cadence; and logs too long to keep."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from tests.diagnosis.logs import UPDATES, losses, rates, write_lines

import cadence as cd
from cadence._errors import RecordError
from cadence.diagnosis.log import Log
from cadence.diagnosis.reading.bins import Binned, Thinned
from cadence.diagnosis.reading.find import read_log
from cadence.diagnosis.reading.wire import fields, masked_sums

LOSS, RATE = losses(), rates()


def check(log: Log) -> None:
    """Every number is there, as exactly as its program keeps it: in single precision."""
    assert log.loss is not None
    assert log.rate is not None
    np.testing.assert_array_equal(log.loss.t, np.arange(UPDATES))
    np.testing.assert_allclose(log.loss.values, LOSS, rtol=1e-7)
    np.testing.assert_allclose(log.rate.values, RATE, rtol=1e-7, atol=1e-12)


def tensorboard_folder(folder: Path, first: int = 0, end: int = UPDATES) -> Path:
    """What torch's writer makes, with things between that are no scalars."""
    writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter(folder)
    for t in range(first, end):
        writer.add_scalar("Loss/train", LOSS[t], t, walltime=1.7e9 + t)
        writer.add_scalar("Learning Rate", RATE[t], t, walltime=1.7e9 + t)
        if t % 100 == 99:
            writer.add_scalar("Loss/val", LOSS[t], t)
            writer.add_histogram("weights", np.arange(20.0), t)
            writer.add_text("note", "loss", t)
    writer.close()
    return folder


def test_tensorboards_files_are_read_without_tensorboard(tmp_path: Path) -> None:
    log = read_log(tensorboard_folder(tmp_path / "tb"))
    check(log)
    assert log.val_loss == "Loss/val"
    assert len(log.metrics["Loss/val"]) == 6
    assert log.train["seconds"].values[-1] == pytest.approx(UPDATES - 1)


def test_several_files_of_one_folder_are_one_training_that_was_taken_up(tmp_path: Path) -> None:
    tensorboard_folder(tmp_path, 0, 400)
    for path in tmp_path.iterdir():
        path.rename(tmp_path / path.name.replace("tfevents.", "tfevents.0000000000."))
    tensorboard_folder(tmp_path, 350)
    log = read_log(tmp_path)
    check(log)
    assert [event.t for event in log.events] == [350]


def test_a_tag_per_folder_and_scalars_as_tensors(tmp_path: Path) -> None:
    summary = pytest.importorskip("tensorboard.compat.proto.summary_pb2")
    tensors = pytest.importorskip("tensorboard.compat.proto.tensor_pb2")
    writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer").EventFileWriter
    event = pytest.importorskip("tensorboard.compat.proto.event_pb2").Event
    for name, shift in (("train", 0.0), ("validation", 0.5)):
        out = writer(str(tmp_path / name))
        for t in range(20):
            for i, tensor in enumerate((
                tensors.TensorProto(dtype=1, tensor_content=struct.pack("<f", LOSS[t] + shift)),
                tensors.TensorProto(dtype=1, float_val=[LOSS[t] + shift]),
            )):  # fmt: skip
                value = summary.Summary.Value(tag="epoch_loss" if i == 0 else "other", tensor=tensor)
                out.add_event(event(step=t, wall_time=1.0, summary=summary.Summary(value=[value])))
        out.close()
    log = read_log(tmp_path)
    assert log.loss is not None
    np.testing.assert_allclose(log.loss.values, LOSS[:20], rtol=1e-7)
    assert log.val_loss == "validation/epoch_loss"


def test_records_that_are_broken_are_counted_and_what_is_cut_off_is_said(tmp_path: Path) -> None:
    folder = tensorboard_folder(tmp_path / "tb")
    path = next(folder.iterdir())
    data = bytearray(path.read_bytes())
    at = data.index(b"Loss/train", len(data) // 2)
    data[at : at + 10] = b"Loss/trane"
    path.write_bytes(data[:-5])
    log = read_log(folder)
    assert log.loss is not None
    assert UPDATES - 3 <= len(log.loss) < UPDATES
    assert {"unreadable", "cut_off"} <= {note.kind for note in log.notes}


def test_folders_with_several_runs_are_named(tmp_path: Path) -> None:
    tensorboard_folder(tmp_path / "a", 0, 20)
    tensorboard_folder(tmp_path / "b", 0, 20)
    with pytest.raises(RecordError, match=r"holds 2 runs: .*a, .*b; give one"):
        read_log(tmp_path)


def test_a_folder_of_run_folders_names_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RecordError, match=r"holds 2: .*a, .*b; give one of them"):
        read_log(tmp_path)


def test_sums_are_those_of_the_standard() -> None:
    # RFC 3720, appendix B.4: CRC-32C of 32 bytes of zeros is 0x8A9136AA.
    crc = 0x8A9136AA
    assert masked_sums([bytes(32)]) == [((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF]


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(ValueError, match="cut off"):
        list(fields(b"\x0a\xff"))


def test_visualdls_files_are_read_without_visualdl(tmp_path: Path) -> None:
    writer_of = pytest.importorskip("visualdl").LogWriter
    with writer_of(str(tmp_path / "vdl")) as writer:
        for t in range(UPDATES):
            writer.add_scalar("train/loss", LOSS[t], t)
            writer.add_scalar("lr", RATE[t], t)
    check(read_log(tmp_path / "vdl"))


def test_the_state_of_a_real_trainer_is_read_at_the_updates_it_means(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, x: object, labels: object) -> dict[str, object]:
            out = self.layer(x)
            return {"loss": torch.nn.functional.mse_loss(out, labels), "logits": out}

    data = [{"x": torch.tensor([float(i)]) / 40, "labels": torch.tensor([1.0])} for i in range(40)]
    arguments = transformers.TrainingArguments(
        str(tmp_path), num_train_epochs=5, per_device_train_batch_size=4, logging_steps=5, learning_rate=0.01, warmup_steps=10,
        lr_scheduler_type="cosine", eval_strategy="epoch", save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    trainer = transformers.Trainer(Line(), arguments, train_dataset=data, eval_dataset=data[:4])
    trainer.train()
    trainer.state.save_to_json(str(tmp_path / "trainer_state.json"))
    log = read_log(tmp_path)
    assert (log.kind, log.facts.total, log.facts.steps_per_epoch, log.facts.averaged) == ("trainer_state", 50, 10, 5)
    assert log.loss is not None
    assert log.rate is not None
    assert log.loss.t.tolist() == list(range(4, 50, 5))
    assert log.metrics["eval_loss"].t.tolist() == [10, 20, 30, 40, 50]
    planned = cd.place("warmup(10, start=0) >> cosine()", total=50, base=0.01).values()
    np.testing.assert_allclose(log.rate.values, planned[log.rate.t], rtol=1e-9, atol=1e-15)


def test_states_of_older_trainers_have_the_rate_of_the_next_update(tmp_path: Path) -> None:
    planned = cd.place("warmup(10, start=0) >> linear()", total=50, base=0.01)
    history = [{"step": s, "epoch": s / 10, "loss": 1.0 / s, "learning_rate": planned.at(s)} for s in range(5, 51, 5)]
    state = {"log_history": history, "max_steps": 50, "num_train_epochs": 5, "logging_steps": 5}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
    log = read_log(tmp_path)
    assert log.rate is not None
    np.testing.assert_allclose(log.rate.values, [planned.at(t) for t in log.rate.t.tolist()], rtol=1e-12)


def test_a_run_folder_has_its_groups_its_events_and_what_was_planned(tmp_path: Path) -> None:
    run = {
        "version": 1, "name": "run", "spec": "warmup(60) >> cosine()", "groups": ["body", "head"], "values": ["lr"],
        "horizon": {"total": 600, "steps_per_epoch": 100, "batch_size": None, "tokens_per_step": None},
        "bases": {"lr": [0.1, 0.01]}, "optimizer": {"momentum": [0.9, 0.9]},
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(run), encoding="utf-8")
    curve = cd.place(run["spec"], total=600, base=[0.1, 0.01])
    rows = [
        {"t": t, "loss": "NaN" if t == 5 else LOSS[t], "seconds": t / 10, "lr": [curve.at(t, group=g) for g in (0, 1)], "grad_norm": 1.0}
        for t in range(600)
    ]  # fmt: skip
    write_lines(tmp_path / "updates.jsonl", rows)
    write_lines(
        tmp_path / "evaluations.jsonl", [{"t": t, "seconds": 1.0, "val_loss": 1.0} for t in range(100, 601, 100)]
    )
    write_lines(tmp_path / "journal.jsonl", [{"t": 300, "made": 300, "kind": "resume", "sentence": "taken up"}])
    log = read_log(tmp_path)
    assert list(log.lr) == list(log.planned) == ["body", "head"]
    for group in log.lr:
        np.testing.assert_allclose(log.planned[group].values, log.lr[group].values, rtol=1e-12)
    assert (log.facts.total, log.facts.steps_per_epoch, log.val_loss, log.updates) == (600, 100, "val_loss", 600)
    assert [(event.t, event.sentence) for event in log.events] == [(300, "taken up")]
    assert log.train["seconds"].values[-1] == pytest.approx(59.9)
    # A broken line costs that line, not the diagnosis.
    text = (tmp_path / "updates.jsonl").read_text(encoding="utf-8").split("\n")
    (tmp_path / "updates.jsonl").write_text("\n".join([*text[:200], "{br", *text[200:]]), encoding="utf-8")
    again = read_log(tmp_path)
    assert again.loss is not None
    assert len(again.loss) == 600
    assert "unreadable" in {note.kind for note in again.notes}


def test_bins_have_the_median_the_extremes_and_what_is_not_finite() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    values[[3, 500]] = np.nan, np.inf
    bins = Binned(10)
    for part in np.array_split(np.arange(1000), 7):
        bins.add(part, values[part])
    found = bins.whole("loss")
    rows = np.where(np.isfinite(values), values, np.nan).reshape(-1, 10)
    np.testing.assert_allclose(found.values, np.nanmedian(rows, axis=1))
    np.testing.assert_allclose(found.low, np.nanmin(rows, axis=1))
    np.testing.assert_allclose(found.high, np.nanmax(rows, axis=1))
    assert found.bad is not None
    assert found.bad.sum() == 2
    assert found.t.tolist() == list(range(0, 1000, 10))


@pytest.mark.parametrize(
    "text", ["warmup(3333) >> cosine(to=0.1)", "steps(at=[7777, 7790, 55555])", "restarts(7001)", "wsd()"]
)
def test_a_rate_that_is_thinned_out_keeps_both_sides_of_every_event(text: str) -> None:
    curve = cd.place(text, total=100_000, base=0.1)
    values = curve.values()
    thin = Thinned(200)
    for part in np.array_split(np.arange(100_000), 13):
        thin.add(part, values[part])
    found = thin.whole("lr")
    assert len(found.t) < 4000
    kept = set(found.t.tolist())
    for event in curve.events:
        if 0 < event.t < 99_999:
            assert {event.t - 1, event.t} <= kept, event


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_log_too_long_to_keep_is_binned_and_its_events_stay_exact(tmp_path: Path, suffix: str) -> None:
    count = 240_000
    t = np.arange(count)
    values = cd.place("warmup(5001) >> steps(at=[100003])", total=count, base=0.1).values()
    noise = np.random.default_rng(0).normal(0, 0.1, count)
    noise[123_456] = np.nan
    path = tmp_path / f"log.{suffix}"
    loss = 2.0 + noise
    if suffix == "csv":
        with path.open("w", encoding="utf-8") as file:
            file.write("step,loss,lr\n")
            np.savetxt(file, np.stack([t, loss, values], axis=1), fmt=["%d", "%.5g", "%.9g"], delimiter=",")
    else:
        form = '{"step": %d, "loss": %.5g, "lr": %.9g}\n'
        text = "".join(
            map(form.__mod__, zip(t.tolist(), np.nan_to_num(loss, nan=2.0).tolist(), values.tolist(), strict=True))
        )
        path.write_text(text, encoding="utf-8")
    log = read_log(path)
    assert log.loss is not None
    assert log.rate is not None
    assert log.loss.binned
    assert int(log.loss.rows.sum()) == count
    assert log.loss.values.mean() == pytest.approx(2.0, abs=0.01)
    assert int(log.loss.bad.sum()) == (suffix == "csv")
    at = int(np.searchsorted(log.rate.t, 100_003))
    assert log.rate.t[at - 1 : at + 1].tolist() == [100_002, 100_003]
    np.testing.assert_allclose(log.rate.values[at - 1 : at + 1], [0.1, 0.01])
    assert {"binned"} == {note.kind for note in log.notes} - {"not_finite"}
