"""The two formats under TensorBoard's and VisualDL's files: records with their lengths, and protobuf's wire format.

They are small, and reading them here needs none of those packages. Nothing is built from what is read but numbers and
texts.

Source: TensorFlow, "TFRecord and tf.train.Example", section "TFRecords format details"; Protocol Buffers, "Encoding".
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from cadence.diagnosis.log import Ints

LARGEST = 1 << 30
"""A record that claims to be longer is a broken length."""


def _crc_table() -> Ints:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table  # type: ignore[return-value]


def masked_sums(blocks: Sequence[bytes]) -> list[int]:
    """The masked CRC-32C of each block, those of one length together.

    Example:
        >>> masked_sums([(24).to_bytes(8, "little")])
        [575373219]
    """
    table = _crc_table()
    sums = [0] * len(blocks)
    lengths: dict[int, list[int]] = {}
    for i, block in enumerate(blocks):
        lengths.setdefault(len(block), []).append(i)
    for length, which in lengths.items():
        crc = np.full(len(which), 0xFFFFFFFF, dtype=np.uint32)
        together = np.frombuffer(b"".join(blocks[i] for i in which), dtype=np.uint8).reshape(len(which), length)
        for column in np.ascontiguousarray(together.T):
            crc = table[(crc ^ column) & 0xFF] ^ (crc >> np.uint32(8))
        crc ^= np.uint32(0xFFFFFFFF)
        masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)
        for i, sum_ in zip(which, masked.tolist(), strict=True):
            sums[i] = sum_
    return sums


@functools.lru_cache(maxsize=4096)
def _sum_of_length(length: bytes) -> int:
    """The sum of a record's length; records of one kind have few lengths."""
    return masked_sums([length])[0]


def framed(file: BinaryIO, *, sums: bool) -> Iterator[tuple[bytes, int]]:
    """The records of a file.

    Args:
        file: at its beginning.
        sums: records have check sums, as TensorBoard's; VisualDL's have none.

    Yields:
        Content, and its check sum as it stands in the file (0 without). A record that is cut off, or whose length is
        nonsense, ends them; what is left of the file then can be asked of `file`, which stands at its beginning.
    """
    head = 12 if sums else 8
    while True:
        begin = file.tell()
        lead = file.read(head)
        if len(lead) == head:
            (length,) = struct.unpack_from("<Q", lead)
            if length <= LARGEST and (not sums or _sum_of_length(lead[:8]) == struct.unpack_from("<I", lead, 8)[0]):
                data = file.read(length)
                tail = file.read(4) if sums else b""
                if len(data) == length and len(tail) == (4 if sums else 0):
                    yield data, struct.unpack("<I", tail)[0] if sums else 0
                    continue
        file.seek(begin)
        return


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and content of each field of a message: whole numbers for varints, bytes for everything else.

    Raises:
        ValueError: it is no message.
    """
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + length > end:
            raise ValueError("a field is cut off")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a varint is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def signed(value: int) -> int:
    """A varint that stands for a number of 64 bits with a sign."""
    return value - (1 << 64) if value >= 1 << 63 else value


def double(content: int | bytes) -> float:
    """A field of eight bytes."""
    return float(struct.unpack("<d", content)[0]) if isinstance(content, bytes) else float(content)


def single(content: int | bytes) -> float:
    """A field of four bytes, as the shortest decimal that means the same: what was logged as 0.1 is 0.1 again."""
    return float(str(np.frombuffer(content, dtype="<f4")[0])) if isinstance(content, bytes) else float(content)
