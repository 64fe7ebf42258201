import subprocess

import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.integrity.digest import (
    FileDigest,
    check_files,
    check_stored,
    digest_files,
    digest_of,
)
from idxpipe.components.core.storage import list_files
from idxpipe.components.core.transfer import upload


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index", "README.md", "model.json"):
        (folder / name).write_bytes(name.encode() * 9)
    (folder / ".DS_Store").write_bytes(b"x")
    return folder


def test_all_but_the_card_and_litter_is_listed(model):
    found = digest_files(str(model))
    assert list(found) == ["README.md", "saved_model.pb", "variables/variables.index"]
    assert FileDigest.from_json(found["README.md"].to_json()) == found["README.md"]
    check_files(str(model), str(model), found)


def test_the_digest_is_what_sha256sum_says(model):
    line = "sha256sum saved_model.pb variables/variables.index | sha256sum"
    said = subprocess.run(line, shell=True, cwd=model, capture_output=True, check=True, text=True)
    files = digest_files(str(model))
    assert digest_of(files) == said.stdout.split()[0]
    (model / "README.md").write_text("another")
    assert digest_of(digest_files(str(model))) == digest_of(files)
    assert digest_of({}) == ""


@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_what_is_not_as_listed_is_named(model, how):
    listed = digest_files(str(model))
    file = model / "variables" / "variables.index"
    data = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(data[:-1] if how == "cut" else bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(DataError, match="not what its card lists") as caught:
        check_files(str(model), "gs://b/m", listed)
    assert caught.value.where == "gs://b/m/variables/variables.index"
    assert caught.value.expected == listed["variables/variables.index"]
    assert "idxpipe run" in caught.value.remedy
    assert caught.value.exit_code == 3
    check_files(str(model), "gs://b/m", listed, ("variables/variables.index",))


@pytest.mark.parametrize(
    "name", ["saved_model.cpb", "fingerprint.pb", "variables/more", "assets/a"]
)
def test_a_file_that_tensorflow_would_read_too_is_refused(model, name):
    listed = digest_files(str(model))
    (model / "notes.txt").write_text("somebody's own")
    check_files(str(model), str(model), listed)
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(b"x")
    with pytest.raises(DataError, match="that its card does not list") as caught:
        check_files(str(model), str(model), listed)
    assert caught.value.where == f"{model}/{name}"


def test_a_card_of_an_earlier_version_lists_nothing_to_check(model):
    check_files(str(model / "none"), "", {})
    check_stored(str(model / "none"), {})


def test_what_lies_in_a_store_is_checked_there(model, one_gcs):
    upload(str(model), one_gcs, list_files(str(model)))
    listed = digest_files(str(model))
    check_stored(one_gcs, listed)
    check_stored(str(model), listed)
    other = FileDigest(listed["README.md"].bytes, 1, listed["README.md"].sha256)
    for place in (one_gcs, str(model)):
        with pytest.raises(DataError, match="not what its card lists") as caught:
            check_stored(place, listed | {"README.md": other})
        assert caught.value.where == f"{place}/README.md"
        assert f"{listed['README.md'].crc32c:08x}" in str(caught.value.found)


@pytest.mark.parametrize(
    "values", [(1, 2, "short"), (-1, 2, "a" * 64), (1, 2**32, "a" * 64), ("1", 2, "a" * 64)]
)
def test_a_digest_that_cannot_be_is_refused(values):
    with pytest.raises(ValueError, match="digest of a file"):
        FileDigest(*values)
