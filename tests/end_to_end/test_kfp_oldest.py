"""The oldest kfp that setup.py allows compiles and runs the same file; the lock has the newest."""

import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.emulators import environment
from tests.end_to_end.test_local import idxpipe
from tests.idxfiles import make_arrays, write_data_set
from tests.packages import install


@pytest.fixture(scope="module")
def oldest(tmp_path_factory):
    (number,) = re.findall(r'"kfp>=([\d.]+),', Path("setup.py").read_text())
    assert number != version("kfp")
    folder = install(tmp_path_factory.mktemp("kfp"), "--no-deps", f"kfp=={number}")
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    with environment(PYTHONPATH=path):
        yield number


def test_it_compiles_the_committed_file(oldest, tmp_path):
    idxpipe("compile", "--check")
    idxpipe("compile", "--output", tmp_path / "pipeline.yaml")
    assert f"sdkVersion: kfp-{oldest}\n" in (tmp_path / "pipeline.yaml").read_text()


def test_it_runs_the_committed_file(oldest, tmp_path):
    write_data_set(tmp_path / "data", make_arrays(train=200, test=50))
    small = ("train_steps=5", "batch_size=16", "num_shards=2")
    settings = [word for setting in small for word in ("--set", setting)]
    done = idxpipe("run", "--data", tmp_path / "data", "--root", tmp_path / "out", *settings)
    assert re.search(r"^gate +done", done.stdout, re.MULTILINE), done.stdout
