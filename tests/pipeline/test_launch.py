import os

import pytest

from idxpipe.pipeline import launch


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
