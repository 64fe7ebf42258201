"""Imports of large packages, which the garbage collector need not look through."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """Keep the garbage collector from what is made in this block: it lives as long as the process.

    Looking through it again and again, the last time when Python ends, takes a third of the time of
    a process that only imports Beam, and almost half of one that only imports TensorFlow.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
