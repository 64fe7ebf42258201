"""The course of a training, for people: TensorBoard events and history.json."""

from typing import Self

import tensorflow as tf

from idxpipe.components.core import storage
from idxpipe.components.core.errors import SetupError
from idxpipe.components.core.integrity.sealed import seal
from idxpipe.components.train.state.events import Events
from idxpipe.components.train.state.mirror import Mirror
from idxpipe.components.train.state.points import HISTORY, SCHEMA_VERSION, read_file


class History:
    """Writes one point per host loop; a resumed training continues the earlier points.

    Args:
        uri: Folder of the logs.
        resumed_from: Global step that training goes on from; later points are forgotten.

    Raises:
        SetupError: If the folder cannot be written.
    """

    def __init__(self, uri: str, resumed_from: int | None) -> None:
        storage.sweep(uri)
        self._mirror = Mirror(uri)
        if storage.exists(storage.join(uri, HISTORY)):
            self._mirror.pull([HISTORY])
        self._file = storage.join(self._mirror.path, HISTORY)
        self._points = [p for p in read_file(self._file) if p["step"] <= (resumed_from or 0)]
        try:
            self._events = Events(self._mirror.path, (resumed_from or 0) + 1)
        except tf.errors.OpError as error:
            raise SetupError(
                "cannot write the logs",
                where=uri,
                found=error.message.splitlines()[0],
                remedy="give a folder that can be written",
            ) from None

    def add(self, step: int, **values: float) -> None:
        """Note `values` at the global step `step`."""
        self._points.append({"step": step, **values})
        self._events.add(step, values)

    def save(self) -> None:
        """Publish what was noted so far."""
        self._events.flush()
        body = {"schema_version": SCHEMA_VERSION, "points": self._points}
        storage.write(self._file, seal(body, indent=1))
        self._mirror.push()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.save()
        self._events.close()
        self._mirror.push()
