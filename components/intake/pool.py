"""Many image files decoded by several processes, straight into one file of pixels."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from idxpipe.components.core import host
from idxpipe.components.core.errors import DataError, TransientError
from idxpipe.components.core.narration import say
from idxpipe.components.intake.config import GREY
from idxpipe.components.intake.decode import BAD, Fit, Unfit, decode
from idxpipe.components.intake.tree import Tree, read_file

# Below it a process takes longer to start than all of it takes to decode.
_ALONE = 2_000
_CHUNK = 500
_SAY_SECONDS = 5.0


def decode_all(
    tree: Tree, names: Sequence[str], fit: Fit, path: str
) -> "tuple[np.memmap[tuple[int, ...], np.dtype[np.uint8]], dict[int, Unfit]]":
    """Decode images into a new file.

    Args:
        tree: Where they are.
        names: Which.
        fit: Size and channels that all of them must have, or are given.
        path: The file, on this machine.

    Returns:
        uint8 [names, height, width] or [names, height, width, 3], the file's content; and by row
        why an image is not in it, whose row is undefined.

    Raises:
        SetupError: If the disk is full.
        TransientError: If a process was killed.
    """
    shape = (len(names), *(fit.size or ()), *(() if fit.channels == GREY else (fit.channels or 0,)))
    with open(path, "wb") as stream:
        # Now, as a disk that is full later would end the processes.
        host.allocate(stream.fileno(), max(1, int(np.prod(shape))))
    workers = host.cpus()
    if len(names) <= _ALONE or workers == 1:
        worker = _Worker(tree, fit, path, shape)
        return worker.pixels, dict(worker.decode(0, names))
    unfit: dict[int, Unfit] = {}
    said = time.monotonic()
    # Not forked: the caller may have threads, as TensorFlow's.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (tree, fit, path, shape)) as pool:
        try:
            waiting = _submit(pool, names)
            for number, future in enumerate(as_completed(waiting), 1):
                unfit.update(future.result())
                if time.monotonic() - said > _SAY_SECONDS:
                    said = time.monotonic()
                    say(f"decoded {min(number * _CHUNK, len(names))} of {len(names)} images")
        except BrokenProcessPool:
            raise TransientError(
                "a process that decodes images was killed",
                where=tree.uri,
                remedy="try again with more free memory",
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
    return np.memmap(path, np.uint8, "r", 0, shape), unfit


def _submit(
    pool: ProcessPoolExecutor, names: Sequence[str]
) -> "list[Future[list[tuple[int, Unfit]]]]":
    """Hand out the work, upon which the processes start.

    Ctrl-C is for this process alone. The others have it blocked from their first instruction: they
    are born with the mask of the thread that starts them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        starts = range(0, len(names), _CHUNK)
        return [pool.submit(_decode, start, names[start : start + _CHUNK]) for start in starts]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What one process needs."""

    def __init__(self, tree: Tree, fit: Fit, path: str, shape: tuple[int, ...]) -> None:
        self._tree = tree
        self._fit = fit
        self.pixels = np.memmap(path, np.uint8, "r+", 0, shape)

    def decode(self, start: int, names: Iterable[str]) -> list[tuple[int, Unfit]]:
        """Decode images into the rows from `start`; return what is not there and why."""
        unfit = []
        for row, name in enumerate(names, start):
            try:
                self.pixels[row] = decode(read_file(self._tree, name), self._fit)
            except Unfit as reason:
                unfit.append((row, reason))
            except DataError as error:
                unfit.append((row, Unfit(BAD, f"{error.problem}: {error.found}")))
        return unfit


_WORKERS: list[_Worker] = []


def _begin(tree: Tree, fit: Fit, path: str, shape: tuple[int, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _WORKERS.append(_Worker(tree, fit, path, shape))


def _end_with_parent() -> None:
    """End this process once its parent has, which it would not notice: it waits for work."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _decode(start: int, names: Sequence[str]) -> list[tuple[int, Unfit]]:
    return _WORKERS[0].decode(start, names)
