"""The train stage as a Kubeflow component."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from idxpipe.components.core.container_image import IMAGE


# The parameter `model` is `architecture` here: the output has that name, and a custom job of
# Vertex AI has an input `network` of its own.
@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    dataset: Input[Dataset],
    recipe: str,
    architecture: str,
    batch_size: int,
    train_steps: int,
    iterations: int,
    precision: str,
    optimizer: str,
    momentum: float,
    weight_decay: float,
    schedule: str,
    learning_rate: float,
    decay_steps: int,
    decay_rate: float,
    warmup: float,
    dropout: float,
    label_smoothing: float,
    class_weights: str,
    augment_shift: float,
    augment_rotate: float,
    augment_scale: float,
    shuffle_buffer: int,
    seed: int,
    memory_bytes: int,
    checkpoint_steps: int,
    validation_steps: int,
    keep_checkpoints: int,
    export_tflite: bool,
    accelerator: str,
    tpu: str,
    num_replicas: int,
    stage_bytes: int,
    model: Output[Model],
    checkpoints: Output[Artifact],
    logs: Output[Artifact],
):
    """Train a classifier on the TFRecord dataset, on from its checkpoints if there are any."""
    from idxpipe.components.core.artifacts import to_read, to_write
    from idxpipe.components.core.device import DeviceConfig
    from idxpipe.components.core.errors import exit_on_error
    from idxpipe.components.train.config import TrainConfig
    from idxpipe.components.train.stage import train

    with exit_on_error():
        config = TrainConfig.of({**locals(), "model": architecture})
        device = DeviceConfig.of(locals())
        result = train(
            to_read(dataset),
            to_write(model),
            to_write(checkpoints),
            to_write(logs),
            config,
            device,
        )
        model.metadata.update(
            framework="tensorflow",
            step=result.step,
            loss=result.loss,
            parameters=result.parameters,
            digest=result.digest,
        )
