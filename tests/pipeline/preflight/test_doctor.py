"""Every failure of doctor, provoked against a server that answers as Google's APIs do."""

import json
import time
from types import SimpleNamespace

import pytest

from idxpipe.components.core.errors import SetupError, UsageError
from idxpipe.components.core.google import rest
from idxpipe.components.core.idx.files import DataConfig
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.preflight.check import Status, failures, ok, require
from idxpipe.pipeline.preflight.doctor import Plan, preflight
from idxpipe.pipeline.preflight.project import check_credentials
from idxpipe.pipeline.preflight.services import OVERRIDE, Services, base_url
from idxpipe.pipeline.vertex.request import Place
from tests.fakes.google import (
    ACCOUNT,
    BUCKET,
    DIGEST,
    IMAGE,
    MEMBER,
    NUMBER,
    PROJECT,
    REGION,
    Google,
    denied,
    serve,
    with_binding,
)

QUOTA = "custom_model_training_tpu_v5e"


@pytest.fixture
def google(monkeypatch):
    world = Google()
    with serve(world) as address:
        monkeypatch.setenv(OVERRIDE, address)
        monkeypatch.setattr(rest, "PAUSE_SECONDS", 0.001)
        yield world


def look(**changes):
    values = {
        "place": Place(PROJECT, REGION),
        "root": f"gs://{BUCKET}/runs",
        "service_account": ACCOUNT,
    }
    if "data" in changes:
        changes["data"] = DataConfig(data=changes["data"])
    return preflight(Plan(**values | changes))


def pipeline_file(tmp_path, image=f"{IMAGE}@{DIGEST}", name="tpu-v5e-4"):
    """A compiled pipeline for another image."""
    with open(f"tests/pipeline/golden/{name}.yaml") as file:
        text = file.read()
    for old in ("idxpipe-train:golden", "idxpipe:0.1.0-python3.11"):
        text = text.replace(old, image)
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return str(path)


def the(checks, part):
    (found,) = [check for check in checks if part in check.what]
    return found


def test_all_in_order(google, tmp_path):
    google.quota(QUOTA, 4, region=REGION)
    checks = look(pipeline=pipeline_file(tmp_path))
    assert {check.status for check in checks} == {Status.OK}, "\n".join(map(str, checks))
    assert len(checks) >= 12
    assert all("Authorization" not in headers for _, _, headers in google.requests)


def test_nothing_is_ever_written(google):
    del google.buckets[BUCKET]
    look()
    assert len(google.requests) > 5
    for method, path, _ in google.requests:
        assert method == "GET" or path.endswith((":testIamPermissions", ":getIamPolicy"))


# Each row: how the world is broken, part of the check's name, part of what is found, of the fix.
BROKEN = {
    "apis": (
        lambda g: g.apis.discard("aiplatform"),
        "APIs",
        "not enabled: aiplatform.googleapis.com",
        "gcloud services enable aiplatform.googleapis.com --project=my-project",
    ),
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
    "no bucket": (
        lambda g: g.buckets.clear(),
        f"bucket {BUCKET}",
        "no such bucket",
        f"gcloud storage buckets create gs://{BUCKET} --project=my-project --location=us-central1",
    ),
    "squatted bucket": (
        lambda g: g.buckets[BUCKET].update(projectNumber="666"),
        "is of project",
        f"of project number 666, not {NUMBER}",
        "gcloud storage buckets create gs://my-project-idxpipe",
    ),
    "closed bucket": (
        lambda g: g.errors.update({f"/b/{BUCKET}": denied()}),
        f"bucket {BUCKET}",
        "whose it is cannot be told",
        "--role=roles/storage.bucketViewer",
    ),
    "bucket in another region": (
        lambda g: g.buckets[BUCKET].update(location="EUROPE-WEST4"),
        "is in us-central1",
        "it is in EUROPE-WEST4",
        "--location=us-central1",
    ),
    "bucket in another multi-region": (
        lambda g: g.buckets[BUCKET].update(location="EU"),
        "is in us-central1",
        "it is in EU",
        "--location=us-central1",
    ),
    "caller cannot write": (
        lambda g: g.bucket_permissions.remove("storage.objects.create"),
        "you can read and write",
        "lacking storage.objects.create",
        f"gcloud storage buckets add-iam-policy-binding gs://{BUCKET}",
    ),
    "account cannot write": (
        lambda g: g.bucket_policy["bindings"][0].update(role="roles/storage.objectViewer"),
        f"{ACCOUNT} can read and write",
        "granted by neither the bucket nor the project",
        f"--member={MEMBER} --role=roles/storage.objectUser",
    ),
    "no account": (
        lambda g: g.accounts.clear(),
        f"service account {ACCOUNT}",
        "there is no such account",
        "gcloud iam service-accounts create idxpipe --project=my-project",
    ),
    "account disabled": (
        lambda g: g.accounts[ACCOUNT].update(disabled=True),
        f"service account {ACCOUNT}",
        "is disabled",
        f"gcloud iam service-accounts enable {ACCOUNT}",
    ),
    "not allowed to act as the account": (
        lambda g: g.account_permissions.clear(),
        "you may run jobs as",
        "lacking iam.serviceAccounts.actAs",
        "--role=roles/iam.serviceAccountUser",
    ),
    "account may not use Vertex AI": (
        lambda g: g.project_policy["bindings"].clear(),
        "may use Vertex AI",
        "not granted",
        f"--member={MEMBER} --role=roles/aiplatform.user",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_failure_with_its_fix(google, case):
    damage, what, found, fix = BROKEN[case]
    damage(google)
    checks = look()
    (check,) = [c for c in failures(checks) if what in c.what]
    assert found in check.found
    assert fix in check.fix
    assert "\n" not in str(check)
    with pytest.raises(SetupError, match="checks before a run failed") as caught:
        require(checks)
    assert check.fix in str(caught.value)


@pytest.mark.parametrize("location", ["US", "us-central1"])
def test_regions_that_are_near(google, location):
    google.buckets[BUCKET]["location"] = location
    assert the(look(), "is in us-central1").status is Status.OK


def test_a_predefined_dual_region_is_left_to_its_page(google):
    google.buckets[BUCKET] |= {"location": "NAM4", "locationType": "dual-region"}
    check = the(look(), "is in us-central1")
    assert check.status is Status.UNKNOWN
    assert "storage/docs/locations" in check.fix


def test_a_dual_region_of_ones_own_choice(google):
    google.buckets[BUCKET] |= {
        "location": "US",
        "customPlacementConfig": {"dataLocations": ["US-CENTRAL1", "US-WEST1"]},
    }
    assert the(look(), "is in us-central1").status is Status.OK


# What only somebody else could tell is not called a failure.
UNCERTAIN = {
    "group": (
        lambda g: setattr(
            g,
            "bucket_policy",
            {"bindings": [{"role": "roles/storage.admin", "members": ["group:ml@x.org"]}]},
        ),
        "can read and write my-bucket",
        "only the account itself can tell",
    ),
    "hidden policy": (
        lambda g: (
            g.errors.update({f"/b/{BUCKET}/iam": denied()}),
            g.bucket_policy["bindings"].clear(),
        ),
        f"{ACCOUNT} can read",
        "the policy of the bucket cannot be read",
    ),
    "custom role": (
        lambda g: setattr(
            g,
            "project_policy",
            {"bindings": [{"role": "projects/p/roles/mine", "members": [MEMBER]}]},
        ),
        "may use Vertex AI",
        "custom role",
    ),
    "apis hidden": (
        lambda g: g.errors.update({"services:batchGet": denied()}),
        "APIs",
        "permission denied",
    ),
    "busy": (
        lambda g: g.errors.update({"/serviceAccounts/": (503, {"error": {"message": "busy"}})}),
        f"service account {ACCOUNT}",
        "service fails",
    ),
}


@pytest.mark.parametrize("case", UNCERTAIN)
def test_what_cannot_be_told_says_so(google, case):
    damage, what, found = UNCERTAIN[case]
    damage(google)
    (check,) = [c for c in look() if what in c.what and c.status is Status.UNKNOWN]
    assert found in check.found


def test_a_grant_by_the_project_is_enough(google):
    google.bucket_policy["bindings"].clear()
    google.project_policy = with_binding(
        google.project_policy, role="roles/storage.objectAdmin", members=[MEMBER]
    )
    assert the(look(), f"{ACCOUNT} can read").found == "granted by the policy of the project"


def test_no_service_account_is_worth_a_word(google):
    check = the(look(service_account=""), "service account")
    assert check.status is Status.UNKNOWN
    assert "default account" in check.found


IMAGES = {
    "idxpipe:0.1.0-python3.11": (Status.FAIL, "not in a registry", "$(idxpipe image-tag)"),
    f"{IMAGE}:v1": (Status.FAIL, "pin the digest", f"--image {IMAGE}@{DIGEST} --accelerator"),
    f"{IMAGE}:v2": (Status.FAIL, "there is no such image", "gcloud builds submit"),
    f"{IMAGE}@sha256:{'b' * 64}": (Status.FAIL, "there is no such image", "gcloud builds submit"),
    f"{IMAGE}@{DIGEST}": (Status.OK, "pinned by its digest", ""),
    "docker.io/me/idxpipe:1": (Status.UNKNOWN, "not in Artifact Registry", ""),
}


@pytest.mark.parametrize("image", IMAGES)
def test_images(google, tmp_path, image):
    status, found, fix = IMAGES[image]
    check = the(look(pipeline=pipeline_file(tmp_path, image)), f"image {image}")
    assert check.status is status
    assert found in check.found
    assert fix in check.fix


def test_a_tag_that_cannot_be_moved_is_as_good_as_a_digest(google, tmp_path):
    google.immutable = True
    check = the(look(pipeline=pipeline_file(tmp_path, f"{IMAGE}:v1")), f"image {IMAGE}")
    assert check.status is Status.OK
    assert DIGEST in check.found


@pytest.mark.parametrize(
    ("limits", "status", "found"),
    [
        ([(1, {"region": REGION}), (8, {})], Status.FAIL, "is 1, the training needs 4"),
        ([(0, {})], Status.FAIL, "is 0"),
        ([(16, {"region": REGION}), (0, {})], Status.OK, "is 16"),
        ([(-1, {})], Status.OK, "unlimited"),
        ([(8, {"region": "europe-west4"})], Status.UNKNOWN, "no limit for the region"),
        ([], Status.UNKNOWN, "not found"),
    ],
)
def test_quota(google, limits, status, found):
    for limit, dimensions in limits:
        google.quota(QUOTA, limit, **dimensions)
    check = the(look(accelerator="tpu-v5e-4"), "quota for tpu-v5e-4")
    assert check.status is status
    assert found in check.found
    if status is Status.FAIL:
        assert "console.cloud.google.com/iam-admin/quotas?project=my-project" in check.fix


def test_an_accelerator_that_the_region_does_not_offer(google):
    google.buckets[BUCKET]["location"] = "EUROPE-WEST1"
    checks = look(accelerator="tpu-v3-8", place=Place(PROJECT, "europe-west1"))
    (check,) = [check for check in checks if check.what == "tpu-v3-8 in europe-west1"]
    assert check.status is Status.FAIL
    assert "it is in us-central1, europe-west4" in check.found


def test_an_accelerator_that_does_not_exist_is_a_usage_error(google):
    with pytest.raises(UsageError, match="no such accelerator"):
        look(accelerator="tpu-v9")


def test_a_local_root_and_local_data(google):
    checks = look(root="out", data="data/mnist")
    assert "in gs:// only" in the(checks, "root out").found
    data = the(checks, "data data/mnist")
    assert data.status is Status.FAIL
    assert data.fix == "gcloud storage cp -r data/mnist gs://BUCKET/data"


def test_a_data_bucket_that_is_missing_is_to_be_looked_for_and_not_to_be_made(google, monkeypatch):
    monkeypatch.setattr(
        "idxpipe.pipeline.preflight.doctor.check_data", lambda data: ok(f"data {data.data}", "fine")
    )
    (check,) = failures(look(data="gs://nowhere/mnist"))
    assert check.what.startswith("bucket nowhere")
    assert "no such bucket" in check.found
    assert check.fix == f"gcloud storage ls --project={PROJECT}"


def test_data_of_another_project_is_worth_a_word(google, monkeypatch):
    monkeypatch.setattr(
        "idxpipe.pipeline.preflight.doctor.check_data", lambda data: ok(f"data {data.data}", "fine")
    )
    google.buckets["public"] = {"projectNumber": "42", "location": "US"}
    check = the(look(data="gs://public/mnist"), "bucket public (--data) is of project")
    assert check.status is Status.UNKNOWN
    assert "data to trust?" in check.found


def test_no_network_is_found_out_once(monkeypatch):
    monkeypatch.setenv(OVERRIDE, "http://127.0.0.1:9")
    monkeypatch.setattr(rest, "PAUSE_SECONDS", 0.001)
    checks = look(data="gs://data/mnist")
    assert {c.status for c in checks if c.what != "credentials"} == {Status.UNKNOWN}
    assert "cannot be reached" in the(checks, "APIs").found
    assert "without a network" in the(checks, "data gs://data/mnist").found


@pytest.mark.parametrize("address", ["https://evil.org", "http://evil.org", "ftp://127.0.0.1"])
def test_only_this_machine_may_stand_in_for_google(monkeypatch, address):
    monkeypatch.setenv(OVERRIDE, address)
    with pytest.raises(UsageError, match="only a server on this machine"):
        base_url("storage")


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
    # A second on a quiet machine.
    assert time.monotonic() - started < 5


def test_of_credentials_the_account_is_shown_and_no_secret(monkeypatch):
    monkeypatch.delenv(OVERRIDE, raising=False)
    for email, shown in ((ACCOUNT, ACCOUNT), (None, "a user's"), ("default", "a user's")):
        login = SimpleNamespace(token="ya29.secret", service_account_email=email)
        check = check_credentials(Services(login=lambda login=login: login))
        assert check.status is Status.OK
        assert check.found == shown
        assert "secret" not in str(check)


def command(*more):
    return main(["doctor", "--project", PROJECT, "--region", REGION, *more])


def test_the_command_prints_a_line_each_and_exits_with_5(google, tmp_path, capsys):
    google.apis.discard("compute")
    words = ["--root", f"gs://{BUCKET}/runs", "--service-account", ACCOUNT]
    words += ["--pipeline", pipeline_file(tmp_path)]
    google.quota(QUOTA, 4)
    assert command(*words) == 5
    out = capsys.readouterr().out
    # The golden file names its images otherwise than the compiler would now.
    assert all(line.startswith(("ok   ", "FAIL ", "?    ")) for line in out.splitlines())
    assert "FAIL APIs: not enabled: compute.googleapis.com; fix: gcloud services enable" in out


def test_the_command_as_json(google, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "idxpipe.pipeline.preflight.doctor.check_fresh", lambda *args: ok("pipeline", "is fresh")
    )
    google.quota(QUOTA, 4)
    words = ["--root", f"gs://{BUCKET}/runs", "--service-account", ACCOUNT, "--json"]
    assert command(*words, "--pipeline", pipeline_file(tmp_path)) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert {"status", "what", "found", "fix"} == set(answer["checks"][0])


def test_a_project_that_cannot_be_one_is_a_usage_error(capsys):
    assert main(["doctor", "--project", "X", "--region", REGION, "--root", "gs://b"]) == 2
    assert "--project" in capsys.readouterr().err
