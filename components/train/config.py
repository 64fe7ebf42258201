"""Parameters of the train stage: a recipe, and each of its hyperparameters to override it."""

import dataclasses
from typing import Any

from idxpipe.components.core.config import Config, parameter
from idxpipe.components.core.errors import UsageError
from idxpipe.components.train.recipes import RECIPES

# What stands for "as the recipe says": no hyperparameter is negative, or called so.
UNSET = -1
UNSET_TEXT = "recipe"

# Those of networks.py, which needs TensorFlow.
MODELS = ("cnn", "tiny", "resnet")


def _from_recipe(name: str, help_: str, **bounds: Any) -> Any:
    """Declare a hyperparameter whose default is the recipe's value."""
    kind = type(getattr(RECIPES["seed"], name))
    unset = UNSET_TEXT if kind is str else kind(UNSET)
    values = ", ".join(f"{getattr(recipe, name)} in {key}" for key, recipe in RECIPES.items())
    return parameter(unset, f"{help_}; {unset} is the recipe's: {values}", unset=unset, **bounds)


@dataclasses.dataclass(frozen=True)
class TrainConfig(Config):
    """How to train: the same values give the same weights."""

    recipe: str = parameter(
        "seed",
        "where hyperparameters that are not given come from: seed is that of 2018, fast reaches "
        "99.0 % on MNIST in seconds, best the highest accuracy in minutes",
        choices=tuple(RECIPES),
    )
    model: str = _from_recipe(
        "model",
        "network: cnn (that of 2018), tiny, resnet, or MODULE:FUNCTION of your own",
    )
    batch_size: int = _from_recipe(
        "batch_size", "global batch size, split over the replicas", unit="examples", minimum=1
    )
    train_steps: int = _from_recipe(
        "train_steps",
        "global step to train to, counted from the first run",
        unit="steps",
        minimum=1,
    )
    iterations: int = parameter(
        50,
        "steps on the device between two returns to the host, where a checkpoint can be written "
        "and SIGTERM is noticed",
        unit="steps",
        minimum=1,
    )
    precision: str = parameter(
        "auto",
        "what the network computes in; weights, logits and loss are always float32; auto takes "
        "bfloat16 where the device has it natively",
        choices=("auto", "float32", "bfloat16"),
    )
    optimizer: str = _from_recipe(
        "optimizer",
        "sgd (with Nesterov momentum, if momentum is above 0) or adamw",
        choices=("sgd", "adamw"),
    )
    momentum: float = _from_recipe(
        "momentum", "Nesterov momentum of sgd", minimum=0.0, maximum=0.999
    )
    weight_decay: float = _from_recipe(
        "weight_decay",
        "decoupled decay of kernels, times the learning rate, a step",
        minimum=0.0,
        maximum=1.0,
    )
    schedule: str = _from_recipe(
        "schedule",
        "course of the learning rate: exponential, or up in the warmup, then down to 0 at "
        "train_steps along a straight line (one-cycle) or half a cosine (cosine)",
        choices=("exponential", "one-cycle", "cosine"),
    )
    learning_rate: float = _from_recipe(
        "learning_rate", "learning rate at its highest", minimum=0.0
    )
    decay_steps: int = _from_recipe(
        "decay_steps",
        "steps over which an exponential learning rate falls by decay_rate",
        unit="steps",
        minimum=1,
    )
    decay_rate: float = _from_recipe(
        "decay_rate", "factor of the exponential decay", minimum=0.0, maximum=1.0
    )
    warmup: float = _from_recipe(
        "warmup",
        "share of train_steps in which the learning rate of one-cycle and cosine rises",
        minimum=0.0,
        maximum=0.99,
    )
    dropout: float = _from_recipe(
        "dropout",
        "share of the units before the last layer that a step drops",
        minimum=0.0,
        maximum=0.99,
    )
    label_smoothing: float = _from_recipe(
        "label_smoothing",
        "share of each label's weight that is spread over all classes",
        minimum=0.0,
        maximum=0.99,
    )
    augment_shift: float = _from_recipe(
        "augment_shift",
        "each image is moved, down and across, by up to this share of its side",
        minimum=0.0,
        maximum=1.0,
    )
    augment_rotate: float = _from_recipe(
        "augment_rotate",
        "each image is turned by up to this angle, either way",
        unit="degrees",
        minimum=0.0,
        maximum=180.0,
    )
    augment_scale: float = _from_recipe(
        "augment_scale",
        "each image is made larger or smaller by up to this share",
        minimum=0.0,
        maximum=0.9,
    )
    shuffle_buffer: int = parameter(
        50_000,
        "examples are shuffled within windows of this many of the repeated data set; "
        "1 keeps the file's order",
        unit="examples",
        minimum=1,
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
    )
    checkpoint_steps: int = parameter(
        250, "steps between two checkpoints, rounded up to whole loops", unit="steps", minimum=1
    )
    validation_steps: int = parameter(
        250,
        "steps between two evaluations on the validation set, if the dataset has one; rounded up "
        "to whole loops",
        unit="steps",
        minimum=1,
    )
    keep_checkpoints: int = parameter(3, "newest checkpoints that are kept", minimum=1)
    export_tflite: bool = parameter(
        False, "write model.tflite beside the SavedModel, with float32 weights"
    )

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: Naming the first that is out of bounds, or a model that cannot be meant.
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
        recipe = dataclasses.asdict(RECIPES[self.recipe])
        unset = (UNSET, UNSET_TEXT)
        given = {name for name in recipe if getattr(self, name) not in unset}
        return dataclasses.replace(
            self, **{name: value for name, value in recipe.items() if name not in given}
        )
