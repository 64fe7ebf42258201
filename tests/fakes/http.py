"""A JSON server on a free port of 127.0.0.1, which can be told to misbehave."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class Refused(Exception):
    """An answer other than 200."""

    CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"} | {
        404: "NOT_FOUND",
        409: "ALREADY_EXISTS",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
    }

    def __init__(self, status: int, message: str, retry_after: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    def body(self) -> dict:
        """google.rpc.Status as the APIs write it."""
        name = self.CODES.get(self.status, "UNKNOWN")
        return {"error": {"code": self.status, "message": self.message, "status": name}}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object


@dataclass
class JsonServer:
    """Answers with what `answer` returns or raises.

    Attributes:
        requests: All that were received.
        refusals: What to raise for the next requests, instead of answering them.
        lost: How many of the next requests to carry out without an answer.
        raw: Bytes to answer with instead of JSON.
        token: The one that every request must carry, if any.
    """

    tls: object = None
    token: str = ""
    requests: list[Request] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    lost: int = 0
    raw: bytes | None = None

    def answer(self, request: Request) -> dict:
        raise NotImplementedError

    def __enter__(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                server._handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

            def log_message(self, *args) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if self.tls:
            self._http.socket = self.tls.wrap_socket(self._http.socket, server_side=True)
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        host = "https://localhost" if self.tls else "http://127.0.0.1"
        return f"{host}:{self._http.server_port}"

    def _admit(self, request: Request) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            raise Refused(401, "Request had invalid authentication credentials.")

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        form = "form" in handler.headers.get("Content-Type", "")
        retry_after = ""
        try:
            request = Request(
                handler.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                {name.lower(): value for name, value in handler.headers.items()},
                dict(parse_qsl(content.decode())) if form else json.loads(content or b"null"),
            )
            self.requests.append(request)
            self._admit(request)
            status, answer = 200, self.answer(request)
        except json.JSONDecodeError:
            status, answer = 400, Refused(400, "Invalid JSON payload received.").body()
        except Refused as refused:
            status, answer, retry_after = refused.status, refused.body(), refused.retry_after
        if self.lost:
            self.lost -= 1
            handler.close_connection = True
            return
        body = self.raw if self.raw is not None else json.dumps(answer).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "text/html" if self.raw else "application/json")
        handler.send_header("Content-Length", str(len(body)))
        if retry_after:
            handler.send_header("Retry-After", retry_after)
        handler.end_headers()
        handler.wfile.write(body)
