"""Vertex AI Pipelines in small: keeps jobs and schedules, and runs what is submitted.

A job runs with the local runner, in a process of its own, and is reported as the API reports it.
"""

import base64
import copy
import datetime
import itertools
import json
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests import oracles
from tests.fakes.http import JsonServer, Refused, Request
from tests.fakes.vertex_schema import JOB_ID, check_job, check_schedule

NUMBER = "123456789012"
PARENT = re.compile(r"/v1/projects/([^/]+)/locations/([^/]+)/(pipelineJobs|schedules)(/.*)?")
TASK_STATES = {
    "pending": "PENDING",
    "running": "RUNNING",
    "succeeded": "SUCCEEDED",
    "cached": "SKIPPED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
}
RUN_STATES = {"succeeded": "SUCCEEDED", "failed": "FAILED", "cancelled": "CANCELLED"}


@dataclass
class FakeVertex(JsonServer):
    """The service for one project in one region.

    Attributes:
        folder: Where buckets are: `gs://BUCKET` is this folder's BUCKET. None leaves URIs as they
            are, for a server that speaks Google Cloud Storage.
        project: Id of the project.
        region: The region.
        hold: Keep new jobs pending until it is set.
    """

    folder: Path | None = None
    project: str = "toy-project"
    region: str = "us-central1"
    jobs: dict[str, dict] = field(default_factory=dict)
    schedules: dict[str, dict] = field(default_factory=dict)
    hold: threading.Event | None = None

    def __post_init__(self) -> None:
        self._ids = itertools.count(7_000_000_000_000_000_001)
        self._lock = threading.RLock()
        self._runs: dict[str, subprocess.Popen] = {}

    @property
    def parent(self) -> str:
        # The API answers with the number of the project, whichever it was asked by.
        return f"projects/{NUMBER}/locations/{self.region}"

    def __exit__(self, *error) -> None:
        for process in self._runs.values():
            if process.poll() is None:
                process.terminate()
                process.wait(120)
        super().__exit__(*error)

    def answer(self, request: Request) -> dict:
        match = PARENT.fullmatch(request.path)
        if not match:
            raise Refused(404, f"The requested URL {request.path} was not found.")
        project, region, kind, rest = match.groups()
        if project not in {self.project, NUMBER} or region != self.region:
            message = f"Permission 'aiplatform.{kind}' denied on resource '//{project}/{region}'"
            raise Refused(403, message)
        act = getattr(self, f"_{kind.lower()}_{request.method.lower()}", None)
        if act is None:
            raise Refused(404, "no such method")
        with self._lock:
            return copy.deepcopy(act(request, (rest or "")[1:]))

    def wait(self, job_id: str) -> dict:
        """Return a job when its process has ended."""
        self._runs[job_id].wait(120)
        self.jobs[job_id]["thread"].join(120)
        return self.jobs[job_id]["job"]

    def tick(self, schedule_id: str) -> str:
        """Do what a schedule does at its time; return the id of the job."""
        request = self.schedules[schedule_id]["createPipelineJobRequest"]
        job_id = request.get("pipelineJobId") or f"scheduled-{next(self._ids)}"
        with self._lock:
            self._create(copy.deepcopy(request["pipelineJob"]), job_id)
        return job_id

    def _pipelinejobs_post(self, request: Request, rest: str) -> dict:
        if rest.endswith(":cancel"):
            return self._cancel(rest.removesuffix(":cancel"))
        if rest:
            raise Refused(404, "no such method")
        unknown = request.query.keys() - {"pipelineJobId", "$alt"}
        if unknown:
            raise Refused(400, f"Unknown name {unknown}: Cannot bind query parameter.")
        job_id = request.query.get("pipelineJobId") or f"pipeline-{next(self._ids)}"
        if not JOB_ID.fullmatch(job_id):
            raise Refused(400, f"The pipeline_job_id {job_id} is invalid.")
        check_job(request.body)
        with oracles.as_refusal():
            oracles.parse_pipeline_job(request.body)
        if job_id in self.jobs:
            raise Refused(409, f"Resource already exists: {self.parent}/pipelineJobs/{job_id}")
        return self._create(request.body, job_id)

    def _create(self, body: dict, job_id: str) -> dict:
        now = _now()
        job = {
            "name": f"{self.parent}/pipelineJobs/{job_id}",
            **body,
            "createTime": now,
            "updateTime": now,
            "state": "PIPELINE_STATE_PENDING",
            "labels": {"vertex-ai-pipelines-run-billing-id": "42", **body.get("labels", {})},
        }
        thread = threading.Thread(target=self._run, args=(job_id,), daemon=True)
        self.jobs[job_id] = {"job": job, "thread": thread, "cancelled": False}
        self._runs[job_id] = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.execute"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        thread.start()
        return job

    def _pipelinejobs_get(self, request: Request, rest: str) -> dict:
        if rest:
            return self._job(rest)
        wanted = _filter(request.query.get("filter", ""))
        order = request.query.get("orderBy", "create_time desc")
        if order not in {"create_time desc", "create_time"}:
            raise Refused(400, f"order_by {order}")
        jobs = [entry["job"] for entry in self.jobs.values() if wanted(entry["job"])]
        if order.endswith("desc"):
            jobs.reverse()
        page = _page(jobs, request.query)
        shown = [{k: v for k, v in job.items() if k != "jobDetail"} for job in page[0]]
        return {"pipelineJobs": shown} | ({"nextPageToken": page[1]} if page[1] else {})

    def _job(self, job_id: str) -> dict:
        if job_id not in self.jobs:
            name = f"{self.parent}/pipelineJobs/{job_id}"
            raise Refused(404, f"The PipelineJob does not exist: {name}")
        return self.jobs[job_id]["job"]

    def _cancel(self, job_id: str) -> dict:
        job = self._job(job_id)
        if job["state"] not in {"PIPELINE_STATE_PENDING", "PIPELINE_STATE_RUNNING"}:
            raise Refused(400, f"Cannot cancel a job that is {job['state']}")
        job["state"] = "PIPELINE_STATE_CANCELLING"
        self.jobs[job_id]["cancelled"] = True
        if self.hold:
            self.hold.set()
        self._runs[job_id].send_signal(signal.SIGTERM)
        return {}

    def _schedules_post(self, request: Request, rest: str) -> dict:
        check_schedule(request.body)
        with oracles.as_refusal():
            oracles.parse_schedule(self.parent, request.body)
        schedule_id = str(next(self._ids))
        now = datetime.datetime.now(datetime.UTC)
        schedule = {
            "name": f"{self.parent}/schedules/{schedule_id}",
            **request.body,
            "state": "ACTIVE",
            "createTime": _now(),
            "nextRunTime": f"{now + datetime.timedelta(hours=1):%Y-%m-%dT%H:%M:00Z}",
        }
        self.schedules[schedule_id] = schedule
        return schedule

    def _schedules_get(self, request: Request, rest: str) -> dict:
        if rest:
            if rest not in self.schedules:
                raise Refused(404, f"The Schedule does not exist: {rest}")
            return self.schedules[rest]
        page = _page(list(self.schedules.values()), request.query)
        return {"schedules": page[0]} | ({"nextPageToken": page[1]} if page[1] else {})

    def _schedules_delete(self, request: Request, rest: str) -> dict:
        if self.schedules.pop(rest, None) is None:
            raise Refused(404, f"The Schedule does not exist: {rest}")
        return {"name": f"{self.parent}/operations/{next(self._ids)}", "done": True}

    def _run(self, job_id: str) -> None:
        if self.hold:
            self.hold.wait()
        entry, process = self.jobs[job_id], self._runs[job_id]
        job = entry["job"]
        spec, config = job["pipelineSpec"], job["runtimeConfig"]
        order = {
            "spec": spec,
            "parameters": config.get("parameterValues", {}),
            "root": config["gcsOutputDirectory"],
        }
        with process:
            try:
                process.stdin.write(self._local(json.dumps(order)))
                process.stdin.close()
            except BrokenPipeError:
                pass
            details = {job_id: _root_task(job_id, str(next(self._ids)))}
            with self._lock:
                if not entry["cancelled"]:
                    job |= {"state": "PIPELINE_STATE_RUNNING", "startTime": _now()}
            last = "failed"
            for line in process.stdout:
                task = json.loads(self._remote(line))
                if "run" in task:
                    last = task["run"]
                    continue
                with self._lock:
                    self._report(details, task, job, job_id)
        with self._lock:
            self._close(job, details, job_id, "cancelled" if entry["cancelled"] else last)

    def _report(self, details: dict, task: dict, job: dict, job_id: str) -> None:
        name = task["name"]
        if task["status"] == "pending" and name not in details:
            return
        before = details.get(name, {"taskId": str(next(self._ids)), "createTime": _now()})
        details[name] = before | self._task(task, details[job_id]["taskId"])
        job["jobDetail"] = {"taskDetails": list(details.values())}
        job["updateTime"] = _now()

    def _task(self, task: dict, parent: str) -> dict:
        inputs, outputs = task["inputs"], task["outputs"]
        metadata = {f"input:{k}": _value(v) for k, v in inputs["parameters"].items()}
        metadata |= {f"output:{k}": _value(v) for k, v in outputs["parameters"].items()}
        detail = {
            "taskName": task["name"],
            "parentTaskId": parent,
            "taskUniqueName": task["name"],
            "state": TASK_STATES[task["status"]],
            "execution": {
                "name": f"{self.parent}/metadataStores/default/executions/{next(self._ids)}",
                "displayName": task["name"],
                "schemaTitle": "system.ContainerExecution",
                "schemaVersion": "0.0.1",
                "metadata": metadata,
            },
            "inputs": self._artifacts(inputs["artifacts"]),
            "outputs": self._artifacts(outputs["artifacts"]),
        }
        if task["started"]:
            detail["startTime"] = _nanoseconds(task["started"])
        if task["ended"]:
            detail["endTime"] = _nanoseconds(task["ended"])
        if task["kind"] == "container" and task["status"] != "cached":
            custom_job = f"{self.parent}/customJobs/{next(self._ids)}"
            detail["executorDetail"] = {"containerDetail": {"mainJob": custom_job}}
        if task["status"] == "failed":
            message = (
                f"The replica workerpool0-0 exited with a non-zero status of {task['exit_code']}. "
                "Termination reason: Error. To find out more about why your job exited please "
                "check the logs."
            )
            detail["error"] = {"code": 9, "message": message}
        return detail

    def _artifacts(self, artifacts: dict) -> dict:
        return {
            name: {
                "artifacts": [
                    {
                        "name": f"{self.parent}/metadataStores/default/artifacts/{next(self._ids)}",
                        "displayName": name,
                        "uri": artifact["uri"],
                        "state": "LIVE",
                        "schemaTitle": artifact["type"]["schemaTitle"],
                        "schemaVersion": artifact["type"].get("schemaVersion", "0.0.1"),
                        "metadata": artifact["metadata"],
                    }
                ]
            }
            for name, artifact in artifacts.items()
        }

    def _close(self, job: dict, details: dict, job_id: str, status: str) -> None:
        state = RUN_STATES[status]
        now = _now()
        failed = [d["taskName"] for d in details.values() if d["state"] == "FAILED"]
        for name in job["pipelineSpec"]["root"]["dag"]["tasks"]:
            skipped = {"taskId": str(next(self._ids)), "taskName": name, "state": "NOT_TRIGGERED"}
            details.setdefault(name, skipped)
        details[job_id] |= {"state": state, "endTime": now}
        job["jobDetail"] = {"taskDetails": list(details.values())}
        job |= {"state": f"PIPELINE_STATE_{state}", "endTime": now, "updateTime": now}
        if state == "FAILED":
            message = (
                "The DAG failed because some tasks failed. The failed tasks are: "
                f"[{', '.join(failed)}].; Job (project_id = {self.project}, job_id = {NUMBER}) is "
                "failed due to the above error."
            )
            job["error"] = {"code": 9, "message": message}

    def _local(self, text: str) -> str:
        return text.replace("gs://", f"{self.folder}/") if self.folder else text

    def _remote(self, text: str) -> str:
        return text.replace(f"{self.folder}/", "gs://") if self.folder else text


def _root_task(job_id: str, task_id: str) -> dict:
    return {"taskId": task_id, "taskName": job_id, "state": "RUNNING", "createTime": _now()}


def _value(value: object) -> object:
    """ML Metadata knows numbers and text."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return value if plain else json.dumps(value)


def _filter(text: str):
    """AIP-160, as far as `=` and `!=` joined by AND."""
    tests = []
    for part in re.split(r"\s+AND\s+", text) if text else []:
        match = re.fullmatch(r'([a-z_.\-0-9]+)\s*(!?=)\s*"?([^"]*)"?', part)
        if not match:
            raise Refused(400, f"Invalid filter: {part}")
        tests.append(match.groups())

    def wanted(job: dict) -> bool:
        for name, operator, value in tests:
            if name.startswith("labels."):
                found = job["labels"].get(name.removeprefix("labels."))
            elif name == "pipeline_name":
                found = job["pipelineSpec"]["pipelineInfo"]["name"]
            elif name in {"state", "display_name"}:
                found = job.get({"display_name": "displayName"}.get(name, name))
            else:
                raise Refused(400, f"Invalid filter: {name}")
            if (found == value) != (operator == "="):
                return False
        return True

    return wanted


def _page(entries: list, query) -> tuple[list, str]:
    size = min(int(query.get("pageSize", 50)), 100)
    token = query.get("pageToken", "")
    begin = int(base64.b64decode(token)) if token else 0
    end = begin + size
    return entries[begin:end], base64.b64encode(b"%d" % end).decode() if end < len(entries) else ""


def _now() -> str:
    return _nanoseconds(datetime.datetime.now(datetime.UTC).isoformat())


def _nanoseconds(text: str) -> str:
    """Nine digits of a second and a Z, as the API has them."""
    moment = datetime.datetime.fromisoformat(text)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}000Z"
