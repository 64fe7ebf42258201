"""Where the four files of a data set are, from the names that publishers give them."""

import dataclasses
import os
import re

from idxpipe.components.core import storage
from idxpipe.components.core.config import Config, parameter
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.idx.folders import (
    NOWHERE,
    advice,
    listed,
    names_below,
    names_in,
    sets_below,
    several_sets,
    similar_folder,
    walk,
    what_is_here,
)
from idxpipe.components.core.narration import say

ROLES = ("train_images", "train_labels", "test_images", "test_labels")

# MNIST and its kin call the test split t10k; EMNIST and Kuzushiji-49 call it test.
# Source: the file lists on the publishers' pages of MNIST, Fashion-MNIST, KMNIST, EMNIST, QMNIST.
_SPLITS = {"train": "train", "test": "(?:test|t10k)"}
# Folders in which torchvision and EMNIST's archive keep the files of a data set.
_INSIDE = ("raw", "gzip")
# And those that hold any.
_NO_NAMES = ("data", "archive", "input", "train", "test")
_LONGEST_NAME = 64
UNNAMED = "idx"
_KINDS = {"images": r"images[-.]idx[234]", "labels": r"labels[-.]idx[12]"}

_IMAGES = re.compile(
    rf"(?:(?P<name>.+)-)?(?:train|val|{_SPLITS['test']})-{_KINDS['images']}.*", re.IGNORECASE
)

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

    Where none of them is in the folder, folders in it and in those are looked into: torchvision
    keeps data in NAME/raw, archives from Kaggle have each file in a folder of its name.

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
    found = _found(missing, config) if missing else {}
    return DataFiles(**{role: given[role] or found[role] for role in ROLES})


def name_of_data(images: str) -> str:
    """Return what the data set is called whose images these are: letters, digits and _.

    That is what the file's name begins with, such as emnist-letters, else the folder's name.

    Args:
        images: URI of an images file.
    """
    *folders, file = _path(images).rstrip("/").split("/")
    begin = _IMAGES.fullmatch(file)
    # Archives from Kaggle have each file in a folder of its name.
    nearest = next((f for f in reversed(folders) if f not in (*_INSIDE, file)), "")
    for name in (begin["name"] or "" if begin else "", nearest):
        word = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST_NAME]
        if word and word[0].isalpha() and word not in _NO_NAMES:
            return word
    return UNNAMED


def _path(uri: str) -> str:
    if storage.is_local(uri):
        return os.path.abspath(storage.local_path(uri))
    # A bucket is named by whom it belongs to.
    return uri.partition("://")[2].partition("/")[2]


def _found(roles: list[str], config: DataConfig) -> dict[str, str]:
    """Return the URIs of the files of some roles: from the folder, or the one set below it."""
    names = names_in(config.data)
    matches = {role: _matches(role, names, config.data_prefix) for role in roles}
    if not any(matches.values()):
        sets = sets_below(config.data, lambda names: _complete(roles, names, config.data_prefix))
        if len(sets) == 1:
            folder, found = sets[0]
            say(f"the data set is in {folder}")
            return found
        if sets:
            raise several_sets(config.data, [folder for folder, _ in sets])
        nearest = _nearest(roles, config)
        if nearest:
            return _found(roles, dataclasses.replace(config, data=nearest))
    for role in roles:
        if len(matches[role]) != 1:
            raise _not_one(role, matches[role], names, config)
    return {role: storage.join(config.data, matches[role][0]) for role in roles}


def _nearest(roles: list[str], config: DataConfig) -> str:
    """Return the only folder below that has files of some of the roles; empty if none or several.

    What is wrong there is then said of it.
    """
    having = [
        folder
        for folder in walk(config.data)
        if any(_matches(role, names_in(folder), "") for role in roles)
    ]
    return having[0] if len(having) == 1 and having[0] != config.data else ""


def _complete(roles: list[str], names: list[str], prefix: str) -> dict[str, str]:
    """Return a name for each role; none if one has none or several."""
    matches = {role: _matches(role, names, prefix) for role in roles}
    if any(len(found) != 1 for found in matches.values()):
        return {}
    return {role: found[0] for role, found in matches.items()}


def _matches(role: str, names: list[str], prefix: str) -> list[str]:
    """Return the names that a role's file may have; of a file and its .gz the unpacked one."""
    split, kind = role.split("_")
    begin = re.escape(prefix.removesuffix("-")) + "-" if prefix else "(?:.+-)?"
    pattern = re.compile(rf"{begin}{_SPLITS[split]}-{_KINDS[kind]}-?[a-z0-9]*(?:\.gz)?")
    matches = [name for name in names if pattern.fullmatch(storage.name_of(name))]
    packed = {f"{name}.gz" for name in matches}
    matches = [name for name in matches if name not in packed]
    # The same set once with dots, as some archives unpack, and once with dashes.
    dotted = {name.replace("-idx", ".idx") for name in matches if "-idx" in name}
    return [name for name in matches if name not in dotted]


def _not_one(role: str, matches: list[str], names: list[str], config: DataConfig) -> DataError:
    split, kind = role.split("_")
    usual = "train" if split == "train" else "t10k"
    rank = 3 if kind == "images" else 1
    begin = f"{config.data_prefix.removesuffix('-')}-" if config.data_prefix else ""
    here = listed(matches) if matches else what_is_here(config.data, names)
    if here == NOWHERE:
        near = similar_folder(config.data)
        return DataError(
            NOWHERE,
            where=config.data,
            expected="a folder with the four files of a data set",
            remedy=f"did you mean {near}?"
            if near
            else "check the path; idxpipe fetch brings MNIST",
        )
    itself = f"name the file itself as {role}: its URI"
    begins = {re.split(rf"{_SPLITS[split]}-{kind}", name)[0] for name in matches}
    if len(begins) > 1:
        prefixes = " or ".join(sorted(begin.rstrip("-") for begin in begins if begin))
        itself = f"set data_prefix to {prefixes}, or {itself}"
    # Of a picture folder's classes, where there is no file in it.
    given = names or names_below(config.data) or [storage.name_of(config.data)]
    other = "" if matches else advice(given)
    return DataError(
        f"no {split} {kind} file here" if not matches else f"several {split} {kind} files here",
        where=config.data,
        expected=f"one file named like {begin}{usual}-{kind}-idx{rank}-ubyte or with .gz",
        found=here,
        remedy=other or itself,
    )
