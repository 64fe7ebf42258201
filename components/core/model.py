"""model.json, what a trained model says of itself: train writes it, last; others read it.

A model exists when its model.json does.
"""

import dataclasses
import math
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.codes import Code
from idxpipe.components.core.dataset.manifest import Dataset, check_meaning
from idxpipe.components.core.errors import NO_CACHE, DataError
from idxpipe.components.core.idx.header import ITEM_BYTES
from idxpipe.components.core.idx.look import scales_differ
from idxpipe.components.core.integrity.digest import CARD, FileDigest, digest_of
from idxpipe.components.core.integrity.sealed import seal, unseal

SCHEMA_VERSION = 2
# Cards of version 1 list no digests, and have no checksum of themselves.
_READABLE = (1, 2)
_SEALED_SINCE = 2
# No stage relies on them.
_MEANING = ("pixel_range", "layout", "class_names", "look")
_OPTIONAL = ("device", "num_examples", "config", "files", "digests", *_MEANING)


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What a model says of itself.

    Attributes:
        uri: Folder of the SavedModel.
        step: Global step it was trained to.
        loss: Its training loss.
        parameters: Number of weights.
        num_classes: Width of its logits.
        image_shape: Shape of one image it takes.
        image_dtype: Type of the pixels it takes.
        sources: Fingerprints of the files it was trained on, by role.
        version: The idxpipe that made it.
        device: What it was trained on: accelerator and number of replicas.
        num_examples: How many examples it was trained on.
        config: Every parameter of the training, with the recipe's values.
        files: The formats that lie beside the SavedModel, by file name.
        pixel_range: The pixels that the model takes for 0 and 1; None is the range of uint8.
        layout: What of the layout of its training's IDX files is not the usual.
        class_names: A name for each class; empty if none are known.
        look: What its training images look like: see `look.look_of`.
        digests: Of each file of the model but its model.json, by name; empty in older cards.
    """

    uri: str
    step: int
    loss: float
    parameters: int
    num_classes: int
    image_shape: tuple[int, ...]
    image_dtype: str
    sources: dict[str, str]
    version: str
    device: dict[str, Any] = dataclasses.field(default_factory=dict)
    num_examples: int = 0
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    files: tuple[str, ...] = ()
    pixel_range: tuple[float, float] | None = None
    layout: dict[str, Any] = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    look: dict[str, float] = dataclasses.field(default_factory=dict)
    digests: dict[str, FileDigest] = dataclasses.field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest of the model, as `digest_of` has it; empty if its card lists none."""
        return digest_of(self.digests)

    def __post_init__(self) -> None:
        """Check what the rest relies on.

        Raises:
            ValueError: Naming the first value that cannot be.
        """
        checks = {
            "image_shape": len(self.image_shape) in (2, 3)
            and all(map(_positive, self.image_shape)),
            "image_dtype": self.image_dtype in tuple(ITEM_BYTES),
            "num_classes": _positive(self.num_classes),
            "parameters": _positive(self.parameters),
            "step": _positive(self.step),
            "loss": type(self.loss) in (int, float) and math.isfinite(self.loss),
            "sources": isinstance(self.sources, dict)
            and all(isinstance(value, str) for value in self.sources.values()),
            "version": isinstance(self.version, str),
            "look": isinstance(self.look, dict),
        }
        for name, good in checks.items():
            if not good:
                raise ValueError(f"{name}: {getattr(self, name)!r}")
        check_meaning(self.pixel_range, self.layout, self.class_names, self.num_classes)

    def to_json(self) -> dict[str, Any]:
        """Return what model.json holds."""
        return {
            "schema_version": SCHEMA_VERSION,
            "version": self.version,
            "step": self.step,
            "loss": self.loss,
            "parameters": self.parameters,
            "device": self.device,
            "num_classes": self.num_classes,
            "image_shape": list(self.image_shape),
            "image_dtype": self.image_dtype,
            "num_examples": self.num_examples,
            "sources": self.sources,
            "config": self.config,
            "files": list(self.files),
            "digest": self.digest,
            "digests": {name: one.to_json() for name, one in sorted(self.digests.items())},
            **{name: value for name in _MEANING if (value := getattr(self, name))},
        }


def write_card(card: ModelCard) -> None:
    """Write the model.json of the model in `card.uri`, which makes it exist.

    Raises:
        SetupError: If it cannot be written.
        TransientError: If a remote store fails again and again.
    """
    storage.write(storage.join(card.uri, CARD), seal(card.to_json(), indent=2))


def read_card(uri: str) -> ModelCard:
    """Read the card of the model in `uri`, or in the folder `model` below it.

    Raises:
        DataError: If there is none, or it cannot be trusted.
    """
    folders = [uri.rstrip("/"), storage.join(uri, "model")]
    found = [folder for folder in folders if storage.exists(storage.join(folder, CARD))]
    if not found:
        raise DataError(
            "no model here",
            where=uri,
            expected=f"a finished training with its {CARD}",
            remedy=f"run `idxpipe train` to the end, or check the path; {NO_CACHE}",
        )
    file = storage.join(found[0], CARD)
    body = _parse(file)
    try:
        values = {
            field.name: body[field.name]
            for field in dataclasses.fields(ModelCard)
            if field.name != "uri" and (field.name in body or field.name not in _OPTIONAL)
        }
        for name in ("image_shape", "files", "class_names"):
            values[name] = tuple(values.get(name, ()))
        listed = values.get("digests", {})
        values["digests"] = {name: FileDigest.from_json(one) for name, one in listed.items()}
        if values.get("pixel_range"):
            values["pixel_range"] = tuple(values["pixel_range"])
        return ModelCard(found[0], **values)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            "model's card is incomplete", where=file, found=str(error), remedy="train again"
        ) from None
    except ValueError as error:
        raise DataError(
            "model's card says what cannot be", where=file, found=str(error), remedy="train again"
        ) from None


def check_match(card: ModelCard, dataset: Dataset, records: str) -> None:
    """Check that the model takes what the dataset holds.

    Raises:
        DataError: Naming what differs, with both values.
    """
    for name in ("image_shape", "image_dtype", "num_classes"):
        takes, holds = getattr(card, name), getattr(dataset, name)
        if takes != holds:
            raise DataError(
                f"model and dataset differ in {name}",
                where=records,
                expected=f"{takes}, which the model in {card.uri} was trained on",
                found=holds,
                remedy="evaluate on a split of the data set that the model was trained on",
            )
    _check_scale(card, dataset, records)


def _check_scale(card: ModelCard, dataset: Dataset, records: str) -> None:
    """Check that pixels of the dataset are of the scale of the training's.

    Raises:
        DataError: If they are not.
    """
    takes, holds = card.pixel_range, dataset.pixel_range
    if takes and holds and scales_differ(takes, holds):
        raise DataError(
            "pixels are of another scale than those of the training",
            where=records,
            expected="about {:g} to {:g}, as in the training".format(*takes),
            found="{:g} to {:g}".format(*holds),
            remedy="scale both splits alike, then validate and convert them again",
            code=Code.SPLIT_SCALES,
        )


def _positive(value: Any) -> bool:
    return type(value) is int and value > 0


def _parse(file: str) -> dict[str, Any]:
    try:
        body = unseal(storage.read_document(file), _SEALED_SINCE)
        version = body["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            "not a model's card, or no longer what was written",
            where=file,
            found=str(error),
            remedy="train again",
        ) from None
    if version not in _READABLE:
        raise DataError(
            "model's card has a schema version that this idxpipe cannot read",
            where=file,
            expected=SCHEMA_VERSION,
            found=version,
            remedy="use the idxpipe that wrote it, or train again",
        )
    return body
