"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cadence._errors import RecordError
from cadence.record.files import make_folder, read_json, replacing, write_atomically, write_json


@contextlib.contextmanager
def not_root() -> Iterator[None]:
    """As a user whom permissions bind."""
    if os.name == "nt":
        pytest.skip("permissions of folders are another matter on Windows")
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that may be looked into and not written to."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    # pytest's own folders are for their owner alone.
    above = [tmp_path, *[p for p in tmp_path.parents if p.stat().st_uid == os.getuid() and "pytest" in str(p)]]
    modes = {path: path.stat().st_mode for path in above}
    for path in above:
        path.chmod(0o755)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    for path, mode in modes.items():
        path.chmod(mode)


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "first\r\n")
    write_atomically(path, "第二\n")
    assert path.read_bytes() == "第二\n".encode()
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_is_readable_by_those_whom_the_umask_lets(tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("no umask")
    before = os.umask(0o022)
    try:
        write_atomically(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


def test_if_writing_fails_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "old")

    def fail() -> None:
        with replacing(path) as file:
            file.write(b"half of the ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordError, match=r"a\.json cannot be written, there is no space left"):
        write_json(path, {"new": 2})
    monkeypatch.undo()
    assert read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_who_reads_while_a_file_is_replaced_sees_one_of_the_two(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, [0] * 5000)
    done = threading.Event()

    def write() -> None:
        for i in range(60):
            write_json(path, [i] * (5000 + 50 * i))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen: set[int] = set()
    while not done.is_set():
        numbers = read_json(path)
        assert len(set(numbers)) == 1
        seen.add(numbers[0])
    thread.join()
    assert len(seen) > 1


def test_json_comes_back_with_its_floats_and_is_strict_for_others(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    content = {"x": 0.1 + 0.2, "worst": -math.inf, "name": "NaN", "损失": [1e-320, 5e-324, 1.7976931348623157e308]}
    write_json(path, content)
    assert read_json(path) == content
    assert json.loads(path.read_text(encoding="utf-8"))["worst"] == "-Infinity"
    assert path.read_text(encoding="utf-8").endswith("}\n")
    assert "损失" in path.read_text(encoding="utf-8")


def test_bare_words_of_other_writers_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": Infinity}')
    assert read_json(tmp_path / "a.json") == {"x": math.inf}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"run\.json does not exist"):
        read_json(tmp_path / "run.json")


def test_broken_json_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{\n  "name": "a",\n  "spec": oops\n}')
    with pytest.raises(RecordError, match=r"run\.json is no JSON in line 3: Expecting value"):
        read_json(tmp_path / "run.json")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{}", b"[" * 100_000, b"1" * 5000])
def test_any_other_broken_file_is_named_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RecordError, match=r"run\.json is no JSON"):
        read_json(tmp_path / "run.json")


def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x")
    for folder in (tmp_path / "runs", tmp_path / "runs" / "x"):
        with pytest.raises(RecordError, match="a file stands where a folder is needed"):
            make_folder(folder)
    with pytest.raises(RecordError, match="a file stands where a folder is needed"):
        write_json(tmp_path / "runs" / "run.json", {})


def test_a_folder_where_a_file_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(RecordError, match="a folder stands where a file is needed"):
        write_json(tmp_path / "run.json", {})
    with pytest.raises(RecordError, match="a folder stands where a file is needed"):
        read_json(tmp_path / "run.json")
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_folder_that_may_not_be_written_to_is_named_with_the_remedy(read_only: Path) -> None:
    with not_root(), pytest.raises(RecordError, match=r"run\.json may not be written .*choose a folder"):
        write_json(read_only / "run.json", {})
    with not_root(), pytest.raises(RecordError, match="may not be written"):
        make_folder(read_only / "below")
    assert os.listdir(read_only) == []
