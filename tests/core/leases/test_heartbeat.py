import time

from idxpipe.components.core import storage
from idxpipe.components.core.leases import lease
from idxpipe.components.core.leases.heartbeat import Heartbeat
from idxpipe.components.core.leases.holder import VARIABLE


def wait_until(holds, limit=60.0):
    end = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_beats_while_the_block_runs(one_gcs, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    uri = f"{one_gcs}/heartbeat"
    seen = set()
    with Heartbeat(uri, "run"):
        wait_until(lambda: storage.exists(uri))
        assert lease.is_live(uri)
        wait_until(lambda: seen.add(storage.read(uri)) or len(seen) > 3)
    assert not storage.exists(uri)
    assert lease.is_live(uri) is None


def test_a_store_without_a_clock_has_none(capsys):
    with Heartbeat("memory://beats/heartbeat", "run"):
        pass
    assert lease.is_live("memory://beats/heartbeat") is None
    assert storage.list_files("memory://beats") == {}


def test_a_place_that_cannot_be_written_is_no_failure(one_gcs):
    with Heartbeat("gs://no-such-bucket-4711/heartbeat", "run"):
        pass
