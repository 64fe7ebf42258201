"""The committed pipeline.yaml on the fake Vertex AI, data and artifacts in a bucket."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.components.core import storage
from tests.end_to_end.test_local import QUICK, STAGES, digits
from tests.fakes.vertex import FakeVertex
from tests.idxfiles import NAMES, idx_bytes

pytestmark = pytest.mark.slow


@pytest.fixture
def service(one_gcs):
    """The service; what it runs finds the bucket through the environment."""
    with FakeVertex() as fake:
        yield fake


def idxpipe(service, command, *words):
    place = ("--project", service.project, "--region", service.region, "--endpoint", service.url)
    executable = str(Path(sys.executable).with_name("idxpipe"))
    done = subprocess.run(
        [executable, command, *place, "--json", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ran(record):
    return {name for name in STAGES if record["tasks"].get(name, {}).get("status") == "succeeded"}


def test_a_run_on_vertex_and_a_rerun_of_one_stage(service, one_gcs):
    for role, name in NAMES.items():
        content = idx_bytes(digits(role, 4000 if "train" in role else 500))
        storage.write(f"{one_gcs}/data/{name}.gz", gzip.compress(content))
    first = idxpipe(
        *(service, "submit", "--root", f"{one_gcs}/root", "--data", f"{one_gcs}/data"),
        *(*QUICK, "--wait", "--poll", "0.5"),
    )
    assert ran(first) == set(STAGES)
    measured = first["tasks"]["evaluate"]["outputs"]["artifacts"]["metrics"]["metadata"]
    assert measured["accuracy"] > 0.7
    assert measured["num_examples"] == 500
    for name, task in first["tasks"].items():
        for artifact in task["outputs"]["artifacts"].values():
            assert artifact["uri"].startswith(f"{one_gcs}/root/"), name
    model = first["tasks"]["train"]["outputs"]["artifacts"]["model"]["uri"]
    assert storage.exists(f"{model}/saved_model.pb")

    again = idxpipe(
        *(service, "submit", "--from", "evaluate", "--run", first["job"]),
        *("--set", "min_accuracy=0.5", "--wait", "--poll", "0.5"),
    )
    assert ran(again) == {"evaluate", "gate"}
    assert set(again["tasks"]) & set(STAGES) == {"evaluate", "gate"}
    repeated = again["tasks"]["evaluate"]["outputs"]["artifacts"]["metrics"]["metadata"]
    assert repeated["accuracy"] == measured["accuracy"]
    assert [job["state"] for job in idxpipe(service, "list")] == ["PIPELINE_STATE_SUCCEEDED"] * 2
