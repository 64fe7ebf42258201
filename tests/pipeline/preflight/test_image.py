"""Whether a job's image is there, and cannot change under it."""

import pytest

from idxpipe.pipeline.preflight.check import Status
from tests.fakes.google import DIGEST, IMAGE
from tests.pipeline.preflight.looks import look, pipeline_file, the

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
