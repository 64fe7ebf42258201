"""Real processes at one place, against fake-gcs-server and moto's server."""

import dataclasses
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from idxpipe.components.core import host, storage
from idxpipe.components.core.errors import TransientError, UsageError
from idxpipe.components.core.leases import held as registry
from idxpipe.components.core.leases import lease
from idxpipe.components.core.leases.holder import VARIABLE, Holder
from idxpipe.components.core.leases.objects import conditional
from tests.emulators import environment, gcs_at, s3_at
from tests.faults import KINDS, faulty_proxy

# Holds the folder, then writes there what comes in, a line at a time.
WRITER = """
import sys
from idxpipe.components.core import storage
from idxpipe.components.core.errors import exit_on_error
with exit_on_error(), storage.lock(sys.argv[1]):
    print("held", flush=True)
    for line in sys.stdin:
        storage.write(f"{sys.argv[1]}/result", line.strip().encode())
        print("written", flush=True)
"""
# Adds to a number again and again: where two read it before either writes, one is lost.
ADDER = """
import random, sys, time
from idxpipe.components.core import storage
for _ in range(int(sys.argv[2])):
    with storage.lock(sys.argv[1]):
        found = int(storage.read(f"{sys.argv[1]}/sum"))
        time.sleep(random.uniform(0, 0.05))
        storage.write(f"{sys.argv[1]}/sum", str(found + 1).encode())
"""


@pytest.fixture(params=["gs", "s3"])
def place(request):
    with environment(**{VARIABLE: "2"}):
        folder = request.getfixturevalue("one_gcs" if request.param == "gs" else "s3")
        yield f"{folder}/out"


@pytest.fixture(autouse=True)
def untold():
    lease._told.clear()


@contextmanager
def start(code, *words):
    child = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def held(child):
    assert child.stdout.readline() == "held\n", child.stderr.read()
    return child


def content(uri):
    """Read a lease in one request: between two it may be renewed."""
    return conditional(uri).read().content


def test_it_is_there_while_the_place_is_held(place):
    with storage.lock(place):
        (uri,) = (f"{place.rpartition('/')[0]}/{n}" for n in storage.list_files(place[:-4]))
        assert uri == f"{place}.lease"
        assert lease.is_live(uri)
        holder = Holder.parse(content(uri))
        assert (holder.pid, holder.term) == (os.getpid(), 2.0)
        seen = set()
        while len(seen) < 4:
            seen.add(content(uri))
            time.sleep(0.05)
        storage.write(f"{place}/f", b"x")
    assert storage.list_files(place[:-4]) == {"out/f": 1}


def test_trust_2_no_two_processes_are_there_at_once(place, monkeypatch):
    # Longer than a loaded machine may keep one of them from renewing it.
    monkeypatch.setenv(VARIABLE, "10")
    storage.write(f"{place}/sum", b"0")
    children = [subprocess.Popen([sys.executable, "-c", ADDER, place, "5"]) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    assert storage.read(f"{place}/sum") == b"10"


def test_whoever_is_killed_is_followed_at_once_on_the_same_machine(place, monkeypatch, capsys):
    # It would be waited for for an hour.
    monkeypatch.setenv(VARIABLE, "3600")
    with start(WRITER, place) as child:
        held(child).kill()
        child.wait()
        with storage.lock(place):
            storage.write(f"{place}/result", b"mine")
    assert f"the lease of process {child.pid}" in capsys.readouterr().err
    assert storage.list_files(place[:-4]) == {"out/result": 4}


def test_trust_2_whoever_is_killed_elsewhere_is_followed_after_a_term(place, monkeypatch, capsys):
    with start(WRITER, place) as child:
        held(child).kill()
        child.wait()
        monkeypatch.setattr(host, "machine", lambda: "another")
        began = time.monotonic()
        with storage.lock(place):
            assert time.monotonic() - began >= 2
            storage.write(f"{place}/result", b"mine")
    assert "is no longer renewed" in capsys.readouterr().err
    assert storage.read(f"{place}/result") == b"mine"


@pytest.mark.parametrize("still_there", [True, False])
def test_trust_2_whoever_was_suspended_writes_nothing_over_its_follower(place, still_there):
    with start(WRITER, place) as child:
        held(child).send_signal(signal.SIGSTOP)
        with storage.lock(place):
            storage.write(f"{place}/result", b"mine")
            if still_there:
                said, error = resume(child)
        if not still_there:
            said, error = resume(child)
        assert (said, child.returncode) == ("", TransientError.exit_code)
        assert f"error: {place}: another process has taken this place over" in error
        found = f"that of process {os.getpid()}" if still_there else "found:    none"
        assert found in error
        assert "run the same command again" in error
    assert storage.read(f"{place}/result") == b"mine"


def resume(child):
    child.send_signal(signal.SIGCONT)
    return child.communicate("theirs\n")


def test_whoever_was_suspended_does_not_give_back_the_lease_of_its_follower(place):
    with start(WRITER, place) as child:
        held(child).send_signal(signal.SIGSTOP)
        with storage.lock(place):
            child.send_signal(signal.SIGCONT)
            assert child.communicate()[0] == ""
            assert lease.is_live(f"{place}.lease")
            assert Holder.parse(content(f"{place}.lease")).pid == os.getpid()


def test_whoever_was_suspended_and_missed_by_nobody_goes_on(place):
    with start(WRITER, place) as child:
        held(child).send_signal(signal.SIGSTOP)
        time.sleep(3)
        said, error = resume(child)
        assert (said, child.returncode) == ("written\n", 0), error
    assert storage.list_files(place[:-4]) == {"out/result": 6}


def test_ctrl_c_ends_the_wait(place, monkeypatch):
    monkeypatch.setenv(VARIABLE, "3600")
    with storage.lock(place), start(WRITER, place) as child:
        # It has waited for long enough to say so.
        assert f"process {os.getpid()}" in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in child.communicate()[1]
        assert child.returncode == -signal.SIGINT


def test_a_wait_ends_when_max_wait_says(place, monkeypatch):
    # Or the lease may be given up before.
    monkeypatch.setenv(VARIABLE, "60")
    with start(WRITER, place) as child:
        held(child)
        # One request alone has as long.
        monkeypatch.setenv("IDXPIPE_MAX_WAIT", "3")
        with (
            pytest.raises(TransientError, match="another process works here") as caught,
            storage.lock(place),
        ):
            pass
        assert str(child.pid) in caught.value.found
    with storage.lock(place):
        pass


def test_it_is_said_who_is_waited_for(place, monkeypatch):
    monkeypatch.setenv(VARIABLE, "60")
    said = []

    class Enough(Exception):
        pass

    def pause(seconds):
        if said:
            raise Enough

    with (
        lease.hold(place, run="20260101-000000000-abcd"),
        pytest.raises(Enough),
        lease.hold(place, pause=pause, waiting=said.append),
    ):
        pass
    (text,) = said
    assert re.fullmatch(
        rf"process {os.getpid()} on \S+, run 20260101-000000000-abcd, \d+ s so far", text
    )


def test_what_it_guards(place):
    with lease.hold(place, f"{place}-model"):
        (held_,) = registry._held
        for inside in (place, f"{place}/a/b", f"{place}-model/c"):
            assert held_.guards(inside)
        for outside in (f"{place}s", f"{place}-model2/c", f"{place}.lease"):
            assert not held_.guards(outside)


def test_one_that_was_taken_guards_what_is_deleted_and_put_too(place, tmp_path, monkeypatch):
    # Its thread renews nothing meanwhile.
    monkeypatch.setenv(VARIABLE, "600")
    (tmp_path / "f").write_bytes(b"f")
    storage.write(f"{place}/result", b"theirs")
    with lease.hold(place):
        uri = f"{place}.lease"
        other = dataclasses.replace(Holder.here(), machine="another")
        storage.write(uri, other.dumps())
        (held_,) = registry._held
        held_._renewed -= 600
        for change in (
            lambda: storage.delete(f"{place}/result"),
            lambda: storage.put(str(tmp_path / "f"), f"{place}/result"),
            lambda: storage.write(f"{place}/result", b"x"),
        ):
            with pytest.raises(TransientError, match="taken this place over"):
                change()
        storage.write(f"{place}-beside", b"x")
    # Nor is the other's lease given back.
    assert Holder.parse(storage.read(uri)).nonce == other.nonce
    assert storage.read(f"{place}/result") == b"theirs"


def test_a_forked_process_leaves_it_alone(place):
    with lease.hold(place):
        child = os.fork()
        if not child:
            code = 1
            try:
                storage.write("memory://x/y", b"")
                registry._held[0].ensure()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert storage.exists(f"{place}.lease")


def test_somebody_elses_file_of_that_name_is_left_alone(place, capsys):
    storage.write(f"{place}.lease", b"of a flat")
    with storage.lock(place):
        storage.write(f"{place}/f", b"x")
    assert f"{place} cannot be leased: {place}.lease is no lease" in capsys.readouterr().err
    assert storage.read(f"{place}.lease") == b"of a flat"


def test_one_that_was_given_back_in_writing_is_taken_at_once(place, monkeypatch, capsys):
    """As where a server knows no condition of a deletion."""
    monkeypatch.setenv(VARIABLE, "3600")
    other = dataclasses.replace(Holder.here(), machine="another").again(term=0)
    storage.write(f"{place}.lease", other.dumps())
    with storage.lock(place):
        storage.write(f"{place}/f", b"x")
    assert capsys.readouterr().err == ""
    assert storage.list_files(place[:-4]) == {"out/f": 1}


def test_a_server_that_compares_nothing_is_noticed(other_gcs, tmp_path, capsys):
    with gcs_at(other_gcs):
        for _ in range(2):
            with storage.lock(f"gs://bucket/{tmp_path.name}/out"):
                storage.write(f"gs://bucket/{tmp_path.name}/out/f", b"x")
        assert storage.list_files(f"gs://bucket/{tmp_path.name}") == {"out/f": 1}
    said = capsys.readouterr().err
    assert said.count("cannot be leased: this server compares no versions") == 1
    assert "run one at a time there" in said


def test_a_kind_of_store_without_versions_is_said(capsys):
    with storage.lock("memory://leases/out"):
        storage.write("memory://leases/out/f", b"x")
    assert "compares no versions; run one at a time" in capsys.readouterr().err
    assert storage.list_files("memory://leases") == {"out/f": 1}


class Forbidding(http.server.BaseHTTPRequestHandler):
    """Lets nobody write, as a bucket does whose objects one may only read."""

    def do_GET(self):
        self.answer(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(403)

    def answer(self, status):
        body = json.dumps({"error": {"code": status, "message": "no"}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_where_none_can_be_written_that_is_said(capsys):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forbidding)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with gcs_at(f"http://127.0.0.1:{server.server_port}"):
        done = False
        with storage.lock("gs://bucket/out"):
            done = True
    server.shutdown()
    server.server_close()
    assert done
    assert "cannot be leased: no right to do this in the bucket" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["gs", "s3"])
def test_faults_on_the_way_lose_none(kind, fake_gcs, moto, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "3")
    url = fake_gcs if kind == "gs" else moto["AWS_ENDPOINT_URL"]
    with (
        faulty_proxy(url, share=0.4, seed=5) as proxy,
        gcs_at(proxy.url) if kind == "gs" else s3_at(moto, proxy.url),
    ):
        place = f"{kind}://bucket/{tmp_path.name}/out"
        for _ in range(5):
            with storage.lock(place):
                end = time.monotonic() + 2
                while time.monotonic() < end:
                    storage.write(f"{place}/f", b"x")
                    time.sleep(0.1)
        assert min(proxy.faults[kind] for kind in KINDS) > 0
        assert storage.list_files(place[:-4]) == {"out/f": 1}


def test_a_bucket_itself_has_it_inside():
    assert lease.place_of("gs://bucket") == lease.place_of("gs://bucket/") == "gs://bucket/.lease"
    assert lease.place_of("s3://bucket/a/b/") == "s3://bucket/a/b.lease"


def test_only_one_that_nobody_renews_is_swept(place):
    uri = f"{place}.lease"
    with lease.hold(place):
        lease.sweep(uri)
        assert storage.exists(uri)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    conditional(uri).write(dataclasses.replace(Holder.here(), pid=child.pid).dumps(), None)
    assert lease.is_live(uri) is False
    lease.sweep(uri)
    assert not storage.exists(uri)
    storage.write(uri, b"of a flat")
    lease.sweep(uri)
    assert storage.exists(uri)


def test_a_term_that_cannot_be_is_refused(place, monkeypatch):
    monkeypatch.setenv(VARIABLE, "soon")
    with pytest.raises(UsageError, match="invalid value"), storage.lock(place):
        pass
