"""The input alone: MNIST in memory, and streamed by windows; and reading it at start-up."""

import tempfile

import tensorflow as tf

from benchmarks.compare import compare
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.dataset.manifest import read_dataset, shard_uris
from idxpipe.components.train.input.batches import make_batches
from idxpipe.components.train.input.examples import load_examples
from idxpipe.components.train.input.order import Order
from idxpipe.components.train.input.streaming import streamed_batches

BATCH, STEPS, WINDOW = 128, 450, 10_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = (f"data/mnist/train-{n}-ubyte.gz" for n in ("images-idx3", "labels-idx1"))
        dataset = convert(*files, folder, ConvertConfig(num_shards=4))
        uris = shard_uris(folder, read_dataset(folder))
        strategy = tf.distribute.get_strategy()
        order = Order(dataset.num_examples, WINDOW, seed=0)
        examples = load_examples(uris, dataset)
        whole = make_batches(strategy, *examples, dataset.image_shape, order, BATCH)
        with streamed_batches(strategy, uris, dataset, order, BATCH) as streamed:
            compare(
                f"{STEPS} batches of {BATCH}, windows of {WINDOW}",
                {
                    "in memory": lambda: drain(whole),
                    "streamed": lambda: drain(streamed),
                    "reading all into memory": lambda: drop(load_examples(uris, dataset)),
                },
            )


def drain(batches) -> None:
    for _ in batches(0, STEPS):
        pass


def drop(_: object) -> None:
    """Take what a way returns: `compare` looks at it."""


if __name__ == "__main__":
    main()
