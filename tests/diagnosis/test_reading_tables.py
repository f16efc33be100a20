"""CSV and JSON logs of any columns become one log, and what is odd in them becomes a note with numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.diagnosis.logs import UPDATES, losses, rates, write_csv, write_lines

from cadence._errors import RecordError
from cadence.diagnosis.log import Log
from cadence.diagnosis.reading.find import read_log
from cadence.diagnosis.reading.numbers import number_of
from cadence.diagnosis.reading.order import gaps_in, order_of
from cadence.diagnosis.reading.roles import role_of

LOSS, RATE = losses(), rates()
ROWS = list(zip(range(UPDATES), LOSS, RATE, strict=True))


def is_whole(log: Log) -> bool:
    """Every loss and rate is there, at its update."""
    assert log.loss is not None
    assert log.rate is not None
    np.testing.assert_array_equal(log.loss.t, np.arange(UPDATES))
    np.testing.assert_allclose(log.loss.values, LOSS, rtol=1e-12)
    np.testing.assert_allclose(log.rate.values, RATE, rtol=1e-12, atol=1e-18)
    return True


def kinds(log: Log) -> set[str]:
    """Of the notes."""
    return {note.kind for note in log.notes}


@pytest.mark.parametrize(
    "head",
    [
        ("step", "loss", "lr"), ("global_step", "train/loss", "learning_rate"), ("_step", "Loss/train", "lr-AdamW"),
        ("Iteration", "trainLoss", "Learning Rate"), ("步数", "训练损失", "学习率"), ("n_iter", "training_loss", "lr/group0"),
        ("trainer/global_step", "train_loss_step", "lr-SGD/pg1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_are_known_by_whatever_people_call_them(tmp_path: Path, head: tuple[str, ...], delimiter: str) -> None:
    assert is_whole(read_log(write_csv(tmp_path / "log.csv", head, ROWS, delimiter=delimiter)))


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("val_loss", "metric"), ("eval/accuracy", "metric"), ("train_acc", "metric"), ("grad_norm", "grad_norm"),
        ("total_gradient_norm", "grad_norm"), ("loss_scale", "loss_scale"), ("amp/grad_scale", "loss_scale"),
        ("data_time", "data_seconds"), ("step_time", "update_seconds"), ("images/sec", "samples_per_second"),
        ("gpu_utilization", "gpu_use"), ("lr-Adam-momentum", "momentum"), ("lr-Adam-weight_decay", "weight_decay"),
        ("initial_lr", ""), ("run name", ""), ("epoch", "epoch"), ("_runtime", "seconds"), ("eval_runtime", "evaluation_seconds"),
        ("learning_rate_decay", ""), ("val/loss_epoch", "metric"),
    ],
)  # fmt: skip
def test_names_of_programs_have_the_role_they_have_there(name: str, role: str) -> None:
    found = role_of(name).name
    assert found == role or (role == "" and found in {"", "weight_decay"})


def test_the_user_may_say_what_a_column_is(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", ("when", "objective_a", "speed", "loss"), [(*r, 7.0) for r in ROWS])
    assert is_whole(read_log(path, columns={"step": "when", "loss": "objective_a", "lr": "speed"}))
    with pytest.raises(RecordError, match="'rate' is nothing that a column can be"):
        read_log(path, columns={"rate": "speed"})


def test_columns_without_telling_names_are_guessed_and_the_guess_is_said(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", ("a", "b", "c"), ROWS)
    log = read_log(path)
    assert is_whole(log)
    assert sum(note.kind == "assumed" for note in log.notes) == 3


def test_numbers_with_decimal_commas_and_blanks_between_are_read(tmp_path: Path) -> None:
    text = "step;loss;lr\n" + "".join(f"{t};{x!r};{y!r}\n".replace(".", ",") for t, x, y in ROWS)
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert is_whole(read_log(tmp_path / "a.csv"))
    (tmp_path / "b.txt").write_text(
        "step   loss  lr\n" + "".join(f"{t}   {x!r}  {y!r}\n" for t, x, y in ROWS), encoding="utf-8"
    )
    assert is_whole(read_log(tmp_path / "b.txt"))


def test_cells_that_are_no_numbers_are_passed_over_and_counted(tmp_path: Path) -> None:
    rows = [(t, "broken" if t in (3, 9) else x, y) for t, x, y in ROWS]
    log = read_log(write_csv(tmp_path / "log.csv", ("step", "loss", "lr"), rows))
    assert log.loss is not None
    assert len(log.loss) == UPDATES - 2
    assert [note.numbers["count"] for note in log.notes if note.kind == "unreadable"] == [2]


def test_numbers_as_people_and_programs_write_them() -> None:
    assert [number_of(x) for x in ("1e-3", " 2 ", "12%", "00:12", "tensor(0.25, device='cuda:0')", "True", "SGD", "")] == [
        1e-3, 2.0, 0.12, 12.0, 0.25, 1.0, None, None,
    ]  # fmt: skip


def test_rows_of_training_and_of_validation_may_take_turns(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = []
    for t, x, y in ROWS:
        rows.append((t, x, y, ""))
        if t % 100 == 99:
            rows.append((t, "", "", x + 0.1))
    log = read_log(write_csv(tmp_path / "log.csv", ("step", "loss", "lr", "val_loss"), rows))
    assert is_whole(log)
    assert log.val_loss == "val_loss"
    assert log.metrics["val_loss"].t.tolist() == [99, 199, 299, 399, 499, 599]


def test_a_log_per_epoch_counts_epochs(tmp_path: Path) -> None:
    rows = [(e, 0.5, 0.1 * 0.9**e, 2.0 - e / 50, 2.1 - e / 50) for e in range(30)]
    log = read_log(write_csv(tmp_path / "k.csv", ("epoch", "accuracy", "learning_rate", "loss", "val_loss"), rows))
    assert log.facts.clock == "epochs"
    assert log.loss is not None
    assert log.loss.t.tolist() == list(range(30))


def test_a_log_without_anything_to_count_by_is_counted_by_its_rows(tmp_path: Path) -> None:
    log = read_log(write_csv(tmp_path / "log.csv", ("loss", "lr"), [row[1:] for row in ROWS]))
    assert is_whole(log)
    assert log.facts.clock == "rows"
    assert "no_clock" in kinds(log)


def test_steps_that_begin_anew_with_each_epoch_are_counted_through(tmp_path: Path) -> None:
    rows = [(t // 100, t % 100, x, y) for t, x, y in ROWS]
    log = read_log(write_csv(tmp_path / "log.csv", ("epoch", "batch", "loss", "lr"), rows))
    assert is_whole(log)
    assert log.facts.steps_per_epoch == 100


def test_a_training_that_was_taken_up_again_is_told_as_it_went_on(tmp_path: Path) -> None:
    rows = [(t, 99.0, 1.0) for t in range(250, 300)]
    log = read_log(write_csv(tmp_path / "log.csv", ("step", "loss", "lr"), [*ROWS[:250], *rows, *ROWS[250:]]))
    assert is_whole(log)
    assert [(event.t, event.kind) for event in log.events] == [(250, "resume")]
    assert [note.numbers["before"] for note in log.notes if note.kind == "reset"] == [299]


def test_of_several_trainings_in_one_file_the_last_is_read(tmp_path: Path) -> None:
    log = read_log(write_csv(tmp_path / "log.csv", ("step", "loss", "lr"), [(t, 9.0, 1.0) for t in range(400)] + ROWS))
    assert is_whole(log)
    assert "restart" in kinds(log)


def test_rows_in_no_order_are_sorted_and_duplicates_count_once(tmp_path: Path) -> None:
    shuffled = [ROWS[i] for i in np.random.default_rng(1).permutation(UPDATES)]
    log = read_log(write_csv(tmp_path / "a.csv", ("step", "loss", "lr"), shuffled))
    assert is_whole(log)
    assert "unsorted" in kinds(log)
    twice = [row for row in ROWS for row in ((row[0], 50.0, 1.0), row)]
    log = read_log(write_csv(tmp_path / "b.csv", ("step", "loss", "lr"), twice))
    assert is_whole(log)
    assert [note.numbers["count"] for note in log.notes if note.kind == "duplicate"] == [UPDATES]


def test_what_is_not_finite_is_kept_and_said_where_it_first_is(tmp_path: Path) -> None:
    rows = [(t, float("nan") if t == 400 else float("inf") if t > 590 else x, y) for t, x, y in ROWS]
    log = read_log(write_csv(tmp_path / "log.csv", ("step", "loss", "lr"), rows))
    assert log.loss is not None
    assert int(log.loss.bad.sum()) == 10
    assert [(n.numbers["count"], n.numbers["first"]) for n in log.notes if n.kind == "not_finite"] == [(10, 400)]


def test_gaps_are_found_but_not_where_a_log_becomes_sparse(tmp_path: Path) -> None:
    log = read_log(write_csv(tmp_path / "a.csv", ("step", "loss", "lr"), [r for r in ROWS if not 200 <= r[0] < 300]))
    assert [(n.numbers["first"], n.numbers["end"]) for n in log.notes if n.kind == "gap"] == [(199, 300)]
    assert gaps_in(np.array([*range(50), *range(50, 2000, 50)])) is None


@pytest.mark.parametrize(("head", "kind"), [(("step", "loss"), "no_rate"), (("step", "lr"), "no_loss")])
def test_a_log_without_a_rate_or_without_a_loss_says_so(tmp_path: Path, head: tuple[str, str], kind: str) -> None:
    log = read_log(write_csv(tmp_path / "log.csv", head, [(t, 0.5 + 1 / (t + 1)) for t in range(50)]))
    assert kind in kinds(log)


def test_json_lines_with_lists_other_keys_and_broken_lines(tmp_path: Path) -> None:
    rows = [{"t": t, "loss": x, "lr": [y, 0.1 * y], "note": None} for t, x, y in ROWS]
    for row in rows[::20]:
        row["update_ratio"] = [0.001, None]
    lines = [json.dumps(row) for row in rows]
    lines.insert(300, "{broken")
    (tmp_path / "log.jsonl").write_text("\n".join(lines), encoding="utf-8")
    log = read_log(tmp_path / "log.jsonl")
    assert is_whole(log)
    np.testing.assert_allclose(log.lr["1"].values, 0.1 * np.array(RATE), rtol=1e-12)
    assert log.update_ratio["0"].t.tolist() == list(range(0, UPDATES, 20))
    assert [note.numbers["count"] for note in log.notes if note.kind == "unreadable"] == [1]


def test_json_lines_are_the_same_numbers_read_at_once_and_one_by_one(tmp_path: Path) -> None:
    rows = [{"_step": t, "loss": "NaN" if t == 7 else x, "lr": y, "_runtime": t / 10} for t, x, y in ROWS]
    at_once = read_log(write_lines(tmp_path / "a.jsonl", rows))
    one_by_one = read_log(write_lines(tmp_path / "b.jsonl", [{**row, "tag": "a, b"} for row in rows]))
    assert at_once.kind == "wandb"
    for log in (at_once, one_by_one):
        assert log.loss is not None
        np.testing.assert_array_equal(log.loss.values, [np.nan if t == 7 else x for t, x, _ in ROWS])
        assert log.train["seconds"].values[-1] == pytest.approx(59.9)


def test_what_wandbs_page_exports_is_read_for_its_first_run(tmp_path: Path) -> None:
    head = (
        "Step",
        "fast-1 - train/loss",
        "fast-1 - train/loss__MIN",
        "fast-1 - lr",
        "slow-2 - train/loss",
        "slow-2 - lr",
    )
    log = read_log(write_csv(tmp_path / "w.csv", head, [(t, x, x - 1, y, 5.0, 1.0) for t, x, y in ROWS]))
    assert is_whole(log)
    assert any("2 runs" in note.sentence.en for note in log.notes)


def test_what_tensorboards_page_exports_is_named_by_its_file(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "run-x-tag-train_loss.csv", ("Wall time", "Step", "Value"), [(1.7e9 + t, t, x) for t, x, _ in ROWS]
    )
    log = read_log(path)
    assert log.loss is not None
    np.testing.assert_allclose(log.loss.values, LOSS)


def test_histories_of_keras_are_objects_of_lists(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text(
        json.dumps({"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "lr": [0.1, 0.01]}), encoding="utf-8"
    )
    log = read_log(tmp_path / "history.json")
    assert (log.facts.clock, log.updates) == ("epochs", 2)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "is empty"), ("b.csv", b"\x00\x01\x02", "is no text"), ("c.json", b"[1, 2", "is no JSON"),
        ("d.json", b"[1, 2]", "holds no table"), ("e.jsonl", b"hello\nworld\n", "no object"),
        ("f.wandb", b":W&B\xe1\xbe\x00", "wandb's own file"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_said_in_one_sentence(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordError, match=says):
        read_log(tmp_path / name)


def test_what_does_not_exist_or_is_a_folder_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="does not exist"):
        read_log(tmp_path / "gone.csv")
    with pytest.raises(RecordError, match="holds no log"):
        read_log(tmp_path)


@pytest.mark.parametrize("text", ["step,loss,lr\n", "hello world\nthis is no log\n", "step,beauty\n1,2\n2,3\n"])
def test_a_table_that_tells_nothing_of_a_training_is_no_log(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(RecordError, match="tells nothing of a training"):
        read_log(tmp_path / "a.csv")


def test_a_column_that_is_named_and_not_there_is_said_with_its_neighbours(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ("step", "my loss", "note"), [(t, 1.0, "") for t in range(20)])
    for columns, said in (
        ({"loss": "my los"}, "no column 'my los' to be the loss; did you mean 'my loss'"),
        ({"step": "stepp"}, "no column 'stepp' to be the step"),
        ({"loss": "note"}, "no numbers called 'note' to be the loss"),
    ):
        with pytest.raises(RecordError, match=said):
            read_log(path, columns=columns)
    assert read_log(path, columns={"loss": "my loss"}).loss is not None


def test_what_is_passed_over_is_counted_in_words(tmp_path: Path) -> None:
    lines = [json.dumps({"step": t, "loss": 1.0}) for t in range(30)]
    for broken, said in ((["{"], "1 line that is no object was"), (["{", "["], "2 lines that are no objects were")):
        (tmp_path / "a.jsonl").write_text("\n".join([*lines, *broken, *lines[:0]]) + "\n")
        assert any(note.sentence.en.startswith(said) for note in read_log(tmp_path / "a.jsonl").notes)


def test_text_in_a_log_is_never_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    cell = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    read_log(
        write_csv(tmp_path / "log.csv", ("step", "loss", "lr"), [(t, cell if t == 5 else x, y) for t, x, y in ROWS])
    )
    assert not mark.exists()


@pytest.mark.parametrize("seed", range(20))
def test_the_order_is_that_of_a_log_in_which_the_last_word_counts(seed: int) -> None:
    """Against the plain definition: told again from where it goes back, the last of equals counts."""
    rng = np.random.default_rng(seed)
    t = list(range(rng.integers(20, 60)))
    for _ in range(rng.integers(0, 4)):
        back = int(rng.integers(1, len(t) // 2))
        t += list(range(max(t[-1] - back, 1), t[-1] + int(rng.integers(10, 40))))
    kept: dict[int, int] = {}
    for row, update in enumerate(t):
        kept = {u: r for u, r in kept.items() if u < update} | {update: row}
    assert order_of(np.array(t)).index.tolist() == [kept[u] for u in sorted(kept)]
