"""Parameters of the train stage: a recipe, and each of its hyperparameters to override it."""

import dataclasses
from typing import Any

from idxpipe.components.core.config import Config, fields, parameter
from idxpipe.components.core.errors import UsageError

RECIPES = ("seed", "fast", "best")

# What stands for "as the recipe says": no hyperparameter is negative, or called so.
UNSET = -1
UNSET_TEXT = "recipe"

# Those of networks.py, which needs TensorFlow.
MODELS = ("cnn", "tiny", "resnet")


def _hyperparameter(
    help_: str, *, seed: Any, fast: Any = None, best: Any = None, **bounds: Any
) -> Any:
    """Declare a hyperparameter: what each recipe has, that of 2018 where it says nothing."""
    values = (seed, seed if fast is None else fast, seed if best is None else best)
    unset = UNSET_TEXT if isinstance(seed, str) else type(seed)(UNSET)
    presets = dict(zip(RECIPES, values, strict=True))
    return parameter(unset, help_, unset=unset, presets=presets, **bounds)


@dataclasses.dataclass(frozen=True)
class TrainConfig(Config):
    """How to train: the same values give the same weights.

    The hyperparameters of the recipe `seed` are those of 2018: tensorflow/models,
    official/mnist/mnist_tpu.py and mnist.py at commit 7087ec9b.
    """

    recipe: str = parameter(
        "seed",
        "where hyperparameters that are not given come from: seed is that of 2018, fast reaches "
        "99.0 % on MNIST in seconds, best the highest accuracy in minutes",
        choices=RECIPES,
    )
    model: str = _hyperparameter(
        "network: cnn (that of 2018), tiny, resnet, or MODULE:FUNCTION of your own",
        seed="cnn",
        fast="tiny",
        best="resnet",
    )
    batch_size: int = _hyperparameter(
        "global batch size, split over the replicas", seed=128, unit="examples", minimum=1
    )
    train_steps: int = _hyperparameter(
        "global step to train to, counted from the first run",
        seed=1000,
        fast=500,
        best=7000,
        unit="steps",
        minimum=1,
    )
    iterations: int = parameter(
        50,
        "steps on the device between two returns to the host, where a checkpoint can be written "
        "and SIGTERM is noticed",
        unit="steps",
        minimum=1,
        seldom=True,
    )
    precision: str = parameter(
        "auto",
        "what the network computes in; weights, logits and loss are always float32; auto takes "
        "bfloat16 where the device has it natively",
        choices=("auto", "float32", "bfloat16"),
    )
    optimizer: str = _hyperparameter(
        "sgd (with Nesterov momentum, if momentum is above 0) or adamw",
        seed="sgd",
        fast="adamw",
        best="adamw",
        choices=("sgd", "adamw"),
    )
    momentum: float = _hyperparameter(
        "Nesterov momentum of sgd", seed=0.0, minimum=0.0, maximum=0.999
    )
    weight_decay: float = _hyperparameter(
        "decoupled decay of kernels, times the learning rate, a step",
        seed=0.0,
        best=0.05,
        minimum=0.0,
        maximum=1.0,
    )
    schedule: str = _hyperparameter(
        "course of the learning rate: exponential, or up in the warmup, then down to 0 at "
        "train_steps along a straight line (one-cycle) or half a cosine (cosine)",
        seed="exponential",
        fast="one-cycle",
        best="one-cycle",
        choices=("exponential", "one-cycle", "cosine"),
    )
    learning_rate: float = _hyperparameter(
        "learning rate at its highest", seed=0.05, fast=0.02, best=0.005, minimum=0.0
    )
    decay_steps: int = _hyperparameter(
        "steps over which an exponential learning rate falls by decay_rate",
        seed=100_000,
        unit="steps",
        minimum=1,
        seldom=True,
    )
    decay_rate: float = _hyperparameter(
        "factor of the exponential decay", seed=0.96, minimum=0.0, maximum=1.0, seldom=True
    )
    warmup: float = _hyperparameter(
        "share of train_steps in which the learning rate of one-cycle and cosine rises",
        seed=0.0,
        fast=0.2,
        best=0.25,
        minimum=0.0,
        maximum=0.99,
    )
    dropout: float = _hyperparameter(
        "share of the units before the last layer that a step drops",
        seed=0.4,
        fast=0.0,
        best=0.2,
        minimum=0.0,
        maximum=0.99,
    )
    label_smoothing: float = _hyperparameter(
        "share of each label's weight that is spread over all classes",
        seed=0.0,
        fast=0.1,
        best=0.1,
        minimum=0.0,
        maximum=0.99,
    )
    class_weights: str = parameter(
        "none",
        "what an example counts in the training loss: balanced makes all classes count the same",
        choices=("none", "balanced"),
    )
    augment_shift: float = _hyperparameter(
        "each image is moved, down and across, by up to this share of its side",
        seed=0.0,
        best=0.09,
        minimum=0.0,
        maximum=1.0,
    )
    augment_rotate: float = _hyperparameter(
        "each image is turned by up to this angle, either way",
        seed=0.0,
        best=12.0,
        unit="degrees",
        minimum=0.0,
        maximum=180.0,
    )
    augment_scale: float = _hyperparameter(
        "each image is made larger or smaller by up to this share",
        seed=0.0,
        best=0.12,
        minimum=0.0,
        maximum=0.9,
    )
    shuffle_buffer: int = parameter(
        50_000,
        "examples are shuffled within windows of this many of the repeated data set; "
        "1 keeps the file's order",
        unit="examples",
        minimum=1,
        seldom=True,
    )
    seed: int = parameter(
        0, "seed of initial weights, order, dropout and augmentation", minimum=0, maximum=2**31 - 1
    )
    memory_bytes: int = parameter(
        0,
        "most memory that examples take; a set that needs more is streamed, window by window, in "
        "the same order; 0 takes what is free",
        unit="bytes",
        minimum=0,
        seldom=True,
    )
    checkpoint_steps: int = parameter(
        250,
        "steps between two checkpoints, rounded up to whole loops",
        unit="steps",
        minimum=1,
        seldom=True,
    )
    validation_steps: int = parameter(
        250,
        "steps between two evaluations on the validation set, if the dataset has one; rounded up "
        "to whole loops",
        unit="steps",
        minimum=1,
        seldom=True,
    )
    keep_checkpoints: int = parameter(3, "newest checkpoints that are kept", minimum=1, seldom=True)
    export_tflite: bool = parameter(
        False, "write model.tflite beside the SavedModel, with float32 weights"
    )

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: Naming the first that is out of bounds, or an invalid model.
        """
        super().__post_init__()
        own = self.model.split(":")
        if self.model not in (*MODELS, UNSET_TEXT) and not (len(own) == 2 and all(own)):
            raise UsageError(
                "no such model",
                where="model",
                expected=f"{', '.join(MODELS)}, or MODULE:FUNCTION of your own",
                found=repr(self.model),
            )

    def resolved(self) -> "TrainConfig":
        """Return the same with the recipe's value wherever none was given."""
        unset = {
            field.name: field.metadata["presets"][self.recipe]
            for field in fields(type(self))
            if field.metadata["presets"] and getattr(self, field.name) == field.metadata["unset"]
        }
        return dataclasses.replace(self, **unset)
