"""Parameters of the train stage. The defaults are the recipe of 2018.

Source: tensorflow/models, official/mnist/mnist_tpu.py and mnist.py at commit 7087ec9b.
"""

import dataclasses

from components.core.config import Config, parameter


@dataclasses.dataclass(frozen=True)
class TrainConfig(Config):
    """The recipe: the same values give the same weights."""

    batch_size: int = parameter(
        128, "global batch size, split over the replicas", unit="examples", minimum=1
    )
    train_steps: int = parameter(
        1000, "global step to train to, counted from the first run", unit="steps", minimum=1
    )
    iterations: int = parameter(
        50, "steps on the device between two returns to the host", unit="steps", minimum=1
    )
    learning_rate: float = parameter(0.05, "learning rate of SGD at step 0", minimum=0.0)
    decay_steps: int = parameter(
        100_000, "steps over which the learning rate falls by decay_rate", unit="steps", minimum=1
    )
    decay_rate: float = parameter(0.96, "factor of the exponential decay", minimum=0.0, maximum=1.0)
    dropout: float = parameter(
        0.4, "share of the dense layer's units that a step drops", minimum=0.0, maximum=0.99
    )
    shuffle_buffer: int = parameter(
        50_000,
        "examples are shuffled within windows of this many of the repeated data set; "
        "1 keeps the file's order",
        unit="examples",
        minimum=1,
    )
    seed: int = parameter(
        0, "seed of initial weights, order and dropout", minimum=0, maximum=2**31 - 1
    )
    checkpoint_steps: int = parameter(
        250, "steps between two checkpoints, rounded up to whole loops", unit="steps", minimum=1
    )
    keep_checkpoints: int = parameter(3, "newest checkpoints that are kept", minimum=1)
