"""Trust 13 and 15: a web server can neither lead a reader elsewhere nor make it take too much."""

import http.server
import os
import subprocess
import sys
import threading
from typing import ClassVar

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError

DATA = os.urandom(3 << 20)
ENDLESS = 3 << 30


@pytest.fixture
def server():
    """Give me a path: /whole ignores ranges, /ranges answers them, /endless and /more lie."""

    class Handler(http.server.BaseHTTPRequestHandler):
        sent = 0
        seen: ClassVar = []

        def do_HEAD(self):
            if self.path.startswith("/to?"):
                return self.lead(self.path.partition("?")[2])
            self.head(200, ENDLESS if self.path == "/endless" else len(DATA))

        def do_GET(self):
            if self.path.startswith("/to?"):
                return self.lead(self.path.partition("?")[2])
            Handler.seen.append(self.path)
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            if self.path == "/ranges":
                self.head(206, len(DATA[first : last + 1]))
                self.send(DATA[first : last + 1])
            elif self.path == "/more":
                self.head(206, ENDLESS)
                self.send_for_ever()
            elif self.path == "/endless":
                self.head(200, ENDLESS)
                self.send_for_ever()
            else:
                self.head(200, len(DATA))
                self.send(DATA)

        def lead(self, place):
            self.send_response(302)
            self.send_header("Location", place)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def head(self, status, length):
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def send(self, data):
            try:
                self.wfile.write(data)
            except OSError:
                return False
            Handler.sent += len(data)
            return True

        def send_for_ever(self):
            while Handler.sent < ENDLESS and self.send(bytes(1 << 20)):
                pass

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
    httpd.url = f"http://127.0.0.1:{httpd.server_port}"
    httpd.handler = Handler
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize("path", ["whole", "ranges"])
def test_a_range_is_read_whether_or_not_the_server_knows_ranges(server, path):
    uri = f"{server.url}/{path}"
    assert storage.read(uri, 1_000_000, 70_000) == DATA[1_000_000:1_070_000]
    with storage.open_read(uri, 2_000_000) as stream:
        assert stream.read() == DATA[2_000_000:]
    with pytest.raises(DataError, match="ends too early"):
        storage.read(uri, len(DATA) - 5, 10)


def test_trust_15_more_than_the_range_is_refused(server):
    with pytest.raises(DataError, match="more than it was asked for"):
        storage.read(f"{server.url}/more", 0, 1000)


def test_trust_15_a_server_that_ignores_ranges_is_left_where_the_range_ends(server):
    code = (
        "import sys\n"
        "from idxpipe.components.core import storage\n"
        "assert storage.read(sys.argv[1], 1000, 16) == bytes(16)\n"
        # Its own peak: that of getrusage(2) begins with what its parent had.
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"
    )
    command = [sys.executable, "-c", code, f"{server.url}/endless"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100 << 10
    # What the sockets hold, not the file.
    assert server.handler.sent < 64 << 20


@pytest.fixture
def any_query(monkeypatch):
    """Take a query, by which the server is told where to lead to."""
    monkeypatch.setattr(storage, "refuse_secrets", lambda uri: None)


@pytest.mark.usefixtures("any_query")
def test_trust_13_a_server_leads_to_its_own_host_alone(server):
    assert storage.read(f"{server.url}/to?/ranges", 10, 20) == DATA[10:30]
    assert storage.read(f"{server.url}/to?{server.url}/ranges", 10, 20) == DATA[10:30]
    server.handler.seen.clear()
    elsewhere = f"http://localhost:{server.server_port}/ranges"
    for ask in (storage.size, lambda uri: storage.read(uri, 10, 20)):
        with pytest.raises(DataError, match="server leads to another host") as caught:
            ask(f"{server.url}/to?{elsewhere}")
        assert caught.value.found == elsewhere
    assert server.handler.seen == []
