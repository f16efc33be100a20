"""The safetensors format, written from memory without another copy of it.

Source: https://github.com/huggingface/safetensors, section "Format": 8 bytes with the length of the header (little
endian), the header as JSON, filled up with blanks, then the arrays one behind the other without gaps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple


class Array(NamedTuple):
    """An array in memory.

    Attributes:
        kind: as the format calls it: ``"F32"``, ``"BF16"``, ``"I64"``, ``"BOOL"``, ...
        shape: in elements.
        data: its bytes, little endian, the last axis fastest.
    """

    kind: str
    shape: tuple[int, ...]
    data: memoryview


def file_of(arrays: Mapping[str, Array]) -> list[bytes | memoryview]:
    """The content of a safetensors file, in pieces.

    Example:
        >>> import safetensors.numpy
        >>> pieces = file_of({"x": Array("U8", (2,), memoryview(b"ab"))})
        >>> safetensors.numpy.load(b"".join(pieces))["x"].tolist()
        [97, 98]
    """
    header: dict[str, dict[str, object]] = {}
    end, data = 0, list[memoryview]()
    # Wide elements first, so that each lies where its processor wants it.
    for name, array in sorted(arrays.items(), key=lambda item: (-_width(item[1]), item[0])):
        begin, end = end, end + array.data.nbytes
        header[name] = {"dtype": array.kind, "shape": list(array.shape), "data_offsets": [begin, end]}
        data.append(array.data)
    told = json.dumps(header, separators=(",", ":")).encode()
    told += b" " * (-len(told) % 8)
    return [len(told).to_bytes(8, "little") + told, *data]


def _width(array: Array) -> int:
    elements = 1
    for n in array.shape:
        elements *= n
    return array.data.nbytes // elements if elements else 0
