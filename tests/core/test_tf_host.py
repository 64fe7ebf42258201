import gc
import os
import subprocess
import sys

import pytest

from idxpipe.components.core.errors import SetupError
from idxpipe.components.core.tf_host import quiet_import, without_gc


def test_noise_of_native_code_is_swallowed(capfd):
    with quiet_import():
        os.write(2, b"noise")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


SPEAK = """
import os
from idxpipe.components.core.narration import say
from idxpipe.components.core.tf_host import quiet_import
with quiet_import():
    os.write(2, b"noise")
    say("waiting for the TPU")
say("done")
"""


def test_our_own_words_are_heard_all_the_same():
    done = subprocess.run([sys.executable, "-c", SPEAK], check=True, capture_output=True, text=True)
    assert done.stderr == "waiting for the TPU\ndone\n"


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


@pytest.mark.parametrize(
    ("machine", "given", "found"),
    [("x86_64", None, "1"), ("x86_64", "0", "0"), ("aarch64", None, None)],
)
def test_onednn_is_on_where_it_is_known_to_be_faster(monkeypatch, machine, given, found):
    monkeypatch.setattr("platform.machine", lambda: machine)
    # So that what this test sets is undone after it.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given or "")
    if given is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    with quiet_import():
        pass
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == found


FIND = """
import sys
{}
from idxpipe.components.core.tf_host import quiet_import
with quiet_import():
    import tensorflow, keras
print(sorted({{"jax", "sklearn"}} & set(sys.modules)))
import sklearn, jax
"""


@pytest.mark.parametrize(
    ("before", "found"),
    [("import idxpipe.pipeline.cli.main", []), ("", ["jax", "sklearn"])],
)
def test_a_command_of_ours_does_not_load_what_no_stage_wants(before, found):
    command = [sys.executable, "-c", FIND.format(before)]
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert done.stdout == f"{found}\n", done.stderr


def test_what_is_made_is_never_looked_at_again():
    before = gc.get_freeze_count()
    with without_gc():
        assert not gc.isenabled()
        made = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > before + len(made)
    gc.unfreeze()


def test_the_collector_is_left_as_it_was():
    with pytest.raises(ImportError), without_gc():
        raise ImportError
    assert gc.isenabled()
    gc.disable()
    with without_gc():
        pass
    assert not gc.isenabled()
    gc.enable()
    gc.unfreeze()
