"""What must not change between the runs that share a folder of checkpoints."""

from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.integrity.sealed import seal, unseal
from idxpipe.components.core.model import ModelCard
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.network.own_source import source_digest

RECIPE = "recipe.json"
SCHEMA_VERSION = 1
# Those of version 1 may be older than their checksums.
_SEALED_SINCE = 2

# How far, how often, under which name and what is made of it does not change what a step does.
_FREE = (
    "recipe",
    "train_steps",
    "iterations",
    "checkpoint_steps",
    "keep_checkpoints",
    "memory_bytes",
    "validation_steps",
    "export_tflite",
)


def recipe_of(config: TrainConfig, dataset: Dataset) -> dict[str, Any]:
    """Return the facts that fix the weights at every step, as JSON values.

    Args:
        config: A resolved recipe.
        dataset: What it is trained on.
    """
    facts = {name: value for name, value in config.to_json().items() if name not in _FREE}
    if config.schedule != "exponential":
        # The other schedules end where the training does.
        facts["train_steps"] = config.train_steps
    if facts["class_weights"] == "none":
        # As before there was a choice: earlier checkpoints go on.
        del facts["class_weights"]
    if dataset.pixel_range:
        facts["pixel_range"] = list(dataset.pixel_range)
    if ":" in config.model:
        facts["model_source"] = source_digest(config.model)
    return {
        "schema_version": SCHEMA_VERSION,
        **facts,
        "image_shape": list(dataset.image_shape),
        "image_dtype": dataset.image_dtype,
        "num_classes": dataset.num_classes,
        "num_examples": dataset.num_examples,
        "sources": dataset.sources,
    }


def other_training(card: ModelCard, config: TrainConfig, dataset: Dataset) -> str:
    """Return what tells a model's training from this one first; empty if nothing does.

    How far it was trained does not, nor what does not change what a step does.
    """
    for name in ("sources", "num_classes", "image_shape", "image_dtype"):
        if getattr(card, name) != getattr(dataset, name):
            return name
    facts = config.to_json()
    for name in sorted((facts.keys() | card.config.keys()) - set(_FREE)):
        if facts.get(name) != card.config.get(name):
            return name
    return ""


def check_recipe(uri: str, recipe: dict[str, Any], resuming: bool) -> None:
    """Compare `recipe` with the one beside the checkpoints in `uri`; write it if there is none.

    Args:
        uri: Folder of the checkpoints.
        recipe: From `recipe_of`.
        resuming: Whether there are checkpoints to go on from.

    Raises:
        DataError: If there are checkpoints, and they were made with a different recipe.
    """
    file = storage.join(uri, RECIPE)
    if not resuming:
        storage.write(file, seal(recipe, indent=2))
        return
    earlier = _read(file)
    for name in sorted({*recipe, *earlier}):
        if recipe.get(name) != earlier.get(name):
            raise DataError(
                f"checkpoints were made with a different {name}",
                where=uri,
                expected=f"{name} {earlier.get(name)!r}, as in {RECIPE}",
                found=f"{name} {recipe.get(name)!r}",
                remedy="give the earlier value to go on, or another folder to start anew",
            )


def earlier_precision(uri: str, resuming: bool) -> str:
    """Return the precision of the checkpoints in `uri`; empty if there are none."""
    return str(_read(storage.join(uri, RECIPE)).get("precision", "")) if resuming else ""


def _read(file: str) -> dict[str, Any]:
    try:
        return unseal(storage.read_document(file), _SEALED_SINCE)
    except (DataError, ValueError, TypeError, RecursionError):
        raise DataError(
            "checkpoints lie here without the recipe they were made with, or it is damaged",
            where=file,
            expected="JSON written by `idxpipe train`",
            remedy="give another checkpoint folder, or empty this one",
        ) from None
