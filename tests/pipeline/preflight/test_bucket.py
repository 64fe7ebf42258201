"""Where a bucket is, whose it is and who may write there."""

import pytest

from idxpipe.pipeline.preflight.check import Status, failures, ok
from tests.fakes.google import ACCOUNT, BUCKET, MEMBER, NUMBER, PROJECT, denied, with_binding
from tests.pipeline.preflight.looks import fails_with_its_fix, look, the

# Each row: how the world is broken, part of the check's name, part of what is found, of the fix.
BROKEN = {
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
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_failure_with_its_fix(google, case):
    fails_with_its_fix(google, *BROKEN[case])


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


def test_a_grant_by_the_project_is_enough(google):
    google.bucket_policy["bindings"].clear()
    google.project_policy = with_binding(
        google.project_policy, role="roles/storage.objectAdmin", members=[MEMBER]
    )
    assert the(look(), f"{ACCOUNT} can read").found == "granted by the policy of the project"


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
