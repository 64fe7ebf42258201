"""The protos of the SDK's second major release take all that we send, as those of the first do.

It cannot share an environment with google-cloud-pipeline-components 2.22, so it stands in a folder
of its own, and the tests whose fakes parse every body run once more on it.
"""

import os
import subprocess
import sys

from tests.packages import install

SDK = "google-cloud-aiplatform==2.7.0"
FILES = (
    "tests/test_oracles.py",
    "tests/register/test_stage.py",
    "tests/pipeline/cli/services/test_start.py",
    "tests/pipeline/cli/services/test_submit_vertex.py",
    "tests/pipeline/vertex/test_custom_job_request.py",
)
VERSION = "import google.cloud.aiplatform_v1 as sdk; print(sdk.__file__)"


def test_every_body_parses_by_the_next_sdk(tmp_path):
    folder = install(tmp_path / "sdk", "--no-deps", SDK)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("PYTEST_XDIST_WORKER", None)

    def python(*words):
        return subprocess.run(
            [sys.executable, *words], env=environment, check=False, capture_output=True, text=True
        )

    assert str(folder) in python("-c", VERSION).stdout
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *FILES)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
