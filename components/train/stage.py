"""Train a classifier on a TFRecord dataset, from scratch or from its last checkpoint."""

import dataclasses
import os
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

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
from idxpipe.components.core.narration import say
from idxpipe.components.core.tf_host import quiet_import
from idxpipe.components.core.tpu_runtime import accelerator_type, check_present, chips, prepare
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.input.examples import first_images, fit_in_memory, load_examples
from idxpipe.components.train.state.resume import check_recipe, earlier_precision, recipe_of

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What a training came to.

    Attributes:
        step: Global step of the exported model.
        loss: Mean training loss of the last host loop.
        examples_per_second: Median over this run's loops, without the first one, which also
            compiles; 0 if nothing was left to train.
        resumed_from: Global step of the checkpoint that this run went on from, if any.
        parameters: Number of trained weights.
    """

    step: int
    loss: float
    examples_per_second: float
    resumed_from: int | None
    parameters: int


def train(
    records: str,
    model: str,
    checkpoints: str,
    logs: str,
    config: TrainConfig,
    device: DeviceConfig,
) -> TrainResult:
    """Train to global step `config.train_steps` and export the model.

    Run again with the same folders it goes on from the newest checkpoint, and ends with the same
    weights, bit for bit on one machine, as if it had never been interrupted.

    Args:
        records: Folder of a finished dataset.
        model: Folder for the SavedModel and its model.json.
        checkpoints: Folder for the checkpoints and their recipe.json.
        logs: Folder for TensorBoard's events and history.json.
        config: The recipe, and what overrides it.
        device: What to train on.

    Returns:
        What it came to.

    Raises:
        UsageError: If the batch cannot be split over the replicas, or the newest checkpoint is
            beyond `train_steps`.
        DataError: If the dataset is damaged, the checkpoints are of another recipe, or the loss is
            no longer a finite number.
        SetupError: If the accelerator is absent, memory is short, or an output cannot be written.
        TransientError: If SIGTERM came, and a checkpoint has been saved; or if a remote store
            failed again and again.
    """
    config = config.resolved()
    dataset = read_dataset(records)
    in_memory = fit_in_memory(records, dataset, config.shuffle_buffer, config.memory_bytes)
    _prepare_tpu(device)
    with quiet_import():
        from idxpipe.components.train.export.publish import (
            CHECKED,
            check_convertible,
            check_folder,
            publish_model,
        )
        from idxpipe.components.train.input.batches import make_batches
        from idxpipe.components.train.input.order import Order
        from idxpipe.components.train.input.streaming import streamed_batches
        from idxpipe.components.train.network.model import build_model, count_weights
        from idxpipe.components.train.network.precision import choose_precision
        from idxpipe.components.train.optimizer import build_optimizer
        from idxpipe.components.train.run import run
        from idxpipe.components.train.state.checkpoints import Checkpoints, list_checkpoints
        from idxpipe.components.train.state.history import History, read_points
        from idxpipe.components.train.step import make_loop, make_step
        from idxpipe.components.train.strategy import (
            check_batch_size,
            choose_strategy,
            describe_device,
            is_tpu,
        )

        strategy = choose_strategy(device)
    check_batch_size(config.batch_size, strategy.num_replicas_in_sync)
    check_folder(model)
    resuming = bool(list_checkpoints(checkpoints))
    earlier = earlier_precision(checkpoints, resuming)
    precision, reason = choose_precision(config.precision, earlier, strategy)
    config = dataclasses.replace(config, precision=precision)
    check_recipe(checkpoints, recipe_of(config, dataset), resuming)

    with strategy.scope():
        network = build_model(config, dataset.image_shape, dataset.num_classes)
        optimizer = build_optimizer(config, network.trainable_variables)
    saved = Checkpoints(checkpoints, network, optimizer, config.keep_checkpoints)
    resumed_from = saved.restore()
    _check_not_beyond(saved.step, config.train_steps, checkpoints)
    parameters = count_weights(network)
    say(
        f"training on {strategy.num_replicas_in_sync} replica(s), {dataset.num_examples} examples, "
        f"{config.model} of {parameters} parameters in {precision} ({reason}), "
        f"from step {saved.step} to {config.train_steps}"
    )

    # What TFLite cannot hold is found out before the training, not after it.
    check_convertible(network, config, dataset.image_shape, dataset.image_dtype)
    order = Order(dataset.num_examples, config.shuffle_buffer, config.seed)
    loop = make_loop(strategy, make_step(network, optimizer, config, tpu=is_tpu(strategy)))
    with ExitStack() as stack:
        paths = stack.enter_context(
            staged_shards(shard_uris(records, dataset), dataset, device.stage_bytes)
        )
        some = first_images(paths, dataset, CHECKED)
        if in_memory:
            examples = load_examples(paths, dataset)
            stack.close()
            batches = make_batches(
                strategy, *examples, dataset.image_shape, order, config.batch_size
            )
        else:
            say(f"examples are streamed, in windows of {order.window}")
            batches = stack.enter_context(
                streamed_batches(strategy, paths, dataset, order, config.batch_size)
            )
        rates = run(
            config,
            loop,
            batches,
            saved,
            History(logs, resumed_from),
            _validation(network, records, config),
        )

    facts = {
        "step": saved.step,
        "loss": saved.loss,
        "parameters": parameters,
        "device": describe_device(strategy),
    }
    publish_model(
        network, config, dataset, some, _card(facts, config, dataset), read_points(logs), model
    )
    return TrainResult(
        step=saved.step,
        loss=saved.loss,
        examples_per_second=statistics.median(rates[1:] or rates or [0.0]),
        resumed_from=resumed_from,
        parameters=parameters,
    )


def _validation(
    network: Any, records: str, config: TrainConfig
) -> Callable[[], dict[str, float]] | None:
    """Return what scores the network on the dataset's own validation set, if it has one."""
    from idxpipe.components.train.validation import make_validation

    folder = storage.join(records, VALIDATION)
    if not storage.exists(storage.join(folder, MANIFEST)):
        return None
    dataset = read_dataset(folder)
    return make_validation(network, shard_uris(folder, dataset), dataset, config.batch_size)


def _card(facts: dict[str, Any], config: TrainConfig, dataset: Dataset) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        **facts,
        "num_classes": dataset.num_classes,
        "image_shape": list(dataset.image_shape),
        "image_dtype": dataset.image_dtype,
        "num_examples": dataset.num_examples,
        "sources": dataset.sources,
        "config": config.to_json(),
    }


def _prepare_tpu(device: DeviceConfig) -> None:
    """Choose the runtime for the TPU of this machine, if one is asked for, and say which."""
    if not device.is_local_tpu:
        return
    check_present()
    count, generation = chips()
    kind = accelerator_type() or generation
    runtime = prepare(os.environ, kind)
    found = f"{count} chip{'s' * (count != 1)}" if count else "no chip seen on this machine"
    say(f"TPU {kind or 'of a type that this machine does not tell'}, {found}, runtime {runtime}")


def _check_not_beyond(step: int, train_steps: int, checkpoints: str) -> None:
    if step > train_steps:
        raise UsageError(
            "training has already gone beyond train_steps",
            where=checkpoints,
            expected=f"train_steps of at least {step}, the newest checkpoint's step",
            found=train_steps,
            remedy="raise train_steps, or give another checkpoint folder to start anew",
        )
