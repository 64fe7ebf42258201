"""The committed pipeline.yaml with its data and every artifact in a bucket, as on Vertex AI."""

import json
import os

import pytest

from idxpipe.components.core import storage
from tests.emulators import gcs_at, make_bucket, s3_at
from tests.end_to_end.test_local import STAGES, digits, idxpipe, metrics, ran, statuses
from tests.faults import KINDS, faulty_proxy
from tests.idxfiles import NAMES, write_idx
from tests.tally import tally

# Differ from run to run: when, where, how fast.
NOT_REPRODUCIBLE = ("tfevents", "history.json", "task.json", "checkpoints/checkpoint")


@pytest.fixture(scope="module")
def bucket(fake_gcs, tmp_path_factory):
    """A bucket with the first digits of MNIST in `data`, and a run of the pipeline in `root`."""
    make_bucket(fake_gcs, "pipeline")
    folder = tmp_path_factory.mktemp("digits")
    with gcs_at(fake_gcs):
        for role, name in NAMES.items():
            write_idx(folder / name, digits(role, 1000 if "train" in role else 200))
            storage.put(str(folder / name), f"gs://pipeline/data/{name}")
        record = run("gs://pipeline/root")
        assert statuses(record) == dict.fromkeys(STAGES, "succeeded")
        assert metrics(record)["num_examples"] == 200
        yield "gs://pipeline"


def run(root, *words, data="gs://pipeline/data", **options):
    small = (
        "train_steps=20",
        "batch_size=32",
        "iterations=10",
        "checkpoint_steps=10",
        "num_shards=2",
    )
    settings = [word for setting in small for word in ("--set", setting)]
    done = idxpipe("run", "--data", data, "--root", root, "--json", *settings, *words, **options)
    return json.loads(done.stdout)


def artifacts(root):
    """The content of every artifact, by its stage and name."""
    found = {}
    for name in storage.list_files(f"{root}/artifacts"):
        stage, _, rest = name.split("/", 2)
        if not any(word in rest for word in NOT_REPRODUCIBLE):
            found[f"{stage}/{rest}"] = storage.read(f"{root}/artifacts/{name}")
    return found


def test_every_artifact_record_and_log_is_in_the_bucket(bucket):
    names = artifacts(f"{bucket}/root").keys()
    assert {
        "validate/page.html",
        "validate/report.json",
        "convert-train/dataset/dataset.json",
        "convert-test/dataset/idx-test.tfrecord-00001-of-00002",
        "train/checkpoints/ckpt-20.index",
        "train/model/model.json",
        "evaluate/metrics.json",
        "evaluate/report.html",
    } < names
    runs = storage.list_files(f"{bucket}/root/runs")
    assert sum(name.endswith(".log") for name in runs) >= len(STAGES)
    assert sum(name.endswith("run.json") for name in runs) >= 1
    assert not any("receipts" in name for name in names)


def test_nothing_is_left_on_this_machine(bucket):
    assert not os.path.exists("/gcs")


def test_the_second_run_is_all_cache_but_validate(bucket):
    assert ran(run(f"{bucket}/root")) == {"validate"}


def test_a_stage_is_run_again_on_the_artifacts_in_the_bucket(bucket):
    done = idxpipe("run", "--root", f"{bucket}/root", "--only", "evaluate", "--json")
    assert ran(json.loads(done.stdout)) == {"evaluate"}


def test_validate_reads_no_images(bucket, fake_gcs):
    """The store keeps the checksums."""
    with faulty_proxy(fake_gcs, share=0) as proxy, gcs_at(proxy.url):
        idxpipe("validate", "--data", f"{bucket}/data")
        images = 16 + 1000 * 28 * 28
        assert proxy.bytes_sent < images


@pytest.mark.skipif(not os.environ.get("IDXPIPE_CHAOS"), reason="one minute more: make chaos")
def test_faults_on_the_way_to_s3_change_no_figure(bucket, moto, s3, tmp_path):
    """The bytes differ from those on gs://: URIs are part of them."""
    row = tally("a request to a bucket of s3:// that fails")
    for role, name in NAMES.items():
        write_idx(tmp_path / name, digits(role, 1000 if "train" in role else 200))
        storage.put(str(tmp_path / name), f"{s3}/data/{name}")
    with faulty_proxy(moto["AWS_ENDPOINT_URL"], share=0.15) as proxy, s3_at(moto, proxy.url):
        record = run(f"{s3}/faulty", data=f"{s3}/data")
        assert statuses(record) == dict.fromkeys(STAGES, "succeeded")
        assert min(proxy.faults[kind] for kind in KINDS) > 1
        row.tries = sum(proxy.faults.values())
    assert metrics(record) == metrics(run(f"{bucket}/root"))
    row.survived = row.tries


def test_faults_on_the_way_change_nothing(bucket, fake_gcs):
    row = tally("a request to a bucket of gs:// that fails")
    with faulty_proxy(fake_gcs, share=0.15) as proxy, gcs_at(proxy.url):
        record = run("gs://pipeline/faulty")
        assert statuses(record) == dict.fromkeys(STAGES, "succeeded")
        assert min(proxy.faults[kind] for kind in KINDS) > 1
        row.tries = sum(proxy.faults.values())
        assert row.tries >= proxy.requests / 10
    expected, found = artifacts(f"{bucket}/root"), artifacts(f"{bucket}/faulty")
    assert found.keys() == expected.keys()
    # The report of validate names no run; its URIs are those of the data, which are the same.
    assert [name for name in expected if expected[name] != found[name]] == []
    row.survived = row.tries


ERRORS = [
    ("gs://no-such-bucket-4711/data", "gs://pipeline/errors", 5, "no such bucket"),
    ("gs://pipeline/none", "gs://pipeline/errors", 3, "no train images file here"),
    ("gs://pipeline/data", "gs://no-such-bucket-4711/root", 5, "no such bucket"),
]


@pytest.mark.parametrize(("data", "root", "code", "problem"), ERRORS)
def test_a_wrong_uri_ends_in_its_own_error(bucket, data, root, code, problem):
    done = idxpipe("run", "--data", data, "--root", root, check=code)
    assert f"{problem}" in done.stderr
    assert "to do:" in done.stderr
