"""Where the four files of a data set are, from the names that publishers give them."""

import dataclasses
import re

from idxpipe.components.core import storage
from idxpipe.components.core.config import Config, parameter
from idxpipe.components.core.errors import DataError, UsageError

ROLES = ("train_images", "train_labels", "test_images", "test_labels")

# MNIST and its kin call the test split t10k; EMNIST and Kuzushiji-49 call it test.
# Source: the file lists on the publishers' pages of MNIST, Fashion-MNIST, KMNIST, EMNIST, QMNIST.
_SPLITS = {"train": "train", "test": "(?:test|t10k)"}
_KINDS = {"images": r"images[-.]idx[34]", "labels": r"labels[-.]idx[12]"}

# As publishers end the names of IDX files.
# Source: the list of types on http://yann.lecun.com/exdb/mnist/, "the IDX file format".
TYPE_WORDS = {
    "uint8": "ubyte",
    "int8": "byte",
    "int16": "short",
    "int32": "int",
    "float32": "float",
    "float64": "double",
}


@dataclasses.dataclass(frozen=True)
class DataConfig(Config):
    """Where a data set is."""

    data: str = parameter("", "folder with the four IDX files, found in it by their usual names")
    data_prefix: str = parameter(
        "",
        "what these names begin with, e.g. `emnist-letters`, where the folder holds several sets",
    )
    train_images: str = parameter("", "URI of the training images; empty looks in data")
    train_labels: str = parameter("", "URI of the training labels; empty looks in data")
    test_images: str = parameter("", "URI of the test images; empty looks in data")
    test_labels: str = parameter("", "URI of the test labels; empty looks in data")

    @property
    def uris(self) -> list[str]:
        """The URIs that are given."""
        return [uri for name in ("data", *ROLES) if (uri := getattr(self, name))]


@dataclasses.dataclass(frozen=True)
class DataFiles:
    """URIs of the four files."""

    train_images: str
    train_labels: str
    test_images: str
    test_labels: str


def find_files(config: DataConfig) -> DataFiles:
    """Return the URIs of the four files: those given, the rest by name from the folder.

    Raises:
        DataError: If a file is not there, or more than one could be meant.
        UsageError: If neither the folder nor all four files are given.
    """
    given = {role: getattr(config, role) for role in ROLES}
    missing = [role for role in ROLES if not given[role]]
    if missing and not config.data:
        raise UsageError(
            "no data set given",
            where="data",
            expected="a folder, or the URIs of all four files",
            found=f"no data and no {', '.join(missing)}",
        )
    names = storage.list_names(config.data) if missing else []
    for role in missing:
        given[role] = storage.join(config.data, _find(role, names, config))
    return DataFiles(**given)


def _find(role: str, names: list[str], config: DataConfig) -> str:
    split, kind = role.split("_")
    prefix = re.escape(config.data_prefix) + "-" if config.data_prefix else "(?:.+-)?"
    pattern = re.compile(rf"{prefix}{_SPLITS[split]}-{_KINDS[kind]}-?[a-z0-9]*(?:\.gz)?")
    matches = [name for name in names if pattern.fullmatch(name)]
    # A file and its .gz side by side are the same file; the unpacked one is quicker to read.
    plain = [name for name in matches if f"{name}.gz" in matches]
    if len(matches) - len(plain) != 1:
        usual = "train" if split == "train" else "t10k"
        rank = 3 if kind == "images" else 1
        raise DataError(
            f"no {split} {kind} file here" if not matches else f"several {split} {kind} files here",
            where=config.data,
            expected=f"one file named like {_begin(config)}{usual}-{kind}-idx{rank}-ubyte "
            "or with .gz",
            found=", ".join(matches or names[:8]) or "an empty or missing folder",
            remedy=(
                "set data_prefix to what the names of one of the data sets begin with, or "
                if matches
                else ""
            )
            + f"name the file itself: --{role.replace('_', '-')} URI of validate, "
            f"--set {role}=URI of run",
        )
    return plain[0] if plain else matches[0]


def _begin(config: DataConfig) -> str:
    return f"{config.data_prefix}-" if config.data_prefix else ""
