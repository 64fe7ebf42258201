"""The training itself, from the checkpoints that there are to the published model."""

import dataclasses
import functools
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import keras
import tensorflow as tf

from idxpipe import __version__
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import (
    MANIFEST,
    VALIDATION,
    Dataset,
    read_dataset,
    shard_uris,
)
from idxpipe.components.core.dataset.staging import staged_shards
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.idx.look import look_of
from idxpipe.components.core.model import ModelCard
from idxpipe.components.core.narration import say
from idxpipe.components.train.classes import check_converged, class_weights
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.export.publish import (
    CHECKED,
    check_convertible,
    check_folder,
    publish_model,
)
from idxpipe.components.train.input.batches import make_batches
from idxpipe.components.train.input.examples import first_images, load_examples
from idxpipe.components.train.input.order import Order
from idxpipe.components.train.input.streaming import streamed_batches
from idxpipe.components.train.network.model import build_model, count_weights
from idxpipe.components.train.network.precision import choose_precision
from idxpipe.components.train.optimizer import build_optimizer
from idxpipe.components.train.result import Folders, TrainResult
from idxpipe.components.train.run import is_due, run
from idxpipe.components.train.state.checkpoints import Checkpoints, list_checkpoints
from idxpipe.components.train.state.history import History
from idxpipe.components.train.state.points import read_points
from idxpipe.components.train.state.resume import check_recipe, earlier_precision, recipe_of
from idxpipe.components.train.step import Loop, make_loop, make_step
from idxpipe.components.train.strategy import (
    check_batch_size,
    choose_strategy,
    describe_device,
    is_tpu,
)
from idxpipe.components.train.validation import make_validation

__all__ = ["choose_strategy", "train"]


def train(
    folders: Folders,
    dataset: Dataset,
    config: TrainConfig,
    device: DeviceConfig,
    strategy: tf.distribute.Strategy,
    *,
    in_memory: bool,
) -> TrainResult:
    """Train on a dataset with a strategy, and publish the model; otherwise as `stage.train`.

    The caller holds the lock of `folders.checkpoints`.

    Args:
        folders: Where to.
        dataset: The manifest of `folders.records`.
        config: The recipe's values and what overrides them.
        device: How the records are read.
        strategy: The replicas.
        in_memory: Whether all examples are held, or streamed.
    """
    check_batch_size(config.batch_size, strategy.num_replicas_in_sync)
    resuming = bool(list_checkpoints(folders.checkpoints))
    config, reason = _with_precision(config, folders, dataset, strategy, resuming=resuming)
    check_folder(folders.model, config, dataset, resuming=resuming)
    with strategy.scope():
        network = build_model(config, dataset.image_shape, dataset.num_classes)
        optimizer = build_optimizer(config, network.trainable_variables)
    lasts = functools.partial(is_due, config, config.checkpoint_steps)
    saved = Checkpoints(folders.checkpoints, network, optimizer, config.keep_checkpoints, lasts)
    resumed_from = saved.restore()
    _check_not_beyond(saved.step, config.train_steps, folders.checkpoints)
    parameters = count_weights(network)
    say(
        f"training on {strategy.num_replicas_in_sync} replica(s), {dataset.num_examples} examples, "
        f"{config.model} of {parameters} parameters in {config.precision} ({reason}), "
        f"from step {saved.step} to {config.train_steps}"
    )
    # What TFLite cannot hold is found out before the training, not after it.
    check_convertible(network, config, dataset.image_shape, dataset.image_dtype)
    with tf.device("CPU:0"):
        stop = tf.Variable(False, trainable=False)
    loop = _loop(strategy, network, optimizer, config, dataset, stop)
    with ExitStack() as stack:
        uris = shard_uris(folders.records, dataset)
        paths = stack.enter_context(staged_shards(uris, dataset, device.stage_bytes))
        some = first_images(paths, dataset, CHECKED)
        batches = _batches(stack, paths, dataset, config, strategy, in_memory=in_memory)
        history = History(folders.logs, resumed_from)
        validate = _validation(network, folders.records, dataset, config)
        rates = run(config, loop, batches, saved, history, stop, validate)
    device_facts = describe_device(strategy)
    look = look_of(some, dataset.pixel_range)
    card = _card(folders.model, saved, parameters, device_facts, config, dataset, look)
    check_converged(read_points(folders.logs), dataset.class_counts, saved.newest)
    points = read_points(folders.logs)
    published = publish_model(network, config, dataset, some, card, points)
    return TrainResult(
        step=saved.step,
        loss=saved.loss,
        examples_per_second=statistics.median(rates[1:] or rates or [0.0]),
        resumed_from=resumed_from,
        parameters=parameters,
        digest=published.digest,
    )


def _loop(
    strategy: tf.distribute.Strategy,
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    config: TrainConfig,
    dataset: Dataset,
    stop: tf.Variable,
) -> Loop:
    step = make_step(
        network,
        optimizer,
        config,
        tpu=is_tpu(strategy),
        pixel_range=dataset.pixel_range,
        class_weights=class_weights(config.class_weights, dataset.class_counts),
    )
    return make_loop(strategy, step, stop)


def _with_precision(
    config: TrainConfig,
    folders: Folders,
    dataset: Dataset,
    strategy: tf.distribute.Strategy,
    *,
    resuming: bool,
) -> tuple[TrainConfig, str]:
    """Return the configuration with the precision that it comes to, and why it is that.

    Raises:
        DataError: If the checkpoints belong to a different recipe.
    """
    earlier = earlier_precision(folders.checkpoints, resuming)
    precision, reason = choose_precision(config.precision, earlier, strategy)
    config = dataclasses.replace(config, precision=precision)
    check_recipe(folders.checkpoints, recipe_of(config, dataset), resuming)
    return config, reason


def _batches(
    stack: ExitStack,
    paths: list[str],
    dataset: Dataset,
    config: TrainConfig,
    strategy: tf.distribute.Strategy,
    *,
    in_memory: bool,
) -> Callable[[int, int], Any]:
    """Return what makes batches of the examples, which are held, or streamed until `stack` ends."""
    order = Order(dataset.num_examples, config.shuffle_buffer, config.seed)
    if in_memory:
        examples = load_examples(paths, dataset)
        # Local copies of the records are not needed any more.
        stack.close()
        return make_batches(strategy, *examples, dataset.image_shape, order, config.batch_size)
    say(f"examples are streamed, in windows of {order.window}")
    batches: Callable[[int, int], Any] = stack.enter_context(
        streamed_batches(strategy, paths, dataset, order, config.batch_size)
    )
    return batches


def _validation(
    network: keras.Model, records: str, trained_on: Dataset, config: TrainConfig
) -> Callable[[], dict[str, float]] | None:
    """Return what scores the network on the dataset's own validation set, if it has one."""
    folder = storage.join(records, VALIDATION)
    if not storage.exists(storage.join(folder, MANIFEST)):
        return None
    dataset = read_dataset(folder)
    uris = shard_uris(folder, dataset)
    return make_validation(network, uris, dataset, config.batch_size, trained_on.pixel_range)


def _card(
    model: str,
    saved: Checkpoints,
    parameters: int,
    device: dict[str, Any],
    config: TrainConfig,
    dataset: Dataset,
    look: dict[str, float],
) -> ModelCard:
    return ModelCard(
        uri=model,
        step=saved.step,
        loss=saved.loss,
        parameters=parameters,
        num_classes=dataset.num_classes,
        image_shape=dataset.image_shape,
        image_dtype=dataset.image_dtype,
        sources=dataset.sources,
        version=__version__,
        device=device,
        num_examples=dataset.num_examples,
        config=config.to_json(),
        pixel_range=dataset.pixel_range,
        layout=dataset.layout,
        class_names=dataset.class_names,
        look=look,
    )


def _check_not_beyond(step: int, train_steps: int, checkpoints: str) -> None:
    if step > train_steps:
        raise UsageError(
            "training has already gone beyond train_steps",
            where=checkpoints,
            expected=f"train_steps of at least {step}, the newest checkpoint's step",
            found=train_steps,
            remedy="raise train_steps, or give another checkpoint folder to start anew",
        )
