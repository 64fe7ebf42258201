"""Google's administrative APIs, as far as doctor asks them, on 127.0.0.1."""

import copy
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PROJECT, NUMBER, REGION = "my-project", "123456789012", "us-central1"
ACCOUNT = f"idxpipe@{PROJECT}.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{ACCOUNT}"
BUCKET = "my-bucket"
DIGEST = "sha256:" + "a" * 64
REPOSITORY = f"projects/{PROJECT}/locations/{REGION}/repositories/idxpipe"
IMAGE = f"{REGION}-docker.pkg.dev/{PROJECT}/idxpipe/idxpipe"
STORAGE = ["storage.objects." + verb for verb in ("get", "list", "create", "delete")]


class Google:
    """A world in order; a test breaks one thing in it."""

    def __init__(self):
        self.requests = []
        self.errors = {}
        self.apis = {"aiplatform", "storage", "artifactregistry", "compute"}
        self.project = {"name": f"projects/{NUMBER}", "projectId": PROJECT, "state": "ACTIVE"}
        self.project_permissions = ["aiplatform.pipelineJobs.create", "aiplatform.pipelineJobs.get"]
        self.project_policy = {
            "bindings": [{"role": "roles/aiplatform.user", "members": [MEMBER, "user:me@x.org"]}]
        }
        self.buckets = {BUCKET: {"projectNumber": NUMBER, "location": "US-CENTRAL1"}}
        self.bucket_permissions = list(STORAGE)
        self.bucket_policy = {
            "bindings": [{"role": "roles/storage.objectUser", "members": [MEMBER]}]
        }
        self.accounts = {ACCOUNT: {"email": ACCOUNT}}
        self.account_permissions = ["iam.serviceAccounts.actAs"]
        self.images = {f"idxpipe@{DIGEST}"}
        self.tags = {"idxpipe": {"v1": DIGEST}}
        self.immutable = False
        self.quotas = {}

    def quota(self, metric, limit, **dimensions):
        self.quotas.setdefault(metric, []).append(
            {"effectiveLimit": str(limit), "dimensions": dimensions}
        )

    def answer(self, method, path, query, body):
        """Return status and content."""
        for part, error in self.errors.items():
            if part in path:
                return error
        asked = query.get("permissions", body.get("permissions", []))
        if path == f"/v1/projects/{PROJECT}/services:batchGet":
            return 200, {"services": [self._service(name) for name in query["names"]]}
        if path == f"/v3/projects/{PROJECT}":
            return 200, self.project
        if path == f"/v1/projects/{PROJECT}:testIamPermissions":
            return 200, _granted(asked, self.project_permissions)
        if path == f"/v1/projects/{PROJECT}:getIamPolicy" and method == "POST":
            return 200, self.project_policy
        if path.startswith("/storage/v1/b/"):
            return self._storage(path.removeprefix("/storage/v1/b/"), asked)
        if "/serviceAccounts/" in path:
            return self._account(path.partition("/serviceAccounts/")[2], asked)
        if "/consumerQuotaMetrics/" in path:
            return self._quota(path.rpartition("/")[2])
        if path.startswith(f"/v1/{REPOSITORY}"):
            return self._registry(path.removeprefix(f"/v1/{REPOSITORY}"))
        return _missing(path)

    def _service(self, name):
        api = name.rpartition("/")[2].removesuffix(".googleapis.com")
        state = "ENABLED" if api in self.apis else "DISABLED"
        return {"name": f"projects/{NUMBER}/services/{api}.googleapis.com", "state": state}

    def _storage(self, path, asked):
        bucket, _, rest = path.partition("/")
        if bucket not in self.buckets:
            return _missing("The specified bucket does not exist.")
        if rest == "iam/testPermissions":
            return 200, _granted(asked, self.bucket_permissions)
        return 200, self.bucket_policy if rest == "iam" else self.buckets[bucket]

    def _account(self, path, asked):
        email, _, method = path.partition(":")
        if email not in self.accounts:
            return _missing("Unknown service account")
        if method:
            return 200, _granted(asked, self.account_permissions)
        return 200, self.accounts[email]

    def _quota(self, metric):
        metric = metric.rpartition("%2F")[2].rpartition("/")[2]
        if metric not in self.quotas:
            return _missing("quota metric not found")
        limits = [
            {"unit": "1/min/{project}", "quotaBuckets": [{"effectiveLimit": "600"}]},
            {"unit": "1/{project}/{region}", "quotaBuckets": self.quotas[metric]},
        ]
        return 200, {"metric": metric, "consumerQuotaLimits": limits}

    def _registry(self, path):
        if not path:
            return 200, {"dockerConfig": {"immutableTags": self.immutable}}
        if path.startswith("/dockerImages/"):
            found = path.removeprefix("/dockerImages/") in self.images
            return (200, {"uri": path}) if found else _missing("Requested entity was not found.")
        package, _, tag = path.removeprefix("/packages/").partition("/tags/")
        digest = self.tags.get(package, {}).get(tag)
        if digest is None:
            return _missing("Requested entity was not found.")
        return 200, {"version": f"{REPOSITORY}/packages/{package}/versions/{digest}"}


def denied(message="The caller does not have permission"):
    return 403, {"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED"}}


@contextmanager
def serve(google):
    """Yield the address of a server that answers as `google` does."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._reply("GET")

        def do_POST(self):
            self._reply("POST")

        def _reply(self, method):
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            parts = urlsplit(self.path)
            google.requests.append((method, self.path, dict(self.headers)))
            status, content = google.answer(
                method, unquote(parts.path), parse_qs(parts.query), body
            )
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _granted(asked, granted):
    return {"permissions": [p for p in asked if p in granted]}


def _missing(message):
    return 404, {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}


def with_binding(policy, **binding):
    """Return a copy of a policy with one more binding."""
    policy = copy.deepcopy(policy)
    policy["bindings"].append(binding)
    return policy
