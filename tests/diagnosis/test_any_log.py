"""Whatever stands in a log, the answer is a diagnosis or one sentence; never a fault, never a warning."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from cadence._errors import RecordError
from cadence.diagnosis.diagnose import diagnose
from cadence.diagnosis.reading.find import read_log
from cadence.diagnosis.reading.wire import masked_sums
from cadence.diagnosis.story import story_of
from cadence.report.diagnosis_page import diagnosis_page
from cadence.report.diagnosis_text import diagnosis_text

NAMES = (
    "step", "loss", "lr", "val_loss", "epoch", "grad_norm", "acc", "time", "lr/1", "x", "momentum", "loss_scale", "step_time",
    "data_time", "update_ratio/a", "memory",
)  # fmt: skip
ODD = ("", "nan", "inf", "-inf", "1e400", "abc", "0", "1e-320", "-1", "1e300", "17", "0.5")


def odd_rows(rng: random.Random) -> list[dict[str, str]]:
    """Rows of a few columns, in or out of order, some or all of their cells odd."""
    names = rng.sample(NAMES, rng.randint(1, 9))
    oddity = rng.choice([0.0, 0.03, 1.0])
    rows: list[dict[str, str]] = []
    for i in range(rng.choice([0, 1, 2, 3, 5, 10, 30, 80, 200])):
        plain = {"step": str(i), "epoch": str(i // 7), "lr": repr(rng.choice([0.1, 0.1, 0.1, 0.01]))}
        rows.append({
            name: rng.choice(ODD) if rng.random() < oddity else plain.get(name, repr(abs(rng.gauss(1, 0.3)))) for name in names
        })  # fmt: skip
    if rng.random() < 0.2:
        rng.shuffle(rows)
    return rows + rows[len(rows) // 2 :] if rng.random() < 0.2 else rows


def as_json(text: str) -> float | str | None:
    try:
        return float(text)
    except ValueError:
        return text or None


@pytest.mark.parametrize("seed", range(25))
def test_tables_of_anything(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    rows = odd_rows(rng)
    names = list(rows[0]) if rows else ["step", "loss"]
    path = tmp_path / rng.choice(["a.csv", "a.jsonl"])
    if path.suffix == ".csv":
        path.write_text("\n".join([",".join(names), *(",".join(row.values()) for row in rows)]), encoding="utf-8")
    else:
        path.write_text(
            "\n".join(json.dumps({k: as_json(v) for k, v in row.items()}) for row in rows), encoding="utf-8"
        )
    try:
        story = story_of(diagnose(path))
    except RecordError:
        return
    assert diagnosis_text(story)
    assert diagnosis_page([story], lang="zh").endswith("</html>\n")


def event_file(count: int) -> bytes:
    """A file as TensorBoard's writer makes it."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    blocks: list[bytes] = []
    for t in range(count):
        value = field(1, b"loss") + bytes([2 << 3 | 5]) + np.float32(1 / (t + 1)).tobytes()
        data = bytes([1 << 3 | 1]) + np.float64(t).tobytes() + bytes([2 << 3, t]) + field(5, field(1, value))
        length = len(data).to_bytes(8, "little")
        sums = [x.to_bytes(4, "little") for x in masked_sums([length, data])]
        blocks.append(length + sums[0] + data + sums[1])
    return b"".join(blocks)


@pytest.mark.parametrize("seed", range(40))
def test_event_files_with_flipped_and_missing_bytes(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(event_file(60))
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(data)
    whole = read_log(path)
    assert whole.loss is not None
    assert len(whole.loss) == 60
    for _ in range(rng.randint(1, 5)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data[: rng.randrange(len(data) // 2, len(data))])
    try:
        log = read_log(path)
    except RecordError:
        return
    assert log.loss is not None
    # What passes its check sum is what was written.
    np.testing.assert_allclose(log.loss.values, 1 / (log.loss.t + 1), rtol=1e-6)
    assert {note.kind for note in log.notes} & {"unreadable", "cut_off"}
