"""Each image of a batch moved, turned and scaled at random, on the device that trains."""

import dataclasses
import math

import tensorflow as tf

from idxpipe.components.train.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far images are changed, and the numbers that decide it.

    What happens to an image is a function of the seed, the step and the image's place in the global
    batch, so it depends neither on what came before nor on the number of replicas.

    Attributes:
        shift: Largest move, as a share of the side.
        rotate: Largest turn, in degrees.
        scale: Largest change of size, as a share.
        batch_size: Global batch size.
        seed: The same seed gives the same changes.
        tpu: Whether a TPU does it. That reads scattered pixels one by one, up to 24 times the bytes
            of all the rest of the step (docs/tpu-check.md); as products of matrices they cost it
            next to nothing. On a CPU those take three times as long.
    """

    shift: float
    rotate: float
    scale: float
    batch_size: int
    seed: int
    tpu: bool = False

    @classmethod
    def of(cls, config: TrainConfig, tpu: bool = False) -> "Augmentation | None":
        """Return what a resolved recipe asks for; None if that is nothing."""
        amounts = config.augment_shift, config.augment_rotate, config.augment_scale
        return cls(*amounts, config.batch_size, config.seed, tpu) if any(amounts) else None

    def __call__(self, images: tf.Tensor, step: tf.Tensor, replica: tf.Tensor) -> tf.Tensor:
        """Return the images changed, for one replica's share of the batch of `step`.

        Each pixel is taken from between four of the original; beyond the border the border's are
        repeated.

        Args:
            images: float32 [share, height, width] or [share, height, width, channels].
            step: Integer scalar.
            replica: int32 scalar; replica r has examples r * share and on of the batch.

        Returns:
            float32 of the same shape.
        """
        share, height, width = images.shape[:3]
        numbers = self._numbers(step, replica * share, share)
        y, x = self._origins(numbers, height, width)
        return _multiplied(images, y, x) if self.tpu else _gathered(images, y, x)

    def _numbers(self, step: tf.Tensor, start: tf.Tensor, count: int) -> list[tf.Tensor]:
        """Return four numbers in [-1, 1) per image, each float32 [count, 1, 1]."""
        seed = tf.stack([tf.constant(self.seed, tf.int64), tf.cast(step, tf.int64)])
        # Bits, because those are the same on every kind of device; floats made there are not.
        bits = tf.random.stateless_uniform(
            [self.batch_size, 4], seed, None, None, tf.uint32, alg="philox"
        )
        whole = tf.cast(bits, tf.float32) / 2.0**31 - 1.0
        mine = tf.slice(whole, [start, 0], [count, 4])
        return [mine[:, i, tf.newaxis, tf.newaxis] for i in range(4)]

    def _origins(
        self, numbers: list[tf.Tensor], height: int, width: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the row and column that each pixel comes from, float32 [count, height, width]."""
        down, across, turn, grow = numbers
        angle = turn * (self.rotate * math.pi / 180)
        size = 1.0 + grow * self.scale
        cosine, sine = tf.cos(angle) / size, tf.sin(angle) / size
        rows = tf.range(height, dtype=tf.float32)[:, tf.newaxis] - (height - 1) / 2
        columns = tf.range(width, dtype=tf.float32)[tf.newaxis, :] - (width - 1) / 2
        y = sine * columns + cosine * rows + down * (self.shift * height) + (height - 1) / 2
        x = cosine * columns - sine * rows + across * (self.shift * width) + (width - 1) / 2
        return tf.clip_by_value(y, 0.0, height - 1.0), tf.clip_by_value(x, 0.0, width - 1.0)


def _gathered(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Return the images' values at rows `y` and columns `x`, between pixels by bilinear weights."""
    count, height, width = images.shape[:3]
    pixels = tf.reshape(images, [count, height * width, -1])
    top, left = tf.floor(y), tf.floor(x)
    below, right = tf.minimum(top + 1, height - 1), tf.minimum(left + 1, width - 1)
    down, across = (y - top)[..., tf.newaxis], (x - left)[..., tf.newaxis]

    def at(row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        place = tf.cast(row, tf.int32) * width + tf.cast(column, tf.int32)
        return tf.gather(pixels, place, batch_dims=1)

    upper = at(top, left) * (1 - across) + at(top, right) * across
    lower = at(below, left) * (1 - across) + at(below, right) * across
    return tf.reshape(upper * (1 - down) + lower * down, images.shape)


def _multiplied(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Return what `_gathered` does, each pixel a sum over all rows, then over all columns.

    The temporaries are float32 [N, height * width, width * channels].
    """
    count, height, width = images.shape[:3]
    places = height * width
    rows = tf.reshape(_shares(y, height), [count, places, height])
    columns = tf.reshape(_shares(x, width), [count, places, width, 1])
    mixed = tf.matmul(rows, tf.reshape(images, [count, height, -1]))
    mixed = tf.reshape(mixed, [count, places, width, -1])
    return tf.reshape(tf.reduce_sum(mixed * columns, axis=2), images.shape)


def _shares(place: tf.Tensor, size: int) -> tf.Tensor:
    """Return the linear weight of each of `size` pixels at each place, float32 [..., size]."""
    distance = tf.abs(place[..., tf.newaxis] - tf.range(size, dtype=tf.float32))
    return tf.maximum(1.0 - distance, 0.0)
