"""What the service's refusals are turned into."""

import time

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import SetupError, TransientError
from idxpipe.components.core.stores import gcs as gcs_store
from tests.emulators import deaf_port, gcs_at
from tests.fakes.gcs import stub

REFUSALS = [
    (403, "x does not have storage.objects.get access", "no right", "add-iam-policy-binding"),
    (403, "The billing account for the owning project is disabled", "billing", "billing projects"),
    (
        400,
        "Bucket is requester pays bucket but no user project",
        "readers pay",
        "gcloud storage cp",
    ),
    (401, "Invalid Credentials", "no usable Google credentials", "application-default login"),
    (400, "Invalid bucket name", "Cloud Storage refuses this", ""),
]


@pytest.mark.parametrize(("status", "message", "problem", "remedy"), REFUSALS)
@pytest.mark.parametrize(
    "use", [storage.size, storage.list_files, storage.delete, lambda uri: storage.write(uri, b"x")]
)
def test_a_refusal_says_what_to_do(status, message, problem, remedy, use):
    with stub(status, message), pytest.raises(SetupError, match=problem) as caught:
        use("gs://bucket/f")
    assert remedy in (caught.value.remedy or "")


@pytest.mark.parametrize("use", [storage.size, lambda uri: storage.write(uri, b"x")])
def test_a_service_that_stays_down_is_given_up(use, monkeypatch):
    monkeypatch.setattr(gcs_store, "DEADLINE_SECONDS", 1.0)
    began = time.monotonic()
    with stub(503, "try later"), pytest.raises(TransientError, match="again and again") as caught:
        use("gs://bucket/f")
    assert "same command again" in caught.value.remedy
    assert time.monotonic() - began < 60


def test_a_service_that_is_not_there_is_given_up(monkeypatch):
    monkeypatch.setattr(gcs_store, "DEADLINE_SECONDS", 0.5)
    with (
        deaf_port() as port,
        gcs_at(f"http://127.0.0.1:{port}"),
        pytest.raises(TransientError),
    ):
        storage.size("gs://bucket/f")
