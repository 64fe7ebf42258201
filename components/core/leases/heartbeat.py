"""An object that a process writes again and again, so that others see whether it still runs."""

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.leases.holder import Holder
from idxpipe.components.core.leases.objects import conditional

_JOIN_SECONDS = 20.0


class Heartbeat:
    """Says that this process runs, as long as the context lasts; `lease.is_live` reads it.

    Nobody else writes the object, and so it takes no conditions. In a store without a clock there
    is none; one that cannot be written is missed by nobody.

    Args:
        uri: Of the object.
        run: The run that the process works for.
    """

    def __init__(self, uri: str, run: str) -> None:
        self._uri = uri
        self._holder = Holder.here(run)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat {uri}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        # A bucket that does not answer has been waited for, for the record of the run.
        self._thread.join(_JOIN_SECONDS)

    def _beat(self) -> None:
        with suppress(IdxpipeError):
            if conditional(self._uri) is None:
                return
        while True:
            self._holder = self._holder.again()
            with suppress(IdxpipeError):
                storage.write(self._uri, self._holder.dumps())
            if self._ended.wait(self._holder.term / 3):
                break
        with suppress(IdxpipeError):
            storage.delete(self._uri)
