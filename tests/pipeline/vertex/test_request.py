"""Google's own SDK is the contract: it submits the same file to the same fake, and both requests
mean the same. It takes ten seconds to import, so it runs in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.pipeline.vertex import record as vertex_record
from idxpipe.pipeline.vertex import request as vertex_request
from tests.fakes import vertex_schema

SDK = """
import json
import sys
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.cloud.aiplatform.utils import gcs_utils

url, file = sys.argv[1:]
# It looks for the bucket, to make it; there is none.
gcs_utils.create_gcs_bucket_for_pipeline_artifacts_if_it_does_not_exist = lambda **_: None
aiplatform.init(
    project="toy-project", location="us-central1", api_endpoint=url, api_transport="rest",
    credentials=AnonymousCredentials(),
)
settings = dict(
    template_path=file, pipeline_root="gs://ours/root", failure_policy="fast",
    parameter_values={"data": "gs://ours/data", "steps": 12}, labels={"team": "vision"},
    encryption_spec_key_name="projects/p/locations/r/keyRings/k/cryptoKeys/n",
)
job = aiplatform.PipelineJob(display_name="toy", job_id="theirs", **settings)
job.submit(service_account="me@p.iam.gserviceaccount.com", network="projects/1/global/networks/n")
job.wait()
details = {d.task_name: d for d in job.task_details}
fingerprint = details["look"].execution.metadata["output:fingerprint_a"]
model = details["train"].outputs["model"].artifacts[0].uri
# What idxpipe submitted reads the same.
ours = aiplatform.PipelineJob.get("ours")
schedule = job.create_schedule(cron="0 6 * * *", display_name="nightly", max_run_count=3)
cron = aiplatform.PipelineJobSchedule.get(schedule.resource_name).cron
from google.cloud.aiplatform_v1 import types
fields = {
    name: sorted(field.json_name for field in message.pb(message()).DESCRIPTOR.fields)
    for name, message in {
        "job": types.PipelineJob, "config": types.PipelineJob.RuntimeConfig,
        "schedule": types.Schedule, "detail": types.PipelineTaskDetail,
    }.items()
}
enums = {
    "job": list(types.PipelineState.__members__),
    "task": list(types.PipelineTaskDetail.State.__members__),
    "policy": list(types.PipelineFailurePolicy.__members__),
}
# The SDK, too, writes to stdout; this is the last line.
print(json.dumps([[job.state.name, ours.state.name, fingerprint, model, cron], fields, enums]))
"""


@pytest.mark.slow
def test_both_requests_mean_the_same(submit, idxpipe, service, file, monkeypatch):
    monkeypatch.setattr(vertex_request, "new_job_id", lambda name: "ours")
    settings = (
        *("--set", "steps=12", "--labels", "team=vision"),
        *("--service-account", "me@p.iam.gserviceaccount.com"),
        *("--network", "projects/1/global/networks/n"),
        *("--encryption-key", "projects/p/locations/r/keyRings/k/cryptoKeys/n"),
    )
    submit(*settings)
    service.wait("ours")
    done = subprocess.run(
        [sys.executable, "-c", SDK, service.url, str(file)],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path.cwd(),
    )
    assert done.returncode == 0, done.stderr
    said, fields, enums = json.loads(done.stdout.splitlines()[-1])
    theirs, ours, fingerprint, model, cron = said
    assert theirs == ours == "PIPELINE_STATE_SUCCEEDED"
    assert cron == "0 6 * * *"

    posts = [r for r in service.requests if r.method == "POST"]
    ours, theirs = [r for r in posts if r.path.endswith("/pipelineJobs")]
    assert theirs.path == ours.path
    assert theirs.query["pipelineJobId"] == "theirs"
    assert normal(ours.body) == normal(theirs.body)

    # The values that the SDK reads from a run are those that we read.
    record = idxpipe("status", "theirs")
    assert record["tasks"]["look"]["outputs"]["parameters"]["fingerprint_a"] == fingerprint
    assert record["tasks"]["train"]["outputs"]["artifacts"]["model"]["uri"] == model

    words = ("--pipeline", file, "--root", "gs://ours/root", "--data", "gs://ours/data")
    idxpipe(
        "schedule", "--cron", "0 6 * * *", "--name", "nightly", "--max-runs", 3, *words, *settings
    )
    theirs, ours = [
        r for r in service.requests if r.path.endswith("/schedules") and r.method == "POST"
    ]
    ours, theirs = normal(ours.body), normal(theirs.body)
    job, less = (body["createPipelineJobRequest"].pop("pipelineJob") for body in (ours, theirs))
    assert ours == theirs
    # The SDK leaves out the job's name and account when it makes a schedule of it, and takes the
    # service's own label along.
    less["labels"].pop("vertex-ai-pipelines-run-billing-id")
    assert {name: job[name] for name in less} == less
    assert less.keys() >= {"pipelineSpec", "runtimeConfig", "encryptionSpec"}

    # What the fake takes and answers, and what we read, is what the API declares.
    assert set(fields["job"]) >= {*vertex_schema.JOB, *service.jobs["theirs"]["job"]}
    assert set(fields["config"]) == vertex_schema.CONFIG.keys()
    assert set(fields["schedule"]) >= vertex_schema.SCHEDULE.keys()
    for detail in service.jobs["theirs"]["job"]["jobDetail"]["taskDetails"]:
        assert set(fields["detail"]) >= detail.keys()
    assert set(enums["job"]) >= {*vertex_record.FINAL, *vertex_record._RUN}
    known = {"STATE_UNSPECIFIED", "PENDING", "NOT_TRIGGERED"}
    assert set(enums["task"]) == {*vertex_record._TASK, *known}
    assert set(enums["policy"]) == set(vertex_schema.POLICIES)


def normal(body):
    """The SDK writes enums as numbers, integers as doubles, and empty fields as empty."""
    body = json.loads(json.dumps(body))
    for job in (body, body.get("createPipelineJobRequest", {}).get("pipelineJob", {})):
        config = job.get("runtimeConfig", {})
        policies = {2: "PIPELINE_FAILURE_POLICY_FAIL_FAST"}
        if "failurePolicy" in config:
            config["failurePolicy"] = policies.get(config["failurePolicy"], config["failurePolicy"])
    return _whole(body)


def _whole(value):
    if isinstance(value, dict):
        return {name: _whole(entry) for name, entry in value.items() if entry not in ({}, "", [])}
    if isinstance(value, list):
        return [_whole(entry) for entry in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
