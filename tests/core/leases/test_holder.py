import json
import os
import socket
import subprocess
import sys

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.leases.holder import VARIABLE, Holder, term_asked


def test_what_is_written_is_read():
    holder = Holder.here("20260101-000000000-abcd").again()
    found = Holder.parse(holder.dumps())
    assert (found.nonce, found.term, found.run) == (holder.nonce, holder.term, holder.run)
    assert str(found) == f"process {os.getpid()} on {socket.gethostname()}, run {holder.run}"
    assert not found.is_gone


def test_no_two_writings_are_the_same():
    holder = Holder.here()
    assert holder.again().dumps() != holder.again().again().dumps()
    assert Holder.here().nonce != Holder.here().nonce


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"held_by": None},
        {"held_by": {"host": "h", "pid": "x", "machine": "", "run": ""}},
        {"term_seconds": 1e9},
        {"term_seconds": -1},
        {"term_seconds": float("nan")},
        {"nonce": ...},
    ],
)
def test_anything_else_is_no_lease(change):
    value = {**json.loads(Holder.here().dumps()), **change}
    value = {name: item for name, item in value.items() if item is not ...}
    assert Holder.parse(json.dumps(value).encode()) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"held_by": 1}'])
def test_neither_is_what_is_no_document(content):
    assert Holder.parse(content) is None


def test_a_process_of_this_machine_that_ended_is_gone():
    code = "from idxpipe.components.core.leases.holder import Holder as H; "
    code += "import sys; sys.stdout.buffer.write(H.here().dumps())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    ended = json.loads(done.stdout)
    assert Holder.parse(done.stdout).is_gone
    for machine in ("", "another"):
        ended["held_by"]["machine"] = machine
        assert not Holder.parse(json.dumps(ended).encode()).is_gone


def test_one_that_was_given_back_is_gone():
    assert Holder.parse(Holder.here().again(term=0).dumps()).is_gone


@pytest.mark.parametrize("text", ["0", "1e9", "soon", "nan", "-3"])
def test_a_term_that_cannot_be_is_refused(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, "2.5")
    assert term_asked() == 2.5
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError, match="invalid value") as caught:
        term_asked()
    assert caught.value.where == VARIABLE
