import os

import pytest

from components.core.errors import SetupError
from components.core.tf_host import quiet_import


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
