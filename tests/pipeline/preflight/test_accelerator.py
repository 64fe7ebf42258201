"""What a region offers, and how much of it the project may have."""

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.preflight.check import Status
from idxpipe.pipeline.vertex.request import Place
from tests.fakes.google import BUCKET, PROJECT, REGION
from tests.pipeline.preflight.looks import QUOTA, look, the


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
