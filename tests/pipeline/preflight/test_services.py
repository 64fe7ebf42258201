import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.google import rest
from idxpipe.pipeline.preflight.check import Status
from idxpipe.pipeline.preflight.services import OVERRIDE, base_url
from tests.pipeline.preflight.looks import fails_with_its_fix, look, the

# Each row: how the world is broken, part of the check's name, part of what is found, of the fix.
BROKEN = {
    "apis": (
        lambda g: g.apis.discard("aiplatform"),
        "APIs",
        "not enabled: aiplatform.googleapis.com",
        "gcloud services enable aiplatform.googleapis.com --project=my-project",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_failure_with_its_fix(google, case):
    fails_with_its_fix(google, *BROKEN[case])


def test_no_network_is_found_out_once(monkeypatch):
    monkeypatch.setenv(OVERRIDE, "http://127.0.0.1:9")
    monkeypatch.setattr(rest, "PAUSE_SECONDS", 0.001)
    checks = look(data="gs://data/mnist")
    assert {c.status for c in checks if c.what != "credentials"} == {Status.UNKNOWN}
    assert "cannot be reached" in the(checks, "APIs").found
    assert "without a network" in the(checks, "data gs://data/mnist").found


@pytest.mark.parametrize("address", ["https://evil.org", "http://evil.org", "ftp://127.0.0.1"])
def test_only_this_machine_may_stand_in_for_google(monkeypatch, address):
    monkeypatch.setenv(OVERRIDE, address)
    with pytest.raises(UsageError, match="only a server on this machine"):
        base_url("storage")
