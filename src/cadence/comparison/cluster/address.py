"""Whether a cluster is at an address: asked before Ray is, which takes minutes to say no."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from cadence._errors import ClusterError

SECONDS = 5.0

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How a client of HTTP/2, which Ray speaks, begins: preface and empty settings (RFC 9113, section 3.4)."""

_SETTINGS = 4


def check_address(address: str) -> None:
    """Say what is wrong with an address.

    Args:
        address: ``"host:port"``, ``"ray://host:port"``, or ``"auto"``, which is left to Ray.

    Raises:
        ClusterError: it is none, nobody answers there, or somebody who is no Ray.

    Example:
        >>> check_address("ray://head")
        Traceback (most recent call last):
        cadence._errors.ClusterError: 'ray://head' is no address of a Ray cluster; write HOST:PORT, e.g.
        --on ray=10.0.0.5:6379
    """
    if address == "auto":
        return
    try:
        url = urlsplit(address if "://" in address else f"//{address}")
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if host is None or port is None:
        raise ClusterError(f"{address!r} is no address of a Ray cluster; write HOST:PORT, e.g. --on ray=10.0.0.5:6379")
    try:
        with socket.create_connection((host, port), timeout=SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0").strip() not in ("1", "true", "True"):
                connection.sendall(_HELLO)
                if _received(connection, 4)[3:] != bytes((_SETTINGS,)):
                    raise ClusterError(
                        f"what answers at {address} is no Ray cluster; name the port that `ray start --head` told, "
                        f"which is 6379 unless another was asked for"
                    )
    except OSError as error:
        said = "there was no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise ClusterError(
            f"no Ray cluster can be reached at {address} ({said}); start one there with `ray start --head`, or correct "
            f"the address"
        ) from error


def _received(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (more := connection.recv(size - len(found))):
        found += more
    return found
