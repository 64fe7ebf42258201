"""Dask: two worker processes of a local cluster."""

import os
from pathlib import Path

import pytest

from tests.convert.beam.runs import SHARDS, assert_our_error, block_a_shard, run_cli, tree

ADDRESS = "--dask_client_address={}"
# One cluster for all.


@pytest.fixture(scope="module")
def cluster():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as started,
        Client(started) as client,
    ):
        yield client


def written(client) -> dict[int, int]:
    """Return how many bytes each worker process has written so far."""
    lines = (Path(f"/proc/{pid}/io").read_text() for pid in client.run(os.getpid).values())
    return {worker: int(text.split("wchar: ")[1].split()[0]) for worker, text in enumerate(lines)}


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_both_workers_make_the_same_bytes(mnist, reference, cluster, tmp_path, kind):
    before = written(cluster)
    address = ADDRESS.format(cluster.scheduler.address)
    done = run_cli(mnist[kind], tmp_path, "DaskRunner", address)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path) == reference
    after = written(cluster)
    shard = min(len(data) for name, data in reference.items() if "tfrecord" in name)
    assert all(after[worker] - before[worker] >= shard for worker in (0, 1))
    assert sum(after.values()) - sum(before.values()) >= SHARDS * shard


def test_how_many_shards_go_to_a_worker_is_the_users_to_say(mnist, reference, cluster, tmp_path):
    before = written(cluster)
    options = (ADDRESS.format(cluster.scheduler.address), "--dask_npartitions=1")
    done = run_cli(mnist["plain"], tmp_path, "DaskRunner", *options)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path) == reference
    shard = min(len(data) for name, data in reference.items() if "tfrecord" in name)
    grown = [count - before[worker] for worker, count in written(cluster).items()]
    assert min(grown) < shard
    assert max(grown) >= SHARDS * shard


def test_what_is_wrong_on_a_worker_is_our_error_here(mnist, cluster, tmp_path):
    name = block_a_shard(tmp_path)
    address = ADDRESS.format(cluster.scheduler.address)
    done = run_cli(mnist["plain"], tmp_path, "DaskRunner", address)
    assert_our_error(done, 3, "ends in a folder")
    assert f"{tmp_path}/{name}" in done.stderr
