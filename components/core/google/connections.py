"""HTTP connections that another thread can break, where a server answers byte by byte or not."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_used = threading.local()


def breakable_adapter(**options: Any) -> Any:
    """Return a `requests.adapters.HTTPAdapter` whose connections `breaker` knows.

    A timeout of requests is that of one read(2): a byte a minute, and it never passes.

    Args:
        options: Of the adapter.
    """
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Plain(HTTPConnection):
        def request(self, *args: Any, **values: Any) -> None:
            _used.connection = self
            super().request(*args, **values)

    class Secure(HTTPSConnection):
        def request(self, *args: Any, **values: Any) -> None:
            _used.connection = self
            super().request(*args, **values)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    class Adapter(HTTPAdapter):  # type: ignore[misc]
        def init_poolmanager(self, *args: Any, **values: Any) -> None:
            super().init_poolmanager(*args, **values)
            pools = {"http": PlainPool, "https": SecurePool}
            self.poolmanager.pool_classes_by_scheme = pools

    return Adapter(**options)


def breaker() -> Callable[[], None]:
    """Return what breaks the connection that this thread uses by then, from another thread."""
    _used.connection = None
    # Of this thread: a local of `threading` is another one where it is called.
    mine = _used.__dict__

    def break_it() -> None:
        connection: Any = mine.get("connection")
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    return break_it
