"""The recipes: every hyperparameter of a training, under a name."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The defaults are the recipe of 2018; config.py says what each value means.

    Source: tensorflow/models, official/mnist/mnist_tpu.py and mnist.py at commit 7087ec9b.
    """

    model: str = "cnn"
    batch_size: int = 128
    train_steps: int = 1000
    optimizer: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "exponential"
    learning_rate: float = 0.05
    decay_steps: int = 100_000
    decay_rate: float = 0.96
    warmup: float = 0.0
    dropout: float = 0.4
    label_smoothing: float = 0.0
    augment_shift: float = 0.0
    augment_rotate: float = 0.0
    augment_scale: float = 0.0


RECIPES = {
    "seed": Recipe(),
    "fast": Recipe(
        model="tiny",
        batch_size=128,
        train_steps=500,
        optimizer="adamw",
        schedule="one-cycle",
        learning_rate=0.02,
        warmup=0.2,
        dropout=0.0,
        label_smoothing=0.1,
    ),
    "best": Recipe(
        model="resnet",
        batch_size=128,
        train_steps=7000,
        optimizer="adamw",
        weight_decay=0.05,
        schedule="one-cycle",
        learning_rate=0.005,
        warmup=0.25,
        dropout=0.2,
        label_smoothing=0.1,
        augment_shift=0.09,
        augment_rotate=12.0,
        augment_scale=0.12,
    ),
}
