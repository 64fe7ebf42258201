"""A server of files on 127.0.0.1 that honours Range and can be told to misbehave."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves `files`, bytes by path.

    Attributes:
        requests: Path and Range of each request.
        encodings: What the requests accept.
        cuts: For the next requests: bytes to send before the connection is cut.
        statuses: For the next requests: what to answer instead.
        ranges: Whether Range is honoured.
    """

    def __init__(self, files):
        self.files = files
        self.requests = []
        self.encodings = set()
        self.cuts = []
        self.statuses = []
        self.ranges = True

    def __enter__(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server._answer(self)

            def log_message(self, *args):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    def _answer(self, handler):
        wanted = handler.headers.get("Range", "")
        self.requests.append((handler.path, wanted))
        self.encodings.add(handler.headers.get("Accept-Encoding"))
        data = self.files.get(handler.path.lstrip("/"))
        status = self.statuses.pop(0) if self.statuses else 200 if data is not None else 404
        if status != 200:
            handler.send_response(status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start and start >= len(data):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(data)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if handler.path.endswith(".gz"):
            # As servers do that know the suffix: clients that unpack get the wrong bytes.
            handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        body = data[start:]
        if self.cuts:
            handler.wfile.write(body[: self.cuts.pop(0)])
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.close()
            return
        handler.wfile.write(body)
