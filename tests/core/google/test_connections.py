import threading

import pytest
import requests

from idxpipe.components.core.google.connections import breakable_adapter, breaker
from tests.silent import silent_server

# Neither is a timeout.
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.mark.parametrize("kind", ["mute", "drip"])
def test_a_request_of_another_thread_is_broken(kind):
    """Neither would end: the timeout is that of one read."""
    session = requests.Session()
    session.mount("http://", breakable_adapter())
    broken = breaker()
    ended = threading.Event()

    def again_and_again():
        # As for a wait that is given up: the connection may not be there yet.
        while not ended.wait(0.5):
            broken()

    thread = threading.Thread(target=again_and_again)
    thread.start()
    try:
        with silent_server(kind) as port, pytest.raises(BROKEN):
            session.get(f"http://127.0.0.1:{port}/", timeout=60)
    finally:
        ended.set()
        thread.join()


def test_without_a_connection_there_is_nothing_to_break():
    breaker()()
