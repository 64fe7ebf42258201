"""Batches for the replicas from a split that does not fit in memory, window by window.

They are the very batches that `batches.py` makes from a split in memory: `Order` shuffles within
windows of the repeated split, so that one window and the next are all that must be at hand.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from idxpipe.components.core.dataset.examples import Examples, read_examples, regroup
from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.train.input.order import Order

_CHUNK_BYTES = 4 << 20
_PREFETCH = 2


@contextmanager
def streamed_batches(
    strategy: tf.distribute.Strategy,
    uris: list[str],
    dataset: Dataset,
    order: Order,
    batch_size: int,
) -> Iterator[Callable[[int, int], Any]]:
    """Yield what `make_batches` returns.

    Every host reads all shards from the first window on, and keeps of each window the examples of
    its own replicas.

    Args:
        strategy: What the replicas belong to.
        uris: The shards, in order.
        dataset: Their manifest.
        order: Which examples stand where in the stream; two of its windows are held in memory.
        batch_size: Global batch size.

    Raises:
        DataError: If a shard is damaged.
        SetupError: If the format's package is missing, or a shard may not be read.
        TransientError: If a remote store fails again and again.
    """
    replicas = strategy.num_replicas_in_sync
    share = batch_size // replicas
    failures: list[IdxpipeError] = []
    signature = (
        tf.TensorSpec([None, *dataset.image_shape], dataset.image_dtype),
        tf.TensorSpec([None], tf.int64),
    )

    def batches(first: int, end: int) -> Any:
        def on_host(context: tf.distribute.InputContext) -> tf.data.Dataset:
            here = replicas // context.num_input_pipelines * share
            mine = range(context.input_pipeline_id * here, (context.input_pipeline_id + 1) * here)

            def chunks() -> Iterator[Examples]:
                try:
                    for window, numbers in _windows(uris, dataset, order, first, end, batch_size):
                        yield from _chunks(window, numbers, mine, batch_size, dataset)
                except IdxpipeError as error:
                    # TensorFlow would hand on its text alone.
                    failures.append(error)
                    raise

            options = tf.data.Options()
            # The autotuner sleeps for seconds before it lets go of a dataset.
            options.autotune.enabled = False
            options.deterministic = True
            return (
                tf.data.Dataset.from_generator(chunks, output_signature=signature)
                .rebatch(share, drop_remainder=True)
                .prefetch(_PREFETCH * here // share)
                .with_options(options)
            )

        return iter(strategy.distribute_datasets_from_function(on_host))

    try:
        yield batches
    except tf.errors.OpError:
        if failures:
            raise failures[0] from None
        raise


def _windows(
    uris: list[str], dataset: Dataset, order: Order, first: int, end: int, batch_size: int
) -> Iterator[tuple[Examples, "np.ndarray[Any, np.dtype[np.int64]]"]]:
    """Yield each window's examples with [positions in the stream, rows of the window]."""
    size = order.window
    start, stop = first * batch_size, end * batch_size
    windows = range(start // size, -(-stop // size))
    groups = regroup(_repeated(uris, dataset, windows[0] * size % dataset.num_examples), size)
    pool = ThreadPoolExecutor(1)
    try:
        ahead = pool.submit(next, groups)
        for number in windows:
            examples = ahead.result()
            if number != windows[-1]:
                ahead = pool.submit(next, groups)
            with tf.device("CPU:0"):
                chosen = order.examples(tf.constant(number * size, tf.int64), size).numpy()
            positions = np.arange(number * size, (number + 1) * size)
            numbers = np.stack([positions, (chosen - number * size) % dataset.num_examples])
            yield examples, numbers[:, (positions >= start) & (positions < stop)]
    finally:
        # Whoever stops early does not wait for a window that nobody wants.
        pool.shutdown(wait=False, cancel_futures=True)


def _chunks(
    window: Examples,
    numbers: "np.ndarray[Any, np.dtype[np.int64]]",
    mine: range,
    batch_size: int,
    dataset: Dataset,
) -> Iterator[Examples]:
    """Yield the window's examples in their order, those at the places `mine` of each batch."""
    images, labels = window
    places = numbers[0] % batch_size
    rows = numbers[1][(places >= mine.start) & (places < mine.stop)]
    at_a_time = max(1, _CHUNK_BYTES // dataset.image_bytes)
    for start in range(0, len(rows), at_a_time):
        chosen = rows[start : start + at_a_time]
        yield images[chosen].reshape(-1, *dataset.image_shape), labels[chosen]


def _repeated(uris: list[str], dataset: Dataset, start: int) -> Iterator[Examples]:
    while True:
        yield from read_examples(uris, dataset, start)
        start = 0
