import os
import shutil
import sys
from pathlib import Path

import pytest

from idxpipe.components.core.errors import DataError, UsageError, missing
from idxpipe.pipeline import launch
from tests.idxfiles import make_arrays, write_data_set


@pytest.mark.parametrize(
    ("data", "meant"),
    [("gs://bucket/data", "gs://bucket/data"), ("data", os.path.abspath("data"))],
)
def test_remote_data_of_a_rerun_stays_as_it_is(data, meant, monkeypatch):
    seen = {}
    monkeypatch.setattr(launch, "rerun", lambda *_args, **options: seen.update(options))
    launch.part(
        "out", "", stages_from="train", only="", pipeline="", data=data, assignments=["seed=1"]
    )
    assert seen["assignments"] == ["seed=1", f"data={meant}"]


def test_mnist_is_the_data_unless_other_data_is_named():
    assert launch.whole("", None, []).parameters["data"] == os.path.abspath("data/mnist")
    assert launch.whole("", None, ["train_images=x"]).parameters["data"] == ""
    job = launch.whole("", "gs://bucket/set", ["seed=3"])
    assert (job.parameters["data"], job.parameters["seed"]) == ("gs://bucket/set", 3)
    assert (job.force, job.earlier) == (frozenset(), None)


def test_elsewhere_the_pipeline_of_this_version_is_meant_unless_one_is_here(tmp_path, monkeypatch):
    here = Path("pipeline.yaml").read_bytes()
    monkeypatch.chdir(tmp_path)
    assert launch.whole("", "data", []).pipeline.source == here
    (tmp_path / "pipeline.yaml").write_bytes(here + b"# mine\n")
    assert launch.whole("", "data", []).pipeline.source == here + b"# mine\n"


def test_without_data_it_says_how_to_name_it_and_how_to_get_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no data is named") as caught:
        launch.whole("", None, [])
    assert "--data FOLDER" in caught.value.remedy
    assert "idxpipe fetch mnist" in caught.value.remedy


def test_what_starts_the_stages_is_looked_for_before_a_run_is_recorded(tmp_path, monkeypatch):
    write_data_set(tmp_path / "data", make_arrays(train=20, test=10))
    monkeypatch.setitem(sys.modules, "kfp", None)
    job = launch.whole("pipeline.yaml", str(tmp_path / "data"), (), {})
    with pytest.raises(ModuleNotFoundError) as caught:
        launch.check(job, str(tmp_path / "out"))
    assert "idxpipe[all]" in missing(caught.value).remedy
    assert not (tmp_path / "out").exists()


def test_data_is_looked_at_before_a_run_is_recorded(tmp_path):
    root, data = tmp_path / "root", tmp_path / "data"
    with pytest.raises(DataError, match="no such folder"):
        launch.check(launch.whole("", str(data), []), str(root))
    write_data_set(data, make_arrays(train=20, test=10))
    launch.check(launch.whole("", str(data), []), str(root))
    absent = f"train_images={tmp_path / 'absent.idx'}"
    with pytest.raises(DataError, match="no such file") as caught:
        launch.check(launch.whole("", str(data), [absent]), str(root))
    assert "train_images" in caught.value.remedy
    shutil.rmtree(data)
    job = launch.narrowed(launch.whole("", str(data), []), until="validate")
    with pytest.raises(DataError):
        launch.check(job, str(root))
    assert not root.exists()
