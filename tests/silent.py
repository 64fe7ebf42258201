"""Servers on a free port of 127.0.0.1 that take a request and answer nothing, or byte by byte;
and a proxy that wants a password.
"""

import contextlib
import socket
import threading
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


def _mute(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


def _drip(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(HEAD)
    while True:
        connection.sendall(b" ")
        time.sleep(0.3)


def _proxy(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    answer = "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0"
    connection.sendall(f"HTTP/1.1 {answer}\r\n\r\n".encode())


@contextlib.contextmanager
def silent_server(kind: str):
    """Yield the port of a server of a kind, `mute`, `drip` or `proxy`."""
    answer = {"mute": _mute, "drip": _drip, "proxy": _proxy}[kind]

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            answer(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        # Or it would wait for one more.
        listener.shutdown(socket.SHUT_RDWR)
