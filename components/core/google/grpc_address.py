"""Whether a gRPC server answers, before a library that cannot be interrupted waits for it.

Source: RFC 9113, sections 3.4 (the connection preface), 4.1 (frames) and 6.5 (SETTINGS).
"""

import contextlib
import socket

from idxpipe.components.core.errors import SetupError, TransientError
from idxpipe.components.core.narration import awaiting, patience

SCHEME = "grpc://"
USUAL_SECONDS = 60.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = 4
_EMPTY_SETTINGS = bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])
_HEADER_BYTES = 9
_USUAL_PORT = 8470


def check_answers(address: str) -> None:
    """Connect to a gRPC server, and wait until it has sent its first frame.

    Args:
        address: `grpc://HOST[:PORT]`; several, with commas between them, are asked one by one.

    Raises:
        SetupError: If there is no such host, or what answers is no gRPC server.
        TransientError: If nothing answers within a minute, or what --max-wait says.
    """
    for one in address.removeprefix(SCHEME).split(","):
        _check_one(one.removeprefix(SCHEME))


def _check_one(place: str) -> None:
    limit = patience(USUAL_SECONDS) or USUAL_SECONDS
    host, _, port = place.partition(":")
    where = f"{SCHEME}{place}"
    with awaiting(f"the TPU at {where}", limit), contextlib.ExitStack() as stack:
        try:
            number = int(port) if port else _USUAL_PORT
            connection = stack.enter_context(socket.create_connection((host, number), limit))
            connection.sendall(_PREFACE + _EMPTY_SETTINGS)
            found = _receive(connection, _HEADER_BYTES)
        except TimeoutError:
            raise TransientError(
                "TPU does not answer",
                where=where,
                expected=f"the first frame of a gRPC server within {limit:g} s",
                remedy="check its address and that it runs, or wait for longer with --max-wait",
            ) from None
        except (OSError, ValueError, OverflowError) as error:
            raise SetupError(
                "TPU cannot be reached",
                where=where,
                found=getattr(error, "strerror", None) or str(error),
                remedy="check its address, and that it runs and may be reached from here",
            ) from None
        if len(found) < _HEADER_BYTES or found[3] != _SETTINGS:
            raise SetupError(
                "what answers here is no gRPC server",
                where=where,
                expected="a SETTINGS frame of HTTP/2",
                found=repr(found),
                remedy="check the address and the port",
            )


def _receive(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count and (more := connection.recv(count - len(found))):
        found += more
    return found
