import os
from dataclasses import dataclass

import pytest
import s3fs

from idxpipe.components.core import storage
from idxpipe.components.core.artifacts import to_read, to_write
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.stores import gcs as gcs_store
from tests.emulators import environment, without_credentials
from tests.fakes.gcs import stub


@dataclass
class Given:
    """An artifact with the platform's local path for it, as `kfp.dsl.Artifact` has one."""

    uri: str
    path: str


@pytest.fixture
def copy(tmp_path):
    """A local copy, as the launcher has downloaded it."""
    (tmp_path / "minio" / "root").mkdir(parents=True)
    (tmp_path / "minio" / "root" / "dataset").write_text("copy")
    return str(tmp_path / "minio" / "root" / "dataset")


@pytest.fixture
def nobody(tmp_path):
    """A process without credentials of any kind."""
    unset = {name: None for name in os.environ if name.startswith(("AWS_", "GOOGLE_"))}
    values = unset | without_credentials(tmp_path) | {"AWS_EC2_METADATA_DISABLED": "true"}
    with environment(**values, STORAGE_EMULATOR_HOST=None):
        gcs_store._stores.clear()
        s3fs.S3FileSystem.clear_instance_cache()
        yield
        s3fs.S3FileSystem.clear_instance_cache()
        gcs_store._stores.clear()


REMOTE = ["minio://mlpipeline/v2/dataset", "s3://mlpipeline/v2/dataset", "gs://mlpipeline/dataset"]


def test_kfps_artifacts_are_taken():
    from kfp import dsl

    local = dsl.Dataset(uri="/data/x")
    assert (to_read(local), to_write(local)) == ("/data/x", "/data/x")
    # Nobody has downloaded it to /minio on this machine.
    assert to_read(dsl.Dataset(uri="minio://b/x")) == "minio://b/x"


@pytest.mark.parametrize("uri", REMOTE)
@pytest.mark.parametrize("use", [to_read, to_write])
def test_without_credentials_the_platforms_copy_is_used(uri, use, copy, nobody):
    assert use(Given(uri, copy)) == copy


@pytest.mark.parametrize("uri", REMOTE)
@pytest.mark.parametrize("use", [to_read, to_write])
def test_without_a_copy_the_error_is_the_stores_own(uri, use, nobody):
    assert use(Given(uri, "/minio/mlpipeline/v2/dataset")) == uri
    with pytest.raises(IdxpipeError):
        storage.check_access(uri, write=use is to_write)


@pytest.mark.parametrize("store", ["one_gcs", "s3"])
@pytest.mark.parametrize("use", [to_read, to_write])
def test_with_credentials_the_store_itself_is_used(store, use, copy, request):
    root = request.getfixturevalue(store)
    storage.write(f"{root}/dataset", b"store")
    assert use(Given(f"{root}/dataset", copy)) == f"{root}/dataset"
    assert list(storage.list_files(root)) == ["dataset"], "a probe was left"


@pytest.mark.parametrize("store", ["one_gcs", "s3"])
def test_a_store_that_has_no_such_bucket_is_not_the_platforms(store, copy, request):
    """An S3 of the cluster's own, whose endpoint only the launcher knows."""
    scheme = request.getfixturevalue(store).partition("://")[0]
    assert to_read(Given(f"{scheme}://mlpipeline-4711/dataset", copy)) == copy
    assert to_write(Given(f"{scheme}://mlpipeline-4711/dataset", copy)) == copy


def test_who_may_only_read_writes_by_path(copy):
    """The nodes of GKE have the scope devstorage.read_only unless told otherwise."""
    given = Given("gs://bucket/dataset", copy)
    with stub(403, "Provided scope(s) are not authorized", reads=True):
        assert to_read(given) == given.uri
        assert to_write(given) == copy


def test_the_name_may_get_a_suffix(copy, nobody):
    """`report.uri += ".html"`: KFP's path follows the URI, and so does ours."""
    given = Given("minio://b/report.html", f"{copy}.html")
    assert to_write(given) == f"{copy}.html"


def test_a_local_folder_that_may_not_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)
    storage.check_access(str(tmp_path / "new" / "file"), write=False)
    with pytest.raises(IdxpipeError, match="no right"):
        storage.check_access(str(tmp_path / "new" / "file"), write=True)
