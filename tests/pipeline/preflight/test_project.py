"""The project, and the credentials that ask for it."""

import time
from types import SimpleNamespace

import pytest

from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.preflight.check import Status
from idxpipe.pipeline.preflight.project import check_credentials
from idxpipe.pipeline.preflight.services import OVERRIDE, Services
from tests.fakes.google import ACCOUNT, PROJECT, REGION, denied
from tests.pipeline.preflight.looks import fails_with_its_fix, look

# Each row: how the world is broken, part of the check's name, part of what is found, of the fix.
BROKEN = {
    "project not yours": (
        lambda g: g.errors.update({f"/v3/projects/{PROJECT}": denied()}),
        f"project {PROJECT}",
        "not there, or not yours to see",
        "gcloud projects describe my-project",
    ),
    "project deleted": (
        lambda g: g.project.update(state="DELETE_REQUESTED"),
        f"project {PROJECT}",
        "is DELETE_REQUESTED",
        "gcloud projects undelete my-project",
    ),
    "caller": (
        lambda g: g.project_permissions.remove("aiplatform.pipelineJobs.create"),
        "you may submit",
        "lacking aiplatform.pipelineJobs.create",
        "--role=roles/aiplatform.user",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_failure_with_its_fix(google, case):
    fails_with_its_fix(google, *BROKEN[case])


def test_no_credentials_is_the_only_line(monkeypatch, tmp_path):
    monkeypatch.delenv(OVERRIDE, raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    started = time.monotonic()
    (check,) = look()
    assert check.status is Status.FAIL
    assert check.fix == "gcloud auth application-default login"
    # Without a word from the metadata server it would be asked again and again.
    assert time.monotonic() - started < 30


def test_of_credentials_the_account_is_shown_and_no_secret(monkeypatch):
    monkeypatch.delenv(OVERRIDE, raising=False)
    for email, shown in ((ACCOUNT, ACCOUNT), (None, "a user's"), ("default", "a user's")):
        login = SimpleNamespace(token="ya29.secret", service_account_email=email)
        check = check_credentials(Services(login=lambda login=login: login))
        assert check.status is Status.OK
        assert check.found == shown
        assert "secret" not in str(check)


def test_a_project_that_cannot_be_one_is_a_usage_error(capsys):
    assert main(["doctor", "--project", "X", "--region", REGION, "--root", "gs://b"]) == 2
    assert "--project" in capsys.readouterr().err
