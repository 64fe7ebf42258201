import os

import pytest

from components.core.errors import DataError, SetupError, TransientError
from components.core.tf_host import quiet_import, records_error, tf_path


def test_noise_of_native_code_is_swallowed(capfd):
    with quiet_import():
        os.write(2, b"noise")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_noise_is_shown_when_the_import_fails(capfd):
    with pytest.raises(ImportError), quiet_import():
        os.write(2, b"the reason")
        raise ImportError
    assert capfd.readouterr().err == "the reason"


def test_our_own_errors_speak_for_themselves(capfd):
    with pytest.raises(SetupError), quiet_import():
        os.write(2, b"noise")
        raise SetupError("no GPU")
    assert capfd.readouterr().err == ""


def test_tensorflow_gets_plain_local_paths():
    assert tf_path("/a b") == tf_path("file:///a%20b") == "/a b"
    assert tf_path("gs://bucket/a") == "gs://bucket/a"


@pytest.mark.parametrize(
    ("uri", "code", "kind"),
    [
        ("gs://b/r", 14, TransientError),
        ("gs://b/r", 7, SetupError),
        ("gs://b/r", 15, DataError),
        ("/r", 14, DataError),
    ],
)
def test_what_tensorflow_could_not_read_is_told_by_its_cause(uri, code, kind):
    error = records_error(uri, code, "{{function_node x}} the cause")
    assert type(error) is kind
    assert (error.where, error.found) == (uri, "the cause")
