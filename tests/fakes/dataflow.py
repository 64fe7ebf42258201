"""Dataflow in small: takes a job over REST, runs the pipeline staged for it, and says how it went.

Source: https://cloud.google.com/dataflow/docs/reference/rest/v1b3/projects.locations.jobs
"""

import copy
import datetime
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.http import JsonServer, Refused, Request

WORKER = Path(__file__).parent / "dataflow_worker.py"
JOBS = re.compile(r"/v1b3/projects/([^/]+)/locations/([^/]+)/jobs(?:/([^/]+))?(/messages)?")


@dataclass
class FakeDataflow(JsonServer):
    """The service for one project in one region; also the server that gives out access tokens.

    Attributes:
        folder: Where each job's worker has its packages and its log.
        project: Id of the project.
        region: The region.
        jobs: All that were created, as the API returns them, by id.
        meanwhile: Called before a worker starts.
        hold: Leave jobs running without a worker.
    """

    folder: Path = Path()
    project: str = "toy-project"
    region: str = "us-central1"
    jobs: dict[str, dict] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None
    hold: bool = False

    def __post_init__(self) -> None:
        self._messages: dict[str, list[dict]] = {}
        self._workers: dict[str, subprocess.Popen] = {}
        self._lock = threading.Lock()

    def __exit__(self, *error) -> None:
        for worker in self._workers.values():
            worker.kill()
            worker.wait(120)
        super().__exit__(*error)

    def key_file(self) -> dict:
        """Return the key of a service account whose tokens come from here."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": "1",
            "private_key": pem.decode(),
            # With a name, google-auth asks the real service what locations it may use.
            "client_email": "",
            "token_uri": f"{self.url}/token",
        }

    @property
    def endpoint(self) -> str:
        """Beam's client speaks REST to localhost by name only."""
        return self.url.replace("127.0.0.1", "localhost")

    def home(self, job_id: str) -> Path:
        """Return where the worker of a job keeps what was staged for it, its counters and its log.

        That is `pipeline.pb`, the archives, their content in `packages`, `counters.json`, `log`.
        """
        return self.folder / job_id

    def answer(self, request: Request) -> dict:
        if request.path == "/token":
            return {"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}
        match = JOBS.fullmatch(request.path)
        if not match or not request.headers.get("authorization", "").startswith("Bearer "):
            raise Refused(404, f"The requested URL {request.path} was not found.")
        project, region, job_id, what = match.groups()
        if (project, region) != (self.project, self.region):
            raise Refused(403, f"Current user has no access to {project} in {region}")
        with self._lock:
            if request.method == "POST" and not job_id:
                return self._create(request.body)
            if job_id not in self.jobs:
                raise Refused(404, f"Job {job_id} was not found.")
            self._look_at(job_id)
            if what == "/messages":
                return {"jobMessages": self._messages[job_id]}
            if request.method == "PUT":
                self._cancel(job_id, request.body)
            return copy.deepcopy(self.jobs[job_id])

    def _create(self, body: dict) -> dict:
        if body["type"] not in {1, "JOB_TYPE_BATCH"}:
            raise Refused(400, "only batch jobs here")
        job_id = f"2026-11-24_00_00_00-{len(self.jobs) + 1}"
        self.jobs[job_id] = {
            **body,
            "id": job_id,
            "projectId": self.project,
            "location": self.region,
            "currentState": "JOB_STATE_RUNNING",
        }
        self._messages[job_id] = []
        if not self.hold:
            self.meanwhile()
            self._start(job_id, body)
        return copy.deepcopy(self.jobs[job_id])

    def _start(self, job_id: str, body: dict) -> None:
        home = self.home(job_id)
        home.mkdir(parents=True)
        options = body["environment"]["sdkPipelineOptions"]["options"]
        command = [sys.executable, "-P", str(WORKER), options["pipelineUrl"]]
        # Not this checkout: a worker has Beam, and what was staged for it.
        env = {**os.environ, "PYTHONPATH": str(home / "packages")}
        with (home / "log").open("wb") as log:
            self._workers[job_id] = subprocess.Popen(
                command, env=env, cwd=home, stdout=log, stderr=log
            )

    def _look_at(self, job_id: str) -> None:
        job = self.jobs[job_id]
        code = self._workers[job_id].poll() if job_id in self._workers else None
        if code is None or job["currentState"] != "JOB_STATE_RUNNING":
            return
        job["currentState"] = "JOB_STATE_FAILED" if code else "JOB_STATE_DONE"
        if code:
            text = (self.home(job_id) / "log").read_text()
            self._say(job_id, text[text.find("Traceback") :])
            causes = (
                "the step MakeShards failed; a work item was attempted 4 times without success."
            )
            self._say(job_id, f"Workflow failed. Causes: {causes}")

    def _say(self, job_id: str, text: str) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
        self._messages[job_id].append(
            {
                "id": str(len(self._messages[job_id])),
                "time": now,
                "messageText": text,
                "messageImportance": "JOB_MESSAGE_ERROR",
            }
        )

    def _cancel(self, job_id: str, body: dict) -> None:
        if body.get("requestedState") not in {5, "JOB_STATE_CANCELLED"}:
            raise Refused(400, f"no such change: {json.dumps(body)}")
        if job_id in self._workers:
            self._workers[job_id].kill()
        self.jobs[job_id]["currentState"] = "JOB_STATE_CANCELLED"
