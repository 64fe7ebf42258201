"""The pipeline: which stage takes what from which. Wiring only."""

import copy
from typing import Any

from kfp import dsl

from idxpipe.components.convert.component import convert
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core.device import DeviceConfig
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
from idxpipe.pipeline.catalogue import documented
from idxpipe.pipeline.vertex.custom_job import as_custom_job
from idxpipe.pipeline.vertex.targets import Target

NAME = "idxpipe"


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
    @documented
    def idx_to_model(
        data: str = "",
        data_prefix: str = "",
        train_images: str = "",
        train_labels: str = "",
        test_images: str = "",
        test_labels: str = "",
        num_classes: int = ValidateConfig.num_classes,
        image_shape: str = ValidateConfig.image_shape,
        label_column: int = ValidateConfig.label_column,
        transposed: bool = ValidateConfig.transposed,
        depth: str = ValidateConfig.depth,
        data_baseline: str = ValidateConfig.data_baseline,
        max_share_change: float = ValidateConfig.max_share_change,
        dataset_name: str = ConvertConfig.dataset_name,
        num_shards: int = ConvertConfig.num_shards,
        file_format: str = ConvertConfig.file_format,
        compression: str = ConvertConfig.compression,
        shuffle_seed: int = ConvertConfig.shuffle_seed,
        max_examples: int = ConvertConfig.max_examples,
        validation_fraction: float = ConvertConfig.validation_fraction,
        runner: str = ConvertConfig.runner,
        beam_options: str = ConvertConfig.beam_options,
        recipe: str = TrainConfig.recipe,
        model: str = TrainConfig.model,
        batch_size: int = TrainConfig.batch_size,
        train_steps: int = TrainConfig.train_steps,
        iterations: int = TrainConfig.iterations,
        precision: str = TrainConfig.precision,
        optimizer: str = TrainConfig.optimizer,
        momentum: float = TrainConfig.momentum,
        weight_decay: float = TrainConfig.weight_decay,
        schedule: str = TrainConfig.schedule,
        learning_rate: float = TrainConfig.learning_rate,
        decay_steps: int = TrainConfig.decay_steps,
        decay_rate: float = TrainConfig.decay_rate,
        warmup: float = TrainConfig.warmup,
        dropout: float = TrainConfig.dropout,
        label_smoothing: float = TrainConfig.label_smoothing,
        augment_shift: float = TrainConfig.augment_shift,
        augment_rotate: float = TrainConfig.augment_rotate,
        augment_scale: float = TrainConfig.augment_scale,
        shuffle_buffer: int = TrainConfig.shuffle_buffer,
        seed: int = TrainConfig.seed,
        memory_bytes: int = TrainConfig.memory_bytes,
        checkpoint_steps: int = TrainConfig.checkpoint_steps,
        validation_steps: int = TrainConfig.validation_steps,
        keep_checkpoints: int = TrainConfig.keep_checkpoints,
        export_tflite: bool = TrainConfig.export_tflite,
        accelerator: str = target.accelerator,
        tpu: str = DeviceConfig.tpu,
        num_replicas: int = target.num_replicas,
        stage_bytes: int = DeviceConfig.stage_bytes,
        eval_batch_size: int = EvaluateConfig.eval_batch_size,
        eval_steps: int = EvaluateConfig.eval_steps,
        top_k: int = EvaluateConfig.top_k,
        baseline: str = EvaluateConfig.baseline,
        baseline_alpha: float = EvaluateConfig.baseline_alpha,
        min_accuracy: float = GateConfig.min_accuracy,
    ):
        """Validate IDX files, convert them to TFRecord, train a classifier and evaluate it."""
        validated = validate(
            data=data,
            data_prefix=data_prefix,
            train_images=train_images,
            train_labels=train_labels,
            test_images=test_images,
            test_labels=test_labels,
            num_classes=num_classes,
            image_shape=image_shape,
            label_column=label_column,
            transposed=transposed,
            depth=depth,
            data_baseline=data_baseline,
            max_share_change=max_share_change,
        )
        # A fingerprint in the key of the stages after it makes new bytes at an old URI visible; but
        # only if this stage looks at them every time.
        validated.set_caching_options(False)

        converted = {}
        for split in ("train", "test"):
            outputs = validated.outputs
            converted[split] = _named(convert, f"convert-{split}")(
                images=outputs[f"{split}_images_uri"],
                labels=outputs[f"{split}_labels_uri"],
                images_fingerprint=outputs[f"{split}_images_fingerprint"],
                labels_fingerprint=outputs[f"{split}_labels_fingerprint"],
                split=split,
                num_classes=outputs["classes"],
                image_shape=outputs["shape"],
                label_column=label_column,
                transposed=transposed,
                dataset_name=dataset_name,
                num_shards=num_shards,
                file_format=file_format,
                compression=compression,
                shuffle_seed=shuffle_seed,
                max_examples=max_examples,
                validation_fraction=validation_fraction if split == "train" else 0.0,
                runner=runner,
                beam_options=beam_options,
            )

        device = {
            "accelerator": accelerator,
            "tpu": tpu,
            "num_replicas": num_replicas,
            "stage_bytes": stage_bytes,
        }
        trained = trainer(
            dataset=converted["train"].outputs["dataset"],
            recipe=recipe,
            architecture=model,
            batch_size=batch_size,
            train_steps=train_steps,
            iterations=iterations,
            precision=precision,
            optimizer=optimizer,
            momentum=momentum,
            weight_decay=weight_decay,
            schedule=schedule,
            learning_rate=learning_rate,
            decay_steps=decay_steps,
            decay_rate=decay_rate,
            warmup=warmup,
            dropout=dropout,
            label_smoothing=label_smoothing,
            augment_shift=augment_shift,
            augment_rotate=augment_rotate,
            augment_scale=augment_scale,
            shuffle_buffer=shuffle_buffer,
            seed=seed,
            memory_bytes=memory_bytes,
            checkpoint_steps=checkpoint_steps,
            validation_steps=validation_steps,
            keep_checkpoints=keep_checkpoints,
            export_tflite=export_tflite,
            **device,
        )
        evaluated = evaluate(
            dataset=converted["test"].outputs["dataset"],
            model=trained.outputs["model"],
            eval_batch_size=eval_batch_size,
            eval_steps=eval_steps,
            top_k=top_k,
            baseline=baseline,
            baseline_alpha=baseline_alpha,
            # The machine that was chosen is the trainer's alone.
            **(device if trainer is train else device | {"accelerator": "cpu"}),
        )
        # Not a custom job: each try would be paid for, and the job itself starts workers again.
        on_their_own = [trained] if trainer is train else []
        for task in (*converted.values(), *on_their_own, evaluated):
            task.set_retry(
                num_retries=2,
                backoff_duration="30s",
                backoff_factor=2.0,
                backoff_max_duration="300s",
            )
        # Apart from evaluate, whose metrics and report are there for a model that does not pass.
        gated = gate(metrics=evaluated.outputs["metrics"], min_accuracy=min_accuracy)
        if registry:
            registered = register(
                model=trained.outputs["model"],
                metrics=evaluated.outputs["metrics"],
                run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
                **registry.to_json(),
            )
            registered.after(gated)

    return idx_to_model
