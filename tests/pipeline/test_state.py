import json
import signal
import subprocess
import sys
import time

import pytest

from idxpipe.components.core import host, storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.integrity.sealed import seal
from idxpipe.components.core.leases.holder import VARIABLE
from idxpipe.pipeline import state
from idxpipe.pipeline.runs import listing
from idxpipe.pipeline.state import Ledger, RunRecord, Status, TaskRecord, duration
from tests import resealed


def record(root, run_id, status=Status.SUCCEEDED):
    made = RunRecord(run_id, str(root), "p", "d", {"x": 1}, tasks={"t": TaskRecord("t")})
    with Ledger(made, {"pipeline.yaml": b"x"}) as ledger:
        ledger.put(TaskRecord("t", status=status))
        return ledger.close(status, 1.0)


def test_ids_are_unique_and_sort_by_time():
    ids = []
    for _ in range(3):
        ids.append(state.new_run_id())
        time.sleep(0.002)
    assert ids == sorted(set(ids))


def test_find(root):
    made = [record(root, name) for name in ("a-1", "a-2", "b-1")]
    assert state.find(str(root)) == made[2]
    assert state.find(str(root), "latest") == made[2]
    assert state.find(str(root), "b") == made[2]
    assert state.find(str(root), "a-1") == made[0]
    assert state.run_ids(str(root)) == ["a-1", "a-2", "b-1"]
    with pytest.raises(UsageError, match=r"more than one run is meant\n.*one of a-1, a-2"):
        state.find(str(root), "a")
    with pytest.raises(UsageError, match="no such run"):
        state.find(str(root), "c")


def test_no_runs(root):
    assert state.run_ids(str(root)) == []
    with pytest.raises(UsageError, match="no run is recorded here"):
        state.find(str(root))


def test_an_id_that_begins_another(root):
    record(root, "a"), record(root, "a-2")
    assert state.find(str(root), "a").run_id == "a"


def test_many_runs_are_not_all_listed(root):
    for index in range(7):
        record(root, f"r{index}")
    with pytest.raises(UsageError, match="r6 and 2 older"):
        state.find(str(root), "x")


def edit(root, change):
    path = root / "runs" / "r" / "run.json"
    resealed.edit(path, change)


def test_newer_schema_is_refused(root):
    record(root, "r")
    edit(root, lambda v: v.update(schema_version=4, brand_new=1))
    with pytest.raises(DataError, match="newer idxpipe") as caught:
        state.find(str(root))
    assert "run.json" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.pop("schema_version"),
        lambda v: v.pop("run_id"),
        lambda v: v.update(status="odd"),
        lambda v: v.update(unknown=1),
        lambda v: v.update(tasks=[]),
        lambda v: v["tasks"]["t"].update(inputs=None),
        lambda v: v["tasks"]["t"]["outputs"].update(artifacts={"a": {}}),
    ],
)
def test_damaged_record(root, change):
    record(root, "r")
    edit(root, change)
    with pytest.raises(DataError, match="damaged"):
        state.load(str(root), "r")


def test_trust_4_one_changed_letter_is_noticed(root):
    record(root, "r")
    path = root / "runs" / "r" / "run.json"
    text = path.read_text()
    for old, new in (
        ('"x": 1', '"x": 2'),
        ('"crc32c"', '"crc32d"'),
        ('"crc32c": "', '"crc32c": "x'),
    ):
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(DataError, match="damaged") as caught:
            state.load(str(root), "r")
        assert "checksum" in caught.value.found


def test_older_records_have_no_checksum(root):
    made = record(root, "r")
    path = root / "runs" / "r" / "run.json"
    older = json.loads(path.read_text()) | {"schema_version": 2}
    del older["crc32c"], older["whole"]
    path.write_text(json.dumps(older, indent=1))
    assert state.load(str(root), "r") == made


def test_text_that_is_no_json(root):
    record(root, "r")
    (root / "runs" / "r" / "run.json").write_bytes(b"\xff{")
    with pytest.raises(DataError, match="damaged"):
        state.load(str(root), "r")


def test_moved_root(root, tmp_path):
    record(root, "r")
    root.rename(tmp_path / "moved")
    assert state.load(str(tmp_path / "moved"), "r").folder == str(tmp_path / "moved/runs/r")


def test_running_only_while_somebody_runs_it(root):
    made = RunRecord("r", str(root), "p", "d", {}, tasks={})
    with Ledger(made, {}) as ledger:
        ledger.put(TaskRecord("t", status=Status.RUNNING))
        assert state.load(str(root), "r").status == "running"
    found = state.load(str(root), "r")
    assert found.status == "cancelled"
    assert found.tasks["t"].status == "cancelled"
    assert found.tasks["t"].error == "the run was killed"


RUNS = """
import sys
from idxpipe.pipeline.state import Ledger, RunRecord, Status, TaskRecord
with Ledger(RunRecord("r", sys.argv[1], "p", "d", {}, tasks={}), {}) as ledger:
    ledger.put(TaskRecord("t", status=Status.RUNNING))
    print("runs", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def running(one_gcs, monkeypatch):
    """A process with a run in a bucket, after its first heartbeat."""
    monkeypatch.setenv(VARIABLE, "2")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", RUNS, one_gcs], **pipes)
    assert child.stdout.readline() == b"runs\n"
    while not storage.exists(f"{one_gcs}/runs/r/heartbeat"):
        time.sleep(0.05)
    yield child
    child.kill()
    child.communicate()


def becomes(status, look):
    """Wait until it does: stores tell times to the second, and a loaded machine is late."""
    end = time.monotonic() + 60
    while look() != status:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_running_in_a_bucket_only_while_it_is_heard_of(one_gcs, running, monkeypatch):
    assert state.load(one_gcs, "r").status == "running"
    running.kill()
    running.wait()
    found = state.load(one_gcs, "r")
    assert (found.status, found.tasks["t"].error) == ("cancelled", "the run was killed")
    # Elsewhere nobody knows of the process, but that it is silent.
    monkeypatch.setattr(host, "machine", lambda: "another")
    becomes("cancelled", lambda: state.load(one_gcs, "r").status)
    assert state.read(one_gcs, "r")["status"] == "cancelled"


def test_one_that_was_suspended_runs_again(one_gcs, running, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    running.send_signal(signal.SIGSTOP)
    becomes("cancelled", lambda: listing.rows(one_gcs)[0].status)
    running.send_signal(signal.SIGCONT)
    becomes("running", lambda: listing.rows(one_gcs)[0].status)


def test_one_of_which_nothing_was_heard_is_believed(one_gcs):
    """As those of an older idxpipe, and of stores without a clock."""
    made = RunRecord("r", one_gcs, "p", "d", {}, tasks={})
    storage.write(f"{one_gcs}/runs/r/run.json", seal(made.to_json(), indent=1))
    assert state.load(one_gcs, "r").status == "running"


def test_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert state.absolute("runs") == str(tmp_path / "runs")
    assert state.absolute(f"file://{tmp_path}/a%20b") == f"{tmp_path}/a b"
    assert state.absolute("gs://bucket/x/") == "gs://bucket/x"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1 min 00 s"), (7260, "2 h 01 min")],
)
def test_duration(seconds, shown):
    assert duration(seconds) == shown
