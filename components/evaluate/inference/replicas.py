"""Batches dealt out to the copies of a model, one per device."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Logits = Callable[[NDArray[np.generic], int], NDArray[np.float32]]


class Padded(Protocol):
    """A batch of static size."""

    @property
    def images(self) -> NDArray[np.generic]:
        """All rows: [B, *image_shape]."""

    @property
    def real(self) -> int:
        """The first so many rows are examples, the others padding."""


B = TypeVar("B", bound=Padded)


def with_logits(
    batches: Iterable[B], replicas: Sequence[Logits]
) -> Iterator[tuple[B, NDArray[np.float32]]]:
    """Yield each batch with its logits, in order, while later ones are read and computed.

    A batch is never split, so that the result does not depend on how many replicas there are. Each
    replica has one batch at a time.

    Args:
        batches: All of one shape.
        replicas: Copies of one model, from `load_model`.

    Raises:
        IdxpipeError: What `batches` or a replica raises.
    """
    waiting: deque[tuple[B, Future[NDArray[np.float32]]]] = deque()
    with ThreadPoolExecutor(len(replicas)) as pool:
        for number, batch in enumerate(batches):
            if len(waiting) == len(replicas):
                yield _finished(waiting)
            replica = replicas[number % len(replicas)]
            waiting.append((batch, pool.submit(replica, batch.images, batch.real)))
        while waiting:
            yield _finished(waiting)


def _finished(
    waiting: deque[tuple[B, Future[NDArray[np.float32]]]],
) -> tuple[B, NDArray[np.float32]]:
    batch, logits = waiting.popleft()
    return batch, logits.result()
