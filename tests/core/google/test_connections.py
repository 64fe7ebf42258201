import threading

import pytest
import requests

from idxpipe.components.core.google.connections import breakable_adapter, breaker
from tests.silent import silent_server


@pytest.mark.parametrize("kind", ["mute", "drip"])
def test_a_request_of_another_thread_is_broken(kind):
    """Neither would end: the timeout is that of one read."""
    session = requests.Session()
    session.mount("http://", breakable_adapter())
    broken = breaker()
    timer = threading.Timer(1.5, broken)
    timer.start()
    with silent_server(kind) as port, pytest.raises(requests.RequestException):
        session.get(f"http://127.0.0.1:{port}/", timeout=60)
    timer.join()


def test_without_a_connection_there_is_nothing_to_break():
    breaker()()
