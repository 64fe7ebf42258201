"""Train a classifier on a TFRecord dataset, from scratch or from its last checkpoint."""

import os

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import read_dataset
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.google.tpu_runtime import (
    accelerator_type,
    check_present,
    chips,
    prepare,
)
from idxpipe.components.core.narration import say
from idxpipe.components.core.tf_host import quiet_import
from idxpipe.components.train.classes import check_mixed
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.input.examples import fit_in_memory
from idxpipe.components.train.result import Folders, TrainResult


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
        UsageError: If the batch cannot be split over the replicas, the newest checkpoint is beyond
            `train_steps`, or examples are sorted by class and would stay so.
        DataError: If the dataset is damaged, the checkpoints belong to a different recipe, or the
            loss is no longer a finite number, or far above where it began.
        SetupError: If the accelerator is absent, memory is short, or an output cannot be written.
        TransientError: If SIGTERM came, and a checkpoint has been saved; or if a remote store
            failed again and again.
    """
    config = config.resolved()
    dataset = read_dataset(records)
    check_mixed(records, dataset, config.shuffle_buffer)
    in_memory = fit_in_memory(records, dataset, config.shuffle_buffer, config.memory_bytes)
    _prepare_tpu(device)
    with quiet_import("train"):
        from idxpipe.components.train import training

        strategy = training.choose_strategy(device)
    folders = Folders(records, model, checkpoints, logs)
    with storage.lock(folders.checkpoints, folders.model, folders.logs):
        return training.train(folders, dataset, config, device, strategy, in_memory=in_memory)


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
