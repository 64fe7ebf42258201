"""A model registry over HTTP, as Vertex AI's: models, versions, long-running uploads."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

UPLOAD_FIELDS = {"displayName", "artifactUri", "containerSpec", "labels", "versionDescription"}


class Registry:
    """Keeps versions by model; `fail` makes the next upload's operation end in that message."""

    def __init__(self):
        self.models: dict[str, list[dict]] = {}
        self.operations: dict[str, dict] = {}
        self.fail = ""
        self.lock = threading.Lock()

    def get(self, path, query):
        if path.endswith("/models"):
            name = query["filter"][0].removeprefix('display_name="').removesuffix('"')
            found = [v[-1] for v in self.models.values() if v[-1]["displayName"] == name]
            return 200, {"models": found} if found else {}
        if path.endswith(":listVersions"):
            versions = self.models[path.removeprefix("/v1/").removesuffix(":listVersions")]
            at = int(query.get("pageToken", ["0"])[0])
            page = {"models": versions[at : at + 1]}
            return 200, page | ({"nextPageToken": str(at + 1)} if at + 1 < len(versions) else {})
        if "/operations/" in path:
            operation = self.operations[path.removeprefix("/v1/")]
            operation["polls"] -= 1
            if operation["polls"] > 0:
                return 200, {"name": operation["name"]}
            return 200, {"name": operation["name"], "done": True, **operation["end"]}
        return 404, {"error": {"code": 404, "message": f"no {path}"}}

    def post(self, path, body):
        place, _, verb = path.removeprefix("/v1/").partition("/models:")
        unknown = body.keys() - {"model", "parentModel"} | body["model"].keys() - UPLOAD_FIELDS
        if verb != "upload" or unknown:
            return 400, {"error": {"code": 400, "message": f"unknown: {verb} {sorted(unknown)}"}}
        if not body["model"]["artifactUri"].startswith("gs://"):
            return 400, {"error": {"code": 400, "message": "artifactUri must be gs://"}}
        for label in body["model"]["labels"].values():
            if len(label) > 63 or not set(label) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-"):
                return 400, {"error": {"code": 400, "message": f"bad label {label!r}"}}
        operation = {"name": f"{place}/operations/{len(self.operations) + 1}", "polls": 2}
        if self.fail:
            operation["end"] = {"error": {"code": 9, "message": self.fail}}
        else:
            name = body.get("parentModel") or f"{place}/models/{len(self.models) + 1}"
            versions = self.models.setdefault(name, [])
            versionid = str(len(versions) + 1)
            versions.append(
                {**body["model"], "name": f"{name}@{versionid}", "versionId": versionid}
            )
            operation["end"] = {"response": {"model": name, "modelVersionId": versionid}}
        self.operations[operation["name"]] = operation
        return 200, {"name": operation["name"]}


@contextmanager
def serving(registry: Registry):
    """Serve `registry` on this machine; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            self.answer(*registry.get(parts.path, parse_qs(parts.query)))

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(*registry.post(urlsplit(self.path).path, json.loads(body)))

        def answer(self, status, content):
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
