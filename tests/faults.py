"""An HTTP proxy that does to requests what networks and services do, from a seed."""

import http.client
import http.server
import random
import socket
import struct
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

KINDS = ("500", "503", "429", "reset", "reset after", "cut", "slow")
# Of a slow answer; short, for the sake of the tests.
PAUSE_SECONDS = 0.2


class FaultyProxy(http.server.ThreadingHTTPServer):
    """Forwards to `target`; `share` of the requests meet one of `KINDS`."""

    daemon_threads = True

    def __init__(self, target: str, share: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.share = share
        self.requests = 0
        self.bytes_sent = 0
        self.faults: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def draw(self) -> str | None:
        with self._lock:
            self.requests += 1
            if self._random.random() >= self.share:
                return None
            # Each kind in turn, so that none is missing from a short run.
            kind = min(KINDS, key=lambda kind: (self.faults[kind], self._random.random()))
            self.faults[kind] += 1
            return kind

    def handle_error(self, request, client_address) -> None:
        """Clients go away in the middle here."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def forward(self) -> None:
        body = self._body()
        fault = self.server.draw()
        if fault in {"500", "503", "429"}:
            self._answer(int(fault), [], b"")
            return
        if fault == "reset":
            self._reset()
            return
        status, headers, data = self._ask(body)
        if fault == "reset after":
            self._reset()
        elif fault == "cut" and len(data) > 1:
            self._answer(status, headers, data, send=len(data) // 2)
            self._reset()
        else:
            if fault == "slow":
                time.sleep(PAUSE_SECONDS)
            self._answer(status, headers, data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = forward

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        address = urlsplit(self.server.target)
        hidden = {"host", "transfer-encoding", "content-length", "connection"}
        headers = {k: v for k, v in self.headers.items() if k.lower() not in hidden}
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, answer.getheaders(), data
        finally:
            connection.close()

    def _answer(self, status, headers, data, send: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                # Upload sessions live at a URL that the server names: through us, too.
                self.send_header(name, value.replace(self.server.target, self.server.url))
        # Of what a HEAD asks about, only the server knows it.
        length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        self.server.bytes_sent += len(data)
        if self.command != "HEAD":
            self.wfile.write(data[:send])
        self.wfile.flush()

    def _reset(self) -> None:
        self.close_connection = True
        # Linger of zero seconds: the kernel sends RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *args) -> None:
        pass


@contextmanager
def faulty_proxy(target: str, share: float = 0.15, seed: int = 0):
    """Yield a `FaultyProxy` in front of the server at `target`."""
    proxy = FaultyProxy(target, share, seed)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
