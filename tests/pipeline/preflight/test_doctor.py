"""Doctor as a whole against a server that answers as Google's APIs do."""

import pytest

from idxpipe.pipeline.preflight.check import Status
from tests.fakes.google import ACCOUNT, BUCKET, MEMBER, REGION, denied
from tests.pipeline.preflight.looks import QUOTA, look, pipeline_file, the


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


def test_a_local_root_and_local_data(google):
    checks = look(root="out", data="data/mnist")
    assert "in gs:// only" in the(checks, "root out").found
    data = the(checks, "data data/mnist")
    assert data.status is Status.FAIL
    assert data.fix == "gcloud storage cp -r data/mnist gs://BUCKET/data"
