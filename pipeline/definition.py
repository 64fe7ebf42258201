"""The pipeline: which stage takes what from which. Wiring only."""

import copy
from typing import Any

from kfp import dsl

from idxpipe.components.convert.component import convert
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.idx.files import DataConfig
from idxpipe.components.evaluate.component import evaluate
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.gate.component import gate
from idxpipe.components.gate.config import GateConfig
from idxpipe.components.register.component import register
from idxpipe.components.register.config import RegisterConfig
from idxpipe.components.train.component import train
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.validate.component import validate
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.pipeline.catalogue import select, with_parameters
from idxpipe.pipeline.vertex.custom_job import as_custom_job
from idxpipe.pipeline.vertex.targets import Target

NAME = "idxpipe"
# How files are to be read; validate says the rest of their layout itself.
_LAYOUT = (
    "label_column",
    "transposed",
    "one_hot",
    "label_offset",
    "channels_first",
    "flattened",
    "pixel_range",
)


def _named(component, name):
    """Return the component under another name, so that each task is called by its stage."""
    twin = copy.copy(component)
    twin.component_spec = copy.deepcopy(component.component_spec)
    twin.component_spec.name = name
    return twin


def define(target: Target, train_image: str, registry: RegisterConfig | None) -> Any:
    """Return the pipeline, its train stage on the machine of `target`.

    Args:
        target: The machine; one without a machine type leaves it to whoever runs the pipeline.
        train_image: Image for that machine; empty is the one of the other stages.
        registry: Where a last stage registers the model; None leaves that stage out.
    """
    trainer = as_custom_job(train, target, train_image) if target.machine_type else train

    @dsl.pipeline(name=NAME)
    @with_parameters(accelerator=target.accelerator, num_replicas=target.num_replicas)
    def idx_to_model(given):
        """Validate IDX files, convert them to TFRecord, train a classifier and evaluate it."""
        validated = validate(**select(given, DataConfig, ValidateConfig))
        # A fingerprint in the key of the stages after it makes new bytes at an old URI visible; but
        # only if this stage looks at them every time.
        validated.set_caching_options(False)
        converted = {split: _convert(given, validated, split) for split in ("train", "test")}
        parameters = select(given, TrainConfig)
        device = select(given, DeviceConfig)
        trained = trainer(
            dataset=converted["train"].outputs["dataset"],
            architecture=parameters.pop("model"),
            **parameters,
            **device,
        )
        evaluated = evaluate(
            dataset=converted["test"].outputs["dataset"],
            model=trained.outputs["model"],
            **select(given, EvaluateConfig),
            # The machine that was chosen is the trainer's alone.
            **(device if trainer is train else device | {"accelerator": "cpu"}),
        )
        # Not a custom job: each try would be paid for, and the job itself starts workers again.
        on_their_own = [trained] if trainer is train else []
        _try_again([*converted.values(), *on_their_own, evaluated])
        # Apart from evaluate, whose metrics and report are there for a model that does not pass.
        gated = gate(metrics=evaluated.outputs["metrics"], **select(given, GateConfig))
        if registry:
            registered = register(
                model=trained.outputs["model"],
                metrics=evaluated.outputs["metrics"],
                run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
                **registry.to_json(),
            )
            registered.after(gated)

    return idx_to_model


def _convert(given, validated, split):
    """Add the conversion of one split, as validate found it."""
    outputs = validated.outputs
    parameters = select(given, ConvertConfig)
    if split != "train":
        parameters["validation_fraction"] = 0.0
    return _named(convert, f"convert-{split}")(
        images=outputs[f"{split}_images_uri"],
        labels=outputs[f"{split}_labels_uri"],
        images_fingerprint=outputs[f"{split}_images_fingerprint"],
        labels_fingerprint=outputs[f"{split}_labels_fingerprint"],
        split=split,
        class_names=outputs["class_names"],
        num_classes=outputs["classes"],
        image_shape=outputs["shape"],
        **{name: given[name] for name in _LAYOUT},
        **parameters,
    )


def _try_again(tasks):
    """Let tasks be tried again, twice."""
    for task in tasks:
        task.set_retry(
            num_retries=2,
            backoff_duration="30s",
            backoff_factor=2.0,
            backoff_max_duration="300s",
        )
