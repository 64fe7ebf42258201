"""Objects of both stores; the other party is the client of the store's own maker."""

import pytest

from idxpipe.components.core.leases.objects import conditional
from idxpipe.components.core.stores.gcs import gcs_store


@pytest.fixture(params=["gs", "s3"])
def place(request):
    folder = request.getfixturevalue("one_gcs" if request.param == "gs" else "s3")
    return f"{folder}/a.lease"


@pytest.fixture
def rewrite(place, moto):
    """Return what writes the object as somebody else does, without a condition."""
    kind, _, path = place.partition("://")
    bucket, _, name = path.partition("/")

    def rewrite(content):
        if kind == "gs":
            from google.auth.credentials import AnonymousCredentials
            from google.cloud.storage import Client

            client = Client(project="other", credentials=AnonymousCredentials())
            client.bucket(bucket).blob(name).upload_from_string(content)
        else:
            import boto3

            client = boto3.client("s3", endpoint_url=moto["AWS_ENDPOINT_URL"])
            client.put_object(Bucket=bucket, Key=name, Body=content)

    return rewrite


def test_it_is_made_once(place):
    there = conditional(place)
    assert there.read() is None
    version = there.write(b"mine", None)
    assert version
    assert conditional(place).write(b"another's", None) is None
    found = there.read()
    assert (found.content, found.version) == (b"mine", version)
    assert -2 < found.age < 60


def test_it_is_replaced_only_as_it_was_last_seen(place, rewrite):
    there = conditional(place)
    first = there.write(b"1", None)
    second = there.write(b"2", first)
    assert second not in (None, first)
    assert there.write(b"3", first) is None
    rewrite(b"theirs")
    assert there.write(b"4", second) is None
    assert there.read().content == b"theirs"
    assert there.write(b"5", there.never) is None


def test_one_that_is_gone_is_not_replaced(place):
    there = conditional(place)
    version = there.write(b"1", None)
    there.delete(version)
    assert there.read() is None
    assert there.write(b"2", version) is None
    assert there.read() is None
    there.delete(version)


def test_another_version_is_not_deleted(s3):
    there = conditional(f"{s3}/a.lease")
    first = there.write(b"1", None)
    there.write(b"2", first)
    there.delete(first)
    assert there.read().content == b"2"


def test_a_deletion_on_gs_is_of_a_generation(one_gcs):
    """The emulators pass over it; the service does not: objects/delete of the JSON API."""
    there = conditional(f"{one_gcs}/a.lease")
    version = there.write(b"1", None)
    asked = []
    gcs_store().client._http.hooks["response"].append(lambda r, **_: asked.append(r.request))
    there.delete(version)
    (request,) = asked
    assert request.method == "DELETE"
    assert f"ifGenerationMatch={version}" in request.url


def test_other_stores_have_none():
    assert conditional("memory://folder/a.lease") is None
