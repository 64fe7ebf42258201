"""Kubeflow Pipelines in small: API server v2beta1, user interface's way to the metadata store.

Fields: https://github.com/kubeflow/pipelines, backend/api/v2beta1/run.proto. The tasks of a run are
told as api_converter.go tells them: Argo's nodes by their display names, times in whole seconds, no
outputs. The metadata store is ml-metadata itself, behind tests/fakes/mlmd_server.py.
"""

import copy
import json
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.parse import dump, parse
from tests import oracles
from tests.emulators import server
from tests.fakes.http import JsonServer, Refused, Request

RUN = {"display_name", "pipeline_spec", "runtime_config", "experiment_id", "service_account"} | {
    "description"
}
SERVICE = "/ml_metadata.MetadataStoreService/"
EPOCH = "1970-01-01T00:00:00Z"
NODES = {"succeeded": "SUCCEEDED", "cached": "SKIPPED", "failed": "FAILED", "pending": "PENDING"}
EXECUTIONS = {"succeeded": "COMPLETE", "cached": "CACHED", "failed": "FAILED"}


@dataclass
class FakeKubeflow(JsonServer):
    """Attributes:
    folder: Where buckets are: `s3://BUCKET` is this folder's BUCKET. Without it runs are not
        executed, but go through `states`.
    store: URL of the metadata store, if there is one.
    states: Those that a run goes through, one at each look.
    """

    folder: Path | None = None
    store: str = ""
    states: tuple[str, ...] = ("PENDING", "RUNNING", "SUCCEEDED")
    runs: dict[str, dict] = field(default_factory=dict)
    versions: dict[str, dict] = field(default_factory=dict)

    def answer(self, request: Request) -> dict:
        if request.path.startswith("/apis/v2beta1/pipelines/"):
            return self.versions[request.path.rpartition("/")[2]]
        run_id = request.path.removeprefix("/apis/v2beta1/runs").strip("/")
        if request.method == "GET" and not run_id:
            return self._list(request)
        if request.method == "GET" and run_id in self.runs:
            run = self.runs[run_id]
            run["state"] = run["next"].pop(0) if len(run["next"]) > 1 else run["next"][0]
            return _shown(run)
        if request.method == "POST" and run_id.removesuffix(":terminate") in self.runs:
            self.runs[run_id.removesuffix(":terminate")]["next"] = ["CANCELING", "CANCELED"]
            return {}
        if request.method != "POST" or request.path != "/apis/v2beta1/runs":
            raise Refused(404, "Not Found")
        return self._create(request.body)

    def _create(self, body: dict) -> dict:
        config = body.get("runtime_config", {})
        if body.keys() - RUN or config.keys() - {"parameters", "pipeline_root"}:
            raise Refused(400, "unknown field")
        document = body["pipeline_spec"]
        with oracles.as_refusal():
            oracles.parse_kubeflow_run(body)
        if "pipelineInfo" not in document.get("pipeline_spec", document):
            raise Refused(400, "pipeline_spec is not one")
        run_id = f"run-{len(self.runs) + 1}"
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        run = {**body, "run_id": run_id, "created_at": created, "finished_at": EPOCH}
        run["next"] = list(self.states)
        self.runs[run_id] = run
        if self.folder:
            self._execute(run)
        return _shown(run) | {"state": "PENDING"}

    def _list(self, request: Request) -> dict:
        """Two a page, whatever is asked for."""
        unknown = request.query.keys() - {"page_size", "page_token", "sort_by"}
        if unknown - {"namespace", "experiment_id"}:
            raise Refused(400, f"unknown parameter {unknown}")
        assert request.query["sort_by"] == "created_at desc"
        runs = [_shown(run) for run in reversed(self.runs.values())]
        begin = int(request.query.get("page_token", "0"))
        more = {"next_page_token": str(begin + 2)} if begin + 2 < len(runs) else {}
        return {"runs": runs[begin : begin + 2], **more}

    def _execute(self, run: dict) -> None:
        """Run it with the local runner, and report it as KFP does."""
        here = json.loads(json.dumps(run).replace("s3://", f"{self.folder}/"))
        document = here["pipeline_spec"]
        config = here["runtime_config"]
        record = runner.run(
            parse(dump(document.get("pipeline_spec", document))),
            config["parameters"],
            config.get("pipeline_root", f"{self.folder}/default"),
        )
        seen = json.loads(json.dumps(record.to_json()).replace(f"{self.folder}/", "s3://"))
        run["next"] = ["SUCCEEDED" if record.status == "succeeded" else "FAILED"]
        run["finished_at"] = run["created_at"]
        nodes = []
        for task in seen["tasks"].values():
            for name in (task["name"], f"{task['name']}-driver", "executor"):
                nodes.append(
                    {
                        "run_id": run["run_id"],
                        "display_name": name,
                        "create_time": run["created_at"],
                        "start_time": run["created_at"] if task["started"] else EPOCH,
                        "end_time": run["created_at"] if task["ended"] else EPOCH,
                        "state": NODES[task["status"]],
                    }
                )
        run["run_details"] = {"task_details": nodes}
        if self.store:
            tasks = [
                {
                    "name": task["name"],
                    "state": EXECUTIONS[task["status"]],
                    "parameters": task["outputs"]["parameters"],
                    "artifacts": {
                        name: (made["uri"], made["type"]["schemaTitle"], made["metadata"])
                        for name, made in task["outputs"]["artifacts"].items()
                    },
                }
                for task in seen["tasks"].values()
                if task["status"] in EXECUTIONS
            ]
            order = {"run_id": run["run_id"], "tasks": tasks}
            request = urllib.request.Request(
                f"{self.store}/record", data=json.dumps(order).encode()
            )
            urllib.request.urlopen(request).read()

    def _handle(self, handler) -> None:
        """Pass what is for the metadata store on to it, as the user interface's server does."""
        if not handler.path.startswith(SERVICE):
            super()._handle(handler)
            return
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if not self.store:
            handler.send_error(404)
            return
        headers = {"Content-Type": handler.headers["Content-Type"]}
        request = urllib.request.Request(f"{self.store}{handler.path}", data=body, headers=headers)
        with urllib.request.urlopen(request) as answer:
            content = answer.read()
        handler.send_response(200)
        handler.send_header("Content-Type", headers["Content-Type"])
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


def _shown(run: dict) -> dict:
    return {k: v for k, v in copy.deepcopy(run).items() if k != "next"}


@contextmanager
def metadata_store(packages: Path):
    """ml-metadata with an empty store; `packages` is where it was installed."""
    script = str(Path(__file__).with_name("mlmd_server.py"))

    def command(port: int, url: str) -> list[str]:
        # -P: beside it lies a module called http.
        return [sys.executable, "-S", "-s", "-P", script, str(port)]

    with server(command, env={"PYTHONPATH": str(packages), "PATH": "/usr/bin:/bin"}) as url:
        yield url
