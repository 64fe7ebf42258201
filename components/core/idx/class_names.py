"""The names of classes, where somebody wrote them beside the labels."""

import json
import re
from collections.abc import Callable

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.narration import say

# What `idxpipe import` writes.
CLASSES = "classes.json"
# What EMNIST's publishers put beside PREFIX-train-labels-...: label, upper and lower case by their
# code points. Source: https://www.nist.gov/itl/products-and-services/emnist-dataset
_MAPPING = "-mapping.txt"
_LABELS = re.compile(r"(.+)-(?:train|test)-labels[-.]idx.*")
# More is handed on by no service as a parameter.
_MOST_BYTES = 16 << 10

Reader = Callable[[str, int], tuple[str, ...]]


def class_names_beside(labels: str, num_classes: int, label_offset: int = 0) -> tuple[str, ...]:
    """Return a name for each class, as a file beside the labels says; none if there is none.

    A file that does not fit is left out, with a word.

    Args:
        labels: URI of a labels file.
        num_classes: How many names there should be.
        label_offset: The label of class 0.
    """
    folder, _, name = labels.rpartition("/")
    match = _LABELS.fullmatch(name)
    places: dict[str, Reader] = {storage.join(folder or ".", CLASSES): _from_json}
    if match:
        places[storage.join(folder or ".", match[1] + _MAPPING)] = _from_mapping
    for uri, read in places.items():
        try:
            if not storage.exists(uri):
                continue
            text = storage.read(uri).decode() if storage.size(uri) <= _MOST_BYTES else ""
            found = read(text, label_offset)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IdxpipeError):
            found = ()
        if len(found) == num_classes:
            return found
        say(f"{uri}: no names of {num_classes} classes; classes are called by their numbers")
    return ()


def dumps(names: tuple[str, ...]) -> str:
    """Return names as one parameter of a pipeline; empty if there are none."""
    return json.dumps(list(names)) if names else ""


def loads(text: str) -> tuple[str, ...]:
    """Return what `dumps` was given."""
    return tuple(json.loads(text)) if text else ()


def _from_json(text: str, offset: int) -> tuple[str, ...]:
    del offset
    names = json.loads(text)["class_names"]
    good = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    return tuple(names) if good else ()


def _from_mapping(text: str, offset: int) -> tuple[str, ...]:
    names = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        label, *codes = map(int, line.split())
        names[label - offset] = "/".join(map(chr, codes))
    return tuple(names[number] for number in range(len(names)))
