"""Which examples batch k holds: a pure function of (seed, k), so there is no state to save."""

import dataclasses

import tensorflow as tf

# TensorFlow's wrapper uses 4, which leaves the permutations of neighbouring seeds correlated
# (0.72 for 50,000 examples; 8 rounds: below 0.01). See tests/train/input/test_order.py.
_ROUNDS = 8


@dataclasses.dataclass(frozen=True)
class Order:
    """The endless stream of examples: the data set repeated, shuffled within windows.

    Attributes:
        num_examples: Size of the data set.
        shuffle_buffer: Positions of the stream that are shuffled among themselves; 1 keeps the
            order, `num_examples` or more gives every epoch its own permutation.
        seed: The same seed gives the same stream.
    """

    num_examples: int
    shuffle_buffer: int
    seed: int

    @property
    def window(self) -> int:
        """The positions of one window."""
        return min(self.shuffle_buffer, self.num_examples)

    def examples(self, start: tf.Tensor, count: int) -> tf.Tensor:
        """Return which examples stand at positions `start` to `start + count - 1` of the stream.

        Args:
            start: int64 scalar.
            count: Number of positions.

        Returns:
            int64 [count], each in [0, num_examples).
        """
        positions = start + tf.range(count, dtype=tf.int64)
        if self.window > 1:
            positions = self._shuffled(positions)
        return positions % self.num_examples

    def _shuffled(self, positions: tf.Tensor) -> tf.Tensor:
        number, place = positions // self.window, positions % self.window
        seeds = tf.stack([tf.fill(tf.shape(number), tf.constant(self.seed, tf.int64)), number], 1)
        # The op wants three numbers; index_shuffle of TensorFlow pads them wrongly for a batch.
        seeds = tf.pad(seeds, [[0, 0], [0, 1]])
        place = tf.raw_ops.RandomIndexShuffle(
            index=place,
            seed=seeds,
            max_index=tf.fill(tf.shape(place), tf.constant(self.window - 1, tf.int64)),
            rounds=_ROUNDS,
        )
        return number * self.window + place
