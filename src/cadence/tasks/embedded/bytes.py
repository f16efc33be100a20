"""The source text of Python's own library: a few megabytes of real text on every machine that runs Python."""

from __future__ import annotations

import functools
import sysconfig
import zlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cadence._errors import TaskError
from cadence.tasks.base import Task
from cadence.tasks.find import embedded
from cadence.tasks.later import ENGINES, Later
from cadence.tasks.stream import TokenData

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOCABULARY = 128
"""Token values: the bytes of ASCII."""

CONTEXT = 64
"""Bytes per window."""

_LEAST = 1_000_000
"""Bytes of text below which a library is not the whole one."""


@embedded("bytes")
def library_bytes() -> Task:
    """Which byte comes next in the source of Python's library: a small GPT, reported by bits per byte.

    All modules of the interpreter's library that are single files, about 4.5 MB, split by file into four fifths to
    train on, a tenth for tuning and a tenth to report on. The text differs between releases of Python, and with it the
    fingerprint.

    Raises:
        TaskError: the library's sources are not there.
    """
    data, reference = _data(Path(sysconfig.get_path("stdlib")))
    return Task(
        name="bytes",
        data=data,
        models={engine: Later(engine, f"cadence.tasks.bytes_{engine}", "small_gpt") for engine in ENGINES},
        losses={engine: Later(engine, f"cadence.tasks.losses_{engine}", "cross_entropy") for engine in ENGINES},
        metrics={engine: Later(engine, f"cadence.tasks.losses_{engine}", "bits_per_byte") for engine in ENGINES},
        metric_name="bits_per_byte",
        metric_better="min",
        loss_reference=reference,
        about=(
            "the source text of this interpreter's library, byte by byte: four fifths of the files to train on, "
            "a tenth for tuning, a tenth to report on"
        ),
    )


@functools.cache
def _data(library: Path) -> tuple[TokenData, float]:
    texts = read_library(library)
    streams = {name: np.frombuffer(text, dtype=np.uint8) for name, text in texts.items()}
    data = TokenData(
        streams["train"],
        val=streams["val"],
        tune=streams["tune"],
        context=CONTEXT,
        default_batch_size=16,
        held_out_windows=96,
    )
    return data, _blind_loss(streams["train"], np.concatenate([b.targets.ravel() for b in data.held_out("val")]))


def read_library(library: Path) -> dict[str, bytes]:
    """The sources of a folder as ASCII text, by part.

    Args:
        library: the folder of the standard library.

    Returns:
        ``{"train": ..., "tune": ..., "val": ...}``, the files of each part one after the other, in the order of their
        names.

    Raises:
        TaskError: there are too few sources in it.
    """
    parts: dict[str, list[bytes]] = defaultdict(list)
    for path in sorted(library.glob("*.py"), key=lambda path: path.name):
        # Written anew by each build of Python, and no text that anyone wrote.
        if path.name.startswith("_sysconfigdata"):
            continue
        try:
            text = path.read_text(encoding="utf-8")  # universal newlines: the same text on every system
        except (OSError, UnicodeDecodeError):
            continue
        parts[part_of(path.name)].append(as_ascii(text))
    texts = {name: b"".join(parts[name]) for name in ("train", "tune", "val")}
    size = sum(map(len, texts.values()))
    if size < _LEAST or min(map(len, texts.values())) < _LEAST // 50:
        raise TaskError(
            f"the task 'bytes' reads the sources of Python's own library, and {library} holds {size:,} bytes of them "
            f"where a few million are usual (a zipped or stripped Python?); use a full Python, or the task 'digits'"
        )
    return texts


def part_of(name: str) -> str:
    """Part that a file belongs to: by its name alone, so that it stays there when other files come and go.

    Example:
        >>> part_of("argparse.py"), part_of("heapq.py"), part_of("random.py")
        ('train', 'tune', 'val')
    """
    return {0: "val", 6: "tune"}.get(zlib.crc32(name.encode()) % 10, "train")


def as_ascii(text: str) -> bytes:
    r"""Text with every other character as the escape that Python would read it from.

    192 rarely used values less make the model smaller; nothing is lost, as in source text the escape means the same.

    Example:
        >>> as_ascii("'café'")
        b"'caf\\xe9'"
    """
    return text.encode("ascii", "backslashreplace")


def _blind_loss(train: NDArray[np.uint8], targets: NDArray[np.generic]) -> float:
    """Cross-entropy in nats of `targets` under how often each byte occurs in `train`."""
    # One more of each: a byte that never occurs must not cost infinitely much.
    counts = np.bincount(train, minlength=VOCABULARY) + 1.0
    return float(-np.log(counts / counts.sum())[targets.astype(np.int64)].mean())
