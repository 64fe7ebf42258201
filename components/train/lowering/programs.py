"""The programs that a TPU runs for a recipe, lowered to StableHLO by TensorFlow on any machine.

What is traced is the code that trains: `step.py`'s step and loop, the network, the optimizer, and
`export.py`'s serving function.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Self

import tensorflow as tf

from idxpipe.components.core.errors import SetupError
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.export.saved_model import Servable
from idxpipe.components.train.lowering.tracing_strategy import OneOfMany
from idxpipe.components.train.network.model import build_model, in_float32
from idxpipe.components.train.optimizer import build_optimizer
from idxpipe.components.train.step import make_loop, make_step
from idxpipe.components.train.strategy import check_batch_size

STEP, LOOP, SERVE = "train step", "train loop", "serve"


@dataclasses.dataclass(frozen=True)
class Program:
    """A function as a compiler takes it.

    Attributes:
        name: `STEP`, `LOOP` or `SERVE`.
        text: A StableHLO module.
        replicas: How many replicas run it together.
        examples: Examples that one run of it takes, over all replicas.
        steps: Training steps that one run takes; 0 if it does not train.
    """

    name: str
    text: str
    replicas: int
    examples: int
    steps: int


@dataclasses.dataclass(frozen=True)
class Images:
    """The images that a recipe is for.

    Attributes:
        shape: Shape of one image.
        dtype: What the records hold.
        num_classes: Number of classes.
    """

    shape: tuple[int, ...]
    dtype: str
    num_classes: int


def start() -> None:
    """Let TensorFlow look for devices, which it would else do, with noise, when first used."""
    tf.config.list_logical_devices()


def lower_step(config: TrainConfig, images: Images, replicas: int) -> Program:
    """Return one training step of one replica, with the all-reduce of its gradients.

    That is what TPUStrategy compiles: its loop over steps runs on the TPU's host.

    Args:
        config: A resolved recipe; `precision` is not auto.
        images: What it trains on.
        replicas: Replicas that share the global batch.

    Raises:
        UsageError: If the batch cannot be split evenly, or the user's model is not one.
        SetupError: If an operation has no implementation for TPUs, or a shape is not static.
    """
    trained = _Trained.build(config, images, replicas)

    def step(pixels: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return trained.strategy.run(trained.step, args=(pixels, labels))

    text = _lower(step, *_batch(images, config.batch_size // replicas))
    return Program(STEP, text, replicas, config.batch_size, 1)


def lower_loop(config: TrainConfig, images: Images, replicas: int) -> Program:
    """Return the whole loop of `config.iterations` steps as one program of one replica.

    Its batches are in the device's memory, all at once. Arguments and errors are `lower_step`'s.
    """
    trained = _Trained.build(config, images, replicas)
    loop = make_loop(trained.strategy, trained.step)
    steps = config.iterations

    def whole(pixels: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        batches = _Stacked(trained.optimizer, pixels, labels)
        total, taken = loop(batches, tf.constant(steps), tf.constant(0.0))
        return total / tf.cast(taken, tf.float32)

    share = config.batch_size // replicas
    text = _lower(whole, *_batch(images, steps, share))
    return Program(LOOP, text, replicas, steps * config.batch_size, steps)


def lower_serving(config: TrainConfig, images: Images, batch_size: int) -> Program:
    """Return the exported model's signature for batches of `batch_size`, on one replica.

    Raises:
        UsageError: If the user's model is not one.
        SetupError: If an operation has no implementation for TPUs, or a shape is not static.
    """
    network = build_model(config, images.shape, images.num_classes)
    served = in_float32(network, config, images.shape, images.num_classes)
    servable = Servable(served, images.shape, images.dtype)
    text = _lower(servable.serve, _batch(images, batch_size)[0])
    return Program(SERVE, text, 1, batch_size, 0)


@dataclasses.dataclass(frozen=True)
class _Trained:
    """What a step needs, as stage.py puts it together."""

    strategy: tf.distribute.Strategy
    optimizer: Any
    step: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

    @classmethod
    def build(cls, config: TrainConfig, images: Images, replicas: int) -> Self:
        check_batch_size(config.batch_size, replicas)
        strategy = OneOfMany(replicas) if replicas > 1 else tf.distribute.get_strategy()
        with strategy.scope():
            network = build_model(config, images.shape, images.num_classes)
            optimizer = build_optimizer(config, network.trainable_variables)
        return cls(strategy, optimizer, make_step(network, optimizer, config, tpu=True))


class _Stacked:
    """The batches of a loop from the device's memory, in place of the iterator over the host's."""

    def __init__(self, optimizer: Any, images: tf.Tensor, labels: tf.Tensor) -> None:
        self._optimizer = optimizer
        self._stacks = images, labels

    def __next__(self) -> tuple[tf.Tensor, ...]:
        number = self._optimizer.iterations.value % self._stacks[1].shape[0]
        return tuple(tf.gather(stack, number) for stack in self._stacks)


def _batch(images: Images, *batch: int) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    return tf.TensorSpec([*batch, *images.shape], images.dtype), tf.TensorSpec([*batch], tf.int64)


def _lower(function: Callable[..., Any], *arguments: tf.TensorSpec) -> str:
    """Return a function as StableHLO, every variable an argument that it may overwrite."""
    compiled = tf.function(function, jit_compile=True, autograph=False)
    # Where there is a GPU, TensorFlow would lower for that.
    with tf.device("CPU:0"):
        lower = compiled.experimental_get_compiler_ir(*arguments)
        try:
            text: str = lower(stage="stablehlo")
        except ValueError as error:
            raise _refused(str(error)) from None
    # The one operation that is not StableHLO's. It only forbids sharing a buffer, which whoever
    # compiles decides anew; a reshape to the same shape stands for "the same values".
    return re.sub(r"mhlo\.copy (\S+) : (\S+)", r"stablehlo.reshape \1 : (\2) -> \2", text)


def _refused(message: str) -> SetupError:
    """Return the error for a function that XLA does not take."""
    operations = re.search(r"on XLA_\w+: (.+?\))\{\{node", message, re.DOTALL)
    if operations:
        names = sorted(set(re.findall(r"(\w+) \(No registered", message)))
        problem, found = "operations that no TPU has", ", ".join(names)
        remedy = "leave them out of the network: no strings, no Python, no files in it"
    else:
        lines = [line.strip() for line in message.splitlines() if line.strip()]
        problem = "a function that XLA cannot compile"
        found = lines[0].removeprefix("Failed getting HLO text: '") if lines else "no reason given"
        remedy = "give every tensor a shape that does not depend on the values of others"
    places = [p for p in re.findall(r'File "([^"]+)", line (\d+)', message) if _is_users(p[0])]
    where = f"{places[-1][0]}:{places[-1][1]}" if places else None
    return SetupError(problem, where=where, found=found, remedy=remedy)


def _is_users(path: str) -> bool:
    return "site-packages" not in path and "components/train/" not in path
