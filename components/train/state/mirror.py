"""A folder that a library writes to as if it were local, wherever it is."""

import os
import shutil
import weakref
from collections.abc import Callable, Iterable

from idxpipe.components.core import storage
from idxpipe.components.core.stores.temporary import make_folder
from idxpipe.components.core.transfer import download, upload

Order = Callable[[str], int]


class Mirror:
    """A local folder and its remote twin; one and the same if the folder is local.

    The copy lives as long as this object.

    Args:
        uri: The folder.
        order: From a file's name to a rank: files of a lower rank are there before those of a
            higher one are sent.

    Attributes:
        path: Where the library writes.
    """

    def __init__(self, uri: str, order: Order = lambda _name: 0) -> None:
        self._uri = uri
        self._order = order
        self._remote = not storage.is_local(uri)
        self._seen: dict[str, tuple[int, int]] = {}
        if self._remote:
            self.path, held = make_folder("mirror")
            weakref.finalize(self, os.close, held)
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        else:
            self.path = storage.local_path(uri)

    def pull(self, names: Iterable[str] | None = None) -> None:
        """Copy files of these names from the twin, or all.

        Raises:
            DataError: If one is missing.
            SetupError: If the disk is full.
            TransientError: If the store fails again and again.
        """
        if self._remote:
            download(self._uri, self.path, names)
            self._seen = self._states()

    def push(self) -> None:
        """Send what is new or has changed, then delete from the twin what was deleted here.

        Raises:
            SetupError: If the twin cannot be written.
            TransientError: If the store fails again and again.
        """
        if not self._remote:
            return
        now = self._states()
        changed = [name for name, state in now.items() if self._seen.get(name) != state]
        for rank in sorted({self._order(name) for name in changed}):
            upload(self.path, self._uri, [name for name in changed if self._order(name) == rank])
        for name in self._seen.keys() - now.keys():
            storage.delete(storage.join(self._uri, name))
        self._seen = now

    def _states(self) -> dict[str, tuple[int, int]]:
        states = {}
        for name in storage.list_files(self.path):
            status = os.stat(os.path.join(self.path, name))
            states[name] = (status.st_size, status.st_mtime_ns)
        return states
