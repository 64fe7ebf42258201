"""What a submission loads and how long it takes, before it reaches for the network."""

import pytest

from tests.test_imports import COMMAND, HEAVY, loaded_by

PLACE = ["--project", "toy-project", "--region", "us-central1"]
JOB = [*PLACE, "--root", "gs://ours/root", "--data", "gs://ours/data"]


@pytest.mark.parametrize(
    "words",
    [
        ["submit", "--help"],
        ["wait", "--help"],
        ["schedule", "--help"],
        ["submit", *JOB, "--dry-run"],
        ["submit", *JOB, "--set", "no=1"],
    ],
    ids=["submit --help", "wait --help", "schedule --help", "--dry-run", "refused"],
)
def test_no_client_is_loaded(words):
    loaded = loaded_by(COMMAND.format(words))
    assert not loaded & {*HEAVY, "requests", "numpy"}


def test_a_request_takes_two_clients_and_no_more():
    words = ["list", *PLACE, "--endpoint", "http://127.0.0.1:9"]
    code = (
        "from idxpipe.components.core.google import rest\nrest.PAUSE_SECONDS = 0.001\n"
        + COMMAND.format(words)
    )
    loaded = loaded_by(code)
    assert {"google.auth", "requests"} <= loaded
    assert not loaded & (HEAVY - {"google.auth"}) | loaded & {"google.api_core", "grpc"}
