"""What goes wrong between us and the service, and what is said about it."""

import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.components.core.errors import SetupError, UsageError
from idxpipe.components.core.google import rest
from tests.fakes.http import JsonServer, Refused
from tests.fakes.vertex import FakeVertex

DENIED = (
    "Permission 'aiplatform.pipelineJobs.create' denied on resource "
    "'//aiplatform.googleapis.com/projects/toy-project/locations/us-central1'"
)
DISABLED = (
    "Vertex AI API has not been used in project toy-project before or it is disabled. Enable it by "
    "visiting https://console.developers.google.com"
)
ACT_AS = "You do not have permission to act as service account: x (iam.serviceAccounts.actAs)"


@pytest.mark.parametrize(
    ("refused", "code", "found", "remedy"),
    [
        (Refused(400, "bad root"), 2, "400: bad root", None),
        (Refused(401, "no"), 5, "credentials are not accepted", "gcloud auth"),
        (Refused(403, DENIED), 5, "'aiplatform.pipelineJobs.create'", "roles/aiplatform.user"),
        (Refused(403, DISABLED), 5, "has not been used", "enable aiplatform.googleapis.com"),
        (Refused(403, ACT_AS), 5, "actAs", "roles/iam.serviceAccountUser"),
        (Refused(404, "no region"), 2, "no region", "idxpipe list"),
        (Refused(409, "there already"), 2, "exists already", None),
    ],
)
def test_refusals(submit, service, refused, code, found, remedy):
    service.refusals.append(refused)
    error = submit(check=code)
    assert found in error
    assert remedy is None or remedy in error
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_by_itself_is_tried_again(submit, service, status):
    service.refusals += [Refused(status, "try later")] * (rest.ATTEMPTS - 1)
    assert submit()["job"] in service.jobs
    service.refusals += [Refused(status, "try later")] * rest.ATTEMPTS
    error = submit(check=6)
    assert f"{status}: try later" in error


def test_a_lost_answer_is_not_a_second_job(submit, service):
    service.lost = 1
    job_id = submit()["job"]
    assert list(service.jobs) == [job_id]
    assert [r.method for r in service.requests] == ["POST", "POST", "GET"]


def test_nobody_there(submit, service):
    error = submit("--endpoint", "http://127.0.0.1:9", check=6)
    assert "http://127.0.0.1:9: service cannot be reached" in error
    assert "Connection refused" in error


def test_an_answer_of_another_kind(idxpipe, service):
    service.raw = b"<html>log in</html>"
    error = idxpipe("list", check=5)
    assert "answer is not JSON" in error
    assert "text/html" in error


def test_redirects_are_not_followed(submit, idxpipe):
    with Elsewhere() as server:
        assert "answer is not JSON" in idxpipe("list", "--endpoint", server.url, check=5)
        assert len(server.requests) == 1


class Elsewhere(JsonServer):
    def answer(self, request):
        raise Refused(302, "log in first")


@pytest.mark.parametrize(
    "job",
    [
        {"name": "x", "pipelineSpec": None},
        {"name": "x", "pipelineSpec": {"schemaVersion": "2.1.0"}},
        {"jobDetail": None},
        {"jobDetail": {"taskDetails": [{"taskId": "seven"}]}},
        {"endTime": "yesterday"},
        {"createTime": 5},
        {"runtimeConfig": {"parameterValues": {"steps": "many"}}},
        {"labels": None},
    ],
)
def test_jobs_that_make_no_sense(idxpipe, service, finished, job):
    service.jobs[finished]["job"].update(job)
    for command in ("status", "wait"):
        error = idxpipe(command, finished, check=2 if "runtimeConfig" in job else 3)
        assert "Traceback" not in error


def test_the_environment_names_no_other_address(submit, monkeypatch):
    for address in ("https://example.com", "https://googleapis.com.example.com", "https://1.2.3.4"):
        monkeypatch.setenv("IDXPIPE_VERTEX_ENDPOINT", address)
        with pytest.raises(UsageError, match="not an address of Google's"):
            rest.vertex_client("us-central1")
    monkeypatch.setenv("IDXPIPE_VERTEX_ENDPOINT", "http://example.com")
    with pytest.raises(UsageError, match="plain http"):
        rest.vertex_client("us-central1")
    for address in ("http://127.0.0.1:80", "https://us-central1-aiplatform-x.p.googleapis.com"):
        monkeypatch.setenv("IDXPIPE_VERTEX_ENDPOINT", address)
        assert rest.vertex_client("us-central1").endpoint == address
    # The flag is the user's own word.
    assert rest.vertex_client("r", "https://example.com").endpoint == "https://example.com"


def test_errors_as_json(idxpipe, service, capsys):
    from idxpipe.pipeline.cli import main as cli

    words = ["status", "never-was", "--project", "toy-project", "--region", "us-central1"]
    assert cli.main([*words, "--endpoint", service.url, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["exit_code"] == 2
    assert "remedy" in error


TOKEN = "ya29.THE-SECRET-TOKEN"


class Tokens(JsonServer):
    """A token server; the token is in the answer of every kind."""

    status = 200

    def answer(self, request):
        if self.status != 200:
            raise Refused(self.status, f"assertion of {TOKEN} is not right")
        return {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}


@pytest.fixture
def secure(certificate, buckets, tmp_path, monkeypatch):
    """The service behind TLS, with credentials that fetch the token; yields it and the tokens."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    with (
        FakeVertex(folder=buckets, tls=context, token=TOKEN) as fake,
        Tokens(tls=context) as tokens,
    ):
        account = {
            "type": "service_account",
            "client_email": "me@toy-project.iam.gserviceaccount.com",
            "private_key_id": "1",
            "private_key": (certificate / "key.pem").read_text(),
            "token_uri": f"{tokens.url}/token",
            "project_id": "toy-project",
        }
        (tmp_path / "account.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "certificate.pem"))
        yield fake, tokens


def command(fake, *words, check=0):
    place = ("--project", fake.project, "--region", fake.region, "--endpoint", fake.url)
    executable = str(Path(sys.executable).with_name("idxpipe"))
    done = subprocess.run(
        [executable, words[0], *place, *words[1:]], check=False, capture_output=True, text=True
    )
    printed = done.stdout + done.stderr
    assert done.returncode == check, printed
    assert "Traceback" not in printed
    assert TOKEN not in printed
    assert "PRIVATE KEY" not in printed
    return printed


def test_no_token_is_ever_shown_or_stored(secure, file, certificate):
    fake, tokens = secure
    job = ("--pipeline", str(file), "--root", "gs://ours/root", "--data", "gs://ours/data")
    command(fake, "submit", *job, "--wait", "--poll", "0.05")
    (job_id,) = fake.jobs
    command(fake, "status", job_id, "--json")
    command(fake, "logs", job_id)
    command(fake, "submit", "--only", "judge", "--run", job_id, "--dry-run", "--json")
    assert TOKEN not in json.dumps([entry["job"] for entry in fake.jobs.values()])
    assert all(TOKEN not in json.dumps(request.body) for request in fake.requests)
    # The service does not take it.
    fake.token = "another"
    assert "credentials are not accepted" in command(fake, "list", check=5)
    # Nor does the token server, which quotes it.
    tokens.status = 400
    assert "credentials are expired or revoked" in command(fake, "list", check=5)


def test_no_tokens_to_be_had(secure, idxpipe):
    fake, tokens = secure
    tokens.__exit__()
    error = idxpipe("list", "--endpoint", fake.url, check=6)
    assert "server of access tokens: service cannot be reached" in error
    assert fake.requests == []


def test_no_credentials_are_said_by_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    executable = str(Path(sys.executable).with_name("idxpipe"))
    words = ("submit", "--project", "toy-project", "--region", "us-central1")
    done = subprocess.run(
        [executable, *words, "--root", "gs://ours/root", "--data", "gs://ours/data"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == SetupError.exit_code
    assert "gcloud auth application-default login" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [None, "{}", "not json", '{"type": "authorized_user"}'])
def test_credentials_that_cannot_be_read(tmp_path, monkeypatch, idxpipe, content):
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    error = idxpipe("list", "--endpoint", "https://localhost:9", check=5)
    assert "gcloud auth application-default login" in error
