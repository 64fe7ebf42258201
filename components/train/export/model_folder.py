"""The folder of a model: an earlier model there is replaced, what else lies there stays."""

import os
from collections.abc import Callable

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.integrity.digest import CARD
from idxpipe.components.core.model import ModelCard, read_card
from idxpipe.components.core.stores.litter import is_litter
from idxpipe.components.core.stores.local import TEMPORARY
from idxpipe.components.core.stores.temporary import temporary_folder
from idxpipe.components.core.transfer import upload
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.state.resume import other_training

# Tells, while a model is replaced, that what is left of it is ours.
_REPLACED = "model.json.replaced"
# All that `train` writes into the folder of a model, and TensorFlow for it.
_PARTS = frozenset(
    {
        CARD,
        _REPLACED,
        "README.md",
        "assets",
        "fingerprint.pb",
        "model.keras",
        "model.tflite",
        "saved_model.pb",
        "variables",
    }
)


def check_folder(uri: str, config: TrainConfig, dataset: Dataset, *, resuming: bool) -> None:
    """Check that a model's folder holds no other model, nor files where its own will be.

    Args:
        uri: The folder.
        config: What is to be trained, resolved.
        dataset: What it is to be trained on.
        resuming: Whether the checkpoints beside it are this training's: a model without a card is
            then what is left of its own.

    Raises:
        UsageError: If it does.
    """
    files = _files(uri)
    parts = sorted({_part_of(name) for name in files} & _PARTS)
    if not parts or _REPLACED in files or (resuming and CARD not in files):
        return
    try:
        earlier = read_card(uri)
    except DataError:
        raise UsageError(
            "the model's folder holds something else",
            where=uri,
            expected="an empty or new folder, or an earlier model of the same training",
            found=", ".join(parts[:3]),
            remedy="give the model a folder of its own",
        ) from None
    differing = other_training(earlier, config, dataset)
    if differing:
        raise UsageError(
            "the model's folder holds the model of another training",
            where=uri,
            expected=f"an empty or new folder, or a model with the same {differing}",
            found=f"a different {differing}, trained to step {earlier.step}",
            remedy="give the model a folder of its own, or move that one away",
        )


def replace(save: Callable[[str], ModelCard], uri: str) -> ModelCard:
    """Replace the files of the model in `uri` but for its card, without which there is no model.

    Whatever goes wrong before all files are written leaves an earlier model as it was. When the
    card is written, `forget_replaced` is due.

    Args:
        save: Writes the files into a local folder that is there, and returns the card.
        uri: The folder.
    """
    return _replace_local(save, uri) if storage.is_local(uri) else _replace_remote(save, uri)


def forget_replaced(uri: str) -> None:
    """Delete the mark that a model is being replaced."""
    storage.delete(storage.join(uri, _REPLACED))


def _replace_local(save: Callable[[str], ModelCard], uri: str) -> ModelCard:
    path = os.path.abspath(storage.local_path(uri))
    parent, name = os.path.split(path)
    temporary = os.path.join(parent, f"{TEMPORARY}{name}")
    storage.delete(temporary)
    try:
        os.makedirs(temporary)
        card = save(temporary)
        _unpublish(uri)
        for part in _PARTS - {_REPLACED}:
            storage.delete(os.path.join(path, part))
        os.makedirs(path, exist_ok=True)
        for part in os.listdir(temporary):
            os.replace(os.path.join(temporary, part), os.path.join(path, part))
    finally:
        storage.delete(temporary)
    return card


def _replace_remote(save: Callable[[str], ModelCard], uri: str) -> ModelCard:
    with temporary_folder("model") as folder:
        card = save(folder)
        files = storage.list_files(folder)
        _unpublish(uri)
        upload(folder, uri, files)
    for name in _files(uri) - files.keys() - {_REPLACED}:
        if _part_of(name) in _PARTS:
            storage.delete(storage.join(uri, name))
    return card


def _unpublish(uri: str) -> None:
    storage.write(storage.join(uri, _REPLACED), b"{}\n")
    storage.delete(storage.join(uri, CARD))


def _files(uri: str) -> set[str]:
    return {name for name in storage.list_files(uri) if not is_litter(name)}


def _part_of(name: str) -> str:
    return name.partition("/")[0]
