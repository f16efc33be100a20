"""Lines that are appended whole, cut back from the end, and read in blocks."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadence._errors import RecordError
from cadence.record import lines as module
from cadence.record.lines import MOST_LINES, Lines, blocks, last_row


def line(t: int) -> str:
    return f'{{"t": {t}, "loss": {1 / (t + 1)!r}}}\n'


def text(*times: int) -> str:
    return "".join(map(line, times))


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, block in blocks(path) for row in block]


def times(path: Path) -> list[int]:
    return [row["t"] for row in rows(path)]


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk on which no file of this process grows beyond `size` bytes: the write that would is done in part."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "updates.jsonl"


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still: only the number of lines decides."""
    monkeypatch.setattr(module.time, "monotonic", lambda: 100.0)


def test_lines_wait_until_there_are_enough_of_them(path: Path, still: None) -> None:
    lines = Lines(path)
    lines.append(line(0))  # the very first is written at once, so that the file shows that the run has begun
    assert times(path) == [0]
    for t in range(1, MOST_LINES):
        lines.append(line(t))
    assert times(path) == [0]
    lines.append(line(MOST_LINES))
    assert times(path) == list(range(MOST_LINES + 1))
    lines.drop("done")


def test_a_line_that_comes_a_second_after_the_last_write_takes_the_waiting_ones_with_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    lines = Lines(path)
    lines.append(line(0))
    for t, now[0] in ((1, 100.2), (2, 100.9)):
        lines.append(line(t))
    assert times(path) == [0]
    now[0] = 101.0
    lines.append(line(3))
    assert times(path) == [0, 1, 2, 3]
    lines.drop("done")


def test_a_full_disk_is_a_sentence_and_the_next_flush_goes_on_at_the_very_byte(path: Path, still: None) -> None:
    lines = Lines(path)
    whole = text(*range(100))
    lines.append(line(0))
    for t in range(1, 100):
        lines.append(line(t))
    cut = len(whole) // 2 + 7
    with (
        largest_file(cut),
        pytest.raises(RecordError, match=r"updates\.jsonl cannot be written, there is no space left"),
    ):
        lines.flush()
    assert path.read_text() == whole[:cut]
    assert times(path) == list(range(len(times(path))))
    lines.append(line(100))
    lines.flush()
    assert path.read_text() == whole + line(100)
    lines.drop("done")


def test_a_disk_that_is_full_from_the_start_loses_nothing_that_fits_into_memory(path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    path.symlink_to("/dev/full")
    lines = Lines(path)
    for t in range(3):
        with pytest.raises(RecordError, match="no space left"):
            lines.append(line(t))
    assert len(lines._waiting) == 3
    lines.drop("done")


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_while_writing_neither_doubles_nor_loses_a_line(
    path: Path, still: None, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    lines = Lines(path)
    lines.append(line(0))
    lines.append(line(1))
    really = os.write

    def interrupted(fd: int, data: bytes) -> int:
        monkeypatch.undo()
        if when == "after":
            really(fd, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lines.flush()
    lines.append(line(2))
    lines.flush()
    assert path.read_text() == text(0, 1, 2)
    lines.drop("done")


def test_a_flush_from_a_signal_handler_inside_a_flush_does_not_hang_and_does_not_double(
    path: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Lines(path)
    lines.append(line(0))
    lines.append(line(1))
    really = os.write

    def handled(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", really)
        lines.append(line(2))
        lines.flush()
        return really(fd, data)

    monkeypatch.setattr(os, "write", handled)
    lines.flush()
    lines.flush()
    assert path.read_text() == text(0, 1, 2)
    lines.drop("done")


def test_threads_append_whole_lines_and_lose_none(path: Path) -> None:
    lines = Lines(path)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [
            threading.Thread(target=lambda k=k: [lines.append(line(1000 * k + i)) for i in range(1000)])
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    lines.flush()
    lines.drop("done")
    seen = times(path)
    assert sorted(seen) == list(range(4000))
    assert [t for t in seen if t < 1000] == list(range(1000))


def test_a_closed_file_takes_no_lines_and_says_why(path: Path) -> None:
    lines = Lines(path)
    lines.drop("it is closed")
    with pytest.raises(RecordError, match="takes no more lines: it is closed"):
        lines.append(line(0))
    with pytest.raises(RecordError, match="cannot be cut: it is closed"):
        lines.cut(lambda row: True)


def test_a_file_in_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="does not exist"):
        Lines(tmp_path / "none" / "updates.jsonl")


# ---- cutting ---------------------------------------------------------------------------------------------------------


@given(n=st.integers(0, 40), t=st.integers(0, 45), tail=st.binary(max_size=12), block=st.integers(1, 200))
def test_cutting_leaves_whole_lines_up_to_the_last_one_to_keep(
    tmp_path_factory: pytest.TempPathFactory, n: int, t: int, tail: bytes, block: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "updates.jsonl"
    path.write_bytes(text(*range(n)).encode() + tail)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_FROM_END", block)
        lines = Lines(path)
        last = lines.cut(lambda row: row["t"] < t)
    kept = min(n, t)
    assert path.read_text() == text(*range(kept))
    assert (last or {"t": -1})["t"] == kept - 1
    lines.append(line(kept))
    lines.flush()
    lines.drop("done")
    assert times(path) == list(range(kept + 1))


@pytest.mark.parametrize("cut", range(1, len(line(2))))
def test_a_last_line_torn_at_any_byte_goes_or_is_ended(path: Path, cut: int) -> None:
    path.write_text(text(0, 1) + line(2)[:-cut])
    lines = Lines(path)
    lines.cut(lambda row: True)
    lines.append(line(3))
    lines.flush()
    lines.drop("done")
    # With nothing but the newline missing, the object is complete.
    assert path.read_text() == (text(0, 1, 2, 3) if cut == 1 else text(0, 1, 3))


@given(n=st.integers(0, 30), left=st.integers(0, 35), block=st.integers(1, 200), waiting=st.integers(0, 5))
def test_leaving_the_first_lines_takes_all_behind_them(
    tmp_path_factory: pytest.TempPathFactory, n: int, left: int, block: int, waiting: int
) -> None:
    path = tmp_path_factory.mktemp("leave") / "journal.jsonl"
    path.write_text(text(*range(n)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        lines = Lines(path)
        for t in range(n, n + waiting):
            lines.append(line(t))
        assert lines.count() == n + waiting
        assert lines.behind(left) == text(*range(left, n + waiting)).encode()
        lines.leave(left)
        kept = min(left, n + waiting)
        assert lines.count() == kept
    lines.append(line(kept))
    lines.drop("done") if lines.flush() is None else None
    assert times(path) == list(range(kept + 1))


def test_a_broken_last_line_with_a_newline_goes_too(path: Path) -> None:
    path.write_bytes(text(0, 1).encode() + b"\x00\x00\x00\n[]\n")
    lines = Lines(path)
    assert lines.cut(lambda row: True) == json.loads(line(1))
    assert path.read_text() == text(0, 1)
    lines.drop("done")


def test_cutting_takes_lines_that_still_wait_too(path: Path, still: None) -> None:
    lines = Lines(path)
    for t in range(10):
        lines.append(line(t))
    lines.cut(lambda row: row["t"] < 4)
    lines.append(line(4))
    lines.flush()
    lines.drop("done")
    assert path.read_text() == text(0, 1, 2, 3, 4)


def test_cutting_a_long_file_reads_its_end_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(text(*range(50_000)))
    asked: list[int] = []

    def keep(row: dict[str, Any]) -> bool:
        asked.append(row["t"])
        return row["t"] < 49_990

    lines = Lines(path)
    lines.cut(keep)
    lines.drop("done")
    assert asked == list(range(49_999, 49_988, -1))
    assert last_row(path) == json.loads(line(49_989))


def test_the_last_whole_line_is_found_and_a_missing_file_has_none(path: Path) -> None:
    assert last_row(path) is None
    path.write_text(text(0, 1) + line(2)[:9])
    assert last_row(path) == json.loads(line(1))
    path.write_text("")
    assert last_row(path) is None


# ---- reading ---------------------------------------------------------------------------------------------------------


@given(n=st.integers(0, 30), tail=st.sampled_from([0, 1, 5]), size=st.integers(1, 300))
def test_blocks_of_any_size_give_every_line_once_with_its_number(
    tmp_path_factory: pytest.TempPathFactory, n: int, tail: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("read") / "updates.jsonl"
    path.write_text(text(*range(n)) + line(n)[:tail], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", size)
        numbered = [(number + i, row["t"]) for number, block in blocks(path) for i, row in enumerate(block)]
    assert numbered == [(t + 1, t) for t in range(n)]


def test_a_last_object_without_its_newline_is_read(path: Path) -> None:
    path.write_text(text(0) + line(1)[:-1])
    assert times(path) == [0, 1]


def test_a_file_in_another_encoding_has_no_lines_that_are_whole(path: Path) -> None:
    path.write_bytes('{"t": 0}'.encode("utf-16"))
    assert rows(path) == []
    assert last_row(path) is None


def test_line_ends_of_windows_and_blanks_are_harmless(path: Path) -> None:
    path.write_bytes(b' {"t": 0}\r\n{"t": 1} \n{"t": 2}\r\n')
    assert times(path) == [0, 1, 2]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b'{"t": 5, "loss": 0.1', "Expecting ',' delimiter"),
        (b'{"t": 5,', "Expecting property name"),
        (b"", "Expecting value"),
        (b"[1, 2]", "it is no object"),
        (b'{"t": 5} {"t": 6}', "Extra data"),
        (b'{"t": 5, "name": "\xff"}', "it is no UTF-8"),
        (b'{"t": ' + b"1" * 5000 + b"}", "Exceeds the limit"),
        (b"[" * 100_000, "recursion"),
        (b"\x00" * 9, "Expecting value"),
    ],
)
@pytest.mark.parametrize("size", [64, 1 << 15])
def test_a_broken_line_in_the_middle_is_named_with_file_and_number(
    path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes, why: str, size: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", size)
    path.write_bytes(text(*range(7)).encode() + bad + b"\n" + text(*range(8, 20)).encode())
    with pytest.raises(RecordError, match=rf"updates\.jsonl is broken in line 8: .*{why}"):
        rows(path)


def test_an_object_over_two_lines_is_two_broken_lines(path: Path) -> None:
    path.write_text('{"t": 0}\n{"t": 1,\n"loss": 2}\n{"t": 2}\n')
    with pytest.raises(RecordError, match="in line 2"):
        rows(path)


def test_a_folder_in_the_place_of_the_file_is_named(path: Path) -> None:
    path.mkdir()
    with pytest.raises(RecordError, match="a folder stands where a file is needed"):
        rows(path)
